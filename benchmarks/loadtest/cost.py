# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests per second of the client's processor time, relative to wrk in the same round.

python benchmarks/loadtest/cost.py [--seconds 3] [--rounds 5] [--connections 64]
The processor time is that of the whole process, start included; requests are counted by nginx.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import urllib.request

import bench
import peers

# Lean looks at status and headers only; the others read every answer and split it by predictor. Of the
# answers of "different" no two are the same, those of "same" are what a cache would give.
OURS = {
    "ours lean": ("same", {"protocol": "raw"}),
    "ours full, same answers": ("same", {}),
    "ours full, different answers": ("different", {}),
}


def served(port):
    text = urllib.request.urlopen("http://127.0.0.1:%d/status" % port).read().decode()
    return int(text.splitlines()[2].split()[2])


def measure(name, tools, port, folder, seconds, connections):
    path, extra = OURS.get(name, ("different" if name.endswith("different") else "same", {}))
    url = "http://127.0.0.1:%d/%s" % (port, path)
    before = served(port)
    if name in OURS:
        command = peers.ours(url=url, duration=seconds, connections=connections, **extra)
    else:
        command = tools[name.split(",")[0]][0](url, None, connections, seconds, folder)
    _output, cpu, wall = bench.run(command)
    requests = served(port) - before - 1
    return {
        "tool": name,
        "requests": requests,
        "cpu_seconds": round(cpu, 3),
        "per_cpu_second": round(requests / cpu),
        "per_second": round(requests / wall),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", nargs="*")
    parser.add_argument(
        "--realtime", action="store_true", help="stand in for a quiet machine; needs root"
    )
    parser.add_argument("--save")
    arguments = parser.parse_args()
    bench.REALTIME = arguments.realtime
    tools = peers.available()
    names = [*OURS, *tools] + (["wrk, different"] if "wrk" in tools else [])
    names = [
        name
        for name in names
        if not arguments.only or any(name.startswith(only) for only in arguments.only)
    ]
    runs = []
    with tempfile.TemporaryDirectory() as folder, bench.nginx(folder) as port:
        for number in range(arguments.rounds):
            for name in random.sample(names, len(names)):
                runs.append(
                    {
                        "round": number,
                        **measure(
                            name, tools, port, folder, arguments.seconds, arguments.connections
                        ),
                    }
                )
    for name, row in summary(runs, names).items():
        print("%-30s %s" % (name, row))
    if arguments.save:
        bench.save(
            arguments.save,
            {
                "realtime": arguments.realtime,
                "connections": arguments.connections,
                "seconds": arguments.seconds,
                "summary": summary(runs, names),
                "runs": runs,
            },
        )


def summary(runs, names):
    """Median ratio to wrk on the same answers in the same round, with the extremes."""
    found = {}
    for name in names:
        ratios = []
        for run in runs:
            base = "wrk, different" if "different" in name else "wrk"
            reference = [
                other for other in runs if other["tool"] == base and other["round"] == run["round"]
            ]
            if run["tool"] == name and reference:
                ratios.append(run["per_cpu_second"] / reference[0]["per_cpu_second"])
        mine = [run for run in runs if run["tool"] == name]
        found[name] = {
            "ratio_to_wrk": round(statistics.median(ratios), 3) if ratios else None,
            "lowest": round(min(ratios), 3) if ratios else None,
            "highest": round(max(ratios), 3) if ratios else None,
            "per_cpu_second": statistics.median(run["per_cpu_second"] for run in mine),
        }
    return found


if __name__ == "__main__":
    main()
