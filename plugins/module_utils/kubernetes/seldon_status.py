# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Seldon's operator has done what a SeldonDeployment says, by what it made and not by its word alone.

The state of a SeldonDeployment says nothing of its latest form: it stays Available until the operator
has looked. So its Deployments and its VirtualService are read, which name all that is described.
Pure functions of objects as the API has them.
"""

from __future__ import annotations

from .models import SERVER_LABEL
from .waiting import Trouble, deployment_ready

# What the operator has its Deployments and Services carry.
ID_LABEL = "seldon-deployment-id"
_PATH = "/seldon/{namespace}/{name}/"


def servers_of(thing: dict) -> dict[str, dict]:
    """{server: predictor} of a SeldonDeployment."""
    return {
        one["componentSpecs"][0]["metadata"]["labels"][SERVER_LABEL]: one for one in thing["spec"]["predictors"]
    }


def unready(thing: dict, deployments: list[dict]) -> list[dict]:
    """Those of its Deployments that do not serve as they are described, or what would be one that is missing."""
    there = {one["metadata"].get("labels", {}).get(SERVER_LABEL): one for one in deployments}
    found = []
    for server, predictor in servers_of(thing).items():
        one = there.get(server)
        if one is None or one["spec"].get("replicas", 1) != predictor.get("replicas", 1) or not deployment_ready(one):
            found.append(one or {})
    return found


def split_problem(thing: dict, service: dict | None) -> str:
    """How the operator's VirtualService differs from what a SeldonDeployment describes; "" where it does not."""
    if not service:
        return "Seldon's operator has written no VirtualService: it needs the value istio.enabled of its chart."
    about = thing["metadata"]
    gateways, wanted = service["spec"].get("gateways", []), about.get("annotations", {}).get("seldon.io/istio-gateway")
    if gateways != [wanted]:
        return f"The VirtualService is of the gateway {', '.join(gateways)}, not {wanted}."
    prefix = _PATH.format(namespace=about["namespace"], name=about["name"])
    routes = [
        route
        for route in service["spec"].get("http", [])
        if any(match.get("uri", {}).get("prefix") == prefix for match in route.get("match", []))
    ]
    if not routes:
        return f"The VirtualService has no route for {prefix}."
    told = {_service(one): one.get("weight", 0) for one in routes[0].get("route", [])}
    mirror = {_service({"destination": routes[0]["mirror"]})} if routes[0].get("mirror") else set()
    every = servers_of(thing)
    described = {server: one.get("traffic", 0) for server, one in every.items() if not one.get("shadow")}
    if len(described) == 1 and list(told) == list(described):
        # Alone it has all of the requests, whatever weight is written.
        told = described
    if told != described:
        return f"The VirtualService splits {_shares(told)}, and described is {_shares(described)}."
    if mirror != {server for server, one in every.items() if one.get("shadow")}:
        return f"The VirtualService sends copies to {', '.join(mirror) or 'nobody'}, which is not what is described."
    return ""


def _service(route: dict) -> str:
    return route["destination"]["host"].partition(".")[0]


def _shares(shares: dict[str, int]) -> str:
    return ", ".join(f"{name} {share}" for name, share in sorted(shares.items())) or "nothing"


def is_ready(thing: dict, deployments: list[dict], service: dict | None) -> bool:
    """Whether everything that is described serves, and gets what is described of the requests."""
    return (
        thing.get("status", {}).get("state") == "Available"
        and not unready(thing, deployments)
        and not split_problem(thing, service)
    )


def own_trouble(thing: dict, deployments: list[dict], service: dict | None) -> Trouble:
    """Why a SeldonDeployment is not ready where its pods do not say it."""
    status = thing.get("status", {})
    if not status:
        return Trouble("Nobody has taken it: does Seldon's operator run, and watch this namespace?")
    if status.get("state") == "Failed":
        return Trouble(f"Seldon's operator says: {(status.get('description') or 'it failed').rstrip('.')}.")
    if unready(thing, deployments):
        return Trouble("Seldon's operator has not made all of its Deployments.")
    return Trouble(split_problem(thing, service) or "Seldon's operator does not call it Available.")
