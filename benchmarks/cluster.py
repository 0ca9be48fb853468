# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack on the tests' Kubernetes, beside one on this machine: how long site.yml takes, how soon a message comes.

    .venv/bin/python benchmarks/cluster.py [--runs 10]

Both stacks are up at once. In turn each is asked ten times by somebody who names the bad model; what counts is
from the first answer of it to the message in the inbox. The next run begins, at a random moment, when nothing of
the last one is left in the window. Cluster and images are built first where they are not, which is not counted.
Memory is that of the processes of the watching pod, each page shared among those who share it.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
import urllib.parse
from pathlib import Path

from measured_stack import HOST, PORTS, ROOT, Client, await_true, get, measured, playbook

sys.path[:0] = [str(ROOT / "tests/cluster"), str(ROOT / "tests/integration/images")]
# pylint: disable=wrong-import-position
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.histogram import rank
from base_image import import_base
from daemons import Dockerd
from stack import PREDICTOR, Stack, build_images
from testbed import sharing

MONITOR = "PredictionMeanTooLow"
REQUESTS, PAUSE_SECONDS = 10, 0.1
TARGETS = {"site": 90, "again": 15, "p95": 1.5, "ratio": 1.5, "memory": 250e6}


class Here:
    """The stack on this machine."""

    name = "local"

    def __init__(self):
        self._client = Client()

    def ask_bad(self) -> bool:
        """Whether the bad model answered."""
        return self._client.predict(**{PREDICTOR: "bad"}) == (200, "bad")

    def messages(self, since: float) -> list[dict]:
        """What the inbox got since a moment."""
        return get(f"http://{HOST}:{PORTS['inbox']}/api/messages?since={since}")["messages"]

    def query(self, text: str) -> list:
        """What Prometheus has."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": text})
        return get(f"http://{HOST}:{PORTS['prometheus']}{path}")["data"]["result"]


class There:
    """The stack in the cluster, asked at the gateway's port of the node, and for the rest through the API."""

    name = "cluster"

    def __init__(self, stack: Stack):
        self._stack = stack

    def ask_bad(self) -> bool:
        """Whether the bad model answered."""
        status, headers, _body = self._stack.ask(**{PREDICTOR.replace("-", "_"): "bad"})
        return (status, headers.get(PREDICTOR)) == (200, "bad")

    def _get(self, port: int, path: str) -> dict:
        service = f"/api/v1/namespaces/monitml/services/http:monitml-analytics:{port}/proxy{path}"
        return json.loads(self._stack.cluster.kubectl("get", "--raw", service))

    def messages(self, since: float) -> list[dict]:
        """What the inbox got since a moment."""
        return self._get(3006, f"/api/messages?since={since}")["messages"]

    def query(self, text: str) -> list:
        """What Prometheus has."""
        return self._get(9090, "/api/v1/query?" + urllib.parse.urlencode({"query": text}))["data"]["result"]


def one_run(target) -> float:
    """Seconds from the first bad answer to the message."""
    which = f'monitor="{MONITOR}",predictor_name="bad"'
    quiet = f'monitml:monitor:samples{{{which}}} > 0 or ALERTS{{alertname="{MONITOR}"}}'
    await_true(lambda: not target.query(quiet), "a calm window", 120, 1)
    time.sleep(random.uniform(0, 2))
    first = 0.0
    for _one in range(REQUESTS):
        if target.ask_bad():
            first = first or time.time()
        time.sleep(PAUSE_SECONDS)

    def told() -> float:
        found = [one["received_at"] for one in target.messages(first - 1) if MONITOR in json.dumps(one["payload"])]
        return min(found, default=0)

    return await_true(told, f"the message of {target.name}", 30, 0.2) - first


def memory(stack: Stack) -> float:
    """Bytes of the watching pod."""
    pods = stack.cluster.get("pods", "-l", "app.kubernetes.io/name=monitml-analytics", namespace="monitml")["items"]
    total = 0
    for status in pods[0]["status"]["containerStatuses"]:
        for process in stack.cluster.sandbox.processes(below=status["containerID"].split("//")[1]):
            text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
            total += 1024 * int(re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)[0])
    return total


def timed(result: dict, name: str, run) -> None:
    result[name] = {"seconds": run.seconds, "changed": run.changed}
    print(f"{name:32} {run.seconds:7.1f} s, {run.changed} changed", flush=True)


def main():
    def arguments(parser):
        parser.add_argument("--runs", type=int, default=10)

    with measured("cluster", arguments) as (options, result):
        with sharing.shared("benchmark") as cluster:
            record = cluster.directory / "images.yml"
            daemon = Dockerd().start()
            try:
                build_images(cluster, daemon.host, import_base(daemon), record)
            finally:
                daemon.stop()
            stack = Stack(cluster, record)
            timed(result, "site", stack.play("site"))
            timed(result, "again", stack.play("site"))
            timed(result, "again locally", playbook("site"))
            targets = [Here(), There(stack)]
            delays: dict[str, list[float]] = {target.name: [] for target in targets}
            for _run in range(options.runs):
                for target in targets:
                    delays[target.name].append(one_run(target))
                print(".", end="", flush=True)
            print()
            result["delays"] = delays
            result["memory_bytes"] = memory(stack)
            stack.play("destroy")
            result["left"] = stack.left().split()
        result["limits"] = TARGETS
        show(result)


def show(result):
    for name, values in result["delays"].items():
        ordered = sorted(values)
        p50, p95 = rank(ordered, 0.5), rank(ordered, 0.95)
        result[f"{name}_p95"] = p95
        print(f"first bad answer to message, {name:8} n {len(ordered)} p50 {p50:.2f} s p95 {p95:.2f} s max {ordered[-1]:.2f} s")
    result["ratio_p95"] = result["cluster_p95"] / result["local_p95"]
    print(f"cluster to local, p95: {result['ratio_p95']:.2f}")
    print(f"memory of what watches: {result['memory_bytes'] / 1e6:.0f} MB; left after destroy: {len(result['left'])} objects")


if __name__ == "__main__":
    main()
