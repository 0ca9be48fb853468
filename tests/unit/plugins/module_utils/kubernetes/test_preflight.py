# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import capacity, errors, kinds, preflight

from .described import FakeApi, deployment

FOUND = {
    "server": "https://cluster.test:6443",
    "version": "v1.34.2",
    "number": [1, 34],
    "namespaces": {"monitml": "missing", "seldon": "there"},
    "parts": ["Istio"],
    "gateway_api": True,
    "controller": preflight.ISTIO,
    "storage_class": "gp3",
    "quotas": [],
    "missing_rights": [],
    "engine": {"name": "deployments", "flavour": "own"},
    "gateway": {},
    "gateway_problems": [],
    "istio_api": True,
    "storage_classes": ["gp3"],
    "room": {"cpu": 4, "memory": 8e9, "pods": 100},
}


def problems(expected="", **found):
    return preflight.problems({**FOUND, **found}, expected, "istio", {"seldon": {"pods": 2, "requests.memory": 2**29}})


def test_what_is_to_be_installed_is_not_missed():
    brought = {"name": "seldon", "flavour": "own", "istio": "missing"}
    assert problems(engine=brought, controller="", istio_api=False) == []
    assert problems(engine={**brought, "istio": "there"}, gateway={"port": 80}, gateway_api=False) == []


def test_a_storage_class_that_is_named_has_to_be_there():
    def said(classes):
        return preflight.problems({**FOUND, "storage_classes": classes}, "", "istio", {}, "fast")

    assert said(["fast"]) == said(None) == []
    (sentence,) = said(["gp3"])
    assert "has no storage class fast (analytics_storage_class): it has gp3." in sentence
    assert "it has none" in said([])[0]


def test_what_nodes_have_left_is_without_our_own():
    class Nodes(FakeApi):
        """A cluster of two nodes, one of which takes nothing more."""

        def list(self, kind, namespace="", selector=""):
            if kind.name != "Node":
                return super().list(kind, namespace, selector)
            allocatable = {"cpu": "2", "memory": "4Gi", "pods": "110"}
            return [
                {"spec": {}, "status": {"allocatable": allocatable}},
                {"spec": {"unschedulable": True}, "status": {"allocatable": allocatable}},
            ]

    def pod(name, instance=""):
        labels = {kinds.INSTANCE_LABEL: instance} if instance else {}
        containers = [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}, {}]
        return {"kind": "Pod", "metadata": {"name": name, "namespace": "a", "labels": labels}, "spec": {"nodeName": "n", "containers": containers}}

    left = capacity.room(Nodes(pod("theirs"), pod("ours", "monitml"), {**pod("done"), "status": {"phase": "Succeeded"}}), "monitml")
    assert left == {"cpu": 1.5, "memory": 3 * 2**30, "pods": 109}


def test_only_rights_that_are_needed_are_asked_for():
    def kinds_of(*ways, charts=False):
        return {right[1].label for right in preflight.rights({"seldon": {"metadata": {}}}, "monitml", ways, charts)}

    assert "HTTPRoute" in kinds_of("deployments", "own") and "VirtualService" not in kinds_of("deployments", "own")
    assert {"SeldonDeployment", "DestinationRule"} <= kinds_of("seldon", "own")
    assert "PodMonitor" in kinds_of("deployments", "operator") and "PodMonitor" not in kinds_of("seldon", "own")
    assert "ClusterRole" in kinds_of("seldon", "own", charts=True) and "ClusterRole" not in kinds_of("seldon", "own")


def quota(**hard):
    return {"metadata": {"name": "full", "namespace": "seldon"}, "status": {"hard": hard}}


def test_a_cluster_that_fits_has_no_problem_and_is_told_in_one_line():
    assert problems() == []
    assert problems("https://cluster.test:6443/") == []
    line = preflight.words(FOUND, "dev")
    assert line == "Cluster https://cluster.test:6443 (context dev): Kubernetes v1.34.2, with Istio; storage class gp3."
    assert "go with their pod" in preflight.words({**FOUND, "storage_class": ""}, "")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"number": [1, 27], "version": "v1.27.3"}, "runs Kubernetes v1.27.3; 1.28 or newer is needed"),
        ({"namespaces": {"seldon": "terminating"}}, "namespace seldon is being terminated"),
        ({"gateway_api": False}, "does not have the Gateway API"),
        ({"engine": {"name": "deployments", "flavour": "operator"}}, "does not have the Prometheus operator's definitions"),
        (
            {"engine": {"name": "seldon", "flavour": "own", "istio": "there"}, "istio_api": False},
            "needs Istio 1.22 or newer",
        ),
        ({"gateway_problems": ["The Gateway a/b is not there."], "controller": ""}, "The Gateway a/b is not there."),
        ({"controller": ""}, "has no GatewayClass istio"),
        ({"controller": "other.test/controller"}, "is of other.test/controller"),
        (
            {"missing_rights": ["create pods in seldon", "list pods in seldon", "get secrets in monitml"]},
            "lacks rights: create, list pods in seldon; get secrets in monitml.",
        ),
        ({"room": {"cpu": 4, "memory": 1e8, "pods": 100}}, "The nodes have room for 100 MB of memory, and the model servers ask for 537 MB"),
        ({"room": {"pods": -3}}, "The nodes have room for 0 pods, and the model servers ask for 2 pods. Add nodes"),
        ({"quotas": [quota(pods="1")]}, "The quota full of the namespace seldon allows 1 of pods, and the stack needs 2"),
        ({"quotas": [quota(**{"requests.memory": "256Mi"})]}, "allows 256Mi of requests.memory"),
    ],
)
def test_what_stands_in_the_way_is_named_with_its_cure(found, words):
    (sentence,) = problems(**found)
    assert words in sentence


def test_another_cluster_is_refused():
    (sentence,) = problems("https://other.test")
    assert "This is the cluster https://cluster.test:6443" in sentence


@pytest.mark.parametrize(
    ("name", "namespaces", "words"),
    [("9lives", ["monitml", "seldon"], "begins with a digit"), ("housing", ["same", "same"], "are both same")],
)
def test_names_that_a_cluster_does_not_take_are_told(name, namespaces, words):
    (sentence,) = preflight.name_problems({**deployment(), "name": name}, namespaces)
    assert words in sentence
    assert preflight.name_problems(deployment(), ["monitml", "seldon"]) == []


def test_a_quota_with_room_is_none_of_ours():
    assert problems(quotas=[quota(pods="2", **{"requests.memory": "1Gi"})]) == []


def test_what_models_ask_for_is_counted_as_quotas_do():
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    asked = capacity.asked_by(deployment(replicas=3), resources)
    assert asked == {"pods": 4, "requests.cpu": 0.4, "requests.memory": 2**30, "limits.memory": 2**32}


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("100m", 0.1), ("1.5Gi", 1.5 * 2**30), (3, 3)])
def test_quantities(text, value):
    assert capacity.quantity(text) == pytest.approx(value)


def test_what_is_no_quantity_is_said():
    with pytest.raises(ValueError, match="lots is no quantity"):
        capacity.quantity("lots")


def test_rights_to_namespaces_are_asked_for_only_where_one_is_to_be_made():
    def verbs(namespaces):
        return {verb for verb, kind, _space, _sub in preflight.rights(namespaces, "monitml") if kind.name == "Namespace"}

    assert verbs({"seldon": None}) == {"create", "patch", "delete"}
    assert verbs({"seldon": {"metadata": {"name": "seldon"}}}) == set()
    forward = [one for one in preflight.rights({"seldon": None}, "monitml") if one[3] == "portforward"]
    assert preflight.words_of_right(forward[0]) == "create pods/portforward in seldon"


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (401, "Unauthorized", "has expired or is not of this cluster"),
        (403, 'pods "x" is forbidden: exceeded quota: full', "exceeded quota: full. Raise the quota"),
        (403, "unable to create new content because it is being terminated", "namespace is being terminated"),
        (403, "forbidden", "may not do that"),
        (404, "the server could not find the requested resource", "does not know this kind"),
        (422, "is invalid", "Secret a/b: is invalid"),
    ],
)
def test_answers_of_the_api_in_sentences(code, message, words):
    error = errors.of_status("Secret a/b", "https://cluster.test", code, {"message": message})
    assert words in str(error) and error.code == code


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("[Errno 111] Connection refused", "Connection refused. Check the address"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "not of the authority"),
    ],
)
def test_a_server_that_does_not_answer_in_a_sentence(reason, words):
    sentence = str(errors.unreachable("https://cluster.test", OSError(reason)))
    assert sentence.startswith("The cluster at https://cluster.test cannot be reached") and words in sentence


def test_every_kind_has_its_place_in_the_api():
    assert kinds.named("Deployment").path("seldon", "a") == "/apis/apps/v1/namespaces/seldon/deployments/a"
    assert kinds.named("Namespace").path("", "seldon") == "/api/v1/namespaces/seldon"
    assert kinds.POD.path() == "/api/v1/pods"
    assert kinds.selector("m", "g").count(",") == 2
