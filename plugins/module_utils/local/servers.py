# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model servers of a deployment on one machine, as processes or containers.

Pure functions of the completed description (see the module deployment_info), whose servers have
been given their places (see the module model_server_info) where services or containers are made.
"""

from __future__ import annotations

import hashlib
import json

from ..deployment.environment import answers_environment, server_environment
from .gateway import cluster_name

# What a server that is told to end may take beyond the longest answer that it owes.
_STOP_SECONDS = 5


def wanted_servers(deployment: dict, settings: dict) -> list[dict]:
    """The servers that a deployment wants, one per replica, for places.place().

    settings: what model_services() takes, and everything else whose change means other servers.
    """
    return [
        {
            "predictor": predictor["name"],
            "version": predictor["version"],
            "cluster": cluster_name(deployment, predictor),
            "index": server["index"],
            "digest": _digest(deployment, predictor, settings),
            "runtime": _runtime(deployment),
        }
        for predictor in deployment["predictors"]
        for server in predictor["servers"]
    ]


def _digest(deployment: dict, predictor: dict, settings: dict) -> str:
    """What tells one server from another: all that it is started from, but for its place."""
    nowhere = {"name": "", "http_port": 0, "metrics_port": 0, "grpc_port": 0}
    content = [
        _model_service(deployment, predictor, nowhere, settings),
        _runtime(deployment),
        predictor.get("container_image", ""),
        # Of one type, wherever they were given.
        {name: str(value) for name, value in settings.items()},
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _runtime(deployment: dict) -> str:
    return deployment.get("runtime", "process")


def placed(deployment: dict, places: dict) -> dict:
    """The deployment with the places that the machine has for its servers.

    places: servers, in the order of wanted_servers(), and leaving, which serve until then; see
    places.place().
    """
    servers = iter(places["servers"])
    predictors = [
        {**predictor, "servers": [{**server, **next(servers)} for server in predictor["servers"]]}
        for predictor in deployment["predictors"]
    ]
    return {**deployment, "predictors": predictors, "leaving": places["leaving"]}


def model_services(deployment: dict, settings: dict) -> list[dict]:
    """The services that serve the models, one per replica, as the module local_service takes them.

    settings: home, listen_address, workers, timeout_seconds, series_max.
    """
    return [
        _model_service(deployment, predictor, server, settings)
        for predictor in deployment["predictors"]
        for server in predictor["servers"]
    ]


def model_containers(deployment: dict, settings: dict) -> list[dict]:
    """The containers that serve the models, one per replica: name, image, command, env, directory.

    settings: instance, and what model_services() takes. They share the machine's network, so that
    they listen where processes would and nowhere else; directory is where they keep their counts,
    answers ("" for none) the machine's directory in which they write down what they answer.
    """
    images = [
        predictor["container_image"]
        for predictor in deployment["predictors"]
        for _server in predictor["servers"]
    ]
    return [
        {
            "name": f"{settings['instance']}-{service['name']}",
            "image": image,
            "command": ["/s2i/bin/run", *service["command"][service["command"].index("--listen") :]],
            "env": {
                name: value
                for name, value in service["environment"].items()
                # These lead to what only a process finds on the machine.
                if name not in ("MONITML_ARTIFACT_DIR", "PYTHONPYCACHEPREFIX")
            },
            "directory": service["environment"]["MONITML_METRICS_DIR"],
            "answers": service["environment"].get("MONITML_ANSWERS_DIR", ""),
        }
        for image, service in zip(images, model_services(deployment, settings))
    ]


def _model_service(deployment: dict, predictor: dict, server: dict, settings: dict) -> dict:
    home = settings["home"]
    release = f"{home}/releases/{predictor['digest']}"
    name = server["name"]
    environment = {
        **server_environment(deployment, predictor, settings["series_max"]),
        "MONITML_ARTIFACT_DIR": f"{release}/artifact",
        "MONITML_METRICS_DIR": f"{home}/run/{name}",
        **answers_environment(deployment, f"{home}/var/answers"),
        # Environments come without compiled files, and the service may write nothing beside them.
        # Kept elsewhere, they halve the processor time of every start but the first.
        "PYTHONPYCACHEPREFIX": f"{home}/var/pycache",
    }
    return {
        "name": name,
        "command": [
            f"{home}/environments/{predictor['environment']['digest']}/bin/python",
            f"{release}/runtime/serve.py",
            "--model-dir",
            f"{release}/model",
            "--listen",
            settings["listen_address"],
            "--http-port",
            str(server["http_port"]),
            "--metrics-port",
            str(server["metrics_port"]),
            "--grpc-port",
            str(server["grpc_port"]),
            "--workers",
            str(settings["workers"]),
            "--timeout",
            str(settings["timeout_seconds"]),
        ],
        "directory": f"{release}/model",
        "environment": environment,
        # It answers what it holds before it ends.
        "stop_seconds": int(settings["timeout_seconds"]) + _STOP_SECONDS,
    }
