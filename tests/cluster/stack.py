# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack in a cluster, as a person runs it with the playbooks, and what is seen of it."""

from __future__ import annotations

import collections
import contextlib
import functools
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from testbed.cluster import Cluster
from testbed.patience import wait_until
from testbed.program_images import of_package, prometheus, python
from testbed.programs import ROOT

DEFAULTS = yaml.safe_load((ROOT / "roles/monitml/defaults/main.yml").read_text(encoding="utf-8"))
HOUSE = json.dumps({"data": {"ndarray": [[7, 47.5, -122.2, 1800, 0, 1970]]}})
PREDICTOR, VERSION = "x-monitml-predictor", "x-monitml-version"
PYTHON = Path(sys.executable)


def described(traffic: Mapping[str, int] | None = None, **of_bad) -> dict:
    """The housing canary with other shares, or another second predictor."""
    given = json.loads(json.dumps(DEFAULTS["monitml_deployment"]))
    for predictor in given["predictors"]:
        predictor["traffic"] = (traffic or {}).get(predictor["name"], predictor["traffic"])
    given["predictors"][1].update(of_bad)
    return given


class Run:
    """What a playbook said."""

    def __init__(self, done: subprocess.CompletedProcess, seconds: float) -> None:
        self.text, self.code, self.seconds = done.stdout + done.stderr, done.returncode, seconds
        assert "Traceback" not in self.text, self.text

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        return sum(int(word.split("=")[1]) for word in self.text.split() if word.startswith("changed="))

    @property
    def words(self) -> str:
        """What it said, on one line as long as it takes."""
        return " ".join(self.text.split())


class Stack:
    """One instance of it, of which the models' namespace is another than what watches is in.

    images: what images.yml wrote down; variables: what is other than usual.
    """

    def __init__(
        self, cluster: Cluster, images: Path, instance: str = "monitml", namespace: str = "seldon", **variables
    ) -> None:
        self.cluster, self._images = cluster, images
        self.instance, self.namespace = instance, namespace
        self.base = f"/seldon/{namespace}/housing/api/v1.0/"
        # Of a test's files, nothing is to stay in the checkout.
        self._variables = {
            "monitml_instance": instance,
            "monitml_deployment": self.described(),
            "monitml_kubernetes_kubeconfig": str(cluster.kubeconfig),
            "analytics_prometheus_image": cluster.load_image(prometheus(cluster.programs)),
            "analytics_alertmanager_image": cluster.load_image(
                of_package("localhost/alertmanager:1", "prometheus-alertmanager")
            ),
            "analytics_python_image": cluster.load_image(python()),
            # Reached from this machine at a port of the node.
            "seldon_gateway_service_type": "NodePort",
            **variables,
        }

    def described(self, traffic: Mapping[str, int] | None = None, **of_bad) -> dict:
        """The housing canary in the namespace, with other shares, or another second predictor."""
        return {**described(traffic, **of_bad), "namespace": self.namespace}

    def _words(self, playbook: str, **variables) -> list[str]:
        words = [str(PYTHON.with_name("ansible-playbook")), "-i", "inventories/kubernetes", f"playbooks/{playbook}.yml"]
        return [*words, "-e", f"@{self._images}", "-e", json.dumps({**self._variables, **variables})]

    @property
    def _environment(self) -> dict[str, str]:
        given = self.cluster.environment
        path = f"{PYTHON.parent}:{given['PATH']}"
        return {**given, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}

    def play(self, playbook: str, *options: str, code: int = 0, **variables) -> Run:
        """Runs a playbook, which is to end like this."""
        words = [*self._words(playbook, **variables), *options]
        start = time.monotonic()
        done = subprocess.run(words, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        run = Run(done, time.monotonic() - start)
        assert done.returncode == code, run.text
        return run

    def images_of(self, **digests: str) -> dict:
        """What images.yml wrote down, with other digests for some predictors."""
        record = yaml.safe_load(self._images.read_text(encoding="utf-8"))["monitml_images"]
        for name, digest in digests.items():
            record[name]["digest"] = f"sha256:{digest}"
        return record

    @functools.cached_property
    def gateway(self) -> tuple[str, int]:
        """Where it takes requests."""
        ports = self.cluster.get("service", f"{self.instance}-istio", namespace=self.instance)["spec"]["ports"]
        return self.cluster.node_address, next(one["nodePort"] for one in ports if one["port"] == 80)

    def ask(self, path: str = "predictions", body: str | None = HOUSE, **headers: str) -> tuple[int, dict, str]:
        """(status, headers, body) of an answer."""
        connection = http.client.HTTPConnection(*self.gateway, timeout=20)
        with contextlib.closing(connection):
            return _ask(connection, self.base + path, body, headers)

    @contextlib.contextmanager
    def forwarded(self) -> Iterator[dict[str, str]]:
        """What forward.yml opens, on ports that are free, until Ctrl-C."""
        names = ("gateway", "prometheus", "alertmanager", "inbox")
        ports = dict(zip(names, _free_ports(len(names))))
        words = self._words("forward", **{f"monitml_{name}_port": port for name, port in ports.items()})
        # In a group of its own, for Ctrl-C comes to all of one.
        process = subprocess.Popen(
            words, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            wait_until(lambda: _listens(ports["inbox"]), 60, 0.2)
            yield urls
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)

    def pods(self, namespace: str = "") -> dict[str, str]:
        """{name: uid} of the pods that are not about to go."""
        found = self.cluster.get("pods", namespace=namespace or self.namespace)["items"]
        return {
            one["metadata"]["name"]: one["metadata"]["uid"]
            for one in found
            if "deletionTimestamp" not in one["metadata"]
        }

    def measured(self, query: str) -> set[str]:
        """The predictors of which Prometheus has a value."""
        watching = f"{self.instance}/services/http:{self.instance}-analytics:9090"
        where = f"/api/v1/namespaces/{watching}/proxy/api/v1/query?"
        told = json.loads(self.cluster.kubectl("get", "--raw", where + urllib.parse.urlencode({"query": query})))
        return {sample["metric"].get("predictor_name", "") for sample in told["data"]["result"]}

    @contextlib.contextmanager
    def asked(self) -> Iterator[Asked]:
        """Asks all the time, by several at once."""
        asked = Asked(self.gateway, self.base)
        with asked:
            yield asked

    def left(self) -> str:
        """Everything that carries our labels, as kubectl lists it."""
        kinds = "all,configmaps,secrets,persistentvolumeclaims,serviceaccounts,roles,rolebindings,networkpolicies"
        kinds += ",poddisruptionbudgets,gateways.gateway.networking.k8s.io,httproutes,namespaces"
        kinds += ",gateways.networking.istio.io,virtualservices,destinationrules"
        selector = f"monitml.stack/instance={self.instance}"
        return self.cluster.kubectl("get", kinds, "-A", "-l", selector, "-o", "name").strip()


def ask(url: str, seconds: float = 10) -> str:
    """What a URL answers to this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=seconds) as answer:
        return answer.read().decode()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _one in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _ask(connection: http.client.HTTPConnection, path: str, body: str | None, headers: Mapping[str, str]):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    method = "POST" if body is not None else "GET"
    connection.request(method, path, body, {"Content-Type": "application/json", **named})
    answer = connection.getresponse()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode()


class Asked:
    """Requests that go on while something else happens: who answered how often, and what failed when."""

    def __init__(self, gateway: tuple[str, int], base: str, workers: int = 3) -> None:
        self.answers: collections.Counter = collections.Counter()
        self.failed: list[tuple[float, str]] = []
        self._gateway, self._path, self._ended = gateway, f"{base}predictions", threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _one in range(workers)]

    def _run(self) -> None:
        connection = http.client.HTTPConnection(*self._gateway, timeout=20)
        while not self._ended.wait(0.005):
            try:
                status, headers, body = _ask(connection, self._path, HOUSE, {})
            except (OSError, http.client.HTTPException) as error:
                self.failed.append((time.monotonic(), repr(error)))
                connection.close()
                continue
            if status == 200:
                self.answers[headers[PREDICTOR], headers[VERSION]] += 1
            else:
                self.failed.append((time.monotonic(), f"{status} {body[:100]}"))

    @property
    def outage_seconds(self) -> float:
        """From the first failure to the last."""
        return self.failed[-1][0] - self.failed[0][0] if self.failed else 0

    def __enter__(self) -> Asked:
        for thread in self._threads:
            thread.start()
        wait_until(lambda: sum(self.answers.values()) > 20, 30)
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def build_images(cluster: Cluster, host: str, base: str, record: Path) -> None:
    """Builds the images of the models with images.yml, and pushes them to the cluster's registry."""
    variables = {
        "images_engine_host": host,
        "images_base": base,
        "images_base_pull": False,
        "images_builder": "monitml-test/builder:1",
        "images_ca_file": os.environ.get("PIP_CERT", ""),
        "images_repository": f"{cluster.registry.address}/models",
        "images_registry_ca_file": str(cluster.registry.ca_file),
        "images_record_path": str(record),
    }
    words = [str(PYTHON.with_name("ansible-playbook")), "-i", "inventories/kubernetes", "playbooks/images.yml"]
    environment = {**cluster.environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        [*words, "-e", json.dumps(variables)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
