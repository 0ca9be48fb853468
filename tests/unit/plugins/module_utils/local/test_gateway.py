# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

from ansible_collections.monitml.stack.plugins.module_utils.local import gateway, servers

from .test_servers import SETTINGS, deployment, placed


def split(routes):
    """The route of predictions, which comes before that of what is asked beside them."""
    for route in routes["resources"][0]["virtual_hosts"][0]["routes"]:
        if "weighted_clusters" in route.get("route", {}):
            return route["route"]
    raise AssertionError("no route splits the traffic")


def test_weights_are_those_of_the_description():
    clusters = split(gateway.envoy_routes(deployment(), 60))["weighted_clusters"]["clusters"]
    assert {c["name"]: c["weight"] for c in clusters} == {
        "seldon/housing/good/v1": 75,
        "seldon/housing/bad/v2": 25,
    }


def test_a_shadow_gets_copies_and_no_weight():
    route = split(gateway.envoy_routes(deployment(shadow=True, traffic=0), 60))
    assert [c["name"] for c in route["weighted_clusters"]["clusters"]] == ["seldon/housing/good/v1"]
    (mirror,) = route["request_mirror_policies"]
    assert mirror["cluster"] == "seldon/housing/bad/v2"
    assert mirror["runtime_fraction"]["default_value"]["numerator"] == 100


def test_every_route_leads_to_a_cluster_there_is():
    for port in (0, 5000):
        clusters = gateway.envoy_clusters(placed(grpc_port=port), "127.0.0.1")["resources"]
        text = json.dumps(gateway.envoy_routes(deployment(), 60, bool(port)))
        named = {part for part in text.split('"') if part.startswith("seldon/housing/")}
        assert named == {cluster["name"] for cluster in clusters}


def test_each_server_has_its_own_grpc_port():
    clusters = gateway.envoy_clusters(placed(grpc_port=5000), "127.0.0.1")["resources"]
    ports = {}
    for cluster in clusters:
        for one in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]:
            port = one["endpoint"]["address"]["socket_address"]["port_value"]
            ports.setdefault(cluster["name"], []).append(port)
    assert ports["seldon/housing/good/v1/grpc"] == [5000, 5001]
    assert ports["seldon/housing/bad/v2/grpc"] == [5002]
    # As the servers themselves are told.
    services = servers.model_services(placed(grpc_port=5000), SETTINGS)
    told = [int(s["command"][s["command"].index("--grpc-port") + 1]) for s in services]
    assert told == [5000, 5001, 5002]


def test_feedback_on_an_only_predictor_needs_no_name():
    only = deployment()
    only["predictors"] = only["predictors"][:1]
    routes = gateway.envoy_routes(only, 60)["resources"][0]["virtual_hosts"][0]["routes"]
    (route,) = [r for r in routes if r["match"].get("path", "").endswith("/feedback")]
    assert route["route"]["cluster"] == "seldon/housing/good/v1"


def last_of_feedback(labels_port):
    routes = gateway.envoy_routes(deployment(), 60, labels_port=labels_port)["resources"][0]["virtual_hosts"][0]["routes"]
    return [r for r in routes if r["match"].get("path", "").endswith("/feedback")][-1]


def test_feedback_that_names_nobody_goes_where_its_id_is_known():
    route = last_of_feedback(3008)
    assert route["route"]["cluster"] == gateway.LABELS_CLUSTER and "direct_response" not in route
    assert last_of_feedback(0)["direct_response"]["status"] == 400
    # Both read the body, as what it names leads to a predictor.
    assert "typed_per_filter_config" in route and "typed_per_filter_config" in last_of_feedback(0)
    clusters = gateway.envoy_clusters(placed(), "10.0.0.1", 3008)["resources"]
    (cluster,) = [c for c in clusters if c["name"] == gateway.LABELS_CLUSTER]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 3008}


def test_the_version_follows_the_content():
    one, same = gateway.envoy_routes(deployment(), 60), gateway.envoy_routes(deployment(), 60)
    other = gateway.envoy_routes(deployment(), 61)
    assert one["version_info"] == same["version_info"] != other["version_info"]
