# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a cluster has room for what is asked: quotas, and what its nodes have left.

Pure, but for room(), which asks; api is what has list() as api.Api has it.
"""

from __future__ import annotations

import re

from . import kinds

_NODE = kinds.Kind("Node", "", "v1", "nodes", namespaced=False)
_UNITS = {"": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
# What nodes give, and as what it is asked for.
_GIVEN = {"cpu": "requests.cpu", "memory": "requests.memory", "pods": "pods"}
_OVER = ("Succeeded", "Failed")
_MEGABYTES = 1e6


def quantity(text: str | int | float) -> float:
    """A quantity as Kubernetes writes it, such as 100m or 256Mi."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    if not match or match[2] not in _UNITS:
        raise ValueError(f"{text} is no quantity")
    return float(match[1]) * _UNITS[match[2]]


def asked_by(deployment: dict, resources: dict) -> dict:
    """What the model servers of a description ask for, as quotas count it."""
    replicas = sum(predictor["replicas"] for predictor in deployment["predictors"])
    totals = {"pods": float(replicas)}
    for limit, prefix in (("requests", "requests."), ("limits", "limits.")):
        for what, amount in (resources.get(limit) or {}).items():
            totals[prefix + what] = replicas * quantity(amount)
    return totals


def quota_problems(quota: dict, asked: dict) -> list[str]:
    """What a ResourceQuota has no room for; what is there already is counted by itself."""
    status = quota.get("status", {})
    sentences = []
    for what, need in asked.items():
        hard = status.get("hard", {}).get(what)
        if hard is not None and need > quantity(hard):
            sentences.append(
                f"The quota {quota['metadata']['name']} of the namespace {quota['metadata']['namespace']} allows"
                f" {hard} of {what}, and the stack needs {need:g}. Raise it, or ask for less (canary_resources)."
            )
    return sentences


def room(api, instance: str) -> dict:
    """{cpu, memory, pods: what the nodes that take pods have left}, as if nothing of ours were there."""
    left = {what: 0.0 for what in _GIVEN}
    for node in api.list(_NODE):
        if not node["spec"].get("unschedulable"):
            for what in left:
                left[what] += quantity(node["status"]["allocatable"].get(what, 0))
    for pod in api.list(kinds.POD):
        ours = (pod["metadata"].get("labels") or {}).get(kinds.INSTANCE_LABEL) == instance
        if ours or not pod["spec"].get("nodeName") or pod.get("status", {}).get("phase") in _OVER:
            continue
        left["pods"] -= 1
        for container in pod["spec"]["containers"]:
            for what in ("cpu", "memory"):
                left[what] -= quantity(container.get("resources", {}).get("requests", {}).get(what, 0))
    return left


def room_problems(left: dict, asked: dict) -> list[str]:
    """What the nodes have no room for; left is empty where nobody may look."""
    sentences = []
    for what, have in left.items():
        need = asked.get(_GIVEN[what], 0)
        if need > have:
            sentences.append(
                f"The nodes have room for {_words(what, max(have, 0))}, and the model servers ask for"
                f" {_words(what, need)}. Add nodes, or ask for less (canary_resources, replicas)."
            )
    return sentences


def _words(what: str, amount: float) -> str:
    if what == "memory":
        return f"{amount / _MEGABYTES:,.0f} MB of memory"
    return f"{amount:g} {'CPU' if what == 'cpu' else 'pods'}"


def storage_problems(wanted: str, classes: list[str] | None) -> list[str]:
    """Whether a storage class that is named is there; classes is None where nobody may look."""
    if not wanted or classes is None or wanted in classes:
        return []
    there = f"it has {', '.join(classes)}" if classes else "it has none"
    return [f"The cluster has no storage class {wanted} (analytics_storage_class): {there}. Name one of those, or leave it empty."]
