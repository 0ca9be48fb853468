# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model servers of a deployment as objects of a cluster, without an operator.

Pure functions of the completed description (see the module deployment_info). What serves a predictor
is named after all that it is made from: another version, image or size is another Deployment, which
comes up beside the one that serves until the traffic has moved.
"""

from __future__ import annotations

import hashlib
import json

from ..deployment.environment import server_environment
from . import kinds
from .waiting import deployment_ready

GROUP = "models"
GROUP_KINDS = ("NetworkPolicy", "Service", "PodDisruptionBudget", "Deployment")
DEPLOYMENT_LABEL = "monitml.stack/deployment"
PREDICTOR_LABEL = "monitml.stack/predictor"
SERVER_LABEL = "monitml.stack/server"
# An annotation: a version may be longer than a label, and end in a dot.
VERSION_ANNOTATION = "monitml.stack/version"
HTTP_PORT, METRICS_PORT, GRPC_PORT = 9000, 6000, 9500
# Of the service: what counts as a request, and what only asks how things are.
PREDICTIONS_PORT, READS_PORT = 8000, 8001
# Who the images of images.yml run as.
_USER = 8888
# The gateway hears within a second or so that a pod is about to go, and sends it nothing more.
_GOING_SECONDS = 3
_STOP_SECONDS = 5
# Ends when no request is left: a connection to the model's port is one. Its own end comes after the grace.
_DRAIN = (
    "import time; time.sleep({going}); busy = lambda: any(line.split()[3] == '01' and"
    " line.split()[1].endswith(':{port:04X}') for name in ('tcp', 'tcp6')"
    " for line in list(open('/proc/net/' + name))[1:])\n"
    "while busy(): time.sleep(0.2)"
)


def object_name(*parts: str) -> str:
    """A DNS label of parts; what is too long is cut, and told apart by a hash."""
    name = "-".join(parts)
    if len(name) <= 63:
        return name
    return f"{name[:54].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def server_name(deployment: dict, predictor: dict, settings: dict) -> str:
    """Of the Deployment and Service of a predictor as it is described now."""
    content = json.dumps(pod_spec(deployment, predictor, "", settings), sort_keys=True)
    return object_name(deployment["name"], predictor["name"], hashlib.sha256(content.encode()).hexdigest()[:8])


def with_servers(deployment: dict, live: list[dict], settings: dict) -> dict:
    """The deployment, with the names of its servers and what else serves until the traffic has moved.

    live: objects of the kinds Deployment and HTTPRoute with our labels. settings: see model_objects().
    Adds server to each predictor; leaving, a list of {name, predictor, version} of those that serve
    and are no longer described; serving, the names of all that get requests now; and up, of all that could.
    """
    predictors = [
        {**predictor, "server": server_name(deployment, predictor, settings)}
        for predictor in deployment["predictors"]
    ]
    named = {
        backend["name"]
        for route in live
        if route["kind"] == "HTTPRoute"
        for rule in route["spec"].get("rules", [])
        for backend in rule.get("backendRefs", [])
    }
    there = {
        one["metadata"]["name"]: one
        for one in live
        if one["kind"] == "Deployment"
        and one["metadata"]["namespace"] == deployment["namespace"]
        and one["metadata"]["labels"].get(DEPLOYMENT_LABEL) == deployment["name"]
        and not one["metadata"].get("deletionTimestamp")
    }
    wanted = {predictor["server"] for predictor in predictors}
    leaving = [
        {
            "name": name,
            "predictor": one["metadata"]["labels"][PREDICTOR_LABEL],
            "version": one["metadata"]["annotations"][VERSION_ANNOTATION],
        }
        for name, one in sorted(there.items())
        if name in named and name not in wanted
    ]
    return {
        **deployment,
        "predictors": predictors,
        "leaving": leaving,
        "serving": sorted(named & set(there)),
        "up": sorted(name for name, one in there.items() if deployment_ready(one)),
    }


def model_objects(deployment: dict, settings: dict) -> list[dict]:
    """Everything that serves the predictors; they need with_servers().

    settings: instance, stack_namespace (of gateway and Prometheus), workers, timeout_seconds,
    series_max, start_seconds, resources (as a container has them), pull_secret ("" for none).
    """
    return [
        *(
            thing
            for predictor in deployment["predictors"]
            for thing in _of_predictor(deployment, predictor, settings)
        ),
        network_policy(deployment, settings),
    ]


def server_objects(deployment: dict, servers: list[str], settings: dict) -> list[dict]:
    """What identifies the objects of servers, and what they share, for keeping them."""
    kept = ("Service", "PodDisruptionBudget", "Deployment")
    about = kinds.labels(settings["instance"], GROUP)
    own = [kinds.made(kind, name, deployment["namespace"], about) for name in servers for kind in kept]
    return [*own, *([network_policy(deployment, settings)] if servers else [])]


def _of_predictor(deployment: dict, predictor: dict, settings: dict) -> list[dict]:
    name, namespace = predictor["server"], deployment["namespace"]
    about = {
        **kinds.labels(settings["instance"], GROUP),
        DEPLOYMENT_LABEL: deployment["name"],
        PREDICTOR_LABEL: predictor["name"],
    }
    mine = {SERVER_LABEL: name}
    pod = {
        "metadata": {
            "labels": {**about, **mine},
            "annotations": {VERSION_ANNOTATION: predictor["version"]},
        },
        "spec": pod_spec(deployment, predictor, name, settings),
    }
    deployed = kinds.made(
        "Deployment",
        name,
        namespace,
        about,
        spec={
            "replicas": predictor["replicas"],
            "selector": {"matchLabels": mine},
            # Capacity is added before any is taken away.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": int(settings["start_seconds"]) + 60,
            "revisionHistoryLimit": 0,
            "template": pod,
        },
    )
    deployed["metadata"]["annotations"] = {VERSION_ANNOTATION: predictor["version"]}
    ports = [
        {"name": "http", "port": PREDICTIONS_PORT, "targetPort": "http", "protocol": "TCP"},
        {"name": "http-reads", "port": READS_PORT, "targetPort": "http", "protocol": "TCP"},
    ]
    return [
        kinds.made("Service", name, namespace, about, spec={"selector": mine, "ports": ports}),
        budget(deployment, name, about),
        deployed,
    ]


def budget(deployment: dict, server: str, about: dict) -> dict:
    """That not all pods of a server are taken away at once by whoever maintains the nodes."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {SERVER_LABEL: server}}}
    return kinds.made("PodDisruptionBudget", server, deployment["namespace"], about, spec=spec)


def pod_spec(deployment: dict, predictor: dict, name: str, settings: dict) -> dict:
    """What a pod of a server of this name is, alone for engines of this package."""
    # A real prediction, asked by our server of itself; and then whether it answers, which costs nothing.
    start = {"httpGet": {"path": "/ready", "port": "metrics"}, "timeoutSeconds": 6, "periodSeconds": 1}
    answering = {"httpGet": {"path": "/answering", "port": "metrics"}, "timeoutSeconds": 2, "periodSeconds": 1}
    environment = {
        **server_environment(deployment, predictor, settings["series_max"]),
        # Outlives a container that was killed, so that counting goes on.
        "MONITML_METRICS_DIR": "/var/run/monitml/counts",
    }
    drain = _DRAIN.format(going=_GOING_SECONDS, port=HTTP_PORT)
    container = {
        "name": "model",
        "image": predictor["container_image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/s2i/bin/run"],
        "args": [
            f"--http-port={HTTP_PORT}",
            f"--metrics-port={METRICS_PORT}",
            f"--workers={int(settings['workers'])}",
            f"--timeout={int(settings['timeout_seconds'])}",
        ],
        "env": [{"name": key, "value": value} for key, value in sorted(environment.items())],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": settings["resources"],
        "startupProbe": {**start, "failureThreshold": int(settings["start_seconds"])},
        "readinessProbe": {**answering, "failureThreshold": 3},
        "lifecycle": {"preStop": {"exec": {"command": ["/opt/serving/bin/python", "-c", drain]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "counts", "mountPath": "/var/run/monitml"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted(_USER),
        "containers": [container],
        "terminationGracePeriodSeconds": _GOING_SECONDS + int(settings["timeout_seconds"]) + _STOP_SECONDS,
        "volumes": [{"name": "counts", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        **({"imagePullSecrets": [{"name": settings["pull_secret"]}]} if settings["pull_secret"] else {}),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {SERVER_LABEL: name}},
            }
        ],
    }


def restricted(user: int) -> dict:
    """The security context of a pod that Pod Security's level restricted lets in."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def network_policy(deployment: dict, settings: dict) -> dict:
    """Only the gateway asks models, and only Prometheus reads them.

    settings: namespaces of both as callers, the stack's own by default.
    """
    callers = dict.fromkeys(settings.get("callers") or [settings["stack_namespace"]])
    there = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in callers]
    ports = ["http", "metrics", *(["grpc"] if settings.get("grpc") else [])]
    return kinds.made(
        "NetworkPolicy",
        object_name(deployment["name"], "models"),
        deployment["namespace"],
        kinds.labels(settings["instance"], GROUP),
        spec={
            "podSelector": {"matchLabels": {DEPLOYMENT_LABEL: deployment["name"]}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": there,
                    "ports": [{"port": port, "protocol": "TCP"} for port in ports],
                }
            ],
        },
    )


def deployed_reports(deployment: dict) -> list[dict]:
    """Labels of the monitml_model_info that Prometheus has of each predictor once it has been read."""
    return [
        {
            "namespace": deployment["namespace"],
            "predictor_name": predictor["name"],
            "predictor_version": predictor["version"],
            "server": predictor["server"],
        }
        for predictor in deployment["predictors"]
    ]
