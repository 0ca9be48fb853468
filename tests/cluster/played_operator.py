# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plays Seldon's operator: makes of a SeldonDeployment what the operator makes of it, where its image is not to be had.

Of what it does, the part that a deployment of ours asks for: predictors without an executor, behind Istio.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import kinds
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.api import Api
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.errors import KubernetesError

_PAUSE_SECONDS = 0.2
_ID, _APP, _APP_SERVICE = "seldon-deployment-id", "seldon-app", "seldon-app-svc"
_SELDON = kinds.named("SeldonDeployment")
_OWN = {"fieldManager": "operator", "force": "true"}
_ISTIO = "networking.istio.io/v1"


class PlayedOperator:
    """Looks at the SeldonDeployments of a cluster all the time, as long as it is entered."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = Api(str(kubeconfig), patience=5)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.errors: list[str] = []

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            # The next look may be better: an object may have gone meanwhile.
            try:
                for thing in self._api.list(_SELDON):
                    if not thing["metadata"].get("deletionTimestamp"):
                        self._reconcile(thing)
            except KubernetesError as error:
                self.errors.append(str(error))

    def __enter__(self) -> PlayedOperator:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _reconcile(self, thing: dict) -> None:
        predictors = thing["spec"]["predictors"]
        for predictor in predictors:
            for service in (_container_service(thing, predictor), _predictor_service(thing, predictor)):
                self._have(thing, service)
        deployments = [self._have(thing, _deployment(thing, predictor)) for predictor in predictors]
        ready = all(map(_is_ready, deployments))
        if ready:
            self._have(thing, _virtual_service(thing))
            for predictor in predictors:
                self._have(thing, _destination_rule(thing, predictor))
            self._forget(thing)
        failed = any(_has_failed(one) for one in deployments)
        self._tell(thing, "Available" if ready else "Failed" if failed else "Creating", deployments)

    def _have(self, thing: dict, wanted: dict) -> dict:
        about = thing["metadata"]
        owner = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "name": about["name"], "uid": about["uid"]}
        wanted["metadata"].update(namespace=about["namespace"], ownerReferences=[{**owner, "controller": True}])
        path = kinds.kind_of(wanted).path(about["namespace"], wanted["metadata"]["name"])
        return self._api.request("PATCH", path, wanted, dict(_OWN), kind="apply-patch+yaml")

    def _forget(self, thing: dict) -> None:
        """Takes away what serves predictors that have gone; not their DestinationRules."""
        about = thing["metadata"]
        kept = {_deployment_name(thing, one) for one in thing["spec"]["predictors"]}
        for one in thing["spec"]["predictors"]:
            kept |= {_service_name(one), _container_service_name(thing, one)}
        for kind in (kinds.named("Deployment"), kinds.named("Service")):
            for found in self._api.list(kind, about["namespace"], f"{_ID}={about['name']}"):
                if found["metadata"]["name"] not in kept:
                    self._api.delete(found)

    def _tell(self, thing: dict, state: str, deployments: list[dict]) -> None:
        known = {
            one["metadata"]["name"]: {
                "replicas": one.get("status", {}).get("replicas", 0),
                "availableReplicas": one.get("status", {}).get("availableReplicas", 0),
            }
            for one in deployments
        }
        failed = "Deployment is no longer progressing and not available." if state == "Failed" else ""
        status = {"state": state, "deploymentStatus": known, "description": failed}
        if {key: thing.get("status", {}).get(key) for key in status} != status:
            about = thing["metadata"]
            path = _SELDON.path(about["namespace"], about["name"]) + "/status"
            self._api.request("PATCH", path, {"status": status}, kind="merge-patch+json")


def _deployment_name(thing: dict, predictor: dict) -> str:
    container = predictor["componentSpecs"][0]["spec"]["containers"][0]["name"]
    return f"{thing['metadata']['name']}-{predictor['name']}-0-{container}"


def _service_name(predictor: dict) -> str:
    return predictor["annotations"]["seldon.io/svc-name"]


def _container_service_name(thing: dict, predictor: dict) -> str:
    return f"{thing['metadata']['name']}-{predictor['name']}-{predictor['graph']['name']}"


def _selected(thing: dict, predictor: dict) -> dict[str, str]:
    return {
        _ID: thing["metadata"]["name"],
        _APP: _service_name(predictor),
        f"{_APP_SERVICE}-{predictor['graph']['name']}": _container_service_name(thing, predictor),
    }


def _ports(predictor: dict) -> dict[str, int]:
    (container,) = predictor["componentSpecs"][0]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def _service(name: str, labels: dict, selector: dict, predictor: dict) -> dict:
    ports = [
        {"name": port, "port": _ports(predictor)[port], "targetPort": _ports(predictor)[port], "protocol": "TCP"}
        for port in ("http", "grpc")
    ]
    metadata = {"name": name, "labels": labels, "annotations": dict(predictor["annotations"])}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector, "ports": ports}}


def _container_service(thing: dict, predictor: dict) -> dict:
    selected = _selected(thing, predictor)
    key = f"{_APP_SERVICE}-{predictor['graph']['name']}"
    return _service(selected[key], selected, {key: selected[key]}, predictor)


def _predictor_service(thing: dict, predictor: dict) -> dict:
    selected = _selected(thing, predictor)
    labels = {key: selected[key] for key in (_ID, _APP)}
    return _service(selected[_APP], labels, {_APP: selected[_APP]}, predictor)


def _deployment(thing: dict, predictor: dict) -> dict:
    component = copy.deepcopy(predictor["componentSpecs"][0])
    pod, name = component["spec"], _deployment_name(thing, predictor)
    (container,) = pod["containers"]
    container["env"] = _environment(thing, predictor, container)
    container["volumeMounts"] = [*container["volumeMounts"], {"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}]
    annotations = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    pod["volumes"] = [*pod["volumes"], {"name": "seldon-podinfo", "downwardAPI": {"items": [annotations]}}]
    selected = _selected(thing, predictor)
    shadow = {"seldon.io/shadow": "true"} if predictor.get("shadow") else {}
    own = {**selected, "app": name, "fluentd": "true", **shadow, "seldon.io/model": "true"}
    labels = {**own, **predictor["labels"], **component["metadata"]["labels"]}
    labels["app.kubernetes.io/managed-by"] = "seldon-core"
    told = {
        "prometheus.io/path": "/prometheus",
        "prometheus.io/scrape": "true",
        **predictor["annotations"],
        **component["metadata"]["annotations"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels, "annotations": told},
        "spec": {
            "replicas": predictor["replicas"],
            "selector": {"matchLabels": selected},
            "progressDeadlineSeconds": predictor["progressDeadlineSeconds"],
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {"metadata": {"labels": labels, "annotations": told}, "spec": pod},
        },
    }


def _environment(thing: dict, predictor: dict, container: dict) -> list[dict]:
    """With what the operator adds; its names come last, and count."""
    parameters = predictor["graph"].get("parameters")
    added = {
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": str(_ports(predictor)["http"]),
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(_ports(predictor)["grpc"]),
        **({"PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters)} if parameters else {}),
        "PREDICTIVE_UNIT_ID": container["name"],
        "PREDICTIVE_UNIT_IMAGE": container["image"],
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": json.dumps(predictor["labels"]),
        "SELDON_DEPLOYMENT_ID": thing["metadata"]["name"],
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(_ports(predictor)["metrics"]),
        "PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus",
    }
    kept = [one for one in container["env"] if one["name"] not in added]
    return kept + [{"name": name, "value": value} for name, value in added.items()]


def _destination(thing: dict, predictor: dict, port: str) -> dict:
    host = f"{_service_name(predictor)}.{thing['metadata']['namespace']}.svc.cluster.local"
    return {"host": host, "subset": predictor["name"], "port": {"number": _ports(predictor)[port]}}


def _virtual_service(thing: dict) -> dict:
    about = thing["metadata"]
    prefix = {"uri": {"prefix": f"/seldon/{about['namespace']}/{about['name']}/"}}
    names = {"seldon": {"exact": about["name"]}, "namespace": {"exact": about["namespace"]}}
    grpc = {"uri": {"regex": ".*seldon.protos.*"}, "headers": names}
    routes = [
        {"match": [prefix], "rewrite": {"uri": "/"}, **_split(thing, "http")},
        {"match": [grpc], **_split(thing, "grpc")},
    ]
    spec = {"hosts": ["*"], "gateways": [about["annotations"]["seldon.io/istio-gateway"]], "http": routes}
    return {"apiVersion": _ISTIO, "kind": "VirtualService", "metadata": {"name": about["name"]}, "spec": spec}


def _split(thing: dict, port: str) -> dict:
    found: dict = {"route": []}
    for one in thing["spec"]["predictors"]:
        destination = _destination(thing, one, port)
        if one.get("shadow"):
            found["mirror"] = destination
            if one.get("traffic"):
                found["mirrorPercentage"] = {"value": one["traffic"]}
        else:
            found["route"].append({"destination": destination, "weight": one.get("traffic", 0)})
    return found


def _destination_rule(thing: dict, predictor: dict) -> dict:
    host = _destination(thing, predictor, "http")["host"]
    subset = {"name": predictor["name"], "labels": {"version": predictor["labels"]["version"]}}
    spec = {"host": host, "subsets": [subset], "trafficPolicy": {"connectionPool": {"http": {"idleTimeout": "60s"}}}}
    return {"apiVersion": _ISTIO, "kind": "DestinationRule", "metadata": {"name": _service_name(predictor)}, "spec": spec}


def _is_ready(deployment: dict) -> bool:
    status = deployment.get("status", {})
    return status.get("readyReplicas", 0) > 0 and not status.get("unavailableReplicas", 0)


def _has_failed(deployment: dict) -> bool:
    conditions = {one["type"]: one["status"] for one in deployment.get("status", {}).get("conditions", [])}
    return conditions.get("Progressing") == "False" and conditions.get("Available") == "False"


@contextlib.contextmanager
def played(kubeconfig: Path) -> Iterator[PlayedOperator]:
    """The operator, for as long as it is entered."""
    with PlayedOperator(kubeconfig) as operator:
        yield operator
