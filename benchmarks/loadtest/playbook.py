# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sixty requests add to a playbook that does nothing.

python benchmarks/loadtest/playbook.py [--rounds 10]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from pathlib import Path

import bench

ROOT = bench.HERE.parents[1]
CONTRACT = {"features": [{"name": "x", "ftype": "continuous", "range": [0, 9]}]}
HEAD = "- hosts: monitml\n  gather_facts: false\n  become: false\n"


def over(runs, bases, which):
    """The median of what a run took more than the empty playbook of its round."""
    return round(statistics.median(run[which] - base[which] for run, base in zip(runs, bases)), 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--realtime", action="store_true", help="stand in for a quiet machine; needs root"
    )
    parser.add_argument("--save")
    arguments = parser.parse_args()
    bench.REALTIME = arguments.realtime
    program = Path(sys.executable).parent / "ansible-playbook"
    found = {}
    with tempfile.TemporaryDirectory() as folder, bench.nginx(folder) as port:
        url = "http://127.0.0.1:%d/split" % port
        empty, alone = Path(folder, "empty.yml"), Path(folder, "alone.yml")
        empty.write_text(HEAD)
        alone.write_text(
            HEAD
            + "  tasks:\n    - monitml.stack.load_test: {url: '%s', n: 60, contract: %s}\n"
            % (url, json.dumps(CONTRACT))
        )
        one = Path(folder, "one.yml")
        one.write_text(HEAD + "  tasks:\n    - ansible.builtin.debug: {msg: hello}\n")
        cases = {
            "no task": [empty],
            "one debug task": [one],
            "load_test alone": [alone],
            "playbooks/loadtest.yml": ["playbooks/loadtest.yml", "-e", "n=60", "-e", "url=" + url],
        }
        for _round in range(arguments.rounds):
            for name in random.sample(sorted(cases), len(cases)):
                _output, cpu, wall = bench.run([program, *cases[name]], cwd=ROOT)
                found.setdefault(name, []).append((wall, cpu))
    summary = {}
    for name in cases:
        walls, cpus = zip(*found[name])
        summary[name] = {
            "wall_median": round(statistics.median(walls), 3),
            "wall_least": round(min(walls), 3),
            "cpu_median": round(statistics.median(cpus), 3),
            # Of the same round, as a machine is not as busy in the next.
            "wall_over_no_task": over(found[name], found["no task"], 0),
            "cpu_over_no_task": over(found[name], found["no task"], 1),
        }
        print("%-24s %s" % (name, summary[name]))
    if arguments.save:
        bench.save(
            arguments.save,
            {"realtime": arguments.realtime, "rounds": arguments.rounds, "summary": summary},
        )


if __name__ == "__main__":
    main()
