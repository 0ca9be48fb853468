# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what was applied is there: Deployments with pods that serve, Gateways and routes that are taken.

Pure functions of objects as the API has them; the sentences are what a person needs to go on.
"""

from __future__ import annotations

from dataclasses import dataclass

# Reasons for which a container waits that nothing but a person ends.
_FOR_EVER = {
    "ImagePullBackOff": "its image {image} cannot be pulled: {message}",
    "ErrImagePull": "its image {image} cannot be pulled: {message}",
    "ErrImageNeverPull": "its image {image} is not on the node: {message}",
    "InvalidImageName": "its image {image} has no valid name",
    "CreateContainerConfigError": "it cannot be started: {message}",
    "CreateContainerError": "it cannot be started: {message}",
    "RunContainerError": "it cannot be started: {message}",
}


@dataclass(frozen=True)
class Trouble:
    """Why something is not there yet. final: waiting will not help; pod, container: whose log tells more."""

    sentence: str
    final: bool = False
    pod: str = ""
    container: str = ""


def deployment_ready(thing: dict) -> bool:
    """Whether all pods of a Deployment are of its present form, and serve."""
    wanted, status = thing["spec"].get("replicas", 1), thing.get("status", {})
    return (
        status.get("observedGeneration", 0) >= thing["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def deployment_trouble(thing: dict) -> Trouble | None:
    """What keeps a Deployment from having pods at all, such as a quota."""
    for condition in thing.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            text = condition.get("message", "")
            cure = " Raise the quota, or ask for less." if "exceeded quota" in text else ""
            return Trouble(f"Its pods are refused: {text.rstrip('.')}.{cure}", final=True)
    return None


def pod_trouble(pod: dict) -> Trouble | None:
    """What keeps a pod from serving; None where nothing does, or nothing is known yet."""
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _FOR_EVER:
            words = _FOR_EVER[waiting["reason"]].format(
                image=container["image"], message=waiting.get("message", "").strip().rstrip(".")
            )
            return Trouble(f"Pod {name}: {words}.", final=True)
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        if ended and not container.get("ready"):
            return Trouble(f"Pod {name}: {_end(ended)}.", True, name, container["name"])
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            text = condition.get("message", "").rstrip(".")
            return Trouble(f"Pod {name} finds no node: {text}.")
        if condition["type"] == "Ready" and condition["status"] == "False":
            return Trouble(f"Pod {name} runs, and is not ready to serve.")
    return None


def _end(ended: dict) -> str:
    if ended.get("reason") == "OOMKilled":
        return "it was killed because it needed more memory than its limit (canary_resources)"
    if ended.get("signal"):
        return f"it was killed by signal {ended['signal']}"
    return f"it ended with status {ended.get('exitCode')}"


def gateway_ready(thing: dict) -> bool:
    """Whether a Gateway is served."""
    return _holds(thing, thing.get("status", {}).get("conditions", []), "Programmed")


def route_ready(thing: dict) -> bool:
    """Whether all gateways that an HTTPRoute names have taken its present form."""
    parents = thing.get("status", {}).get("parents", [])
    return len(parents) >= len(thing["spec"]["parentRefs"]) and all(
        _holds(thing, parent["conditions"], kind) for parent in parents for kind in ("Accepted", "ResolvedRefs")
    )


def _holds(thing: dict, conditions: list[dict], kind: str) -> bool:
    return any(
        one["type"] == kind
        and one["status"] == "True"
        and one.get("observedGeneration", 0) >= thing["metadata"].get("generation", 0)
        for one in conditions
    )


def taken_trouble(thing: dict) -> Trouble | None:
    """Why a Gateway or a route is not taken."""
    status = thing.get("status", {})
    conditions = status.get("conditions", []) + [
        one for parent in status.get("parents", []) for one in parent["conditions"]
    ]
    for one in conditions:
        if one["status"] == "False":
            return Trouble(f"{one.get('message', '') or one.get('reason', '')}".rstrip(".") + ".")
    return Trouble("Nobody serves it: is the implementation of its GatewayClass running?")


READY = {"Deployment": deployment_ready, "Gateway": gateway_ready, "HTTPRoute": route_ready}


def selector_of(thing: dict) -> str:
    """What finds the pods of a Deployment."""
    return ",".join(f"{name}={value}" for name, value in thing["spec"]["selector"]["matchLabels"].items())


def log_line(text: str) -> tuple[str, bool]:
    """The line of a log that tells most, and whether it says what was wrong, as our server's sentences do."""
    # The node's own words, where it has no log any more.
    if text.startswith("unable to retrieve"):
        return "", False
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
    return (errors[0], True) if errors else (lines[-1] if lines else "", False)
