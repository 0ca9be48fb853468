# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Prometheus operator of others watches the models: what it is given, and that it comes to the same series.

The operator's image is in no registry that these tests reach. Its definitions lie beside the checkout, or smaller
ones of our own take their place; what it makes of PodMonitors and rules is played, for a real Prometheus on the node.
"""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from stack import Stack
from testbed.cluster import Cluster
from testbed.patience import wait_until
from testbed.programs import ROOT

KINDS = {"PodMonitor": "v1", "PrometheusRule": "v1", "AlertmanagerConfig": "v1alpha1"}
_PORT = 19090
_ASK = """
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(sys.argv[1], timeout=10).read().decode())
"""


def _definitions() -> list[str]:
    """Those of the operator, or as much of them as the API needs to know the kinds."""
    found = []
    for kind, version in KINDS.items():
        name = f"monitoring.coreos.com_{kind.lower()}s.yaml.gz"
        places = [parent / "shared/crds" / name for parent in ROOT.parents]
        real = next((place for place in places if place.exists()), None)
        if not real:
            print(f"{kind} is held against a definition of the tests' own: there is no {name}")
        found.append(gzip.decompress(real.read_bytes()).decode() if real else yaml.safe_dump(_own(kind, version)))
    return found


def _own(kind: str, version: str) -> dict:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": names, "versions": [served]},
    }


@pytest.fixture(scope="module")
def definitions(shared_cluster: Cluster) -> Iterator[None]:
    shared_cluster.apply(*_definitions())
    names = [f"crd/{kind.lower()}s.monitoring.coreos.com" for kind in KINDS]
    shared_cluster.kubectl("wait", "--for=condition=Established", *names)
    yield
    shared_cluster.kubectl("delete", *names)


@pytest.fixture(scope="module")
def watched(shared_cluster: Cluster, images: Path, definitions: None) -> Iterator[Stack]:
    """The stack, watched by others, whose Prometheus nobody reaches from outside."""
    given = {"analytics_flavour": "operator", "analytics_operator_wait_seconds": 0}
    stack = Stack(shared_cluster, images, "lent", "lent-models", **given)
    assert stack.play("site").changed
    yield stack
    stack.play("destroy")
    assert stack.left() == ""


class TheirPrometheus:
    """A Prometheus on the node that is given what an operator makes of what it finds."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._cluster, self._directory = cluster, directory

    def start(self, namespaces: list[str]) -> None:
        found = {
            kind: [one for space in namespaces for one in self._cluster.get(f"{kind.lower()}s", namespace=space)["items"]]
            for kind in ("PodMonitor", "PrometheusRule")
        }
        rules = {"groups": [group for one in found["PrometheusRule"] for group in one["spec"]["groups"]]}
        (self._directory / "rules.yml").write_text(yaml.safe_dump(rules, width=10000))
        config = {
            "global": {"scrape_interval": "30s", "evaluation_interval": "1s"},
            "rule_files": [str(self._directory / "rules.yml")],
            "scrape_configs": [self._job(one) for one in found["PodMonitor"]],
        }
        (self._directory / "prometheus.yml").write_text(yaml.safe_dump(config, width=10000))
        words = [str(self._cluster.programs.prometheus / "bin/prometheus")]
        words += [f"--config.file={self._directory / 'prometheus.yml'}", f"--storage.tsdb.path={self._directory}/data"]
        words += [f"--web.listen-address=127.0.0.1:{_PORT}"]
        self._process = subprocess.Popen(
            self._cluster.command_inside(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _job(self, monitor: dict) -> dict:
        """As the operator does it: what it adds to each target first, and then the monitor's own relabelling."""
        about, spec = monitor["metadata"], monitor["spec"]
        (endpoint,) = spec["podMetricsEndpoints"]
        spaces = {"names": spec["namespaceSelector"]["matchNames"]}
        meta = "__meta_kubernetes_"
        rules = [
            {"source_labels": [f"{meta}pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop"},
            *(
                {"source_labels": [f"{meta}pod_label_{_meta(key)}"], "regex": value, "action": "keep"}
                for key, value in sorted(spec["selector"]["matchLabels"].items())
            ),
            {"source_labels": [f"{meta}pod_container_port_name"], "regex": endpoint["port"], "action": "keep"},
            {"source_labels": [f"{meta}namespace"], "target_label": "namespace"},
            {"source_labels": [f"{meta}pod_container_name"], "target_label": "container"},
            {"source_labels": [f"{meta}pod_name"], "target_label": "pod"},
            {"target_label": "job", "replacement": f"{about['namespace']}/{about['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *map(_snake, endpoint["relabelings"]),
        ]
        job = {
            "job_name": f"podMonitor/{about['namespace']}/{about['name']}/0",
            "honor_labels": endpoint.get("honorLabels", False),
            "metrics_path": endpoint.get("path", "/metrics"),
            "kubernetes_sd_configs": [
                {"role": "pod", "namespaces": spaces, "kubeconfig_file": str(self._cluster.kubeconfig)}
            ],
            "relabel_configs": rules,
            "metric_relabel_configs": [_snake(rule) for rule in endpoint.get("metricRelabelings", [])],
        }
        for key, name in (("interval", "scrape_interval"), ("scrapeTimeout", "scrape_timeout"), ("params", "params")):
            if key in endpoint:
                job[name] = endpoint[key]
        return job

    def ask(self, query: str) -> list[dict]:
        """Labels of the samples of a query."""
        url = f"http://127.0.0.1:{_PORT}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        words = self._cluster.command_inside(sys.executable, "-c", _ASK, url)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return [one["metric"] for one in json.loads(done.stdout)["data"]["result"]] if not done.returncode else []

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def _meta(name: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in name)


def _snake(rule: dict) -> dict:
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return {names.get(key, key): value for key, value in rule.items()}


@pytest.fixture(scope="module")
def theirs(watched: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TheirPrometheus]:
    prometheus = TheirPrometheus(watched.cluster, tmp_path_factory.mktemp("theirs"))
    prometheus.start(["lent", "lent-models"])
    yield prometheus
    prometheus.stop()


# Before its definitions are there.
def test_without_an_operator_it_is_refused_before_anything_changes(cluster: Cluster, images: Path) -> None:
    told = Stack(cluster, images, "lent", "lent-models").play("site", code=2, analytics_flavour="operator")
    assert "does not have the Prometheus operator's definitions" in told.words and told.changed == 0


def test_a_second_run_changes_nothing_and_neither_would_a_check(cluster: Cluster, watched: Stack) -> None:
    assert watched.play("site").changed == 0
    assert watched.play("site", "--check").changed == 0


def test_what_the_operator_finds_is_accepted_and_its_rules_are_good(
    cluster: Cluster, watched: Stack, tmp_path: Path
) -> None:
    (rule,) = cluster.get("prometheusrules", namespace="lent")["items"]
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rule["spec"], width=10000))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (dashboard,) = cluster.get("configmaps", "-l", "grafana_dashboard=1", namespace="lent")["items"]
    assert json.loads(next(iter(dashboard["data"].values())))["panels"]
    (config,) = cluster.get("alertmanagerconfigs", namespace="lent-models")["items"]
    (slack,) = config["spec"]["receivers"][1]["slackConfigs"]
    secret = cluster.get("secret", slack["apiURL"]["name"], namespace="lent-models")
    assert base64.b64decode(secret["data"]["url"]).decode().startswith("http://lent-analytics.lent.svc:3006/")


def test_its_prometheus_has_the_series_that_ours_has(
    cluster: Cluster, watched: Stack, theirs: TheirPrometheus
) -> None:
    for _one in range(40):
        watched.ask()
    wait_until(lambda: len(theirs.ask("monitml_model_info")) == 2, 60, 0.5)
    found = theirs.ask("monitml_model_info")
    assert {(one["predictor_name"], one["predictor_version"]) for one in found} == {("good", "v1"), ("bad", "v2")}
    own = {"namespace", "deployment_name", "predictor_name", "predictor_version", "server", "pod", "instance", "job"}
    for one in theirs.ask('up{job="lent/models"}'):
        # As our own Prometheus labels them, and not one more.
        assert set(one) == {*own, "__name__"}
    wait_until(lambda: len(theirs.ask('envoy_cluster_upstream_rq_xx{predictor_name="bad"}')) > 0, 30, 0.5)
    for name in ("monitml_pod_restarts_total", "monitml_pods_read_timestamp_seconds"):
        wait_until(lambda name=name: theirs.ask(name), 30, 0.5)


def test_a_bad_model_becomes_an_alert_there(cluster: Cluster, watched: Stack, theirs: TheirPrometheus) -> None:
    def firing() -> set[tuple[str, str]]:
        found = theirs.ask('ALERTS{alertstate="firing"}')
        return {(one["alertname"], one.get("predictor_name", "")) for one in found}

    until = time.monotonic() + 60
    while ("PredictionMeanTooLow", "bad") not in firing():
        watched.ask()
        assert time.monotonic() < until, firing()
    # What is of others, or is only theirs to judge, is no alarm of ours.
    assert {name for name, _who in firing()} <= {"PredictionMeanTooLow", "TrafficSplitOff"}
