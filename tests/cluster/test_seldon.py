# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same description by Seldon's operator: what it is given, what it is held to, and what users see of it.

Its images are in no registry that these tests reach; so it is played, against its real definition where that lies
beside the checkout. With MONITML_SELDON_CHART (a chart) and MONITML_SELDON_IMAGE (registry/name:tag of the
operator) everything is run with the operator itself as well.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import queries
from played_operator import played
from stack import PREDICTOR, VERSION, Stack
from testbed.cluster import Cluster
from testbed.patience import wait_until
from testbed.program_images import busybox
from testbed.programs import ROOT

DEFINITION = "machinelearning.seldon.io_seldondeployments.yaml.gz"
STAND_IN = Path(__file__).resolve().parent / "manifests/operator"
_CHART, _IMAGE = (os.environ.get(f"MONITML_SELDON_{what}", "") for what in ("CHART", "IMAGE"))
# Repeated over all the tests there will ever be, one in a million may fail by chance.
_DEVIATIONS = 4.9


def real_definition() -> str:
    """Seldon's own definition of its kind; "" where it is not to be had."""
    path = ROOT.parent / "shared/crds" / DEFINITION
    places = [path, *(parent / "shared/crds" / DEFINITION for parent in ROOT.parents)]
    return next((gzip.decompress(place.read_bytes()).decode() for place in places if place.exists()), "")


def _image(name: str) -> dict[str, str]:
    registry, _slash, rest = name.partition("/")
    repository, _colon, tag = rest.rpartition(":")
    return {"seldon_image_registry": registry, "seldon_operator_image": repository, "seldon_image_tag": tag}


@pytest.fixture(scope="module", params=["played", "own"])
def operator(request: pytest.FixtureRequest, shared_cluster: Cluster) -> Iterator[dict]:
    """Variables that name Seldon's operator: played here, or its own where its image is to be had."""
    if request.param == "own":
        if not (_CHART and _IMAGE):
            pytest.skip("Seldon's own operator: MONITML_SELDON_CHART and MONITML_SELDON_IMAGE name none")
        yield {"seldon_chart_ref": _CHART, **_image(_IMAGE)}
        return
    image = shared_cluster.load_image(busybox())
    if real_definition():
        shared_cluster.apply(real_definition())
    else:
        print(f"The SeldonDeployment is held against a definition of the tests' own: there is no {DEFINITION}")
    with played(shared_cluster.kubeconfig):
        yield {"seldon_chart_ref": str(STAND_IN), **_image(image)}


@pytest.fixture(scope="module")
def deployed(shared_cluster: Cluster, images: Path, operator: dict) -> Iterator[Stack]:
    """The stack, deployed; each test leaves it as it is described by default."""
    stack = Stack(shared_cluster, images, "sold", "sold-models", seldon_engine="seldon", **operator)
    told = stack.play("site")
    assert told.changed, told.text
    yield stack
    stack.play("destroy")
    kind = "crd/seldondeployments.machinelearning.seldon.io"
    # It outlives the chart, with what others may have of it.
    assert kind.removeprefix("crd/") in shared_cluster.kubectl("get", kind, "-o", "name")
    shared_cluster.kubectl("delete", kind)


def _seldon(stack: Stack) -> dict:
    return stack.cluster.get("seldondeployments.v1.machinelearning.seldon.io", "housing", namespace=stack.namespace)


def test_a_second_run_changes_nothing_and_neither_would_a_check(cluster: Cluster, deployed: Stack) -> None:
    assert deployed.play("site").changed == 0
    assert deployed.play("site", "--check").changed == 0


def test_the_operator_is_told_what_is_described_and_does_it(cluster: Cluster, deployed: Stack) -> None:
    found = _seldon(deployed)
    assert found["status"]["state"] == "Available"
    told = {one["labels"]["version"]: one for one in found["spec"]["predictors"]}
    assert {version: one["traffic"] for version, one in told.items()} == {"v1": 75, "v2": 25}
    assert all(one["annotations"]["version"] == version for version, one in told.items())
    (container,) = told["v2"]["componentSpecs"][0]["spec"]["containers"]
    assert "@sha256:" in container["image"]
    route = cluster.get("virtualservices", "housing", namespace=deployed.namespace)["spec"]["http"][0]["route"]
    assert sorted(one["weight"] for one in route) == [25, 75]
    pods = cluster.get("pods", namespace=deployed.namespace)["items"]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] for pod in pods} == {"seldon-core"}


def test_answers_say_who_gave_them_as_often_as_described(cluster: Cluster, deployed: Stack) -> None:
    count = 400
    asked = [deployed.ask() for _one in range(count)]
    assert {status for status, _headers, _body in asked} == {200}
    found = [(headers[PREDICTOR], headers[VERSION]) for _status, headers, _body in asked]
    assert set(found) == {("good", "v1"), ("bad", "v2")}
    spread = _DEVIATIONS * math.sqrt(count * 0.25 * 0.75)
    assert abs(found.count(("bad", "v2")) - 0.25 * count) < spread


def test_a_named_predictor_answers_and_takes_its_feedback(cluster: Cluster, deployed: Stack) -> None:
    for name in ("good", "bad"):
        for _one in range(5):
            status, headers, _body = deployed.ask(x_monitml_predictor=name)
            assert (status, headers[PREDICTOR]) == (200, name)
        status, headers, _body = deployed.ask("feedback", json.dumps({"reward": 1.0}), x_monitml_predictor=name)
        assert (status, headers[PREDICTOR]) == (200, name)
        status, headers, body = deployed.ask(f"metadata/{name}", None)
        assert (status, headers[PREDICTOR]) == (200, name), body
    status, _headers, body = deployed.ask("feedback", json.dumps({"reward": 1.0}))
    assert status == 400 and "Feedback belongs to the predictor that answered" in json.loads(body)["status"]["info"]
    status, _headers, body = deployed.ask(x_monitml_predictor="nobody")
    assert status == 400 and "it has good, bad" in json.loads(body)["status"]["info"]


def test_a_bad_model_becomes_a_message_and_is_measured(cluster: Cluster, deployed: Stack) -> None:
    told = deployed.play("demo").words
    assert "after the first answer of bad: Predictor bad, version v2, of housing: the average prediction" in told
    assert "is 100 over the last 30 s; allowed is at least 100,000." in told
    # As with the other engine, by the same queries.
    left_out = {name for name in queries.MEASURES if name.startswith(("model_", "disk_"))}
    left_out |= {"traffic_deviation_ratio", "firing_alerts"}
    scope = queries.Scope(f'namespace="{deployed.namespace}",deployment_name="housing"')

    def unmeasured() -> list[str]:
        return [
            name
            for name in queries.MEASURES
            if name not in left_out
            and {"good", "bad"} - deployed.measured(queries.value_query(name, "deployments", scope, "5m"))
        ]

    wait_until(lambda: not unmeasured(), 20, 1, lambda: f"without a value: {unmeasured()}")


def test_traffic_moves_and_a_version_changes_without_a_failed_request(cluster: Cluster, deployed: Stack) -> None:
    before = deployed.pods()
    with deployed.asked() as asked:
        deployed.play("traffic", canary_traffic={"good": 100, "bad": 0})
        assert deployed.pods() == before
        asked.answers.clear()
        wait_until(lambda: sum(asked.answers.values()) > 100, 30)
        assert set(asked.answers) == {("good", "v1")}
        deployed.play("site", monitml_deployment=deployed.described(version="v3", replicas=2))
        wait_until(lambda: len(deployed.pods()) == 3, 90, 0.5)
        asked.answers.clear()
        wait_until(lambda: sum(asked.answers.values()) > 100, 30)
        assert set(asked.answers) == {("good", "v1"), ("bad", "v3")}
        deployed.play("site")
    assert asked.failed == []
    rules = cluster.get("destinationrules", namespace=deployed.namespace)["items"]
    assert len(rules) == 2


def test_what_does_not_come_up_is_taken_back_and_its_own_reason_is_told(cluster: Cluster, deployed: Stack) -> None:
    before = deployed.pods()
    broken = deployed.described(version="v4", parameters={"nobody_knows": "this"})
    with deployed.asked() as asked:
        told = deployed.play("site", code=2, monitml_deployment=broken).words
        assert "The constructor of HousingBadModel failed" in told
        assert "What did not come up has been taken away again." in told
        told = deployed.play("site", code=2, monitml_images=deployed.images_of(bad="0" * 64)).words
        assert f"/models/housing-bad@sha256:{'0' * 64} cannot be pulled" in told
    assert asked.failed == []
    wait_until(lambda: deployed.pods() == before, 60, 0.5)


def test_a_shadow_gets_copies_and_answers_nobody(cluster: Cluster, deployed: Stack) -> None:
    given = deployed.described({"good": 100})
    given["predictors"][1].update(shadow=True, traffic=0)
    deployed.play("site", monitml_deployment=given)
    asked = [deployed.ask() for _one in range(40)]
    assert {headers[PREDICTOR] for _status, headers, _body in asked} == {"good"}
    scope = queries.Scope(f'namespace="{deployed.namespace}",deployment_name="housing"')
    wait_until(lambda: "bad" in deployed.measured(queries.value_query("prediction_mean", "deployments", scope, "20s")), 20)
    deployed.play("site")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"seldon_gateway": "nowhere/none"}, "The Gateway nowhere/none (seldon_gateway) is not there"),
        ({"seldon_gateway": "none"}, "give it as namespace/name"),
        ({"seldon_engine": "deployments"}, "is served by the other engine (SeldonDeployment housing)"),
        ({"seldon_helm": "/nowhere/helm"}, "/nowhere/helm is not on the controller"),
        ({"seldon_chart_ref": "/nowhere/chart"}, "There is no chart at /nowhere/chart on the controller"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(
    cluster: Cluster, deployed: Stack, variables: dict, words: str
) -> None:
    told = deployed.play("site", code=2, **variables)
    assert words in told.words and "Nothing has been changed." in told.words
    assert told.changed == 0


def test_a_webhook_that_is_down_is_named(cluster: Cluster, deployed: Stack) -> None:
    rule = {
        "apiGroups": ["machinelearning.seldon.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["seldondeployments"],
    }
    hook = {
        "name": "down.test.io",
        "clientConfig": {"service": {"name": "nobody", "namespace": deployed.namespace, "path": "/"}},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    cluster.apply({**kind, "metadata": {"name": "down"}, "webhooks": [hook]})
    try:
        told = deployed.play("site", code=2, monitml_deployment=deployed.described(version="v9")).words
        assert "the webhook down.test.io, which has to allow it, does not answer" in told
        assert f"the pods of Service {deployed.namespace}/nobody run" in told
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", "down")


def test_a_version_that_is_no_label_is_refused(cluster: Cluster, deployed: Stack) -> None:
    told = deployed.play("site", code=2, monitml_deployment=deployed.described(version="v2."))
    assert "version 'v2.' is no value of a label" in told.words and told.changed == 0


def test_a_split_that_somebody_changed_comes_back(cluster: Cluster, deployed: Stack) -> None:
    weights = [{"op": "replace", "path": f"/spec/http/0/route/{number}/weight", "value": 50} for number in (0, 1)]
    there = ["virtualservice", "housing", "--namespace", deployed.namespace]
    cluster.kubectl("patch", *there, "--type=json", "-p", json.dumps(weights))
    assert deployed.play("site").changed == 0
    route = cluster.get("virtualservice", "housing", namespace=deployed.namespace)["spec"]["http"][0]["route"]
    assert sorted(one["weight"] for one in route) == [25, 75]


def test_destroy_leaves_nothing_and_says_what_it_was(cluster: Cluster, deployed: Stack) -> None:
    told = deployed.play("destroy").words
    for what in ("SeldonDeployment sold-models/housing", "Release seldon-system/seldon-core", "Namespace sold-models"):
        assert what in told
    assert deployed.left() == ""
    assert "there was nothing of the stack here" in deployed.play("destroy").words
