# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

from ansible_collections.monitml.stack.plugins.module_utils.local import gateway

from .test_servers import deployment


def split(routes):
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
    there = {c["name"] for c in gateway.envoy_clusters(deployment(), "127.0.0.1")["resources"]}
    text = json.dumps(gateway.envoy_routes(deployment(), 60))
    named = {part for part in text.split('"') if part.startswith("seldon/housing/")}
    assert named == there


def test_the_version_follows_the_content():
    one, same = gateway.envoy_routes(deployment(), 60), gateway.envoy_routes(deployment(), 60)
    other = gateway.envoy_routes(deployment(), 61)
    assert one["version_info"] == same["version_info"] != other["version_info"]
