# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs models in a cluster, behind one interface: deployments, or Seldon's operator.

Pure functions of the completed description; settings: engine, and what those of the engine want.
A run goes through them in this order: servers come up beside those that serve, the routes change,
and what served goes.
"""

from __future__ import annotations

from . import models, routes, seldon, seldon_routes

NAMES = ("deployments", "seldon")


def description_problems(deployment: dict, engine: str) -> list[str]:
    """What an engine cannot serve, in sentences."""
    return seldon.description_problems(deployment) if engine == "seldon" else []


def with_servers(deployment: dict, live: list[dict], settings: dict) -> dict:
    """The deployment with its servers, and with what leaves, serves and is up (see models.with_servers)."""
    engine = seldon if settings["engine"] == "seldon" else models
    return engine.with_servers(deployment, live, settings)


def gateway_objects(deployment: dict, settings: dict) -> list[dict]:
    """What lets requests in: namespaces, the Gateway and, for Seldon's operator, Istio's word for it.

    settings: those of routes.gateway_objects(); existing, whether gateway is another's.
    """
    things = routes.gateway_objects(deployment, settings)
    if settings["engine"] != "seldon":
        return things
    if settings["existing"]:
        return [thing for thing in things if thing["kind"] != "Gateway"]
    return [*things, seldon_routes.gateway(settings)]


def model_objects(deployment: dict, settings: dict) -> list[dict]:
    """What serves, beside all that serves already."""
    if settings["engine"] != "seldon":
        return models.model_objects(deployment, settings)
    # Nobody is answered unwatched.
    closed = [] if deployment["live"] else [seldon_routes.virtual_service(deployment, settings, closed=True)]
    return [*closed, *seldon.model_objects(deployment, settings)]


def server_objects(deployment: dict, settings: dict) -> list[dict]:
    """What serves now, which stays where something new does not come up."""
    engine = seldon if settings["engine"] == "seldon" else models
    return engine.server_objects(deployment, deployment["serving"], settings)


def route_objects(deployment: dict, settings: dict) -> list[dict]:
    """What leads requests to the predictors as described."""
    if settings["engine"] != "seldon":
        return routes.route_objects(deployment, settings)
    return [seldon.with_traffic(deployment, settings), seldon_routes.virtual_service(deployment, settings)]


def settled_objects(deployment: dict, settings: dict) -> list[dict]:
    """What says that all else may go, once the requests reach those that are described."""
    return seldon.settled(deployment, settings) if settings["engine"] == "seldon" else []


def kept_objects(deployment: dict, settings: dict) -> list[dict]:
    """What is there once the rest has gone."""
    if settings["engine"] != "seldon":
        return models.model_objects(deployment, settings)
    return seldon.model_objects(deployment, settings)
