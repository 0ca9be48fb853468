# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of objects that the target kubernetes makes: where the API has each, and what each is called.

Pure functions of objects as the API has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from .errors import KubernetesError

MANAGED_BY = {"app.kubernetes.io/managed-by": "monitml.stack"}
INSTANCE_LABEL = "monitml.stack/instance"
GROUP_LABEL = "monitml.stack/group"
ISTIO = "networking.istio.io"


@dataclass(frozen=True)
class Kind:
    """A kind: group is "" for the core's; namespaced, whether its objects are in namespaces."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    # Where two groups have a kind of one name, what ours calls it.
    alias: str = ""

    @property
    def label(self) -> str:
        """What tells it from all other kinds here."""
        return self.alias or self.name

    @property
    def api_version(self) -> str:
        """As objects have it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As kubectl has it, and as no other kind is called."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of one object, or of all of a namespace, or of all there are."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{base}{within}/{self.plural}" + (f"/{quote(name)}" if name else "")


# In the order in which they are made; they go in the opposite one.
KINDS = (
    Kind("Namespace", "", "v1", "namespaces", namespaced=False),
    Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    Kind("ServiceAccount", "", "v1", "serviceaccounts"),
    Kind("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    Kind("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
    Kind("Secret", "", "v1", "secrets"),
    Kind("ConfigMap", "", "v1", "configmaps"),
    Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims"),
    Kind("Service", "", "v1", "services"),
    Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    Kind("Deployment", "apps", "v1", "deployments"),
    Kind("Gateway", "gateway.networking.k8s.io", "v1", "gateways"),
    Kind("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes"),
    Kind("Gateway", ISTIO, "v1", "gateways", alias="IstioGateway"),
    # Of several for one host the oldest counts first: ours, and then that which Seldon's operator makes.
    Kind("VirtualService", ISTIO, "v1", "virtualservices"),
    Kind("PodMonitor", "monitoring.coreos.com", "v1", "podmonitors"),
    Kind("PrometheusRule", "monitoring.coreos.com", "v1", "prometheusrules"),
    Kind("AlertmanagerConfig", "monitoring.coreos.com", "v1alpha1", "alertmanagerconfigs"),
    Kind("SeldonDeployment", "machinelearning.seldon.io", "v1", "seldondeployments"),
)
# Kinds that not every cluster has, and not every way of running the stack makes.
OF_OTHERS = (ISTIO, "monitoring.coreos.com", "machinelearning.seldon.io")
_BY_NAME = {kind.label: kind for kind in KINDS}
_BY_TYPE = {(kind.group, kind.name): kind for kind in KINDS}
_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}
POD = Kind("Pod", "", "v1", "pods")
# What Seldon's operator makes, and does not take away again.
DESTINATION_RULE = Kind("DestinationRule", ISTIO, "v1", "destinationrules")


def kind_of(thing: dict) -> Kind:
    """The kind of an object. KeyError: one that is none of this collection's."""
    group = thing.get("apiVersion", "").rpartition("/")[0]
    others = {POD.name: POD, DESTINATION_RULE.name: DESTINATION_RULE}
    return others.get(thing["kind"]) or _BY_TYPE.get((group, thing["kind"])) or _BY_NAME[thing["kind"]]


def named(name: str) -> Kind:
    """The kind of a name, such as Deployment; raises KubernetesError for one that is none of these."""
    if name not in _BY_NAME:
        raise KubernetesError(f"'{name}' is no kind that is made here: use one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def check(things: list[dict]):
    """Raises KubernetesError where one is no object of a kind above, before anything is done with it."""
    for number, thing in enumerate(things, start=1):
        about = thing.get("metadata")
        name = about.get("name") if isinstance(about, dict) else None
        if not isinstance(name, str) or not name:
            raise KubernetesError(f"Object {number} of {len(things)} has no name in its metadata: give it one.")
        if _known(thing).namespaced and not about.get("namespace"):
            raise KubernetesError(f"{thing['kind']} {name} has no namespace in its metadata: give it one.")


def _known(thing: dict) -> Kind:
    try:
        return kind_of(thing)
    except KeyError:
        return named(str(thing.get("kind")))


def in_order(things: list[dict]) -> list[dict]:
    """Objects in the order in which they can be made."""
    return sorted(things, key=lambda thing: _RANKS[kind_of(thing)])


def place_of(thing: dict) -> tuple[str, str, str]:
    """(kind, namespace, name): what tells one object from another."""
    about = thing["metadata"]
    kind = kind_of(thing)
    return kind.label, about.get("namespace", "") if kind.namespaced else "", about["name"]


def words_of(thing: dict) -> str:
    """What a sentence calls an object: Deployment seldon/housing-good."""
    kind, namespace, name = place_of(thing)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def labels(instance: str, group: str) -> dict[str, str]:
    """What everything that we make carries; group: of which part of the stack it is."""
    return {**MANAGED_BY, INSTANCE_LABEL: instance, GROUP_LABEL: group}


def selector(instance: str, group: str = "") -> str:
    """What finds them again, as the API takes it."""
    wanted = {**MANAGED_BY, INSTANCE_LABEL: instance, **({GROUP_LABEL: group} if group else {})}
    return ",".join(f"{name}={value}" for name, value in wanted.items())


def is_ours(thing: dict, instance: str) -> bool:
    """Whether an object carries our labels."""
    found = thing["metadata"].get("labels") or {}
    return {**MANAGED_BY, INSTANCE_LABEL: instance}.items() <= found.items()


def made(kind: str, name: str, namespace: str, about: dict[str, str], **content) -> dict:
    """An object of a kind; about: its labels."""
    what = named(kind)
    metadata = {"name": name, "labels": dict(about)}
    if what.namespaced:
        metadata["namespace"] = namespace
    return {"apiVersion": what.api_version, "kind": what.name, "metadata": metadata, **content}
