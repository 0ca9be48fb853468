# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway, gateway_traffic
from ansible_collections.monitml.stack.plugins.module_utils.local.gateway_traffic import (
    GatewayError,
    Traffic,
)

from .test_servers import deployment, placed


def told(given):
    """Clusters and routes of a placed deployment."""
    return gateway.envoy_clusters(given, "127.0.0.1"), gateway.envoy_routes(given, 60)


class World:
    """A disk, a clock, and a gateway that takes what is on the disk; requests end at a moment."""

    def __init__(self, takes=True, well=True, requests_until=0.0, held_until=0.0):
        self.time, self.files, self.history = 0.0, {}, []
        self.takes, self.well = takes, well
        self.until = {"requests": requests_until, "held": held_until}

    def read(self, path):
        return self.files.get(path)

    def write(self, path, text, _mode, _gid):
        self.files[path] = text
        names = sorted(one["name"] for one in json.loads(text)["resources"])
        self.history.append((round(self.time, 1), path.rpartition("/")[2], names))

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds

    def routes_version(self):
        return json.loads(self.files["/e/routes.json"])["version_info"] if self.takes else "other"

    def clusters(self):
        found = {}
        for cluster in json.loads(self.files["/e/clusters.json"])["resources"]:
            (lists,) = [place["lb_endpoints"] for place in cluster["load_assignment"]["endpoints"]]
            ports = [end["endpoint"]["address"]["socket_address"]["port_value"] for end in lists]
            busy = int(self.time < self.until["requests"])
            found[cluster["name"]] = {"hosts": dict.fromkeys(ports, self.well), "requests": busy}
        return found

    def held(self, _ports):
        return int(self.time < self.until["held"])

    def move(self, given, take=5, drain=60, settle=1):
        traffic = Traffic("/e", self, self, self.held, self)
        return traffic.move(*told(given), take, drain, settle)


def test_an_old_version_goes_when_its_requests_are_answered_and_have_been_read():
    world = World(requests_until=7, held_until=9)
    world.move(placed())
    world.history.clear()
    # The bad one gets another version, at another port.
    new = placed(deployment(version="v3", digest="other"))
    new["predictors"][1]["servers"][0]["http_port"] = 9999
    assert world.move(new)
    assert [(when, name) for when, name, _names in world.history] == [
        (0.0, "clusters.json"),
        (0.0, "routes.json"),
        (8.0, "clusters.json"),
    ]
    both, _routes, after = (names for _when, _name, names in world.history)
    assert "seldon/housing/bad/v2" in both and "seldon/housing/bad/v3" in both
    assert "seldon/housing/bad/v2" not in after and world.time >= 10


def test_weights_move_at_once():
    world = World(requests_until=100, held_until=100)
    world.move(placed())
    changed = deployment(traffic=40)
    changed["predictors"][0]["traffic"] = 60
    world.history.clear()
    assert world.move(placed(changed)) and world.time < 1
    assert [name for _when, name, _names in world.history] == ["routes.json"]


def test_what_is_not_answered_in_its_time_is_not_waited_for():
    world = World(held_until=100)
    world.move(placed())
    moved = placed()
    moved["predictors"][1]["servers"][0]["http_port"] = 9999
    assert not world.move(moved, drain=3) and 3 <= world.time < 4


@pytest.mark.parametrize("fault", [{"takes": False}, {"well": False}])
def test_what_the_gateway_does_not_take_is_taken_back(fault):
    world = World()
    world.move(placed())
    before = dict(world.files)
    for name, value in fault.items():
        setattr(world, name, value)
    new = placed(deployment(version="v3"))
    new["predictors"][1]["servers"][0]["http_port"] = 9999
    with pytest.raises(GatewayError, match="It goes on as before"):
        world.move(new)
    assert world.files == before


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"resources": [{"name": "x"}]}'])
def test_a_file_of_somebody_elses_counts_for_nothing(text):
    assert gateway_traffic.resources_of(text) == []
