# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to the predictors of a SeldonDeployment beside the split that Seldon's operator makes.

The operator's VirtualService leads everything below the deployment's path to one predictor by weight,
also feedback and what only asks how things are. Ours is older, so that it counts first: who names a
predictor reaches that one, and predictions of those who name none are left to the operator's.
Pure functions of the completed description, whose predictors have servers.
"""

from __future__ import annotations

import json

from ..deployment.description import PREDICTOR_HEADER, path_prefix
from . import kinds
from .models import GRPC_PORT, HTTP_PORT, READS_PORT, object_name
from .routes import ROUTES_GROUP
from .seldon import reads_name

_API = "api/v1.0/"
_ANY = {"regex": ".+"}


def gateway(settings: dict) -> dict:
    """Istio's Gateway, on the pods that are made for the Gateway of the Gateway API.

    settings: instance, stack_namespace, and gateway, its namespace/name.
    """
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return kinds.made(
        "IstioGateway",
        settings["gateway"].partition("/")[2],
        settings["stack_namespace"],
        kinds.labels(settings["instance"], "gateway"),
        spec={
            "selector": {"gateway.networking.k8s.io/gateway-name": settings["instance"]},
            "servers": [server],
        },
    )


def virtual_service(deployment: dict, settings: dict, closed: bool = False) -> dict:
    """The routes; closed: nobody is served before those who watch are there.

    settings: instance, gateway, timeout_seconds, and grpc, whether the servers take it.
    """
    name = object_name(deployment["name"], "named")
    routes = [_closed(deployment)] if closed else [*_grpc(deployment, settings), *_open(deployment, settings)]
    return kinds.made(
        "VirtualService",
        name,
        deployment["namespace"],
        kinds.labels(settings["instance"], ROUTES_GROUP),
        spec={"hosts": ["*"], "gateways": [settings["gateway"]], "http": routes},
    )


def _closed(deployment: dict) -> dict:
    sentence = f"The deployment {deployment['name']} is being brought up, and is not watched yet."
    return {"match": [{"uri": {"prefix": path_prefix(deployment)}}], **_refusal(503, sentence)}


def _open(deployment: dict, settings: dict) -> list[dict]:
    prefix = path_prefix(deployment) + _API
    patience = {"timeout": f"{int(settings['timeout_seconds'])}s"}
    routes = []
    for one in deployment["predictors"]:
        named = {PREDICTOR_HEADER: {"exact": one["name"]}}
        for what in ("predictions", "feedback"):
            match = [{"uri": {"exact": prefix + what}, "method": {"exact": "POST"}, "headers": named}]
            routes.append({**_to(match, f"/{_API}{what}", _asked(deployment, one)), **patience})
        # A predictor has one model, which is called as it is.
        own = [{"uri": {"exact": f"{prefix}{what}/{one['name']}"}} for what in ("metadata", "status")]
        every = [{"uri": {"prefix": prefix}, "method": {"exact": "GET"}, "headers": named}]
        routes.append({**_to(every, f"/{_API}", _read(deployment, one)), **patience})
        for match in own:
            rewritten = "/" + match["uri"]["exact"].removeprefix(path_prefix(deployment))
            routes.append({**_to([match], rewritten, _read(deployment, one)), **patience})
    unknown = [{"uri": {"prefix": path_prefix(deployment)}, "headers": {PREDICTOR_HEADER: _ANY}}]
    reads = [{"uri": {"prefix": prefix}, "method": {"exact": "GET"}}]
    live = [one for one in deployment["predictors"] if not one["shadow"]]
    shares = [{**_read(deployment, one)[0], "weight": one["traffic"]} for one in live]
    return [
        *routes,
        {"match": unknown, **_refusal(400, _unknown(deployment))},
        *_feedback(deployment, prefix),
        {**_to(reads, f"/{_API}", shares), **patience},
    ]


def _feedback(deployment: dict, prefix: str) -> list[dict]:
    """Feedback belongs to who answered: without a name it is taken where there is but one."""
    if len(deployment["predictors"]) == 1:
        return []
    sentence = (
        f"Feedback belongs to the predictor that answered: send it with the header {PREDICTOR_HEADER} of that answer."
    )
    return [{"match": [{"uri": {"exact": f"{prefix}feedback"}}], **_refusal(400, sentence)}]


def _grpc(deployment: dict, settings: dict) -> list[dict]:
    """Seldon's gRPC to those who name a predictor; the operator's own route has the rest."""
    if not settings["grpc"]:
        return []

    def match(path: dict, *headers: dict) -> list[dict]:
        names = {"seldon": {"exact": deployment["name"]}, "namespace": {"exact": deployment["namespace"]}}
        return [{"uri": path, "headers": {**names, **{key: value for one in headers for key, value in one.items()}}}]

    every, feedback = {"prefix": "/seldon.protos."}, {"exact": "/seldon.protos.Seldon/SendFeedback"}
    sentence = f"Feedback belongs to the predictor that answered: send it with the metadata {PREDICTOR_HEADER}."
    return [
        *(
            {"match": match(every, {PREDICTOR_HEADER: {"exact": one["name"]}}), "route": _asked(deployment, one, GRPC_PORT)}
            for one in deployment["predictors"]
        ),
        {"match": match(every, {PREDICTOR_HEADER: _ANY}), **_refusal(400, _unknown(deployment))},
        *([{"match": match(feedback), **_refusal(400, sentence)}] if len(deployment["predictors"]) > 1 else []),
    ]


def _unknown(deployment: dict) -> str:
    names = ", ".join(predictor["name"] for predictor in deployment["predictors"])
    return f"The header {PREDICTOR_HEADER} names no predictor of this deployment; it has {names}."


def _to(match: list[dict], path: str, route: list[dict]) -> dict:
    return {"match": match, "rewrite": {"uri": path}, "route": route}


def _asked(deployment: dict, predictor: dict, port: int = HTTP_PORT) -> list[dict]:
    """The service that the operator makes, where a request counts as one of the predictor's."""
    return [_destination(deployment, predictor["server"], port)]


def _read(deployment: dict, predictor: dict) -> list[dict]:
    return [_destination(deployment, reads_name(predictor["server"]), READS_PORT)]


def _destination(deployment: dict, service: str, port: int) -> dict:
    host = f"{service}.{deployment['namespace']}.svc.cluster.local"
    return {"destination": {"host": host, "port": {"number": port}}}


def _refusal(code: int, sentence: str) -> dict:
    """An answer of the gateway's own, in the form of Seldon's errors."""
    status = {"code": code, "status": "FAILURE", "info": sentence, "reason": "GATEWAY"}
    return {
        "directResponse": {"status": code, "body": {"string": json.dumps({"status": status})}},
        "headers": {"response": {"set": {"content-type": "application/json"}}},
    }
