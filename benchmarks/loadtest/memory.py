# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memory for ten million requests: the recorder alone with that many, and a real run for comparison.

python benchmarks/loadtest/memory.py [--requests 10000000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

import bench
import peers

RECORD = """
import json, random, resource, sys, time, types
package = types.ModuleType("ansible_collections")
package.__path__ = [%r]
sys.modules["ansible_collections"] = package
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.record import Record
record, count, rng = Record(0), %d, random.Random(1)
pool = [int(rng.lognormvariate(15, 0.6)) for _each in range(200000)]
begin = time.process_time()
now = 0
for chunk in range(count // 2000):
    slot = record.slot("good" if chunk %% 4 else "bad", "v1")
    at = chunk * 2000 %% 198000
    slot.latency, slot.service = pool[at:at + 2000], pool[at:at + 2000]
    slot.values = [float(value) for value in pool[at:at + 2000]]
    slot.first = slot.last = now
    record.sent += 2000
    now += 100000000
    record.flush(now)
cpu = time.process_time() - begin
record.latencies.summary([0.5, 0.999])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"requests": record.latencies.count, "peak_mb": peak, "of_that_python_mb": base,
                  "record_us_per_request": 1e6 * cpu / record.sent}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10000000)
    parser.add_argument("--save")
    arguments = parser.parse_args()
    program = RECORD % (
        str(bench.HERE.parents[1] / ".collections/ansible_collections"),
        arguments.requests,
    )
    found = {
        "recorder": json.loads(
            subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
        )
    }
    print(found["recorder"])
    with tempfile.TemporaryDirectory() as folder, bench.nginx(folder) as port:
        output, _cpu, wall = bench.run(
            peers.ours(url="http://127.0.0.1:%d/different" % port, count=500000, connections=64)
        )
        result = json.loads(output.splitlines()[-1])
        found["run"] = {
            "requests": result["requests"],
            "peak_mb": result["peak_mb"],
            "wall_seconds": round(wall, 1),
        }
        print(found["run"])
    if arguments.save:
        bench.save(arguments.save, found)


if __name__ == "__main__":
    main()
