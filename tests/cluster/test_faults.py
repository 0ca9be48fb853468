# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each fault really happens, to whom it is meant for, and is over when it is said to be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from answering import deploy, deployment, pods
from testbed import faults
from testbed.cluster import Cluster
from testbed.patience import wait_until


def _pod(cluster: Cluster, namespace: str) -> dict:
    (name,) = pods(cluster, namespace)
    return cluster.get("pod", name, namespace=namespace)


def test_a_killed_pod_comes_back_and_counts(cluster: Cluster, namespace: str) -> None:
    (name,) = deploy(cluster, namespace, replicas=1)
    faults.kill_pod(cluster, name, namespace)
    status = wait_until(
        lambda: next(
            (
                one
                for one in _pod(cluster, namespace)["status"]["containerStatuses"]
                if one["restartCount"] == 1 and one["ready"]
            ),
            None,
        )
    )
    # 128 + SIGKILL.
    assert status["lastState"]["terminated"]["exitCode"] == 137


@pytest.mark.alone
def test_a_stopped_kubelet_makes_the_node_unknown_for_so_long(cluster: Cluster) -> None:
    with faults.stopped_kubelet(cluster):
        assert " NotReady" in cluster.kubectl("get", "nodes")
        assert not cluster.sandbox.runs("kubelet")
    assert " Ready" in cluster.kubectl("get", "nodes")
    # What it takes to be served again comes a moment later.
    cluster.wait_for("deployment/istiod", "istio-system")
    cluster.wait_for("deployment/istio-ingressgateway", "istio-system")


def test_an_api_fails_so_often_and_recovers(cluster: Cluster) -> None:
    with faults.faulty_api(cluster) as api:
        api.fail(500, only="/namespaces/default$")
        said = cluster.refusal("get", "namespace", "default", kubeconfig=api.kubeconfig)
        assert "InternalError" in said and "answer 500" in said
        assert api.refused == ["GET /api/v1/namespaces/default"]
        # Others are passed on meanwhile, also to a client that does not go through it.
        assert "kube-system" in cluster.kubectl("get", "namespaces", kubeconfig=api.kubeconfig)
        assert "default" in cluster.kubectl("get", "namespace", "default")
        api.recover()
        assert "default" in cluster.kubectl(
            "get", "namespace", "default", kubeconfig=api.kubeconfig
        )


def test_an_api_with_too_many_requests_is_asked_again_later(cluster: Cluster) -> None:
    with faults.faulty_api(cluster) as api:
        cluster.kubectl("get", "namespaces", kubeconfig=api.kubeconfig)
        api.fail(429, times=2, retry_after=1, only="/namespaces/default$")
        start = time.monotonic()
        assert "default" in cluster.kubectl(
            "get", "namespace", "default", kubeconfig=api.kubeconfig
        )
        assert time.monotonic() - start >= 2
        assert len(api.refused) == 2
        assert api.seen.count("GET /api/v1/namespaces/default") == 3


def test_an_api_fails_for_so_many_seconds(cluster: Cluster) -> None:
    with faults.faulty_api(cluster) as api:
        api.fail(500, seconds=2)
        until = time.monotonic() + 2
        cluster.refusal("get", "--raw", "/version", kubeconfig=api.kubeconfig)
        time.sleep(max(0, until - time.monotonic()) + 0.1)
        assert "v1" in cluster.kubectl("get", "--raw", "/version", kubeconfig=api.kubeconfig)


def test_what_streams_goes_through_the_proxy(cluster: Cluster, namespace: str) -> None:
    with faults.faulty_api(cluster) as api:
        (name,) = deploy(cluster, namespace, replicas=1)
        words = ["exec", "-i", name, "--namespace", namespace, "--", "cat"]
        text = "typed\n" * 50000
        assert cluster.kubectl(*words, stdin=text, kubeconfig=api.kubeconfig) == text
        words = ["wait", f"pod/{name}", "--namespace", namespace, "--for=condition=Ready"]
        assert "condition met" in cluster.kubectl(*words, kubeconfig=api.kubeconfig)


def test_an_image_that_cannot_be_pulled_keeps_a_pod_waiting(
    cluster: Cluster, namespace: str
) -> None:
    image = faults.image_that_cannot_be_pulled(cluster)
    cluster.apply(deployment(image, replicas=1), namespace=namespace)

    def reason() -> str:
        for status in _pod(cluster, namespace)["status"].get("containerStatuses", []):
            waiting = status["state"].get("waiting", {})
            # The registry was reached, and has no such image.
            if "not found" in waiting.get("message", ""):
                return waiting["reason"]
        return ""

    wait_until(lambda: pods(cluster, namespace))
    assert wait_until(reason) in ("ErrImagePull", "ImagePullBackOff")


def test_a_full_quota_lets_no_further_pod_in(cluster: Cluster, namespace: str) -> None:
    deploy(cluster, namespace, replicas=1)
    with faults.full_quota(cluster, namespace):
        cluster.kubectl("scale", "deployment/answer", "--replicas=2", "-n", namespace)
        wait_until(
            lambda: "exceeded quota" in cluster.kubectl("get", "events", "--namespace", namespace)
        )
        assert len(pods(cluster, namespace)) == 1
    # Asked anew, or the next try of its own would be minutes away.
    cluster.kubectl("rollout", "restart", "deployment/answer", "--namespace", namespace)
    cluster.wait_for("deployment/answer", namespace)
    wait_until(lambda: len(pods(cluster, namespace)) == 2)


def test_a_user_may_do_what_the_rules_say_and_nothing_else(
    cluster: Cluster, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    ann: Path = faults.kubeconfig_of(cluster, "ann", namespace, rules)
    assert cluster.kubectl("get", "pods", kubeconfig=ann) == ""
    for words in (
        ["get", "pods", "--namespace", "default"],
        ["get", "services"],
        ["delete", "pod", "nobody"],
        ["create", "configmap", "mine"],
    ):
        said = cluster.refusal(*words, kubeconfig=ann)
        assert "forbidden" in said.lower() and 'User "ann" cannot' in said
