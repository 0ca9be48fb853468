# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How requests reach the predictors in a cluster: a Gateway of the Gateway API, and its routes.

Pure functions of the completed description, whose predictors have servers (see models.with_servers).
"""

from __future__ import annotations

from ..deployment.description import PREDICTOR_HEADER, VERSION_HEADER, path_prefix
from . import kinds
from .models import PREDICTIONS_PORT, READS_PORT, object_name

GATEWAY_GROUP, ROUTES_GROUP = "gateway", "routes"
# What the gateway's Envoy is to count: its default leaves out the clusters that lead to models.
_STATISTICS = {"sidecar.istio.io/statsInclusionPrefixes": "cluster.outbound"}
_API = "api/v1.0/"


def gateway_objects(deployment: dict, settings: dict) -> list[dict]:
    """The namespaces and the Gateway.

    settings: instance, stack_namespace, gateway_class, service_type (as of a Service); pull_secret, the
    name of a secret with the login of registries, and pull_secret_data, its content in base64; "" for none.
    """
    about = kinds.labels(settings["instance"], GATEWAY_GROUP)
    names = {"matchLabels": {"kubernetes.io/metadata.name": deployment["namespace"]}}
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": names}},
    }
    gateway = kinds.made(
        "Gateway",
        settings["instance"],
        settings["stack_namespace"],
        about,
        spec={
            "gatewayClassName": settings["gateway_class"],
            "infrastructure": {"annotations": dict(_STATISTICS)},
            "listeners": [listener],
        },
    )
    gateway["metadata"]["annotations"] = {"networking.istio.io/service-type": settings["service_type"]}
    levels = {settings["stack_namespace"]: "baseline", deployment["namespace"]: "restricted"}
    spaces = [_namespace(name, level, about) for name, level in levels.items()]
    secrets = [_pull_secret(name, about, settings) for name in levels if settings["pull_secret"]]
    return [*spaces, *secrets, gateway]


def namespace_object(name: str, instance: str) -> dict:
    """A namespace for what charts bring, of whose pods nothing is known."""
    return kinds.made("Namespace", name, "", kinds.labels(instance, "charts"))


def _namespace(name: str, level: str, about: dict[str, str]) -> dict:
    security = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
    return kinds.made("Namespace", name, "", {**about, **security})


def _pull_secret(namespace: str, about: dict[str, str], settings: dict) -> dict:
    data = {".dockerconfigjson": settings["pull_secret_data"]}
    kind = "kubernetes.io/dockerconfigjson"
    return kinds.made("Secret", settings["pull_secret"], namespace, about, type=kind, data=data)


def route_objects(deployment: dict, settings: dict) -> list[dict]:
    """The routes: by weight, and one for each predictor to those who name it.

    settings: instance, stack_namespace, timeout_seconds.
    """
    rules = {"": _split_rules(deployment)}
    for predictor in deployment["predictors"]:
        rules[predictor["name"]] = _named_rules(deployment, predictor)
    # One route has at most 16 rules.
    return [
        _route(deployment, object_name(*filter(None, (deployment["name"], name))), found, settings)
        for name, found in rules.items()
    ]


def _route(deployment: dict, name: str, rules: list[dict], settings: dict) -> dict:
    patience = {"timeouts": {"request": f"{int(settings['timeout_seconds'])}s"}}
    return kinds.made(
        "HTTPRoute",
        name,
        deployment["namespace"],
        kinds.labels(settings["instance"], ROUTES_GROUP),
        spec={
            "parentRefs": [{"name": settings["instance"], "namespace": settings["stack_namespace"]}],
            "rules": [{**rule, **patience} for rule in rules],
        },
    )


def _split_rules(deployment: dict) -> list[dict]:
    live = [one for one in deployment["predictors"] if not one["shadow"]]
    path = path_prefix(deployment) + _API
    weighted = {
        "matches": [_match(path + "predictions", method="POST")],
        "filters": [_rewrite(f"/{_API}predictions"), *_mirrors(deployment)],
        "backendRefs": [_backend(one, PREDICTIONS_PORT, weight=one["traffic"]) for one in live],
    }
    reads = {
        "matches": [_match(path)],
        "filters": [_rewrite(f"/{_API}")],
        "backendRefs": [_backend(one, READS_PORT, weight=one["traffic"]) for one in live],
    }
    return [weighted, reads, *(_feedback_rules(deployment, live[0]) if len(deployment["predictors"]) == 1 else [])]


def _feedback_rules(deployment: dict, predictor: dict) -> list[dict]:
    """Feedback belongs to who answered: without a name it is taken where there is but one."""
    path = f"{_API}feedback"
    match = _match(path_prefix(deployment) + path, method="POST")
    return [_to(predictor, match, f"/{path}", PREDICTIONS_PORT)]


def _named_rules(deployment: dict, predictor: dict) -> list[dict]:
    prefix, header = path_prefix(deployment) + _API, predictor["name"]
    rules = [
        _to(predictor, _match(prefix + what, header, "POST"), f"/{_API}{what}", PREDICTIONS_PORT)
        for what in ("predictions", "feedback")
    ]
    rules.append(_to(predictor, _match(prefix, header), f"/{_API}", READS_PORT))
    # A predictor has one model, which is called as it is.
    for what in ("metadata", "status"):
        path = f"{what}/{predictor['name']}"
        rules.append(_to(predictor, _match(prefix + path), f"/{_API}{path}", READS_PORT))
    return rules


def _to(predictor: dict, match: dict, path: str, port: int) -> dict:
    return {"matches": [match], "filters": [_rewrite(path)], "backendRefs": [_backend(predictor, port)]}


def _match(prefix: str, predictor: str = "", method: str = "GET") -> dict:
    """The longer the path, and then the more else is asked for, the sooner a match counts."""
    headers = {"headers": [{"name": PREDICTOR_HEADER, "type": "Exact", "value": predictor}]} if predictor else {}
    return {"path": {"type": "PathPrefix", "value": prefix}, **headers, "method": method}


def _rewrite(path: str) -> dict:
    return {
        "type": "URLRewrite",
        "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": path}},
    }


def _backend(predictor: dict, port: int, weight: int = 1) -> dict:
    identity = [
        {"name": PREDICTOR_HEADER, "value": predictor["name"]},
        {"name": VERSION_HEADER, "value": predictor["version"]},
    ]
    told = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": identity}}
    return {
        "group": "",
        "kind": "Service",
        "name": predictor["server"],
        "port": port,
        "weight": weight,
        "filters": [told],
    }


def _mirrors(deployment: dict) -> list[dict]:
    """What sends copies of requests to the shadow; as in Seldon no percentage is a copy of each."""
    return [
        {
            "type": "RequestMirror",
            "requestMirror": {
                "backendRef": {"group": "", "kind": "Service", "name": one["server"], "port": PREDICTIONS_PORT},
                "percent": one["traffic"] or 100,
            },
        }
        for one in deployment["predictors"]
        if one["shadow"]
    ]
