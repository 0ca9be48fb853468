# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model servers of a deployment on one machine, as processes or containers, and their ports.

Pure functions of the completed description (see the module deployment_info).
"""

from __future__ import annotations

import json

# What the stock Seldon wrapper calls the types of a constructor's arguments; bool before int,
# because it is a subclass of it.
PARAMETER_TYPES = ((bool, "BOOL"), (int, "INT"), (float, "FLOAT"), (str, "STRING"))


def model_services(deployment: dict, settings: dict) -> list[dict]:
    """The services that serve the models, one per replica, as the module local_service takes them.

    settings: home, listen_address, workers, timeout_seconds, series_max, and grpc_port, the first of the gRPC
    ports, one per service, or 0 for none.
    """
    servers = [
        (predictor, server)
        for predictor in deployment["predictors"]
        for server in predictor["servers"]
    ]
    first = settings["grpc_port"]
    return [
        _model_service(deployment, predictor, server, {**settings, "grpc_port": first and first + i})
        for i, (predictor, server) in enumerate(servers)
    ]


def model_containers(deployment: dict, settings: dict) -> list[dict]:
    """The containers that serve the models, one per replica: name, image, command, env, directory.

    settings: instance, and what model_services() takes. They share the machine's network, so that
    they listen where processes would and nowhere else; directory is where they keep their counts.
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
        }
        for image, service in zip(images, model_services(deployment, settings))
    ]


def _model_service(deployment: dict, predictor: dict, server: dict, settings: dict) -> dict:
    home = settings["home"]
    release = f"{home}/releases/{predictor['digest']}"
    name = f"model-{predictor['name']}-{server['index']}"
    environment = {
        "MONITML_ARTIFACT_DIR": f"{release}/artifact",
        "MONITML_METRICS_DIR": f"{home}/run/{name}",
        "MONITML_MODEL_DIGEST": predictor["digest"],
        "MONITML_SERIES_MAX": str(settings["series_max"]),
        "PREDICTIVE_UNIT_ID": predictor["name"],
        "PREDICTIVE_UNIT_IMAGE": predictor["image"],
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(_parameters(predictor), sort_keys=True),
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": json.dumps({"version": predictor["version"]}),
        "SELDON_DEPLOYMENT_ID": deployment["name"],
        # Environments come without compiled files, and the service may write nothing beside them.
        # Kept elsewhere, they halve the processor time of every start but the first.
        "PYTHONPYCACHEPREFIX": f"{home}/var/pycache",
        # One core's worth of threads per worker: numeric libraries otherwise start one per core
        # in each process, which costs memory and slows small predictions.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
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
            str(settings["grpc_port"]),
            "--workers",
            str(settings["workers"]),
            "--timeout",
            str(settings["timeout_seconds"]),
        ],
        "directory": f"{release}/model",
        "environment": environment,
    }


def _parameters(predictor: dict) -> list[dict]:
    return [
        {
            "name": name,
            "type": next(kind for type_, kind in PARAMETER_TYPES if isinstance(value, type_)),
            "value": str(value),
        }
        for name, value in sorted(predictor["parameters"].items())
    ]


def model_ports(deployment: dict, grpc_port: int) -> list[dict]:
    """The ports of the model servers, each with what it is for and the variable that moves it.

    grpc_port: the first of the gRPC ports, or 0 for none.
    """
    ports = [
        (server[key], f"{what} of predictor {predictor['name']}", "monitml_model_port")
        for predictor in deployment["predictors"]
        for server in predictor["servers"]
        for key, what in (("http_port", "predictions"), ("metrics_port", "metrics"))
    ]
    if grpc_port:
        ports += [
            (grpc_port + place, "gRPC of the model servers", "monitml_grpc_port")
            for place in range(len(ports) // 2)
        ]
    return [
        {"port": port, "purpose": purpose, "variable": variable} for port, purpose, variable in ports
    ]
