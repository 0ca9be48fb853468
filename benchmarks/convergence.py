# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long site.yml takes: on an empty machine, again, and in check mode; and which tasks take it.

    .venv/bin/python benchmarks/convergence.py [--slowest 10]

The stack is taken away first. What the package managers bring is cached: wheels by uv, and the
system's packages where they are installed for others, so that apt's own time is not in it. CPU is
that of the controller and of all modules, which both run on this machine, and says more than
seconds where others use it, too.
"""

from __future__ import annotations

import re

from measured_stack import measured, playbook

TARGETS = {"empty": 60, "again": 15}


def profile(output: str) -> list[tuple[str, float]]:
    """(task, seconds), the slowest first; the same task on several occasions once each."""
    recap = output.partition("TASKS RECAP")[2]
    rows = re.findall(r"^(\S.*?) -+ ([\d.]+)s$", recap, re.MULTILINE)
    return [(name, float(seconds)) for name, seconds in rows]


def main():
    def arguments(parser):
        parser.add_argument("--slowest", type=int, default=10)

    with measured("convergence", arguments, deploy=False) as (options, result):
        playbook("destroy")
        for name, arguments_ in (
            ("check_empty", ["--check", "--diff"]),
            ("empty", []),
            ("again", []),
            ("check_again", ["--check", "--diff"]),
        ):
            run = playbook("site", *arguments_)
            tasks = profile(run.output)
            result[name] = {
                "seconds": run.seconds,
                "cpu_seconds": run.cpu_seconds,
                "changed": run.changed,
                "tasks": len(tasks),
                "slowest": tasks[: options.slowest],
            }
            tell(name, result[name])
        show(result)


def tell(name: str, row: dict):
    print(
        f"== {name}: {row['seconds']:.1f} s, {row['cpu_seconds']:.1f} s CPU, changed={row['changed']}"
    )
    for task, seconds in row["slowest"]:
        print(f"   {seconds:6.2f} s  {task}")


def show(result):
    print(f"{'site.yml':32} {'s':>6} {'CPU s':>6} {'changed':>8} {'of target':>10}")
    for name, text in (
        ("check_empty", "--check, empty machine"),
        ("empty", "empty machine"),
        ("again", "second run"),
        ("check_again", "--check, converged machine"),
    ):
        row, target = result[name], TARGETS.get(name)
        share = f"{row['seconds'] / target:9.0%}" if target else ""
        print(
            f"{text:32} {row['seconds']:6.1f} {row['cpu_seconds']:6.1f} {row['changed']:8} {share:>10}"
        )


if __name__ == "__main__":
    main()
