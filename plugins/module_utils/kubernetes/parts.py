# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of others a cluster has that the engine seldon needs: Istio, Seldon's operator, a gateway.

api is what has find(), list() and request() as api.Api has them.
"""

from __future__ import annotations

from . import kinds
from .charts import is_ours
from .errors import KubernetesError
from .helm import release_of

CERTIFICATES = "cert-manager.io"
_DEFINITION = kinds.Kind(
    "CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
)
_SELDON = "seldondeployments.machinelearning.seldon.io"
_DEPLOYMENTS, _SERVICES = kinds.named("Deployment"), kinds.named("Service")
_CONTROL_PLANE, _OPERATOR = "app=istiod", "control-plane=seldon-controller-manager"
# What has Istio's gateways count what they send to models.
_STATISTICS, _COUNTED = "sidecar.istio.io/statsInclusionPrefixes", "cluster.outbound"


def allowed(ask, *what, otherwise):
    """The answer; otherwise, where this account may not ask."""
    try:
        return ask(*what)
    except KubernetesError as error:
        if error.code == 403:
            return otherwise
        raise


def standing(api, instance: str, groups: list[str], releases: dict[str, str]) -> dict:
    """{istio, operator: missing, there (another's) or ours; definition: whether the chart may bring it}.

    groups: of the cluster's API; releases: {istio, operator} as namespace/name.
    """
    return {
        "istio": _standing(api, instance, releases["istio"], _CONTROL_PLANE, kinds.ISTIO in groups),
        "operator": _standing(api, instance, releases["operator"], _OPERATOR, False),
        "definition": _may_define(api, releases["operator"]),
        "certificates": CERTIFICATES in groups,
    }


def _standing(api, instance: str, release: str, selector: str, otherwise: bool) -> str:
    namespace, _slash, name = release.partition("/")
    if is_ours(allowed(release_of, api, name, namespace, otherwise={}), instance):
        return "ours"
    # Who may not look everywhere goes by what the API knows.
    found = allowed(api.list, _DEPLOYMENTS, "", selector, otherwise=otherwise)
    return "there" if found else "missing"


def _may_define(api, release: str) -> bool:
    """Whether the definition of a SeldonDeployment is not there, or the release's own, which outlived it."""
    found = allowed(api.find, _DEFINITION, "", _SELDON, otherwise={"metadata": {}})
    if found is None:
        return True
    about = found["metadata"].get("annotations") or {}
    names = (about.get("meta.helm.sh/release-namespace"), about.get("meta.helm.sh/release-name"))
    return names == tuple(release.split("/"))


def gateway_way(api, gateway: str) -> tuple[dict, list[str]]:
    """({namespace, selector, port} of the pods of Istio's Gateway of another, what is wrong with it).

    gateway: namespace/name.
    """
    namespace, _slash, name = gateway.partition("/")
    who = f"The Gateway {gateway} (seldon_gateway)"
    if not name:
        return {}, [f"seldon_gateway is '{gateway}': give it as namespace/name."]
    found = api.find(kinds.named("IstioGateway"), namespace, name)
    if not found:
        return {}, [f"{who} is not there: correct it, or leave it empty for one of the stack's own."]
    servers = [one for one in found["spec"].get("servers", []) if _takes_http(one)]
    if not servers:
        return {}, [f"{who} takes no HTTP for all hosts: add such a server to it, or leave seldon_gateway empty."]
    selector = ",".join(f"{key}={value}" for key, value in sorted(found["spec"].get("selector", {}).items()))
    pods = api.list(kinds.POD, namespace, selector) or allowed(api.list, kinds.POD, "", selector, otherwise=[])
    if not selector or not pods:
        return {}, [f"{who} selects no pods ({selector or 'it has no selector'}): bring up its gateway."]
    about = pods[0]["metadata"]
    problems = []
    if _COUNTED not in (about.get("annotations") or {}).get(_STATISTICS, ""):
        problems.append(
            f"{who}: its pods do not count what they send to models. Give their template the annotation"
            f" {_STATISTICS}: {_COUNTED}, or leave seldon_gateway empty for one of the stack's own."
        )
    port = _port_of(api, pods[0], servers[0]["port"]["number"])
    return {"namespace": about["namespace"], "selector": selector, "port": port}, problems


def _takes_http(server: dict) -> bool:
    hosts = {host.rpartition("/")[2] for host in server.get("hosts", [])}
    return server["port"].get("protocol") == "HTTP" and "*" in hosts


def _port_of(api, pod: dict, number: int) -> int:
    """Where a pod takes what comes to a port of the service before it."""
    about = pod["metadata"]
    for service in api.list(_SERVICES, about["namespace"]):
        wanted = service["spec"].get("selector") or {}
        if wanted and wanted.items() <= (about.get("labels") or {}).items():
            for port in service["spec"].get("ports", []):
                if port["port"] == number:
                    target = port.get("targetPort", number)
                    return target if isinstance(target, int) else _named(pod, target, number)
    return number


def _named(pod: dict, name: str, otherwise: int) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            if port.get("name") == name:
                return port["containerPort"]
    return otherwise
