# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment and a cluster of no machine, which the tests of this folder share."""

from __future__ import annotations

import copy

from ansible_collections.monitml.stack.plugins.module_utils.deployment import description
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import kinds, models
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.errors import (
    KubernetesError,
    of_status,
)

SETTINGS = {
    "instance": "monitml",
    "stack_namespace": "monitml",
    "workers": 1,
    "timeout_seconds": 60,
    "series_max": 1000,
    "start_seconds": 180,
    "resources": {"requests": {"cpu": "100m"}},
    "pull_secret": "",
    "engine": "deployments",
    "gateway": "monitml/seldon-gateway",
    "grpc": False,
}


def deployment(shadow: bool = False, **of_bad) -> dict:
    """The housing canary, completed; with a third predictor that is a shadow."""
    shares = [("good", "v1", 75, False), ("bad", "v2", 25, False)]
    if shadow:
        shares.append(("dark", "v3", 0, True))
    predictors = [
        {
            "name": name,
            "version": version,
            "model": "housing",
            "image": "housing:1",
            "traffic": traffic,
            "replicas": 1,
            "shadow": is_shadow,
            "parameters": {},
            "digest": f"d-{name}",
            "container_image": f"registry.test/{name}@sha256:{'0' * 64}",
        }
        for name, version, traffic, is_shadow in shares
    ]
    predictors[1].update(of_bad)
    return description.complete(
        {"name": "housing", "namespace": "seldon", "predictors": predictors, "monitors": []}, 9000
    )


def served(given: dict | None = None, live: list[dict] = ()) -> dict:
    """The deployment with the names of its servers."""
    return models.with_servers(given or deployment(), list(live), SETTINGS)


class FakeApi:
    """Keeps objects as a cluster does, as far as these tests look. refused: {words: (code, message)}."""

    server = "https://cluster.test:6443"

    def __init__(self, *things: dict):
        self.things = {kinds.place_of(thing): copy.deepcopy(thing) for thing in things}
        self.refused: dict[str, tuple[int, str]] = {}
        self.calls: list[str] = []

    def get(self, thing: dict) -> dict | None:
        """As it is there."""
        return copy.deepcopy(self.things.get(kinds.place_of(thing)))

    def list(self, kind, namespace: str = "", selector: str = "") -> list[dict]:
        """Those of a kind."""
        wanted = dict(one.split("=") for one in selector.split(",") if one)
        return [
            copy.deepcopy(thing)
            for thing in self.things.values()
            if kinds.kind_of(thing) == kind
            and (not namespace or thing["metadata"].get("namespace") == namespace)
            and wanted.items() <= (thing["metadata"].get("labels") or {}).items()
        ]

    def find(self, kind, namespace: str, name: str) -> dict | None:
        """One of a kind."""
        return copy.deepcopy(self.things.get((kind.label, namespace if kind.namespaced else "", name)))

    def patch(self, kind, namespace: str, name: str, body: dict) -> dict:
        """Merges labels, where None is none, and keeps note of all else."""
        thing = self.things[kind.label, namespace if kind.namespaced else "", name]
        labels = body.get("metadata", {}).get("labels", {})
        kept = {**thing["metadata"].get("labels", {}), **labels}
        thing["metadata"]["labels"] = {key: value for key, value in kept.items() if value is not None}
        self.calls.append(f"patch {kinds.words_of(thing)}")
        return thing

    def apply(self, thing: dict, dry: bool = False) -> dict:
        """Keeps it, unless it is refused."""
        words = kinds.words_of(thing)
        if words in self.refused:
            code, message = self.refused[words]
            raise of_status(words, self.server, code, {"message": message, "details": {"name": "x"}})
        after = copy.deepcopy(thing)
        after["metadata"].update(uid="1", resourceVersion="2", managedFields=[{}])
        after["status"] = {"of": "the cluster"}
        self.calls.append(f"{'try' if dry else 'apply'} {words}")
        if not dry:
            self.things[kinds.place_of(thing)] = after
        return after

    def delete(self, thing: dict) -> bool:
        """Forgets it."""
        self.calls.append(f"delete {kinds.words_of(thing)}")
        return self.things.pop(kinds.place_of(thing), None) is not None

    def end_pod(self, pod: dict, grace_seconds: int) -> None:
        """Forgets a pod."""
        self.calls.append(f"end {pod['metadata']['name']} in {grace_seconds} s")
        self.things.pop(kinds.place_of(pod), None)

    def text(self, path: str, query: dict | None = None) -> str:
        """A log."""
        return "2026-01-01 ERROR There is no model.\nlast line\n" if path.endswith("/log") and query else ""


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Passes them."""
        self.now += seconds


__all__ = ["FakeApi", "FakeClock", "KubernetesError", "SETTINGS", "deployment", "served"]
