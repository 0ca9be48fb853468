# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a bad model goes unnoticed: first bad answer to message, and rollback to "resolved".

    .venv/bin/python benchmarks/alert_delay.py [--runs 20] [--original-runs 5] [--keep]

Real models behind the real gateway take 60 requests a second throughout. A run gives the bad
model its 25 % by the role's own rename, notes the first $100 that a client receives, waits for the
message in the inbox, takes the weights back to 100/0 and waits for the message that says so. The
next run begins, at a random moment, when nothing of the last one is left in the window. Alertmanager
still remembers the alert then: each is told with the next interval of its group, later than a first
one is.

Beside the stack's own Prometheus and Alertmanager, pairs with copies of its configuration watch
the same models in the same runs: three with other phases of scraping and evaluating, which
Prometheus derives from the machine's name and keeps, and, in the first runs, one afresh each
time with 5 s / 5 s / 30 s, the settings of the original demo. Takes about a quarter of an hour.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import yaml
from measured_stack import (
    HOME,
    HOST,
    PORTS,
    Traffic,
    await_true,
    deployment,
    get,
    measured,
    move_traffic,
)

# After measured_stack, which makes the collection importable.
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.histogram import rank

RATE = 60
MONITOR = "PredictionMeanTooLow"
TARGET_SECONDS = 1.5
RESOLVED_AFTER_WINDOW_SECONDS = 5
ORIGINAL = {"scrape": "5s", "evaluation": "5s", "group_wait": "30s"}
OWN = "MonitML"
FIRST_PORT = 23100
MESSAGE_SECONDS, ORIGINAL_SECONDS = 30, 90
# Prometheus reads its targets some five seconds after its start.
WARM_UP_SECONDS = 12


class Watcher:
    """A pair of Prometheus and Alertmanager with the stack's configuration, told apart by name.

    settings: scrape, evaluation and group_wait in place of the stack's own.
    """

    def __init__(self, name: str, place: int, directory: Path, settings: dict):
        self.name, self.directory, self.settings = name, directory / name, settings
        self.prometheus, self.alertmanager = FIRST_PORT + 2 * place, FIRST_PORT + 2 * place + 1
        self.processes: list[subprocess.Popen] = []

    def start(self):
        """Starts it afresh: nothing of before is known to it."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        at = self.directory
        shutil.copy(HOME / "etc/rules.yml", at / "rules.yml")
        (at / "prometheus.yml").write_text(yaml.safe_dump(self._prometheus()))
        (at / "alertmanager.yml").write_text(yaml.safe_dump(self._alertmanager()))
        self._run("prometheus", self.prometheus, f"--storage.tsdb.path={at}/data")
        self._run(
            "prometheus-alertmanager", self.alertmanager, f"--storage.path={at}/alerts",
            "--cluster.listen-address=", config="alertmanager.yml",
        )  # fmt: skip

    def _prometheus(self) -> dict:
        config = yaml.safe_load((HOME / "etc/prometheus.yml").read_text())
        # Prometheus takes part of its phases from the external labels, and part from the path.
        config["global"]["external_labels"] = {"watcher": self.name}
        config["rule_files"] = [str(self.directory / "rules.yml")]
        targets = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
        targets[:] = [f"{HOST}:{self.alertmanager}"]
        if "evaluation" in self.settings:
            config["global"]["evaluation_interval"] = self.settings["evaluation"]
        if "scrape" in self.settings:
            for job in config["scrape_configs"]:
                job["scrape_interval"] = job["scrape_timeout"] = self.settings["scrape"]
        return config

    def _alertmanager(self) -> dict:
        config = yaml.safe_load((HOME / "etc/alertmanager.yml").read_text())
        config["route"]["group_wait"] = self.settings.get(
            "group_wait", config["route"]["group_wait"]
        )
        for receiver in config["receivers"]:
            for slack in receiver.get("slack_configs", []):
                slack["username"] = self.name
        return config

    def _run(self, program: str, port: int, *arguments: str, config: str = "prometheus.yml"):
        command = [program, f"--config.file={self.directory / config}"]
        command += [f"--web.listen-address={HOST}:{port}", "--log.level=warn", *arguments]
        with (self.directory / f"{program}.log").open("w") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self.processes.clear()


def messages(since: float) -> dict[str, dict[str, float]]:
    """Seconds since the epoch of the first message by state and sender, since a moment."""
    found: dict[str, dict[str, float]] = {"firing": {}, "resolved": {}}
    for message in get(f"http://{HOST}:{PORTS['inbox']}/api/messages?since={since}")["messages"]:
        payload = message["payload"]
        title = payload["attachments"][0]["title"]
        state = "resolved" if title.startswith("Resolved: ") else "firing"
        if MONITOR in title:
            found[state].setdefault(payload["username"], message["received_at"])
    return found


def calm(ports: list[int]) -> bool:
    """Whether no Prometheus has a sample of the bad model in its window, nor an alert of it."""
    which = f'monitor="{MONITOR}",predictor_name="bad"'
    query = f'monitml:monitor:samples{{{which}}} > 0 or ALERTS{{alertname="{MONITOR}"}}'
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
    return not any(get(f"http://{HOST}:{port}{path}")["data"]["result"] for port in ports)


class Bad:
    """The moments at which clients were answered by the bad model."""

    def __init__(self):
        self.times: list[float] = []

    def __call__(self, when: float, predictor: str):
        if predictor == "bad":
            self.times.append(when)

    def first(self, since: float) -> float | None:
        return next((when for when in list(self.times) if when >= since), None)


def one_run(bad: Bad, expected: list[str], seconds: float) -> dict:
    """Delays of one run in seconds, by sender, and how long the stack's own took to resolve."""
    began = time.time()
    move_traffic(good=75, bad=25)
    first = await_true(lambda: bad.first(began), "a bad answer", 10)
    await_true(
        lambda: set(expected) <= set(messages(began)["firing"]), f"messages of {expected}", seconds
    )
    told = messages(began)["firing"]
    # A person rolls back after, not at the very moment of, the message.
    time.sleep(random.uniform(0, 1))
    back = time.time()
    move_traffic(good=100, bad=0)
    await_true(lambda: OWN in messages(back)["resolved"], "the message that it is over", 90)
    return {
        "began": began,
        "delays": {name: told[name] - first for name in expected},
        "resolved": messages(back)["resolved"][OWN] - back,
    }


def measure(options, directory: Path) -> list[dict]:
    phases = [Watcher(f"phase-{place}", place, directory, {}) for place in range(options.phases)]
    original = Watcher("original", options.phases, directory, ORIGINAL)
    bad, runs = Bad(), []
    move_traffic(good=100, bad=0)
    traffic = Traffic(RATE, bad)
    traffic.start()
    try:
        for watcher in phases:
            watcher.start()
        ready = time.monotonic() + WARM_UP_SECONDS
        for run in range(options.runs):
            expected = [OWN, *(watcher.name for watcher in phases)]
            ports = [PORTS["prometheus"], *(watcher.prometheus for watcher in phases)]
            if run < options.original_runs:
                original.start()
                ready = time.monotonic() + WARM_UP_SECONDS
                expected.append(original.name)
            else:
                original.stop()
            await_true(
                lambda ports=ports: time.monotonic() > ready and calm(ports), "a calm window", 120
            )
            time.sleep(random.uniform(0, 2))
            long = run < options.original_runs
            runs.append(one_run(bad, expected, ORIGINAL_SECONDS if long else MESSAGE_SECONDS))
            print(".", end="", flush=True)
    finally:
        for watcher in (*phases, original):
            watcher.stop()
        traffic.stop()
    print()
    return runs


def summary(values: list[float]) -> dict:
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "p50": rank(ordered, 0.5),
        "p95": rank(ordered, 0.95),
        "max": ordered[-1],
    }


def main():
    def arguments(parser):
        parser.add_argument("--runs", type=int, default=20)
        parser.add_argument("--original-runs", type=int, default=5)
        parser.add_argument("--phases", type=int, default=3)

    with measured("alert_delay", arguments) as (options, result):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            runs = measure(options, Path(directory))
        window = next(m for m in deployment()["monitors"] if m["name"] == MONITOR)["window_seconds"]
        delays = [run["delays"] for run in runs]
        result["runs"] = runs
        result["own"] = summary([delay[OWN] for delay in delays])
        defaults = [v for delay in delays for name, v in delay.items() if name != "original"]
        result["all_phases"] = summary(defaults)
        result["resolved"] = summary([run["resolved"] for run in runs])
        result["limits"] = {
            "delay_p95": TARGET_SECONDS,
            "resolved_max": window + RESOLVED_AFTER_WINDOW_SECONDS,
        }
        original = [delay["original"] for delay in delays if "original" in delay]
        if original:
            result["original"] = summary(original)
            result["ratio_p50"] = result["original"]["p50"] / result["own"]["p50"]
            result["ratio_p95"] = result["original"]["p95"] / result["own"]["p95"]
        show(result)


def show(result):
    print(f"{'seconds':52} {'n':>4} {'p50':>7} {'p95':>7} {'max':>7}")
    for key, text in (
        ("own", "first bad answer to message, 500ms/500ms/0s"),
        ("all_phases", "  the same over four phases"),
        ("original", "  the same with the original's 5s/5s/30s"),
        ("resolved", "weights 100/0 to message that it is resolved"),
    ):
        if key in result:
            part = result[key]
            figures = " ".join(f"{part[name]:7.2f}" for name in ("p50", "p95", "max"))
            print(f"{text:52} {part['n']:4} {figures}")
    if "original" in result:
        print(
            f"{'the original takes':52} {result['ratio_p50']:12.0f} x {result['ratio_p95']:5.0f} x"
        )
    limits = result["limits"]
    met = result["own"]["p95"] <= limits["delay_p95"]
    over = result["resolved"]["max"] <= limits["resolved_max"]
    print(f"p95 within {limits['delay_p95']} s: {'yes' if met else 'NO'};", end=" ")
    print(f"resolved within {limits['resolved_max']} s: {'yes' if over else 'NO'}")


if __name__ == "__main__":
    main()
