# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import kinds, preflight, tunnel
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.errors import KubernetesError
from ansible_collections.monitml.stack.plugins.modules import (
    cluster_configuration,
    cluster_info,
    cluster_objects,
    cluster_objects_info,
)

from ..module_utils.kubernetes.described import FakeApi, deployment


def config(name="one", **data):
    return kinds.made("ConfigMap", name, "monitml", kinds.labels("monitml", "tests"), data=data)


def run(module, monkeypatch, capsys, api, check=False, **given):
    """What a module says on a cluster of no machine."""

    def make(*_arguments):
        if isinstance(api, Exception):
            raise api
        return api

    monkeypatch.setattr(module, "Api", make)
    with patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}):
        with pytest.raises(SystemExit):
            module.main()
    return json.loads(capsys.readouterr().out)


def test_objects_are_applied_and_what_is_left_of_their_group_goes(monkeypatch, capsys):
    api = FakeApi(config("old"))
    given = {
        "instance": "monitml",
        "objects": [config(a="1")],
        "group": "tests",
        "kinds": ["ConfigMap"],
        "namespaces": ["monitml"],
    }
    told = run(cluster_objects, monkeypatch, capsys, api, check=True, **given)
    assert told["changed"] and told["removed"] == ["ConfigMap monitml/old"]
    assert "a: '1'" in told["diff"]["after"] and "old" in told["diff"]["before"]
    assert len(api.things) == 1
    assert run(cluster_objects, monkeypatch, capsys, api, **given)["applied"] == ["ConfigMap monitml/one"]
    assert not run(cluster_objects, monkeypatch, capsys, api, **given)["changed"]
    removed = run(cluster_objects, monkeypatch, capsys, api, instance="monitml", state="absent")
    assert removed["removed"] == ["ConfigMap monitml/one"] and not api.things


def test_what_is_refused_is_said(monkeypatch, capsys):
    api = FakeApi()
    api.refused["ConfigMap monitml/one"] = (403, "exceeded quota: full")
    told = run(cluster_objects, monkeypatch, capsys, api, instance="monitml", objects=[config()])
    assert told["failed"] and "exceeded quota: full. Raise the quota" in told["msg"]
    told = run(cluster_objects, monkeypatch, capsys, KubernetesError("No cluster."), instance="monitml")
    assert told["msg"] == "No cluster."


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"objects": [{"kind": "ConfigMap"}]}, "Object 1 of 1 has no name"),
        ({"objects": [{"kind": "ConfigMap", "metadata": "one"}]}, "Object 1 of 1 has no name"),
        ({"objects": [config(), {"kind": "Cake", "metadata": {"name": "x"}}]}, "'Cake' is no kind that is made here"),
        ({"kept": [{"metadata": {"name": "x"}}]}, "'None' is no kind"),
        ({"objects": [{"kind": "Secret", "metadata": {"name": "x"}}]}, "Secret x has no namespace"),
        ({"group": "tests", "kinds": ["Cake"]}, "use one of Namespace"),
    ],
)
def test_what_is_no_object_is_refused_before_anything_is_made(monkeypatch, capsys, wrong, told):
    api = FakeApi()
    found = run(cluster_objects, monkeypatch, capsys, api, instance="monitml", **wrong)
    assert found["failed"] and told in found["msg"] and not api.things


def test_a_kind_that_is_not_known_is_named(monkeypatch, capsys):
    given = {"instance": "monitml", "kinds": ["Cake"], "namespaces": ["monitml"]}
    told = run(cluster_objects_info, monkeypatch, capsys, FakeApi(), **given)
    assert told["failed"] and "'Cake' is no kind" in told["msg"]


def test_a_missing_client_is_named_with_the_cure(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with patch_module_args({"instance": "monitml", "kinds": ["Secret"], "namespaces": ["monitml"]}):
        with pytest.raises(SystemExit):
            cluster_objects_info.main()
    assert "pip install kubernetes" in json.loads(capsys.readouterr().out)["msg"]


def test_what_is_there_is_listed(monkeypatch, capsys):
    other = kinds.made("ConfigMap", "other", "monitml", {})
    given = {"instance": "monitml", "kinds": ["ConfigMap"], "namespaces": ["monitml"]}
    told = run(cluster_objects_info, monkeypatch, capsys, FakeApi(config(), other), **given)
    assert [one["metadata"]["name"] for one in told["objects"]] == ["one"]
    given["kinds"] = ["Nothing"]
    assert run(cluster_objects_info, monkeypatch, capsys, FakeApi(), **given)["failed"]


def found(**more):
    return {
        "server": "https://cluster.test:6443",
        "version": "v1.34.2",
        "number": [1, 34],
        "namespaces": {},
        "parts": [],
        "gateway_api": True,
        "controller": preflight.ISTIO,
        "storage_class": "",
        "quotas": [],
        "missing_rights": [],
        "engine": {"name": "deployments", "flavour": "own"},
        "gateway": {},
        "gateway_problems": [],
        "istio_api": True,
        "storage_classes": ["gp3"],
        "room": {"cpu": 4, "memory": 8e9, "pods": 100},
        **more,
    }


def test_a_cluster_is_told_in_a_line_or_refused_in_sentences(monkeypatch, capsys):
    given = {
        "deployment": deployment(),
        "instance": "monitml",
        "stack_namespace": "monitml",
        "gateway_class": "istio",
    }
    monkeypatch.setattr(preflight, "look", lambda *_arguments: found())
    assert "Kubernetes v1.34.2" in run(cluster_info, monkeypatch, capsys, FakeApi(), **given)["words"]
    assert run(cluster_info, monkeypatch, capsys, FakeApi())["words"]
    told = run(cluster_info, monkeypatch, capsys, FakeApi(), expected_server="https://other.test")
    assert told["failed"] and "Nothing has been changed." in told["msg"]
    monkeypatch.setattr(preflight, "look", lambda *_arguments: found(controller="", number=[1, 20], version="v1.20.1"))
    told = run(cluster_info, monkeypatch, capsys, FakeApi(), **given)
    assert "GatewayClass istio" in told["msg"] and "v1.20.1" in told["msg"]
    told = run(cluster_info, monkeypatch, capsys, KubernetesError("It is away."), **given)
    assert told["msg"] == "It is away. Nothing has been changed."


class FakeWay:
    """A pod whose Prometheus reads a configuration after it was told to so often."""

    asked: list[tuple[str, str]] = []
    digest, reload_times = "old", 1
    ready = ["p-1"]

    def __init__(self, *where):
        self.port = where[-1]

    def pods(self):
        """Those that are ready."""
        return self.ready

    def query(self, expression):
        """Samples, by the name of the series."""
        return [{"digest": FakeWay.digest}] if ":" in expression else [{"server": "housing-good-1"}]

    def ask(self, method, path):
        """Notes what is asked."""
        FakeWay.asked.append((method, path))
        if len(FakeWay.asked) >= FakeWay.reload_times:
            FakeWay.digest = "new"
        return 200, b""


def test_a_configuration_is_taken_up_at_once_and_only_where_it_is_another(monkeypatch, capsys):
    monkeypatch.setattr(cluster_configuration, "Way", FakeWay)
    monkeypatch.setattr(cluster_configuration, "_PAUSE_SECONDS", 0)
    api = FakeApi()
    nudged = []
    api.patch = lambda kind, namespace, name, body: nudged.append(name)
    given = {"namespace": "monitml", "selector": "a=b", "digest": "new", "series": "monitml:configuration:info"}
    FakeWay.digest, FakeWay.asked, FakeWay.reload_times = "old", [], 3
    assert run(cluster_configuration, monkeypatch, capsys, api, check=True, **given)["changed"]
    assert not FakeWay.asked
    assert run(cluster_configuration, monkeypatch, capsys, api, **given)["changed"]
    # Three times until the rules were the new ones, and once more all else; then Alertmanager.
    assert FakeWay.asked == [("POST", "/-/reload")] * 5 and nudged == ["p-1"]
    given["expected"] = [{"server": "housing-good-1"}]
    assert not run(cluster_configuration, monkeypatch, capsys, api, **given)["changed"]
    given.update(expected=[{"server": "housing-bad-1"}], timeout_seconds=0)
    told = run(cluster_configuration, monkeypatch, capsys, api, **given)
    assert "has not read" in told["msg"] and "housing-bad-1" in told["msg"]


def test_a_port_leads_to_a_pod_for_as_long_as_there_is_one():
    class Echo:
        """A way to something that says the same."""

        def connect(self):
            here, there = socket.socketpair()

            def echo():
                with there:
                    while data := there.recv(100):
                        there.sendall(data.upper())

            threading.Thread(target=echo, daemon=True).start()
            return here

    port = tunnel.Port(Echo(), "127.0.0.1", 0)
    threading.Thread(target=port.serve, daemon=True).start()
    for _one in range(2):
        with contextlib.closing(socket.create_connection(("127.0.0.1", port.number), 5)) as client:
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b"HELLO"
            assert client.recv(100) == b""


def test_a_way_waits_for_a_pod_that_is_being_replaced(monkeypatch):
    monkeypatch.setattr(tunnel, "_PATIENCE_SECONDS", 0)
    with pytest.raises(KubernetesError, match="No pod of monitml with a=b is ready"):
        tunnel.Way(FakeApi(), "monitml", "a=b", 80).connect()
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "monitml", "labels": {"a": "b"}}}
    pod["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert tunnel.Way(FakeApi(pod), "monitml", "a=b", 80).pods() == ["p"]
    pod["metadata"]["deletionTimestamp"] = "now"
    assert tunnel.Way(FakeApi(pod), "monitml", "a=b", 80).pods() == []
