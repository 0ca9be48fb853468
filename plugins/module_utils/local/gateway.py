# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway of a deployment on one machine: its clusters and routes.

Pure functions of the completed description (see the module deployment_info). The resources are
Envoy's v3 API as its file-based discovery reads it.
"""

from __future__ import annotations

import hashlib
import json

from ..deployment.description import PREDICTOR_HEADER, VERSION_HEADER, path_prefix

_POST = {"name": ":method", "string_match": {"exact": "POST"}}
_ANY_PREDICTOR = {"name": PREDICTOR_HEADER, "present_match": True}
TYPE_URL = "type.googleapis.com/envoy.config."
FEEDBACK_METADATA = "monitml.feedback"
# What takes labels: of the machine itself alone, wherever the others listen.
LABELS_CLUSTER, LABELS_HOST = "labels", "127.0.0.1"
_LABELS_SECONDS = 30


def cluster_name(deployment: dict, predictor: dict) -> str:
    """The gateway's name of a predictor; the monitoring takes its labels from the four parts."""
    return "/".join(
        (deployment["namespace"], deployment["name"], predictor["name"], predictor["version"])
    )


def envoy_clusters(deployment: dict, listen_address: str, labels_port: int = 0) -> dict:
    """The gateway's clusters: one per predictor, one endpoint per replica.

    Beside it one for what is asked of a predictor and is no prediction, so that it counts as no
    request, and, where its servers have a place for it, one for gRPC, which counts with the rest.
    """
    clusters = []
    for predictor in deployment["predictors"]:
        cluster = _cluster(deployment, predictor, listen_address)
        clusters += [cluster, _reads_cluster(cluster)]
        ports = [server.get("grpc_port", 0) for server in predictor["servers"]]
        if all(ports):
            clusters.append(_grpc_cluster(cluster, listen_address, ports))
    return discovery([*clusters, *([_labels_cluster(labels_port)] if labels_port else [])])


def _labels_cluster(port: int) -> dict:
    """Of what takes feedback that names no predictor, and finds by its id who answered."""
    endpoints = [{"endpoint": {"address": _address(LABELS_HOST, port)}}]
    return {
        "@type": f"{TYPE_URL}cluster.v3.Cluster",
        "name": LABELS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": LABELS_CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _reads_cluster(cluster: dict) -> dict:
    # Who polls a status must not look like traffic: counted apart, and without health checks.
    kept = {key: value for key, value in cluster.items() if key != "health_checks"}
    return {**kept, "name": cluster["name"] + "/reads", "alt_stat_name": "reads"}


def _grpc_cluster(cluster: dict, listen_address: str, ports: list[int]) -> dict:
    name = cluster["name"] + "/grpc"
    endpoints = [{"endpoint": {"address": _address(listen_address, port)}} for port in ports]
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        **{key: value for key, value in cluster.items() if key != "health_checks"},
        "name": name,
        "alt_stat_name": cluster["name"],
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _cluster(deployment: dict, predictor: dict, listen_address: str) -> dict:
    name = cluster_name(deployment, predictor)
    endpoints = [
        {
            "endpoint": {
                "address": _address(listen_address, server["http_port"]),
                # Its parent is asked, which knows whether requests are answered and takes none
                # of the model's time.
                "health_check_config": {"port_value": server["metrics_port"]},
            }
        }
        for server in predictor["servers"]
    ]
    return {
        "@type": f"{TYPE_URL}cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "health_checks": [
            {
                "http_health_check": {"path": "/answering"},
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
            }
        ],
    }


def _address(host: str, port: int) -> dict:
    return {"socket_address": {"address": host, "port_value": port}}


def envoy_routes(deployment: dict, timeout_seconds: int, grpc: bool = False, labels_port: int = 0) -> dict:
    """The gateway's routes: the weighted split, one predictor by header, and plain refusals.

    grpc: whether the model servers serve it. labels_port: of what takes labels; 0 where nothing does.
    """
    path = deployment["prediction_path"]
    return discovery(
        [
            {
                "@type": f"{TYPE_URL}route.v3.RouteConfiguration",
                "name": "monitml",
                "virtual_hosts": [
                    {
                        "name": "monitml",
                        "domains": ["*"],
                        "routes": [
                            *(_grpc_routes(deployment, timeout_seconds) if grpc else []),
                            *_header_routes(deployment, timeout_seconds),
                            *_feedback_routes(deployment, timeout_seconds, bool(labels_port)),
                            _split_route(deployment, timeout_seconds),
                            {"match": {"path": path}, **_refusal(405, "Send predictions with POST.")},
                            *_read_routes(deployment, timeout_seconds),
                            {"match": {"prefix": "/"}, **_refusal(404, f"Send predictions to {path}.")},
                        ],
                    }
                ],
            }
        ]
    )


def _header_routes(deployment: dict, timeout_seconds: int) -> list[dict]:
    """Routes that a client chooses by naming the predictor, as feedback may."""
    prefix = path_prefix(deployment)
    routes = []
    for predictor in deployment["predictors"]:
        named = {"name": PREDICTOR_HEADER, "string_match": {"exact": predictor["name"]}}
        for headers, kind in (([named, _POST], ""), ([named], "/reads")):
            action = _to(deployment, predictor, "/", timeout_seconds, kind)
            routes.append({"match": {"prefix": prefix, "headers": headers}, **action})
    unknown = {"match": {"prefix": prefix, "headers": [_ANY_PREDICTOR]}, **_unknown(deployment)}
    return [*routes, unknown]


def _unknown(deployment: dict) -> dict:
    names = ", ".join(predictor["name"] for predictor in deployment["predictors"])
    sentence = f"The header {PREDICTOR_HEADER} names no predictor of this deployment; it has {names}."
    return _refusal(400, sentence)


def _to(
    deployment: dict, predictor: dict, path: str, timeout_seconds: int, kind: str = ""
) -> dict:
    """The part of a route that leads to one predictor; path: what stands there for what matched."""
    return {
        "route": {
            "cluster": cluster_name(deployment, predictor) + kind,
            **({"prefix_rewrite": path} if path else {}),
            **_patience(timeout_seconds),
        },
        "response_headers_to_add": _identity(predictor),
    }


def _read_routes(deployment: dict, timeout_seconds: int) -> list[dict]:
    """Metadata, status and document: of the predictor that the path names, else by weight.

    A predictor has one model, which is called as it is. What else there is, the servers know.
    """
    prefix = path_prefix(deployment)
    routes = []
    for predictor in deployment["predictors"]:
        for what in ("metadata", "status"):
            path = f"api/v1.0/{what}/{predictor['name']}"
            action = _to(deployment, predictor, f"/{path}", timeout_seconds, "/reads")
            routes.append({"match": {"path": prefix + path}, **action})
    action = {
        **_weighted(deployment, "/reads"),
        "prefix_rewrite": "/api/v1.0/",
        **_patience(timeout_seconds),
    }
    return [*routes, {"match": {"prefix": f"{prefix}api/v1.0/"}, "route": action}]


def _feedback_routes(deployment: dict, timeout_seconds: int, labels: bool) -> list[dict]:
    """Feedback that brings the answer along goes to the predictor which that answer names.

    What brings no more than the answer's id goes to what takes labels, which knows who gave it.
    """
    path = f"{path_prefix(deployment)}api/v1.0/feedback"
    if len(deployment["predictors"]) == 1:
        only = _to(deployment, deployment["predictors"][0], "/api/v1.0/feedback", timeout_seconds)
        return [{"match": {"path": path}, **only}]
    rules, routes = [], []
    for predictor in deployment["predictors"]:
        name = predictor["name"]
        keys = ("response", "meta", "requestPath", name)
        found = {"metadata_namespace": FEEDBACK_METADATA, "key": name}
        rules.append({"selectors": [{"key": key} for key in keys], "on_present": found})
        # Envoy calls a key that is missing present and empty.
        value = {"string_match": {"safe_regex": {"regex": ".+"}}}
        named = {"filter": FEEDBACK_METADATA, "path": [{"key": name}], "value": value}
        match = {"path": path, "dynamic_metadata": [named]}
        action = _to(deployment, predictor, "/api/v1.0/feedback", timeout_seconds)
        routes.append({"match": match, **action})
    refusal = _refusal(
        400,
        f"Feedback belongs to the predictor that answered: send it with the header"
        f" {PREDICTOR_HEADER} of that answer, or with that answer as its response.",
    )
    by_id = {
        "route": {
            "cluster": LABELS_CLUSTER,
            "prefix_rewrite": "/api/v1.0/feedback",
            "timeout": f"{_LABELS_SECONDS}s",
        }
    }
    last = {
        "match": {"path": path},
        **(by_id if labels else refusal),
        # The body is read only here; what it names leads to one of the routes above.
        "typed_per_filter_config": {
            "envoy.filters.http.json_to_metadata": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
                "request_rules": {
                    "rules": rules,
                    "allow_content_types_regex": {"regex": "^application/json.*"},
                },
            }
        },
    }
    return [*routes, last]


def _grpc_routes(deployment: dict, timeout_seconds: int) -> list[dict]:
    """Seldon's gRPC, told by the metadata seldon and namespace, as its ingress has it."""

    def match(prefix: str, *headers: dict) -> dict:
        names = {"seldon": deployment["name"], "namespace": deployment["namespace"]}
        ours = [{"name": name, "string_match": {"exact": value}} for name, value in names.items()]
        return {"prefix": prefix, "grpc": {}, "headers": [*ours, *headers]}

    every, feedback = "/seldon.protos.", "/seldon.protos.Seldon/SendFeedback"
    routes = []
    for predictor in deployment["predictors"]:
        named = {"name": PREDICTOR_HEADER, "string_match": {"exact": predictor["name"]}}
        action = _to(deployment, predictor, "", timeout_seconds, "/grpc")
        routes.append({"match": match(every, named), **action})
    sentence = f"Feedback belongs to the predictor that answered: send it with the metadata {PREDICTOR_HEADER}."
    action = {
        **_weighted(deployment, "/grpc"),
        **_patience(timeout_seconds),
        **_copies(deployment, "/grpc"),
    }
    several = len(deployment["predictors"]) > 1
    return [
        *routes,
        {"match": match(every, _ANY_PREDICTOR), **_unknown(deployment)},
        *([{"match": match(feedback), **_refusal(400, sentence)}] if several else []),
        {"match": match(every), "route": action},
    ]


def _split_route(deployment: dict, timeout_seconds: int) -> dict:
    action = {
        **_weighted(deployment),
        "prefix_rewrite": "/api/v1.0/predictions",
        **_patience(timeout_seconds),
        **_copies(deployment),
    }
    return {"match": {"path": deployment["prediction_path"], "headers": [_POST]}, "route": action}


def _weighted(deployment: dict, kind: str = "") -> dict:
    clusters = [
        {
            "name": cluster_name(deployment, predictor) + kind,
            "weight": predictor["traffic"],
            "response_headers_to_add": _identity(predictor),
        }
        for predictor in deployment["predictors"]
        if not predictor["shadow"]
    ]
    return {"weighted_clusters": {"clusters": clusters}}


def _copies(deployment: dict, kind: str = "") -> dict:
    """What sends copies of requests to the shadows; empty where there are none."""
    copies = [
        {
            "cluster": cluster_name(deployment, predictor) + kind,
            # As in Seldon: no percentage means a copy of every request.
            "runtime_fraction": {"default_value": {"numerator": predictor["traffic"] or 100}},
        }
        for predictor in deployment["predictors"]
        if predictor["shadow"]
    ]
    return {"request_mirror_policies": copies} if copies else {}


def _refusal(code: int, sentence: str) -> dict:
    """An answer of the gateway's own; its listener gives it the form of Seldon's errors."""
    return {"direct_response": {"status": code, "body": {"inline_string": sentence}}}


def _patience(timeout_seconds: int) -> dict:
    return {
        "timeout": f"{timeout_seconds}s",
        # Only what never reached a model is tried again, and only on the predictor's own
        # replicas: an answer must come from the predictor that the split chose.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream",
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts"
                        ".v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }


def _identity(predictor: dict) -> list[dict]:
    return [
        _header(PREDICTOR_HEADER, predictor["name"]),
        _header(VERSION_HEADER, predictor["version"]),
    ]


def _header(name: str, value: str) -> dict:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def discovery(resources: list[dict]) -> dict:
    """A discovery response whose version is its content's digest, so that it can be read back."""
    content = json.dumps(resources, sort_keys=True).encode()
    return {"version_info": hashlib.sha256(content).hexdigest()[:16], "resources": resources}
