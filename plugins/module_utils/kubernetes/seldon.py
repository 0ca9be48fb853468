# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment as a SeldonDeployment, whose pods and split Seldon's operator makes.

Pure functions of the completed description. What serves a predictor is, as without an operator, named
after all that it is made from, and is a predictor of its own in the SeldonDeployment: another version
comes up beside the one that serves, with no share of the traffic. In place, the operator would lead
requests to pods of the old version until after the last of them has gone.

A predictor has one model, so requests go to it directly, without Seldon's executor between them: our
server answers on the executor's paths. What is in the way of that is overcome at the marks (*).
"""

from __future__ import annotations

import hashlib
import json
import re

from . import kinds
from .models import (
    DEPLOYMENT_LABEL,
    GRPC_PORT,
    GROUP,
    HTTP_PORT,
    METRICS_PORT,
    PREDICTOR_LABEL,
    READS_PORT,
    SERVER_LABEL,
    VERSION_ANNOTATION,
    budget,
    network_policy,
    object_name,
    pod_spec,
)

# The operator knows a unit and its container by one name; ours is the only one in its pod.
UNIT = "model"
# Where the operator has Prometheus look, in its annotations of pods and in the environment.
METRICS_PATH = "/prometheus"
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NO_EXECUTOR = "seldon.io/no-engine"
_SERVICE_NAME = "seldon.io/svc-name"
_GATEWAY = "seldon.io/istio-gateway"


def description_problems(deployment: dict) -> list[str]:
    """What is good elsewhere, and not for Seldon's operator, in sentences."""
    return [
        f"predictor '{one['name']}': version '{one['version']}' is no value of a label, which the engine seldon makes of"
        " it: use at most 63 characters, and end in a letter or digit."
        for one in deployment["predictors"]
        if not LABEL_VALUE.fullmatch(one["version"])
    ]


def server_name(deployment: dict, predictor: dict, settings: dict) -> str:
    """Of the Service of a predictor as it is described now, and of all else that serves it."""
    return object_name(deployment["name"], predictor["name"], _digest(deployment, predictor, settings))


def _digest(deployment: dict, predictor: dict, settings: dict) -> str:
    whole = _described({**predictor, "server": ""}, deployment, settings)
    content = {key: value for key, value in whole.items() if key not in ("name", "replicas", "traffic")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def with_servers(deployment: dict, live: list[dict], settings: dict) -> dict:
    """The deployment, with the names of its servers and what else serves until the traffic has moved.

    live: SeldonDeployments with our labels. Adds what models.with_servers() does, and live, the
    SeldonDeployment as it is now, {} for none.
    """
    predictors = [
        {**predictor, "server": server_name(deployment, predictor, settings)}
        for predictor in deployment["predictors"]
    ]
    found = next((one for one in live if _is_of(one, deployment)), {})
    there = {_server_of(one): one for one in found.get("spec", {}).get("predictors", [])}
    wanted = {predictor["server"] for predictor in predictors}
    status = found.get("status", {})
    return {
        **deployment,
        "predictors": predictors,
        "leaving": [
            {"name": name, "predictor": _labels(one)[PREDICTOR_LABEL], "version": one["labels"]["version"]}
            for name, one in sorted(there.items())
            if name not in wanted
        ],
        "serving": sorted(there),
        "up": sorted(name for name, one in there.items() if _is_up(found, one, status)),
        "live": {key: found[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in found},
    }


def _is_of(thing: dict, deployment: dict) -> bool:
    about = thing["metadata"]
    return (
        thing["kind"] == "SeldonDeployment"
        and (about["namespace"], about["name"]) == (deployment["namespace"], deployment["name"])
        and not about.get("deletionTimestamp")
    )


def _labels(predictor: dict) -> dict:
    return predictor["componentSpecs"][0]["metadata"]["labels"]


def _server_of(predictor: dict) -> str:
    """Of a predictor of a SeldonDeployment."""
    return _labels(predictor)[SERVER_LABEL]


def _is_up(found: dict, predictor: dict, status: dict) -> bool:
    name = f"{found['metadata']['name']}-{predictor['name']}-0-{UNIT}"
    known = status.get("deploymentStatus", {}).get(name, {})
    return status.get("state") == "Available" or known.get("availableReplicas", 0) > 0


# -- objects --------------------------------------------------------------------------------------


def model_objects(deployment: dict, settings: dict) -> list[dict]:
    """Everything that serves the predictors beside those that serve now; needs with_servers().

    settings: as models.model_objects() has them, with grpc (whether the servers take it) and gateway,
    the namespace/name of the Gateway.
    """
    return [_beside(deployment, settings), *_around(deployment, settings)]


def _around(deployment: dict, settings: dict) -> list[dict]:
    """What the operator does not make, or not so that it can be used."""
    things = []
    for one in deployment["predictors"]:
        about = {**_about(deployment, one, settings), **kinds.MANAGED_BY}
        things += [_reads(deployment, one["server"], about), budget(deployment, one["server"], about)]
    return [*things, network_policy(deployment, settings)]


def server_objects(deployment: dict, servers: list[str], settings: dict) -> list[dict]:
    """What serves as it is now: the SeldonDeployment, whole, so that it can be had again, and what is around it."""
    about = kinds.labels(settings["instance"], GROUP)
    space = deployment["namespace"]
    own = [
        kinds.made(kind, name, space, about)
        for server in servers
        for kind, name in (("Service", reads_name(server)), ("PodDisruptionBudget", server))
    ]
    if not deployment["live"]:
        return own
    again = _made(deployment, deployment["live"]["spec"]["predictors"], settings)
    return [again, *own, network_policy(deployment, settings)]


def with_traffic(deployment: dict, settings: dict) -> dict:
    """The SeldonDeployment with the described split; what is to leave serves on and gets no requests."""
    wanted = [_described(one, deployment, settings) for one in deployment["predictors"]]
    return _made(deployment, [*wanted, *_leaving(deployment, deployment["predictors"])], settings)


def settled(deployment: dict, settings: dict) -> list[dict]:
    """The SeldonDeployment without what has left."""
    return [_made(deployment, [_described(one, deployment, settings) for one in deployment["predictors"]], settings)]


def _beside(deployment: dict, settings: dict) -> dict:
    """The SeldonDeployment with what is new beside what serves, whose split stays as it is."""
    live = {_server_of(one): one for one in _live_predictors(deployment)}
    found = []
    for one in deployment["predictors"]:
        predictor = _described(one, deployment, settings)
        if live:
            # There can be one shadow only; a new one takes the place of the old.
            known = live.get(one["server"], {"traffic": one["traffic"] if one["shadow"] else 0})
            predictor["traffic"] = known.get("traffic", 0)
        found.append(predictor)
    return _made(deployment, [*found, *_leaving(deployment, deployment["predictors"], as_they_are=True)], settings)


def _leaving(deployment: dict, wanted: list[dict], as_they_are: bool = False) -> list[dict]:
    names = {one["server"] for one in wanted}
    going = [one for one in _live_predictors(deployment) if _server_of(one) not in names]
    shadowed = any(one["shadow"] for one in wanted) or not as_they_are
    return [
        {**one, "traffic": one.get("traffic", 0) if as_they_are else 0}
        for one in going
        if not (one.get("shadow") and shadowed)
    ]


def _live_predictors(deployment: dict) -> list[dict]:
    return deployment["live"].get("spec", {}).get("predictors", [])


def _made(deployment: dict, predictors: list[dict], settings: dict) -> dict:
    about = {**kinds.labels(settings["instance"], GROUP), DEPLOYMENT_LABEL: deployment["name"]}
    made = kinds.made(
        "SeldonDeployment",
        deployment["name"],
        deployment["namespace"],
        about,
        spec={"protocol": "seldon", "predictors": predictors},
    )
    # Whatever gateway the operator was told of.
    made["metadata"]["annotations"] = {_GATEWAY: settings["gateway"]}
    return made


def _about(deployment: dict, predictor: dict, settings: dict) -> dict[str, str]:
    """Labels of pods, which the operator says are its own."""
    about = kinds.labels(settings["instance"], GROUP)
    return {
        **{name: value for name, value in about.items() if name not in kinds.MANAGED_BY},
        DEPLOYMENT_LABEL: deployment["name"],
        PREDICTOR_LABEL: predictor["name"],
        SERVER_LABEL: predictor["server"],
    }


def _described(predictor: dict, deployment: dict, settings: dict) -> dict:
    """A predictor of the SeldonDeployment."""
    server = predictor["server"]
    suffix = server.rpartition("-")[2]
    parameters = json.loads(_environment(pod_spec(deployment, predictor, server, settings))["PREDICTIVE_UNIT_PARAMETERS"])
    return {
        "name": object_name(predictor["name"], suffix),
        # Our series take the version from the label, the executor's from the annotation.
        "labels": {"version": predictor["version"]},
        "annotations": {"version": predictor["version"], _NO_EXECUTOR: "true", _SERVICE_NAME: server},
        "replicas": predictor["replicas"],
        "traffic": predictor["traffic"],
        **({"shadow": True} if predictor["shadow"] else {}),
        "progressDeadlineSeconds": int(settings["start_seconds"]) + 60,
        "graph": {
            "name": UNIT,
            "type": "MODEL",
            "endpoint": {"type": "REST"},
            **({"parameters": parameters} if parameters else {}),
        },
        "componentSpecs": [
            {
                "metadata": {
                    "labels": _about(deployment, predictor, settings),
                    "annotations": {VERSION_ANNOTATION: predictor["version"]},
                },
                "spec": _pod(deployment, predictor, settings),
            }
        ],
    }


def _environment(pod: dict) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["containers"][0]["env"]}


def _pod(deployment: dict, predictor: dict, settings: dict) -> dict:
    pod = pod_spec(deployment, predictor, predictor["server"], settings)
    (container,) = pod["containers"]
    environment = _environment(pod)
    # (*) The operator adds these to the environment, with names of its own, and the last one counts.
    names = ("PREDICTOR_ID", "PREDICTIVE_UNIT_ID", "PREDICTIVE_UNIT_IMAGE")
    ours = [f"{name}={environment[name]}" for name in names]
    # What it makes of the labels and the graph's parameters is what our server would be told.
    left = {*names, "PREDICTOR_LABELS", "PREDICTIVE_UNIT_PARAMETERS", "SELDON_DEPLOYMENT_ID"}
    container.update(
        name=UNIT,
        command=["/usr/bin/env", *ours, *container["command"]],
        env=[one for one in container["env"] if one["name"] not in left],
        # (*) It adds both where they are missing, and numbers those of metrics through the deployment.
        ports=[
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in (("http", HTTP_PORT), ("metrics", METRICS_PORT), ("grpc", GRPC_PORT))
        ],
        # (*) Else it would have the node knock at the model's port, whose queue a model that works may fill.
        livenessProbe={"tcpSocket": {"port": "metrics"}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    )
    return pod


def reads_name(server: str) -> str:
    """Of the Service that is asked how things are, which counts as no request."""
    return object_name(server, "reads")


def _reads(deployment: dict, server: str, about: dict) -> dict:
    ports = [{"name": "http-reads", "port": READS_PORT, "targetPort": "http", "protocol": "TCP"}]
    spec = {"selector": {SERVER_LABEL: server}, "ports": ports}
    return kinds.made("Service", reads_name(server), deployment["namespace"], about, spec=spec)
