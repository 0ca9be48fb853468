# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

from ansible_collections.monitml.stack.plugins.module_utils.deployment import description
from ansible_collections.monitml.stack.plugins.module_utils.local import places, servers

SETTINGS = {
    "home": "/opt/m",
    "listen_address": "127.0.0.1",
    "workers": 2,
    "timeout_seconds": 30,
    "series_max": 1000,
}


def deployment(**of_bad):
    predictors = []
    for name, version, traffic, replicas in (("good", "v1", 75, 2), ("bad", "v2", 25, 1)):
        predictors.append(
            {
                "name": name,
                "version": version,
                "model": "housing",
                "image": None,
                "traffic": traffic,
                "replicas": replicas,
                "shadow": False,
                "parameters": {"flag": True, "depth": 3, "rate": 0.5, "label": "x"},
                "digest": f"d-{name}",
                "environment": {"digest": "e"},
            }
        )
    predictors[1].update(of_bad)
    return description.complete(
        {"name": "housing", "namespace": "seldon", "predictors": predictors, "monitors": []}, 9000
    )


def placed(given=None, grpc_port=0):
    """The deployment on a machine that has nothing yet."""
    given = given or deployment()
    wanted = servers.wanted_servers(given, SETTINGS)
    return servers.placed(
        given, places.place(wanted, [], [], (), (), {"http": 9000, "grpc": grpc_port})
    )


def test_every_replica_is_a_service_of_its_own():
    services = servers.model_services(placed(), SETTINGS)
    assert [service["name"] for service in services] == [
        "model-good-9000",
        "model-good-9002",
        "model-bad-9004",
    ]
    directories = {service["environment"]["MONITML_METRICS_DIR"] for service in services}
    assert len(directories) == 3


ANSWERS = {"enabled": True, "max_bytes": 1000000, "keep_days": 7, "features": "none"}


def test_servers_write_their_answers_into_one_directory_where_they_are_to():
    def told(**answers):
        given = placed({**deployment(), "answers": {**ANSWERS, **answers}})
        return [
            {key: value for key, value in service["environment"].items() if key.startswith("MONITML_ANSWERS")}
            for service in servers.model_services(given, SETTINGS)
        ]

    environment = {
        "MONITML_ANSWERS_DIR": "/opt/m/var/answers",
        "MONITML_ANSWERS_MAX_BYTES": "1000000",
        "MONITML_ANSWERS_KEEP_DAYS": "7",
        "MONITML_ANSWERS_FEATURES": "none",
    }
    assert told() == [environment] * 3
    assert told(enabled=False) == [{}] * 3


def digests(given=None, **settings):
    return [one["digest"] for one in servers.wanted_servers(given or deployment(), {**SETTINGS, **settings})]


def test_replicas_are_the_same_server_and_predictors_are_not():
    one, two, other = digests()
    assert one == two != other


def test_whatever_a_server_is_started_from_makes_it_another_one():
    for change in (
        {"version": "v9"},
        {"digest": "other"},
        {"parameters": {"depth": 4}},
        {"environment": {"digest": "other"}},
        {"container_image": "sha256:1"},
    ):
        assert not {*digests(deployment(**change))[2:]} & {*digests()}, change
    for change in ({"workers": 3}, {"timeout_seconds": 31}, {"model_port": 9100}):
        assert not {*digests(**change)} & {*digests()}, change
    assert not {*digests({**deployment(), "runtime": "container"})} & {*digests()}


def test_its_share_of_the_traffic_does_not():
    assert digests(deployment(traffic=80)) == digests()
    assert digests(workers="2") == digests()


def test_it_may_answer_what_it_holds_before_it_is_killed():
    (service, *_others) = servers.model_services(placed(), SETTINGS)
    assert service["stop_seconds"] > SETTINGS["timeout_seconds"]


def test_a_service_says_what_it_serves_in_seldons_own_terms():
    environment = servers.model_services(placed(), SETTINGS)[0]["environment"]
    assert environment["SELDON_DEPLOYMENT_ID"] == "housing"
    assert environment["PREDICTOR_ID"] == "good"
    assert json.loads(environment["PREDICTOR_LABELS"]) == {"version": "v1"}
    assert environment["PREDICTIVE_UNIT_IMAGE"] == "housing:v1"
    types = {p["name"]: p["type"] for p in json.loads(environment["PREDICTIVE_UNIT_PARAMETERS"])}
    assert types == {"flag": "BOOL", "depth": "INT", "rate": "FLOAT", "label": "STRING"}


def test_grpc_takes_a_port_per_server_only_when_asked():
    def ports(first):
        commands = [s["command"] for s in servers.model_services(placed(grpc_port=first), SETTINGS)]
        return [command[command.index("--grpc-port") + 1] for command in commands]

    assert ports(0) == ["0", "0", "0"]
    assert ports(5000) == ["5000", "5001", "5002"]
