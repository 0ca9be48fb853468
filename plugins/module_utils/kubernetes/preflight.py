# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a cluster can take the stack, before anything changes in it: what is asked, and what is said.

Pure, but for look(), which asks; api is what has request(), find(), list() and may() as api.Api has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from . import kinds
from .capacity import quota_problems, room, room_problems, storage_problems
from .engines import description_problems
from .parts import allowed, gateway_way, standing

# Server-side apply, and the Gateway API's own minimum for its current definitions.
OLDEST = (1, 28)
ISTIO = "istio.io/gateway-controller"
_CLASS = kinds.Kind("GatewayClass", "gateway.networking.k8s.io", "v1", "gatewayclasses", namespaced=False)
_STORAGE = kinds.Kind("StorageClass", "storage.k8s.io", "v1", "storageclasses", namespaced=False)
_QUOTA = kinds.Kind("ResourceQuota", "", "v1", "resourcequotas")
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
# What else may be there, by the groups of the API that it brings.
_PARTS = {
    "networking.istio.io": "Istio",
    "cert-manager.io": "cert-manager",
    "machinelearning.seldon.io": "Seldon's operator",
    "monitoring.coreos.com": "a Prometheus operator",
}
# A namespace that is there, for all that is known, and not ours.
_HIDDEN: dict = {"metadata": {}}
_VERBS = ("get", "list", "create", "patch", "delete")
# Kinds that only one engine makes, or one flavour.
_OF_WAYS = {
    "deployments": ("HTTPRoute",),
    "seldon": ("IstioGateway", "VirtualService", "SeldonDeployment"),
    "operator": ("PodMonitor", "PrometheusRule", "AlertmanagerConfig"),
}
_OF_CHARTS = tuple(
    kinds.Kind(name, group, "v1", f"{name.lower()}s", namespaced=False)
    for name, group in (
        ("ClusterRole", "rbac.authorization.k8s.io"),
        ("ClusterRoleBinding", "rbac.authorization.k8s.io"),
        ("CustomResourceDefinition", "apiextensions.k8s.io"),
        ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io"),
    )
)


def look(api, namespaces: list[str], gateway_class: str, instance: str, engine: dict | None = None) -> dict:
    """What problems() and words() want to know of a cluster.

    engine: {name, gateway (namespace/name of another's, "" for our own), releases (see parts.standing),
    flavour (of what watches)}.
    """
    engine = engine or {"name": "deployments", "gateway": "", "releases": {}, "flavour": "own"}
    version = api.request("GET", "/version", who="Its version")
    found = {name: allowed(api.find, kinds.named("Namespace"), "", name, otherwise=_HIDDEN) for name in namespaces}
    interfaces = api.request("GET", "/apis", who="Its interfaces")["groups"]
    groups = [group["name"] for group in interfaces]
    parts = standing(api, instance, groups, engine["releases"]) if engine["name"] == "seldon" and instance else {}
    way, gateway_problems = gateway_way(api, engine["gateway"]) if engine["gateway"] else ({}, [])
    classes = allowed(api.list, _STORAGE, otherwise=None)
    wanted = rights(found, instance, [engine["name"], engine["flavour"]], "missing" in parts.values())
    with ThreadPoolExecutor(8) as pool:
        may = list(pool.map(lambda right: api.may(right[0], right[1], right[2], right[3]), wanted))
    known = kinds.named("Gateway").group in groups
    return {
        "server": api.server,
        "version": version["gitVersion"],
        "number": [int(re.sub(r"\D", "", version[part])) for part in ("major", "minor")],
        "namespaces": {name: _standing(one, instance) for name, one in found.items()},
        "engine": {"name": engine["name"], "flavour": engine["flavour"], **parts},
        "gateway": way,
        "gateway_problems": gateway_problems,
        "istio_api": f"{kinds.ISTIO}/v1" in [one["groupVersion"] for group in interfaces for one in group["versions"]],
        "parts": [words for group, words in _PARTS.items() if group in groups],
        "gateway_api": known,
        "controller": _controller(api, gateway_class) if known and gateway_class else "",
        "storage_class": _default_storage(classes or []),
        "storage_classes": None if classes is None else [one["metadata"]["name"] for one in classes],
        "room": allowed(room, api, instance, otherwise={}) if instance else {},
        "quotas": [one for name in namespaces if found[name] for one in allowed(api.list, _QUOTA, name, otherwise=[])],
        "missing_rights": [words_of_right(right) for right, allowed in zip(wanted, may) if not allowed],
    }


def _standing(namespace: dict | None, instance: str) -> str:
    if namespace is None:
        return "missing"
    if namespace["metadata"].get("deletionTimestamp"):
        return "terminating"
    return "ours" if kinds.is_ours(namespace, instance) else "there"


def _controller(api, name: str) -> str:
    """Whose a GatewayClass is; taken for Istio's where this account may not look."""
    found = allowed(api.find, _CLASS, "", name, otherwise={"spec": {"controllerName": ISTIO}})
    return found["spec"]["controllerName"] if found else ""


def _default_storage(classes: list[dict]) -> str:
    for one in classes:
        if (one["metadata"].get("annotations") or {}).get(_DEFAULT_STORAGE) == "true":
            return one["metadata"]["name"]
    return ""


def rights(
    namespaces: dict[str, dict | None], instance: str, ways: Iterable[str] = ("deployments",), charts: bool = False
) -> list[tuple[str, kinds.Kind, str, str]]:
    """Every right that a run needs: verb, kind, namespace, subresource.

    ways: engine and flavour; charts: whether some are installed.
    """
    own = kinds.named("Namespace")
    needed = [(verb, kind, "", "") for kind in _OF_CHARTS for verb in _VERBS if charts]
    left_out = {kind for name, only in _OF_WAYS.items() if name not in ways for kind in only}
    made = [kind for kind in kinds.KINDS if kind.namespaced and kind.label not in left_out]
    needed += [
        (verb, own, "", "")
        for verb in ("create", "patch", "delete")
        if any(one is None or kinds.is_ours(one, instance) for one in namespaces.values())
    ]
    for name in namespaces:
        needed += [(verb, kind, name, "") for kind in made for verb in _VERBS]
        # Whoever gives Prometheus the right to look for pods has to have it.
        needed += [(verb, kinds.POD, name, "") for verb in ("get", "list", "watch", "patch")]
        needed += [("get", kinds.POD, name, "log"), ("create", kinds.POD, name, "portforward")]
        needed += [(verb, kinds.DESTINATION_RULE, name, "") for verb in ("list", "delete") if "seldon" in ways]
    return needed


def words_of_right(right: tuple[str, kinds.Kind, str, str]) -> str:
    """As kubectl auth can-i has it."""
    verb, kind, namespace, subresource = right
    what = kind.resource + (f"/{subresource}" if subresource else "")
    return f"{verb} {what}" + (f" in {namespace}" if namespace else "")


def words(found: dict, context: str) -> str:
    """The one line that says which cluster this is."""
    parts = f", with {', '.join(found['parts'])}" if found["parts"] else ""
    storage = found["storage_class"]
    disk = f"storage class {storage}" if storage else "no default storage class, so that figures go with their pod"
    by = f" (context {context})" if context else ""
    return f"Cluster {found['server']}{by}: Kubernetes {found['version']}{parts}; {disk}."


def problems(found: dict, expected_server: str, gateway_class: str, asked: dict, storage_class: str = "") -> list[str]:
    """Why the stack cannot go there, in sentences; empty where it can.

    asked: what the pods will ask for, by namespace: {"pods": 2, "requests.cpu": 0.2, ...}.
    """
    sentences = server_problems(found, expected_server)
    if tuple(found["number"]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        sentences.append(f"The cluster runs Kubernetes {found['version']}; {oldest} or newer is needed. Upgrade it.")
    for name, standing in found["namespaces"].items():
        if standing == "terminating":
            sentences.append(f"The namespace {name} is being terminated: wait until it is gone, and run again.")
    if found["engine"]["flavour"] == "operator" and _PARTS["monitoring.coreos.com"] not in found["parts"]:
        sentences.append(
            "The cluster does not have the Prometheus operator's definitions: install kube-prometheus-stack, or use"
            " analytics_flavour own, which brings what watches."
        )
    sentences += found["gateway_problems"] or _gateway_problems(found, gateway_class)
    if found["missing_rights"]:
        sentences.append(
            f"This account lacks rights: {_brief(found['missing_rights'])}. Ask for them, or use another account."
        )
    sentences += storage_problems(storage_class, found["storage_classes"])
    for need in asked.values():
        sentences += room_problems(found["room"], need)
    return sentences + [
        sentence
        for quota in found["quotas"]
        for sentence in quota_problems(quota, asked.get(quota["metadata"]["namespace"], {}))
    ]


def _gateway_problems(found: dict, gateway_class: str) -> list[str]:
    """Why there can be no gateway of our own, where one is wanted, and no routes by Istio's own words."""
    brought = found["engine"].get("istio") in ("missing", "ours")
    if found["engine"]["name"] == "seldon" and not brought and not found["istio_api"]:
        return ["The engine seldon needs Istio 1.22 or newer, which knows networking.istio.io/v1: upgrade it."]
    if found["gateway"]:
        return []
    if not found["gateway_api"]:
        return ["The cluster does not have the Gateway API: install its definitions, and Istio."]
    if not found["controller"]:
        # That of an Istio that is to be installed comes with it.
        cure = f"The cluster has no GatewayClass {gateway_class}: install Istio, or name another with seldon_gateway_class."
        return [] if brought else [cure]
    if found["controller"] != ISTIO:
        return [
            f"The GatewayClass {gateway_class} is of {found['controller']}; the requests are measured in Istio's"
            " gateways alone so far. Name a class of Istio with seldon_gateway_class."
        ]
    return []


def server_problems(found: dict, expected_server: str) -> list[str]:
    """Whether this is another cluster than is meant."""
    if not expected_server or found["server"].rstrip("/") == expected_server.rstrip("/"):
        return []
    return [
        f"This is the cluster {found['server']}, and monitml_kubernetes_expected_server is {expected_server}:"
        " choose the other context, or correct that variable."
    ]


def name_problems(deployment: dict, namespaces: list[str], engine: str = "deployments") -> list[str]:
    """Names that are good elsewhere, and none for what is made in a cluster."""
    found = description_problems(deployment, engine)
    if not deployment["name"][0].isalpha():
        found.append(f"name '{deployment['name']}' begins with a digit, which a Service's must not: begin with a letter.")
    if len(set(namespaces)) < len(namespaces):
        found.append(
            f"monitml_kubernetes_namespace and the deployment's namespace are both {namespaces[0]}: what serves models is"
            " locked up more tightly than the gateway can be. Give one of them another name."
        )
    return found


def _brief(missing: list[str]) -> str:
    """Rights, those to the same thing together."""
    by_what: dict[str, list[str]] = {}
    for right in missing:
        verb, _space, what = right.partition(" ")
        by_what.setdefault(what, []).append(verb)
    return "; ".join(f"{', '.join(verbs)} {what}" for what, verbs in by_what.items())
