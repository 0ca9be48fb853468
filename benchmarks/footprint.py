# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much memory the whole stack takes, by kind of process.

    .venv/bin/python benchmarks/footprint.py [--seconds 60] [--keep]

Read after so many seconds of 60 requests a second. PSS shares a page among those who have it, so
the sum is what the machine would have back; RSS counts such a page for each of them.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from measured_stack import Traffic, kind, measured, processes

TARGET_MB = 700
RATE = 60


def memory_kb(pid: int) -> dict[str, int]:
    """Rss and Pss of a process in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = {line.split()[0].rstrip(":"): int(line.split()[1]) for line in lines}
    return {name: fields[name] for name in ("Pss", "Rss")}


def footprint() -> dict[str, dict]:
    """Processes, PSS and RSS in MB by kind of process."""
    found: dict[str, dict] = {}
    for pid, command in processes().items():
        with contextlib.suppress(OSError):
            memory = memory_kb(pid)
            row = found.setdefault(kind(command), {"processes": 0, "pss_mb": 0.0, "rss_mb": 0.0})
            row["processes"] += 1
            row["pss_mb"] += memory["Pss"] / 1024
            row["rss_mb"] += memory["Rss"] / 1024
    return found


def main():
    def arguments(parser):
        parser.add_argument("--seconds", type=float, default=60)

    with measured("footprint", arguments) as (options, result):
        traffic = Traffic(RATE, lambda when, predictor: None)
        traffic.start()
        time.sleep(options.seconds)
        result["kinds"] = footprint()
        traffic.stop()
        rows = result["kinds"].values()
        result["total"] = {
            key: sum(row[key] for row in rows) for key in ("processes", "pss_mb", "rss_mb")
        }
        result["target_mb"] = TARGET_MB
        show(result)


def show(result):
    print(f"{'':24} {'processes':>9} {'PSS MB':>9} {'RSS MB':>9}")
    rows = sorted(result["kinds"].items(), key=lambda row: -row[1]["pss_mb"])
    for name, row in [*rows, ("together", result["total"])]:
        print(f"{name[:24]:24} {row['processes']:9} {row['pss_mb']:9.1f} {row['rss_mb']:9.1f}")
    total = result["total"]
    print(
        f"of {TARGET_MB} MB: {total['pss_mb'] / TARGET_MB:.0%} PSS, {total['rss_mb'] / TARGET_MB:.0%} RSS"
    )


if __name__ == "__main__":
    main()
