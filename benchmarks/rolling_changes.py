# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a request is lost while what serves is changed, and the memory that a change takes.

    .venv/bin/python benchmarks/rolling_changes.py [--per-second 100] [--requests 10000] [--keep]

Clients send requests at a steady rate, by the clock and not by the answers, while site.yml makes
one change after the other: each kind once. Every request counts as answered or failed, with the
kind of change that was under way when it was sent. Memory is that of all processes of the stack,
pages shared with others by share, looked at once a second.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

from measured_stack import ROOT, Client, measured, playbook, processes

CLIENTS = 16
PACKAGES = "scikit-learn\npython-slugify\n"


def changes(folder: Path) -> list[tuple[str, dict]]:
    """The kinds of change, one after the other, each on top of those before: name and variables.

    folder holds what make_models() makes.
    """
    good = {"name": "good", "version": "v1", "model": str(folder / "housing"), "traffic": 75}
    bad = {"name": "bad", "version": "v2", "model": str(folder / "constant"), "traffic": 25}

    def described(*predictors, **variables):
        description = {"name": "housing", "predictors": list(predictors)}
        return {"monitml_deployment": description, **variables}

    files = {**good, "version": "v3", "model": str(folder / "files")}
    packages = {**files, "model": str(folder / "packages")}
    more = {**packages, "replicas": 2}
    third = {**bad, "name": "third", "version": "v1", "traffic": 0}
    return [
        ("both versions", described({**good, "version": "v3"}, bad)),
        ("files of the model", described(files, bad)),
        ("packages of the model", described(packages, bad)),
        ("parameters", described(packages, {**bad, "parameters": {"price": 101}})),
        ("more replicas", described(more, bad)),
        ("fewer replicas", described(packages, bad)),
        ("workers", described(packages, bad, canary_workers=2)),
        ("timeout", described(packages, bad, canary_workers=2, canary_timeout_seconds=30)),
        ("predictor added", described(packages, {**bad, "traffic": 20}, {**third, "traffic": 5})),
        ("predictor removed", described(packages, bad)),
    ]


def make_models(folder: Path):
    """The good model, with another file in it, and with another package; a bad one with a parameter."""
    for name in ("housing", "files", "packages"):
        shutil.copytree(ROOT / "models/housing", folder / name)
    for name in ("files", "packages"):
        (folder / name / "NOTES").write_text("Another file.\n")
    with (folder / "packages/requirements.txt").open("a") as stream:
        stream.write(PACKAGES)
    shutil.copytree(ROOT / "models/housing_bad", folder / "constant")
    code = folder / "constant/HousingBadModel.py"
    constructor = "def __init__(self, price=PRICE):\n        self.price = price\n\n    def predict("
    text = code.read_text().replace("def predict(", constructor, 1)
    code.write_text(text.replace("min(rows.size, 1), PRICE", "min(rows.size, 1), self.price"))


class Sender(threading.Thread):
    """Sends by the clock; answers are (when it was due, seconds late, status)."""

    def __init__(self, first: float, pause: float):
        super().__init__(daemon=True)
        self.due, self.pause, self.answers = first, pause, []
        self.ended = threading.Event()

    def run(self):
        client = Client()
        while not self.ended.wait(max(0.0, self.due - time.monotonic())):
            late = time.monotonic() - self.due
            try:
                status = client.predict()[0]
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
            self.answers.append((self.due, late, status))
            self.due += self.pause


class Memory(threading.Thread):
    """Looks at the memory of the stack's processes; seen are (when, bytes)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.ended = [], threading.Event()

    def run(self):
        while not self.ended.wait(1):
            self.seen.append((time.monotonic(), sum(map(pss, processes()))))


def pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


def main():
    def arguments(parser):
        parser.add_argument("--per-second", type=float, default=100)
        parser.add_argument("--requests", type=int, default=10000, help="at least so many")
        parser.add_argument("--only", nargs="*", help="kinds of change")

    with tempfile.TemporaryDirectory() as directory:
        make_models(Path(directory))
        with measured("rolling_changes", arguments) as (options, result):
            kinds = [c for c in changes(Path(directory)) if not options.only or c[0] in options.only]
            start = time.monotonic()
            senders = [
                Sender(start + number / options.per_second, CLIENTS / options.per_second)
                for number in range(CLIENTS)
            ]
            memory = Memory()
            for thread in (memory, *senders):
                thread.start()
            time.sleep(5)
            stretches = [("nothing", start, time.monotonic())]
            for name, variables in kinds:
                began = time.monotonic()
                playbook("site", "-e", json.dumps(variables))
                stretches.append((name, began, time.monotonic()))
                print(f"{name}: {stretches[-1][2] - began:.1f} s", flush=True)
            while sum(len(sender.answers) for sender in senders) < options.requests:
                time.sleep(0.1)
            for thread in (memory, *senders):
                thread.ended.set()
                thread.join()
            answers = [answer for sender in senders for answer in sender.answers]
            result.update(
                requests=len(answers),
                seconds=time.monotonic() - start,
                per_second=options.per_second,
                failed=[answer[2] for answer in answers if answer[2] != 200],
                late_seconds_max=max(answer[1] for answer in answers),
                changes=[told(*stretch, answers, memory.seen) for stretch in stretches],
            )
            show(result)


def told(name, start, end, answers, seen) -> dict:
    """One kind of change: its requests, those that failed, its seconds, and memory in bytes."""
    within = [answer for answer in answers if start <= answer[0] <= end]
    used = [bytes_ for when, bytes_ in seen if start <= when <= end] or [0]
    return {
        "change": name,
        "seconds": end - start,
        "requests": len(within),
        "failed": sum(answer[2] != 200 for answer in within),
        "memory_before": used[0],
        "memory_max": max(used),
        "memory_after": used[-1],
    }


def show(result):
    print(f"{result['requests']:,} requests in {result['seconds']:.0f} s, {len(result['failed'])} failed")
    print(f"{'change':24} {'s':>6} {'requests':>9} {'failed':>7} {'MB before, at most, after':>28}")
    for one in result["changes"]:
        megabytes = (one[f"memory_{key}"] / 1e6 for key in ("before", "max", "after"))
        print(
            f"{one['change']:24} {one['seconds']:6.1f} {one['requests']:9,} {one['failed']:7}"
            f" {' '.join(f'{value:9.0f}' for value in megabytes)}"
        )
    if result["failed"]:
        print(result["failed"][:5])


if __name__ == "__main__":
    main()
