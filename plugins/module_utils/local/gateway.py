# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway of a deployment on one machine: its clusters and routes.

Pure functions of the completed description (see the module deployment_info). The resources are
Envoy's v3 API as its file-based discovery reads it.
"""

from __future__ import annotations

import hashlib
import json

from ..deployment.description import path_prefix

PREDICTOR_HEADER = "x-monitml-predictor"
VERSION_HEADER = "x-monitml-version"
TYPE_URL = "type.googleapis.com/envoy.config."


def cluster_name(deployment: dict, predictor: dict) -> str:
    """The gateway's name of a predictor; the monitoring takes its labels from the four parts."""
    return "/".join(
        (deployment["namespace"], deployment["name"], predictor["name"], predictor["version"])
    )


def envoy_clusters(deployment: dict, listen_address: str) -> dict:
    """The gateway's clusters: one per predictor, one endpoint per replica."""
    return discovery(
        [_cluster(deployment, predictor, listen_address) for predictor in deployment["predictors"]]
    )


def _cluster(deployment: dict, predictor: dict, listen_address: str) -> dict:
    name = cluster_name(deployment, predictor)
    endpoints = [
        {"endpoint": {"address": _address(listen_address, server["http_port"])}}
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
                "http_health_check": {"path": "/health/ping"},
                # A busy single worker answers late, and is not to be taken for a dead one.
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


def envoy_routes(deployment: dict, timeout_seconds: int) -> dict:
    """The gateway's routes: the weighted split, one predictor by header, and plain refusals."""
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
                            *_header_routes(deployment, timeout_seconds),
                            _split_route(deployment, timeout_seconds),
                            *_refusals(deployment),
                        ],
                    }
                ],
            }
        ]
    )


def _header_routes(deployment: dict, timeout_seconds: int) -> list[dict]:
    """Routes that a client chooses by naming the predictor, as feedback must."""
    prefix = path_prefix(deployment)
    routes = [
        {
            "match": {
                "prefix": prefix,
                "headers": [{"name": PREDICTOR_HEADER, "string_match": {"exact": predictor["name"]}}],
            },
            "route": {
                "cluster": cluster_name(deployment, predictor),
                "prefix_rewrite": "/",
                **_patience(timeout_seconds),
            },
            "response_headers_to_add": _identity(predictor),
        }
        for predictor in deployment["predictors"]
    ]
    unknown = {
        "match": {"prefix": prefix, "headers": [{"name": PREDICTOR_HEADER, "present_match": True}]},
        **_refusal(
            400,
            f"The header {PREDICTOR_HEADER} names no predictor of this deployment; it has "
            + ", ".join(predictor["name"] for predictor in deployment["predictors"])
            + ".",
        ),
    }
    return [*routes, unknown]


def _split_route(deployment: dict, timeout_seconds: int) -> dict:
    live = [predictor for predictor in deployment["predictors"] if not predictor["shadow"]]
    shadows = [predictor for predictor in deployment["predictors"] if predictor["shadow"]]
    action = {
        "weighted_clusters": {
            "clusters": [
                {
                    "name": cluster_name(deployment, predictor),
                    "weight": predictor["traffic"],
                    "response_headers_to_add": _identity(predictor),
                }
                for predictor in live
            ]
        },
        "prefix_rewrite": "/api/v1.0/predictions",
        **_patience(timeout_seconds),
    }
    if shadows:
        action["request_mirror_policies"] = [
            {
                "cluster": cluster_name(deployment, predictor),
                # As in Seldon: no percentage means a copy of every request.
                "runtime_fraction": {"default_value": {"numerator": predictor["traffic"] or 100}},
            }
            for predictor in shadows
        ]
    return {"match": {"path": deployment["prediction_path"], **_method("POST")}, "route": action}


def _refusals(deployment: dict) -> list[dict]:
    path = deployment["prediction_path"]
    return [
        {
            "match": {"path": f"{path_prefix(deployment)}api/v1.0/feedback"},
            **_refusal(
                400,
                f"Feedback belongs to the predictor that answered: send it with the header"
                f" {PREDICTOR_HEADER} of that answer.",
            ),
        },
        {"match": {"path": path}, **_refusal(405, "Send predictions with POST.")},
        {"match": {"prefix": "/"}, **_refusal(404, f"Send predictions to {path}.")},
    ]


def _refusal(code: int, sentence: str) -> dict:
    """An answer of the gateway's own; its listener gives it the form of Seldon's errors."""
    return {"direct_response": {"status": code, "body": {"inline_string": sentence}}}


def _method(name: str) -> dict:
    return {"headers": [{"name": ":method", "string_match": {"exact": name}}]}


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
