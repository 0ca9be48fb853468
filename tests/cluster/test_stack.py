# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole stack on a real cluster, without an operator: what a person does with it, one after the other."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import queries
from stack import PREDICTOR, VERSION, Stack, ask, described
from testbed import faults
from testbed.cluster import Cluster
from testbed.patience import wait_until

# Repeated over all the tests there will ever be, one in a million may fail by chance.
_DEVIATIONS = 4.9


@pytest.fixture(scope="module")
def deployed(shared_cluster: Cluster, images: Path) -> Iterator[Stack]:
    """The stack, deployed; each test leaves it as it is described by default."""
    stack = Stack(shared_cluster, images)
    told = stack.play("site")
    assert told.changed, told.text
    assert "Kubernetes v1." in told.words
    yield stack
    stack.play("destroy")


def test_a_second_run_changes_nothing_and_neither_would_a_check(cluster: Cluster, deployed: Stack) -> None:
    assert deployed.play("site").changed == 0
    assert deployed.play("site", "--check").changed == 0


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
    # Without a name it would reach anybody.
    assert deployed.ask("feedback", json.dumps({"reward": 1.0}))[0] == 404
    status, _headers, body = deployed.ask(x_monitml_predictor="nobody")
    assert status == 400 and "names nobody, and no such predictor is deployed" in json.loads(body)["status"]["info"]


def test_a_bad_model_becomes_a_message(cluster: Cluster, deployed: Stack) -> None:
    told = deployed.play("demo").words
    assert "after the first answer of bad: Predictor bad, version v2, of housing: the average prediction" in told
    assert "is 100 over the last 30 s; allowed is at least 100,000." in told
    assert "Board http://127.0.0.1:3001/user/" in told


def test_what_is_measured_is_on_real_series(cluster: Cluster, deployed: Stack) -> None:
    # Of the requests of the test before. The models give no metrics of their own, and nobody tells of the
    # nodes' disks; whether a split is judged and an alert fires is a matter of when one looks.
    left_out = {name for name in queries.MEASURES if name.startswith(("model_", "disk_"))}
    left_out |= {"traffic_deviation_ratio", "firing_alerts"}
    scope = queries.Scope('namespace="seldon",deployment_name="housing"')

    def unmeasured() -> list[str]:
        return [
            name
            for name in queries.MEASURES
            if name not in left_out
            and {"good", "bad"} - deployed.measured(queries.value_query(name, "deployments", scope, "5m"))
        ]

    # Each at its own pace: Envoy adds up its latencies every five seconds.
    wait_until(lambda: not unmeasured(), 20, 1, lambda: f"without a value: {unmeasured()}")


def test_traffic_moves_without_a_failed_request_and_no_pod_is_touched(cluster: Cluster, deployed: Stack) -> None:
    pods = deployed.pods()
    with deployed.asked() as asked:
        deployed.play("traffic", canary_traffic={"good": 100, "bad": 0})
        assert deployed.pods() == pods
        asked.answers.clear()
        wait_until(lambda: sum(asked.answers.values()) > 100, 30)
        assert set(asked.answers) == {("good", "v1")}
        deployed.play("traffic")
    assert asked.failed == []
    assert ("bad", "v2") in asked.answers


def test_a_version_changes_without_a_failed_request(cluster: Cluster, deployed: Stack) -> None:
    after = described(version="v3", replicas=2)
    checked = deployed.play("site", "--check", "--diff", monitml_deployment=after)
    assert checked.changed and "Deployment seldon/housing-bad-" in checked.text and "version: v3" in checked.text
    before = deployed.pods()
    with deployed.asked() as asked:
        deployed.play("site", monitml_deployment=after)
        pods = deployed.pods()
        assert len(pods) == 3 and sum(name in before for name in pods) == 1
        wait_until(lambda: len(cluster.get("pods", namespace="seldon")["items"]) == 3, 90, 0.5)
        asked.answers.clear()
        wait_until(lambda: sum(asked.answers.values()) > 100, 30)
    assert asked.failed == []
    assert set(asked.answers) == {("good", "v1"), ("bad", "v3")}


def test_a_killed_pod_is_replaced_and_what_else_serves_goes_on(cluster: Cluster, deployed: Stack) -> None:
    # Two of bad serve since the test before.
    name = next(name for name in deployed.pods() if "-bad-" in name)
    with deployed.asked() as asked:
        faults.kill_pod(cluster, name, "seldon")
        cluster.kubectl("delete", "pod", name, "--namespace", "seldon", "--grace-period=0", "--force")
        for server in cluster.get("deployments", namespace="seldon")["items"]:
            cluster.wait_for(f"deployment/{server['metadata']['name']}", "seldon")
        asked.answers.clear()
        wait_until(lambda: len(asked.answers) == 2, 30)
    assert asked.outage_seconds < 15


def test_forwarded_ports_outlive_a_pod_and_end_with_the_playbook(cluster: Cluster, deployed: Stack) -> None:
    with deployed.forwarded() as urls:
        assert "Prometheus" in ask(f"{urls['prometheus']}/-/healthy")
        assert "OK" in ask(f"{urls['alertmanager']}/-/healthy")
        assert "MonitML" in ask(f"{urls['inbox']}/")
        assert ask(f"{urls['prometheus']}/user/")
        (name,) = [name for name in deployed.pods("monitml") if "analytics" in name]
        cluster.kubectl("delete", "pod", name, "--namespace", "monitml", "--grace-period=1")
        # Who asks meanwhile waits for the next one.
        assert "Prometheus" in ask(f"{urls['prometheus']}/-/healthy", seconds=60)
    with pytest.raises(OSError):
        ask(f"{urls['prometheus']}/-/healthy")


def test_a_model_that_does_not_start_is_taken_away_again_and_what_serves_goes_on(
    cluster: Cluster, deployed: Stack
) -> None:
    before = deployed.pods()
    broken = described(version="v4", parameters={"nobody_knows": "this"})
    with deployed.asked() as asked:
        told = deployed.play("site", code=2, monitml_deployment=broken).words
        assert "The constructor of HousingBadModel failed" in told
        assert "What did not come up has been taken away again." in told
    assert asked.failed == []
    wait_until(lambda: deployed.pods() == before, 30, 0.5)


def test_an_image_that_cannot_be_pulled_is_named_and_what_serves_goes_on(cluster: Cluster, deployed: Stack) -> None:
    before = deployed.pods()
    told = deployed.play("site", code=2, monitml_images=deployed.images_of(bad="0" * 64)).words
    assert f"/models/housing-bad@sha256:{'0' * 64} cannot be pulled" in told
    wait_until(lambda: deployed.pods() == before, 30, 0.5)
    assert deployed.ask()[0] == 200


def test_an_api_that_is_away_for_half_a_minute_is_waited_for_in_the_middle_of_a_run(
    cluster: Cluster, deployed: Stack
) -> None:
    after = described(version="v5")
    with faults.faulty_api(cluster) as proxy:

        def go_away() -> None:
            made = re.compile("PATCH .*/deployments/housing-bad-")
            wait_until(lambda: any(made.search(one) and "dryRun" not in one for one in proxy.seen), 120, 0.05)
            proxy.fail(503, seconds=30)

        away = threading.Thread(target=go_away)
        away.start()
        deployed.play("site", monitml_kubernetes_kubeconfig=str(proxy.kubeconfig), monitml_deployment=after)
        away.join()
        assert len(proxy.refused) > 5
    assert deployed.play("site", monitml_deployment=after).changed == 0
    deployed.play("site")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"monitml_kubernetes_expected_server": "https://other.test"}, "monitml_kubernetes_expected_server is https://other.test"),
        ({"monitml_kubernetes_kubeconfig": "/nowhere.conf"}, "/nowhere.conf, and there is no such file"),
        ({"seldon_gateway": "istio-system/gateway"}, "which is for the engine seldon"),
        ({"analytics_storage_class": "nowhere"}, "has no storage class nowhere"),
        ({"canary_resources": {"requests": {"cpu": "1000", "memory": "1Gi"}}}, "Add nodes, or ask for less"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(
    cluster: Cluster, deployed: Stack, variables: dict, words: str
) -> None:
    told = deployed.play("site", code=2, **variables)
    assert words in told.words and "Nothing has been changed." in told.words
    assert told.changed == 0


def test_destroy_leaves_nothing_and_says_what_it_was(cluster: Cluster, deployed: Stack) -> None:
    told = deployed.play("destroy").words
    for what in ("HTTPRoute seldon/housing", "Deployment monitml/monitml-analytics", "Namespace seldon"):
        assert what in told
    assert deployed.left() == ""
    names = cluster.kubectl("get", "namespaces", "-o", "name").split()
    assert not {"namespace/seldon", "namespace/monitml"}.intersection(names)
    assert "there was nothing of the stack here" in deployed.play("destroy").words
