# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in the way is told before anything changes: by a real API server, in our sentences."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import (
    convergence,
    kinds,
    preflight,
    removal,
)
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.api import Api
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.errors import KubernetesError
from testbed import faults
from testbed.cluster import Cluster

INSTANCE = "tested"


@pytest.fixture(autouse=True)
def no_proxy(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy the machine has cannot reach the node."""
    monkeypatch.setenv("NO_PROXY", cluster.environment["NO_PROXY"])
    monkeypatch.setenv("no_proxy", cluster.environment["no_proxy"])


def asked(cluster: Cluster, namespace: str, kubeconfig: Path | None = None, **need: float) -> list[str]:
    """What preflight says of a namespace."""
    api = Api(str(kubeconfig or cluster.kubeconfig), patience=1)
    found = preflight.look(api, [namespace], "istio", INSTANCE)
    return preflight.problems(found, "", "istio", {namespace: need})


def changed(kubeconfig: Path, path: Path, **user: str) -> Path:
    """A kubeconfig with another user or server."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    if "server" in user:
        content["clusters"][0]["cluster"]["server"] = user["server"]
    else:
        content["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def config(namespace: str, **data: str) -> dict:
    """An object of ours that harms nobody."""
    return kinds.made("ConfigMap", "one", namespace, kinds.labels(INSTANCE, "tests"), data=data)


def test_a_cluster_that_fits_is_told_in_one_line(cluster: Cluster, namespace: str) -> None:
    assert asked(cluster, namespace, pods=2) == []
    found = preflight.look(Api(str(cluster.kubeconfig)), [namespace, "nowhere"], "istio", INSTANCE)
    assert found["namespaces"] == {namespace: "there", "nowhere": "missing"}
    words = preflight.words(found, "test")
    assert f"Cluster https://{cluster.node_address}:6443 (context test): Kubernetes v1." in words and "Istio" in words


def test_a_class_that_is_not_there_is_named(cluster: Cluster, namespace: str) -> None:
    found = preflight.look(Api(str(cluster.kubeconfig)), [namespace], "nobody", INSTANCE)
    (sentence,) = preflight.problems(found, "", "nobody", {})
    assert "has no GatewayClass nobody" in sentence


def test_rights_that_lack_are_named_together(cluster: Cluster, namespace: str) -> None:
    rules = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list"]}]
    (sentence,) = asked(cluster, namespace, faults.kubeconfig_of(cluster, "reader", namespace, rules))
    assert f"create, patch, delete deployments.apps in {namespace}" in sentence
    assert f"create pods/portforward in {namespace}" in sentence
    assert f"get, list, create, patch, delete httproutes.gateway.networking.k8s.io in {namespace}" in sentence


def test_a_token_that_expired_is_told(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    old = changed(cluster.kubeconfig, tmp_path / "old.conf", token="expired")
    with pytest.raises(KubernetesError, match="does not let us in: the token or the certificate"):
        asked(cluster, namespace, old)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("https://127.0.0.1:1", "cannot be reached: .*refused"),
        ("https://nobody.invalid:6443", "cannot be reached: "),
    ],
)
def test_a_server_that_does_not_answer_is_told(
    cluster: Cluster, namespace: str, tmp_path: Path, server: str, words: str
) -> None:
    elsewhere = changed(cluster.kubeconfig, tmp_path / "elsewhere.conf", server=server)
    with pytest.raises(KubernetesError, match=words) as error:
        asked(cluster, namespace, elsewhere)
    # Not in the words of the library.
    assert "object at 0x" not in str(error.value)


@pytest.mark.parametrize(("text", "context"), [("{", ""), ("{}", ""), (None, "nobody")])
def test_a_kubeconfig_that_is_none_is_told(cluster: Cluster, tmp_path: Path, text: str | None, context: str) -> None:
    path = tmp_path / "broken.conf"
    path.write_text(cluster.kubeconfig.read_text(encoding="utf-8") if text is None else text, encoding="utf-8")
    with pytest.raises(KubernetesError, match=f"broken.conf cannot be used.*{context}"):
        Api(str(path), context)


def test_a_namespace_that_is_going_is_told(cluster: Cluster) -> None:
    name = "preflight-going"
    cluster.kubectl("create", "namespace", name)
    held = {"name": "held", "finalizers": ["monitml.test/held"]}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held}, namespace=name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    try:
        (sentence,) = asked(cluster, name)
        assert f"The namespace {name} is being terminated" in sentence
        with pytest.raises(KubernetesError, match="ConfigMap preflight-going/one: its namespace is being terminated"):
            convergence.apply(Api(str(cluster.kubeconfig)), [config(name)], INSTANCE)
    finally:
        cluster.kubectl("patch", "configmap", "held", "-n", name, "-p", '{"metadata":{"finalizers":null}}')


def test_a_quota_without_room_is_told(cluster: Cluster, namespace: str) -> None:
    with faults.full_quota(cluster, namespace, pods="1", **{"requests.memory": "256Mi"}):
        sentences = asked(cluster, namespace, **{"pods": 2, "requests.memory": 2**29})
    assert len(sentences) == 2 and f"of the namespace {namespace} allows 1 of pods" in sentences[0]


def test_what_another_keeps_is_not_taken_from_it(cluster: Cluster, namespace: str) -> None:
    api = Api(str(cluster.kubeconfig))
    convergence.apply(api, [config(namespace, a="1")], INSTANCE)
    cluster.kubectl("patch", "configmap", "one", "-n", namespace, "--field-manager=somebody", "-p", '{"data":{"a":"2"}}')
    with pytest.raises(KubernetesError, match=r"ConfigMap .*/one: \.data\.a is kept by somebody"):
        convergence.apply(api, [config(namespace, a="1")], INSTANCE)


def test_what_is_not_ours_is_left_alone(cluster: Cluster, namespace: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "theirs"}}
    cluster.apply(theirs, namespace=namespace)
    api = Api(str(cluster.kubeconfig))
    with pytest.raises(KubernetesError, match="is there already, and not of the instance tested"):
        convergence.apply(api, [config(namespace, a="1")], INSTANCE)
    convergence.prune(api, [], ["tests"], INSTANCE, [namespace])
    removal.remove_everything(api, INSTANCE, [namespace], time)
    assert cluster.get("configmap", "one", namespace=namespace)["data"] == {"a": "theirs"}


def test_a_check_is_as_true_as_the_cluster_itself(cluster: Cluster, namespace: str) -> None:
    api = Api(str(cluster.kubeconfig))
    assert convergence.apply(api, [config(namespace, a="1")], INSTANCE, check=True).changed
    assert "configmaps" in cluster.refusal("get", "configmap", "one", "-n", namespace)
    convergence.apply(api, [config(namespace, a="1")], INSTANCE)
    assert not convergence.apply(api, [config(namespace, a="1")], INSTANCE, check=True).changed
    wrong = {**config(namespace), "data": {"a": {"no": "text"}}}
    with pytest.raises(KubernetesError, match="ConfigMap .*/one: "):
        convergence.apply(api, [wrong], INSTANCE, check=True)


def test_an_api_that_is_away_for_a_while_is_waited_for(cluster: Cluster, namespace: str) -> None:
    with faults.faulty_api(cluster) as proxy:
        api = Api(str(proxy.kubeconfig), patience=20)
        proxy.fail(status=503)
        away = threading.Timer(3, proxy.recover)
        away.start()
        start = time.monotonic()
        convergence.apply(api, [config(namespace, a="1")], INSTANCE)
        assert time.monotonic() - start >= 2
        away.join()
        proxy.fail(status=503)
        with pytest.raises(KubernetesError):
            Api(str(proxy.kubeconfig), patience=1).request("GET", "/version")
    assert cluster.get("configmap", "one", namespace=namespace)["data"] == {"a": "1"}
