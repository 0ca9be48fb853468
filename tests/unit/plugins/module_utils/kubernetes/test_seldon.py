# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import (
    convergence,
    engines,
    kinds,
    seldon,
    seldon_status,
)
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.arrival import Arrival

from .described import SETTINGS as SHARED
from .described import FakeApi, FakeClock, deployment

SETTINGS = {**SHARED, "engine": "seldon"}
GATEWAY = {**SETTINGS, "gateway_class": "istio", "service_type": "ClusterIP", "pull_secret_data": "", "existing": False}


def placed(given=None, live=()):
    """The deployment with its servers, where some SeldonDeployments are there."""
    return engines.with_servers(given or deployment(), list(live), SETTINGS)


def of_kind(things, kind):
    return [thing for thing in things if thing["kind"] == kind]


def split(thing):
    """{(predictor, version): share} of a SeldonDeployment; of a shadow as a text."""
    return {
        (seldon._labels(one)["monitml.stack/predictor"], one["labels"]["version"]): (
            f"shadow {one['traffic']}" if one.get("shadow") else one["traffic"]
        )
        for one in thing["spec"]["predictors"]
    }


def served(given=None):
    """A SeldonDeployment as it is when all of it serves."""
    (thing,) = engines.settled_objects(placed(given), SETTINGS)
    return {**thing, "status": {"state": "Available"}}


def beside(given, live):
    (thing,) = of_kind(engines.model_objects(placed(given, [live]), SETTINGS), "SeldonDeployment")
    return thing


def test_first_all_comes_up_with_its_share_and_nobody_is_answered():
    things = engines.model_objects(placed(), SETTINGS)
    (thing,) = of_kind(things, "SeldonDeployment")
    assert split(thing) == {("good", "v1"): 75, ("bad", "v2"): 25}
    (closed,) = of_kind(things, "VirtualService")
    (route,) = closed["spec"]["http"]
    assert route["directResponse"]["status"] == 503
    # Ours is older than what the operator makes, and counts first.
    ranks = [one["kind"] for one in kinds.in_order(things)]
    assert ranks.index("VirtualService") < ranks.index("SeldonDeployment")


def test_another_version_comes_up_beside_and_then_takes_the_traffic():
    after = deployment(version="v3")
    assert split(beside(after, served())) == {("good", "v1"): 75, ("bad", "v3"): 0, ("bad", "v2"): 25}
    given = placed(after, [served()])
    assert [(one["predictor"], one["version"]) for one in given["leaving"]] == [("bad", "v2")]
    moved = engines.route_objects(given, SETTINGS)[0]
    assert split(moved) == {("good", "v1"): 75, ("bad", "v3"): 25, ("bad", "v2"): 0}
    (settled,) = engines.settled_objects(given, SETTINGS)
    assert split(settled) == {("good", "v1"): 75, ("bad", "v3"): 25}


def test_a_second_run_says_the_same():
    live = served()
    given = placed(live=[live])
    things = [*engines.model_objects(given, SETTINGS), *engines.route_objects(given, SETTINGS)]
    for thing in [*of_kind(things, "SeldonDeployment"), *engines.settled_objects(given, SETTINGS)]:
        assert thing["spec"] == live["spec"]
    assert given["leaving"] == [] and len(given["up"]) == 2


def test_shares_move_only_with_the_traffic():
    after = deployment()
    after["predictors"][0]["traffic"], after["predictors"][1]["traffic"] = 100, 0
    assert split(beside(after, served())) == {("good", "v1"): 75, ("bad", "v2"): 25}
    assert split(engines.route_objects(placed(after, [served()]), SETTINGS)[0]) == {("good", "v1"): 100, ("bad", "v2"): 0}


def test_there_is_never_more_than_one_shadow():
    before, after = deployment(shadow=True), deployment(shadow=True)
    after["predictors"][2]["version"] = "v4"
    assert split(beside(after, served(before))) == {("good", "v1"): 75, ("bad", "v2"): 25, ("dark", "v4"): "shadow 0"}


def test_who_is_a_shadow_no_longer_is_another_server():
    after = deployment()
    after["predictors"][0].update(traffic=100)
    after["predictors"][1].update(shadow=True, traffic=0)
    moved = beside(after, served())
    assert list(split(moved).values()) == [75, 25] or ("bad", "v2") in split(moved)
    assert len(moved["spec"]["predictors"]) == 3


def test_what_serves_is_had_again_where_something_new_does_not_come_up():
    live = served()
    api = FakeApi(live)
    given = placed(deployment(version="v3"), [live])
    things = engines.model_objects(given, SETTINGS)
    convergence.apply(api, things, "monitml")
    kept = engines.server_objects(given, SETTINGS)
    gone = convergence.withdraw(api, things, kept)
    assert "SeldonDeployment seldon/housing" in gone
    assert split(api.get(live)) == split(live)
    budgets = {one["metadata"]["name"] for one in api.list(kinds.named("PodDisruptionBudget"))}
    assert budgets == set(given["serving"]) & budgets and len(budgets) == 1


def test_our_names_stand_whatever_the_operator_adds_to_the_environment():
    one = served()["spec"]["predictors"][1]
    (container,) = one["componentSpecs"][0]["spec"]["containers"]
    assert container["command"][0] == "/usr/bin/env" and "PREDICTOR_ID=bad" in container["command"]
    assert container["command"][-1] == "/s2i/bin/run"
    assert not {"PREDICTOR_ID", "PREDICTIVE_UNIT_IMAGE"} & {entry["name"] for entry in container["env"]}
    assert {port["name"] for port in container["ports"]} == {"http", "metrics", "grpc"}
    assert one["labels"] == {"version": "v2"} and one["annotations"]["version"] == "v2"
    assert one["annotations"]["seldon.io/svc-name"] == placed()["predictors"][1]["server"]
    given = deployment(parameters={"price": 1})
    assert served(given)["spec"]["predictors"][1]["graph"]["parameters"] == [{"name": "price", "type": "INT", "value": "1"}]


def test_a_version_has_to_be_a_label():
    assert engines.description_problems(deployment(), "seldon") == []
    (sentence,) = engines.description_problems(deployment(version="v2."), "seldon")
    assert "predictor 'bad': version 'v2.' is no value of a label" in sentence
    assert engines.description_problems(deployment(version="v2."), "deployments") == []


def test_the_gateway_is_istios_on_pods_of_our_own_or_another_s():
    things = engines.gateway_objects(placed(), GATEWAY)
    gateways = of_kind(things, "Gateway")
    assert [kinds.kind_of(one).label for one in gateways] == ["Gateway", "IstioGateway"]
    assert gateways[1]["spec"]["selector"] == {"gateway.networking.k8s.io/gateway-name": "monitml"}
    assert not of_kind(engines.gateway_objects(placed(), {**GATEWAY, "existing": True}), "Gateway")


def routed(given=None):
    return engines.route_objects(placed(given), SETTINGS)[1]["spec"]["http"]


def test_who_names_a_predictor_reaches_it_and_an_unknown_one_nobody():
    routes = routed()
    named = [
        (route["match"][0]["uri"].get("exact", route["match"][0]["uri"].get("prefix")), route["route"][0]["destination"])
        for route in routes
        if route["match"][0].get("headers", {}).get("x-monitml-predictor") == {"exact": "bad"}
    ]
    ports = {path.rsplit("/api/v1.0/")[-1]: where["port"]["number"] for path, where in named}
    assert ports == {"predictions": 9000, "feedback": 9000, "": 8001}
    refusals = [one["directResponse"]["status"] for one in routes if "directResponse" in one]
    assert refusals == [400, 400]
    # What is left to the operator's own route: predictions of those who name none.
    last = routes[-1]
    assert last["match"][0]["method"] == {"exact": "GET"} and [one["weight"] for one in last["route"]] == [75, 25]


def test_feedback_needs_no_name_where_there_is_one_predictor():
    given = deployment()
    given["predictors"] = [{**given["predictors"][0], "traffic": 100}]
    assert [one["directResponse"]["status"] for one in routed(given) if "directResponse" in one] == [400]


def made_of(thing, ready=True):
    """What the operator makes of it: Deployments, and the VirtualService."""
    deployments = []
    for server, one in seldon_status.servers_of(thing).items():
        labels = {"seldon-deployment-id": "housing", "monitml.stack/server": server}
        made = kinds.made("Deployment", f"housing-{one['name']}-0-model", "seldon", labels, spec={"replicas": 1})
        made["spec"]["selector"] = {"matchLabels": {"app": server}}
        if ready:
            made["status"] = {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}
        deployments.append(made)
    route = [
        {"destination": {"host": f"{server}.seldon.svc.cluster.local"}, "weight": one["traffic"]}
        for server, one in seldon_status.servers_of(thing).items()
        if not one.get("shadow")
    ]
    rule = {"match": [{"uri": {"prefix": "/seldon/seldon/housing/"}}], "route": route}
    spec = {"gateways": ["monitml/seldon-gateway"], "http": [rule]}
    return deployments, kinds.made("VirtualService", "housing", "seldon", {}, spec=spec)


def test_available_is_what_the_operator_has_made_as_it_is_described():
    thing = served()
    deployments, service = made_of(thing)
    assert seldon_status.is_ready(thing, deployments, service)
    # It says so until it has looked at another form.
    moved = copy.deepcopy(thing)
    moved["spec"]["predictors"][0]["traffic"], moved["spec"]["predictors"][1]["traffic"] = 100, 0
    assert not seldon_status.is_ready(moved, deployments, service)
    assert "housing-bad" in seldon_status.split_problem(moved, service)
    more = copy.deepcopy(thing)
    more["spec"]["predictors"][0]["replicas"] = 2
    assert not seldon_status.is_ready(more, deployments, service)
    assert not seldon_status.is_ready({**thing, "status": {"state": "Creating"}}, deployments, service)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "written no VirtualService"),
        ({"gateways": ["other/gateway"]}, "of the gateway other/gateway, not monitml/seldon-gateway"),
        ({"http": []}, "no route for /seldon/seldon/housing/"),
    ],
)
def test_how_the_split_differs_is_said(change, words):
    thing = served()
    _deployments, service = made_of(thing)
    found = {**service, "spec": {**service["spec"], **change}} if change is not None else None
    assert words in seldon_status.split_problem(thing, found)


def test_copies_to_nobody_are_seen():
    thing = served(deployment(shadow=True))
    assert "sends copies to nobody" in seldon_status.split_problem(thing, made_of(thing)[1])


def test_a_lone_predictor_has_all_whatever_weight_is_written():
    given = deployment()
    given["predictors"] = [{**given["predictors"][0], "traffic": 100}]
    thing = served(given)
    _deployments, service = made_of(thing)
    service["spec"]["http"][0]["route"][0]["weight"] = 0
    assert seldon_status.split_problem(thing, service) == ""


def told(thing, *things, seconds=5):
    api = FakeApi(thing, *things)
    # One that is ended is replaced by one that fares no better.
    api.end_pod = lambda *_pod: None
    return Arrival(api, [thing], FakeClock()).wait(seconds)


def test_why_it_does_not_come_is_told_by_its_pods_or_by_the_operator():
    thing = served()
    deployments, service = made_of(thing, ready=False)
    (sentence,) = told({**thing, "status": {}})
    assert "Nobody has taken it: does Seldon's operator run" in sentence
    (sentence,) = told({**thing, "status": {"state": "Failed", "description": "It is broken."}})
    assert "Seldon's operator says: It is broken." in sentence
    labels = deployments[1]["spec"]["selector"]["matchLabels"]
    pod = {"kind": "Pod", "metadata": {"name": "bad-1", "namespace": "seldon", "labels": labels}}
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    pod["status"] = {"containerStatuses": [{"name": "model", "image": "x:1", "state": {"waiting": waiting}}]}
    (sentence,) = told(thing, *deployments, pod, seconds=60)
    assert "Pod bad-1: its image x:1 cannot be pulled: not found." in sentence
    deployments, service = made_of(thing)
    assert told(thing, *deployments, service) == []
    (sentence,) = told(thing, *deployments)
    assert "written no VirtualService" in sentence


def test_what_the_operator_leaves_of_a_predictor_that_has_gone_goes():
    thing = served()
    thing["metadata"]["uid"] = "1"
    server = placed()["predictors"][0]["server"]

    def rule(name, uid):
        about = {"name": name, "namespace": "seldon", "ownerReferences": [{"uid": uid}]}
        return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": about}

    api = FakeApi(thing, rule(server, "1"), rule("housing-bad-old", "1"), rule("theirs", "2"))
    assert convergence.tidy(api, [thing]) == ["DestinationRule seldon/housing-bad-old"]
