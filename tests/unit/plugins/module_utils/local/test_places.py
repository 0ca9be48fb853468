# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import places
from hypothesis import given
from hypothesis import strategies as st

FIRST = {"http": 9000, "grpc": 0}


def wanted(*servers):
    """Servers by "name version digest", replicas counted as they come."""
    found = []
    for text in servers:
        name, version, digest = text.split()
        found.append(
            {
                "predictor": name,
                "version": version,
                "cluster": f"seldon/housing/{name}/{version}",
                "index": sum(one["predictor"] == name for one in found),
                "digest": digest,
                "runtime": "process",
            }
        )
    return found


class Machine:
    """What an earlier run left, and what is placed in view of it."""

    def __init__(self, first=None):
        self.record, self.endpoints, self.foreign = [], [], set()
        self.first = first or FIRST

    def place(self, *servers, reserved=()):
        listening = self.foreign | places._ports(self.record)
        return places.place(
            wanted(*servers), self.record, self.endpoints, listening, reserved, self.first
        )

    def serve(self, found):
        """Has the gateway send requests to the placed servers, and what left ended."""
        self.record = places.record_of(found["servers"])
        self.endpoints = [
            {"cluster": one["cluster"], "http_port": one["http_port"]} for one in self.record
        ]

    def run(self, *servers):
        found = self.place(*servers)
        self.serve(found)
        return found


def names(servers):
    return [one["name"] for one in servers]


def new(found):
    return names(one for one in found["servers"] if one["new"])


def test_the_first_servers_get_the_first_ports():
    found = Machine().place("good v1 a", "good v1 a", "bad v2 b")
    assert [one["http_port"] for one in found["servers"]] == [9000, 9002, 9004]
    assert [one["metrics_port"] for one in found["servers"]] == [9001, 9003, 9005]
    assert names(found["servers"]) == ["model-good-9000", "model-good-9002", "model-bad-9004"]
    assert len(new(found)) == 3 and not found["leaving"]


def test_what_serves_stays_where_it_is():
    machine = Machine()
    machine.run("good v1 a", "bad v2 b")
    found = machine.place("good v1 a", "bad v2 b")
    assert not new(found) and not found["leaving"] and not found["abandoned"]
    # Whatever the order is, and whatever comes before it.
    found = machine.place("third v1 c", "bad v2 b", "good v1 a")
    assert names(found["servers"]) == ["model-third-9004", "model-bad-9002", "model-good-9000"]


def test_another_digest_is_another_server_beside_the_old_one():
    machine = Machine()
    machine.run("good v1 a", "bad v2 b")
    found = machine.run("good v3 c", "bad v2 b")
    assert new(found) == ["model-good-9004"] and names(found["leaving"]) == ["model-good-9000"]
    # The ports of one that has left are free again.
    found = machine.run("good v4 d", "bad v2 b")
    assert new(found) == ["model-good-9000"] and names(found["leaving"]) == ["model-good-9004"]


def test_fewer_and_more_replicas_leave_the_others_alone():
    machine = Machine()
    machine.run("good v1 a", "good v1 a")
    found = machine.run("good v1 a")
    assert not new(found) and names(found["leaving"]) == ["model-good-9002"]
    found = machine.run("good v1 a", "good v1 a", "good v1 a")
    assert new(found) == ["model-good-9002", "model-good-9004"] and not found["leaving"]


def test_ports_that_others_hold_are_passed_by():
    machine = Machine({"http": 9000, "grpc": 5000})
    machine.foreign = {9001, 5002}
    (one, two) = machine.place("good v1 a", "bad v2 b", reserved=[9006])["servers"]
    assert (one["http_port"], one["grpc_port"]) == (9002, 5001)
    assert (two["http_port"], two["grpc_port"]) == (9008, 5004)


def test_without_a_free_port_there_is_a_sentence():
    with pytest.raises(places.NoPlace, match="predictor good from 65535 on: set monitml_model_port"):
        Machine({"http": 65535, "grpc": 0}).place("good v1 a")


def test_a_run_that_was_killed_before_the_traffic_moved_is_gone_on_with_or_undone():
    machine = Machine()
    machine.run("good v1 a")
    killed = machine.place("good v3 c")
    machine.record = places.record_of(killed["servers"], killed["leaving"])
    again = machine.place("good v3 c")
    assert again["servers"] == killed["servers"] and again["leaving"] == killed["leaving"]
    # It never served, so it is taken away should it not become ready.
    assert new(again) == ["model-good-9002"]
    back = machine.place("good v1 a")
    assert not new(back) and not back["leaving"] and names(back["abandoned"]) == ["model-good-9002"]
    other = machine.place("good v5 e")
    assert names(other["leaving"]) == ["model-good-9000"]
    assert names(other["abandoned"]) == ["model-good-9002"] == new(other)


def test_a_run_that_was_killed_while_the_traffic_moved_ends_nobody_before_it_has():
    machine = Machine()
    machine.run("good v1 a")
    killed = machine.place("good v3 c")
    machine.record = places.record_of(killed["servers"], killed["leaving"])
    machine.endpoints += [{"cluster": "seldon/housing/good/v3", "http_port": 9002}]
    assert names(machine.place("good v3 c")["leaving"]) == ["model-good-9000"]
    assert names(machine.place("good v1 a")["leaving"]) == ["model-good-9002"]


def test_without_its_record_a_machine_gets_new_servers_and_knows_the_old_ones_by_the_gateway():
    machine = Machine()
    machine.run("good v1 a")
    machine.record, machine.foreign = [], {9000, 9001}
    found = machine.place("good v1 a")
    assert new(found) == ["model-good-9002"]
    (left,) = found["leaving"]
    assert (left["name"], left["metrics_port"]) == ("model-good-9000", 9001)
    assert (left["predictor"], left["version"]) == ("good", "v1")


KINDS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["v1", "v2"]), st.integers(1, 3)), max_size=3
)


@given(st.lists(KINDS, max_size=6), st.sets(st.integers(9000, 9010)))
def test_nobody_ever_shares_a_port_and_a_second_run_changes_nothing(history, foreign):
    machine = Machine({"http": 9000, "grpc": 5000})
    machine.foreign = foreign
    for kinds in history:
        servers = [
            f"{name} {version} {name}{version}" for name, version, count in kinds for _one in range(count)
        ]
        found = machine.run(*servers)
        there = [*found["servers"], *found["leaving"]]
        ports = [one[key] for one in there for key in ("http_port", "metrics_port", "grpc_port")]
        assert len(set(ports)) == len(ports) and not foreign & set(ports)
        assert len(set(names(there))) == len(there)
        again = machine.place(*servers)
        assert not again["leaving"] and not new(again)
