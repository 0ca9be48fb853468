# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

from ansible_collections.monitml.stack.plugins.module_utils.deployment import description
from ansible_collections.monitml.stack.plugins.module_utils.local import servers

SETTINGS = {
    "home": "/opt/m",
    "listen_address": "127.0.0.1",
    "workers": 2,
    "timeout_seconds": 30,
    "series_max": 1000,
    "grpc_port": 0,
}


def deployment(**shadow):
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
    predictors[1].update(shadow)
    return description.complete(
        {"name": "housing", "namespace": "seldon", "predictors": predictors, "monitors": []}, 9000
    )


def test_every_replica_is_a_service_of_its_own():
    services = servers.model_services(deployment(), SETTINGS)
    assert [service["name"] for service in services] == ["model-good-0", "model-good-1", "model-bad-0"]
    directories = {service["environment"]["MONITML_METRICS_DIR"] for service in services}
    assert len(directories) == 3


def test_a_service_says_what_it_serves_in_seldons_own_terms():
    environment = servers.model_services(deployment(), SETTINGS)[0]["environment"]
    assert environment["SELDON_DEPLOYMENT_ID"] == "housing"
    assert environment["PREDICTOR_ID"] == "good"
    assert json.loads(environment["PREDICTOR_LABELS"]) == {"version": "v1"}
    assert environment["PREDICTIVE_UNIT_IMAGE"] == "housing:v1"
    types = {p["name"]: p["type"] for p in json.loads(environment["PREDICTIVE_UNIT_PARAMETERS"])}
    assert types == {"flag": "BOOL", "depth": "INT", "rate": "FLOAT", "label": "STRING"}


def test_grpc_takes_a_port_per_server_only_when_asked():
    def ports(first):
        commands = [s["command"] for s in servers.model_services(deployment(), {**SETTINGS, "grpc_port": first})]
        return [command[command.index("--grpc-port") + 1] for command in commands]

    assert ports(0) == ["0", "0", "0"]
    assert ports(5000) == ["5000", "5001", "5002"]


def test_model_ports_name_the_variable_that_moves_them():
    ports = servers.model_ports(deployment(), 5000)
    assert [port["port"] for port in ports] == [*range(9000, 9006), 5000, 5001, 5002]
    assert servers.model_ports(deployment(), 0) == ports[:6]
    assert ports[1] == {
        "port": 9001,
        "purpose": "metrics of predictor good",
        "variable": "monitml_model_port",
    }
