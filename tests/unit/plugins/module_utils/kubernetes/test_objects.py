# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import (
    analytics,
    kinds,
    models,
    routes,
)

from .described import SETTINGS, deployment, served

ANALYTICS = {
    "instance": "monitml",
    "stack_namespace": "monitml",
    "storage_class": "",
    "storage_size": "3Gi",
    "images": {"prometheus": "p:1", "alertmanager": "a:1", "python": "y:1"},
    "retention_time": "15d",
    "retention_size": "2GB",
    "prometheus_url": "http://127.0.0.1:3001",
    "alertmanager_url": "http://127.0.0.1:3005",
    "pull_secret": "",
    "scrape_interval": "500ms",
    "stack_scrape_interval": "5s",
    "evaluation_interval": "500ms",
    "engine": "deployments",
    "gateway": {"namespace": "monitml", "selector": "a=b", "port": 80},
}
FILES = {
    "configuration": {"prometheus.yml": "", "receivers.json": "{}"},
    "board": {"index.html": ""},
    "inbox": {"inbox.py": ""},
    "secrets": {"slack_url": ""},
}
GATEWAY = {**SETTINGS, "gateway_class": "istio", "service_type": "ClusterIP", "pull_secret_data": "e30="}


def of_kind(things, kind):
    return [thing for thing in things if thing["kind"] == kind]


def everything(given=None, pull_secret=""):
    given, settings = given or served(), {**SETTINGS, "pull_secret": pull_secret}
    return [
        *routes.gateway_objects(given, {**GATEWAY, "pull_secret": pull_secret}),
        *models.model_objects(given, settings),
        *routes.route_objects(given, settings),
        *analytics.analytics_objects(given, FILES, {**ANALYTICS, "pull_secret": pull_secret}),
    ]


def pods(things):
    return [thing["spec"]["template"]["spec"] for thing in of_kind(things, "Deployment")]


def test_everything_carries_our_labels_and_no_two_are_the_same():
    things = everything()
    assert all(kinds.is_ours(thing, "monitml") for thing in things)
    places = [kinds.place_of(thing) for thing in things]
    assert len(places) == len(set(places))
    assert kinds.in_order(things)[0]["kind"] == "Namespace"


def test_every_pod_is_as_pod_security_wants_it_restricted():
    for pod in pods(everything()):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["resources"]["requests"]


def test_a_login_of_registries_reaches_every_pod():
    things = everything(pull_secret="monitml-pull")
    assert all(pod["imagePullSecrets"] == [{"name": "monitml-pull"}] for pod in pods(things))
    secrets = [one for one in of_kind(things, "Secret") if one["type"].endswith("dockerconfigjson")]
    assert {one["metadata"]["namespace"] for one in secrets} == {"monitml", "seldon"}
    assert "imagePullSecrets" not in pods(everything())[0]


@pytest.mark.parametrize("change", [{"version": "v3"}, {"container_image": "other@sha256:1"}, {"parameters": {"a": 1}}])
def test_what_is_another_server_has_another_name(change):
    before, after = served(), served(deployment(**change))
    assert before["predictors"][0]["server"] == after["predictors"][0]["server"]
    assert before["predictors"][1]["server"] != after["predictors"][1]["server"]


@pytest.mark.parametrize("change", [{"replicas": 3}, {"traffic": 50}])
def test_what_is_the_same_server_keeps_its_name(change):
    assert served()["predictors"][1]["server"] == served(deployment(**change))["predictors"][1]["server"]


def test_names_stay_dns_labels():
    assert models.object_name("a", "b") == "a-b"
    long = models.object_name("x" * 40, "y" * 40, "z")
    assert len(long) <= 63 and long != models.object_name("x" * 40, "y" * 40, "w")


def test_what_serves_and_is_no_longer_described_is_to_leave():
    before = served()
    live = [*models.model_objects(before, SETTINGS), *routes.route_objects(before, SETTINGS)]
    assert served(live=live)["leaving"] == []
    assert served(live=live)["serving"] == sorted(one["server"] for one in before["predictors"])
    after = served(deployment(version="v3"), live)
    assert after["leaving"] == [{"name": before["predictors"][1]["server"], "predictor": "bad", "version": "v2"}]
    # Who came up and never got a request has nothing to finish.
    assert served(deployment(version="v3"), of_kind(live, "Deployment"))["leaving"] == []


def test_the_split_is_by_weight_and_says_who_answered():
    split = routes.route_objects(served(), SETTINGS)[0]["spec"]["rules"][0]
    assert [one["weight"] for one in split["backendRefs"]] == [75, 25]
    told = [one["filters"][0]["responseHeaderModifier"]["set"] for one in split["backendRefs"]]
    assert [header["value"] for header in told[1]] == ["bad", "v2"]
    (match,) = split["matches"]
    assert match == {
        "path": {"type": "PathPrefix", "value": "/seldon/seldon/housing/api/v1.0/predictions"},
        "method": "POST",
    }


def test_who_names_a_predictor_gets_it_and_reads_are_no_requests():
    of_bad = routes.route_objects(served(), SETTINGS)[2]["spec"]["rules"]
    assert {one["backendRefs"][0]["name"] for one in of_bad} == {served()["predictors"][1]["server"]}
    ports = {one["matches"][0]["path"]["value"].rsplit("/api/v1.0/")[-1]: one["backendRefs"][0]["port"] for one in of_bad}
    assert ports == {"predictions": 8000, "feedback": 8000, "": 8001, "metadata/bad": 8001, "status/bad": 8001}
    assert len(of_bad) <= 16


def test_a_shadow_gets_copies_and_no_share():
    split = routes.route_objects(served(deployment(shadow=True)), SETTINGS)[0]["spec"]["rules"][0]
    assert len(split["backendRefs"]) == 2
    (mirror,) = [one["requestMirror"] for one in split["filters"] if one["type"] == "RequestMirror"]
    assert mirror["percent"] == 100 and mirror["backendRef"]["name"].startswith("housing-dark-")


def test_feedback_without_a_name_is_taken_where_there_is_one_predictor():
    given = deployment()
    given["predictors"] = [{**given["predictors"][0], "traffic": 100}]
    paths = [rule["matches"][0]["path"]["value"] for rule in routes.route_objects(served(given), SETTINGS)[0]["spec"]["rules"]]
    assert [path for path in paths if path.endswith("feedback")]
    paths = [rule["matches"][0]["path"]["value"] for rule in routes.route_objects(served(), SETTINGS)[0]["spec"]["rules"]]
    assert not [path for path in paths if path.endswith("feedback")]


def test_figures_have_a_disk_where_there_is_a_storage_class():
    def volume(storage_class):
        things = analytics.analytics_objects(served(), FILES, {**ANALYTICS, "storage_class": storage_class})
        (pod,) = pods(things)
        return pod["volumes"][0], of_kind(things, "PersistentVolumeClaim")

    assert volume("") == ({"name": "data", "emptyDir": {}}, [])
    data, (claim,) = volume("gp3")
    assert data["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == "gp3"


def test_only_what_the_inbox_reads_once_starts_the_pod_anew():
    def template(**configuration):
        files = {**FILES, "configuration": {**FILES["configuration"], **configuration}}
        return of_kind(analytics.analytics_objects(served(), files, ANALYTICS), "Deployment")[0]["spec"]["template"]

    assert template() == template(**{"prometheus.yml": "other"})
    assert template() != template(**{"receivers.json": "other"})


def test_rules_say_which_configuration_they_belong_to():
    rules, digest = analytics.marked({"groups": []}, ["a"])
    assert rules["groups"][-1]["rules"][0]["labels"] == {"digest": digest}
    assert analytics.marked({"groups": []}, ["b"])[1] != digest
