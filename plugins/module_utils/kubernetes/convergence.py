# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings what is in a cluster to what is described: what is to be, and nothing else of the same group.

api is what has get(), list(), apply() and delete() as api.Api has them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from . import kinds, seldon_status
from .errors import KubernetesError

# What the cluster writes into objects by itself, which is no difference.
_OF_THE_CLUSTER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass
class Outcome:
    """What was done, or would be: objects in words, a diff, and the objects as they are now."""

    applied: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)
    objects: list[dict] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, another."""
        return bool(self.applied or self.removed)


def refuse_others(api, things: list[dict], instance: str) -> None:
    """Raises KubernetesError where an object of the same name is not ours."""
    found = [thing for thing in things if _is_anothers(api.get(thing), instance)]
    if found:
        names = ", ".join(kinds.words_of(thing) for thing in found)
        raise KubernetesError(
            f"{names} {'is' if len(found) == 1 else 'are'} there already, and not of the instance {instance}:"
            f" {'it lacks' if len(found) == 1 else 'they lack'} our labels. Remove what is there, or choose other names"
            " (monitml_instance, or name and namespace of the deployment)."
        )


def _is_anothers(live: dict | None, instance: str) -> bool:
    return live is not None and not kinds.is_ours(live, instance)


def keep_namespaces(api, things: list[dict], instance: str) -> list[dict]:
    """Objects without the namespaces that are there and not ours: those are used and left alone."""
    return [
        thing
        for thing in things
        if thing["kind"] != "Namespace" or not _is_anothers(api.get(thing), instance)
    ]


def apply(api, things: list[dict], instance: str, check: bool = False) -> Outcome:
    """Applies objects, of which nothing may be another's."""
    things = keep_namespaces(api, kinds.in_order(things), instance)
    refuse_others(api, things, instance)
    outcome = Outcome()
    missing: set[str] = set()
    for thing in things:
        words, before = kinds.words_of(thing), api.get(thing)
        if check and not before and kinds.place_of(thing)[1] in missing:
            # There is no trying in a namespace that is not there.
            after = thing
        else:
            after = _tried(api, thing, check)
        if thing["kind"] == "Namespace" and not before:
            missing.add(thing["metadata"]["name"])
        outcome.objects.append(after)
        _note(outcome, outcome.applied, words, before, after)
    return outcome


def _tried(api, thing: dict, check: bool) -> dict:
    try:
        return api.apply(thing, check)
    except KubernetesError as error:
        # In a check, what others would have made by then may lack.
        if check and error.code == 404:
            return thing
        raise


def prune(
    api, kept: list[dict], group: list[str], instance: str, namespaces: list[str], check: bool = False
) -> Outcome:
    """Takes away what carries the labels of our group and is not among kept.

    group: its name, and the kinds that it may have; namespaces: where to look if not everywhere.
    """
    name, *may_have = group
    wanted = {kinds.place_of(thing) for thing in kept}
    outcome = Outcome()
    places = places_of(api, instance, namespaces)
    for thing in reversed(_labelled(api, instance, name, places, may_have)):
        if kinds.place_of(thing) in wanted or thing["metadata"].get("deletionTimestamp"):
            continue
        if not check:
            api.delete(thing)
        _note(outcome, outcome.removed, kinds.words_of(thing), thing, None)
    return outcome


def withdraw(api, things: list[dict], kept: list[dict]) -> list[str]:
    """Takes objects away again, but those that are kept and namespaces; returns which, in words.

    What is kept whole is had as it was.
    """
    wanted = {kinds.place_of(thing): thing for thing in kept}
    gone = []
    for thing in reversed(kinds.in_order(things)):
        before = wanted.get(kinds.place_of(thing))
        if before and "spec" in before and before != thing:
            api.apply(before)
            gone.append(kinds.words_of(thing))
        elif not before and thing["kind"] != "Namespace" and api.delete(thing):
            gone.append(kinds.words_of(thing))
    return gone


def tidy(api, things: list[dict]) -> list[str]:
    """Takes away what Seldon's operator leaves of predictors that have gone; returns what, in words."""
    gone = []
    for thing in things:
        if thing["kind"] != "SeldonDeployment":
            continue
        servers = seldon_status.servers_of(thing)
        for rule in api.list(kinds.DESTINATION_RULE, thing["metadata"]["namespace"]):
            owners = {one["uid"] for one in rule["metadata"].get("ownerReferences", [])}
            if thing["metadata"]["uid"] in owners and rule["metadata"]["name"] not in servers and api.delete(rule):
                gone.append(kinds.words_of(rule))
    return gone


def places_of(api, instance: str, namespaces: list[str]) -> list[str]:
    """Where to look: everywhere where this account may, else in the namespaces that it is told."""
    try:
        api.list(kinds.named("Service"), "", kinds.selector(instance))
        return [""]
    except KubernetesError as error:
        if error.code != 403:
            raise
        return namespaces


def _labelled(api, instance: str, group: str, namespaces: list[str], may_have=()) -> list[dict]:
    selector = kinds.selector(instance, group)
    found = []
    for kind in kinds.KINDS:
        if may_have and kind.label not in may_have:
            continue
        for namespace in namespaces if kind.namespaced else [""]:
            found += _listed(api, kind, namespace, selector)
    return found


def _listed(api, kind: kinds.Kind, namespace: str, selector: str) -> list[dict]:
    """What an account may not see of others' kinds, it has not made."""
    try:
        return api.list(kind, namespace, selector)
    except KubernetesError as error:
        if error.code == 403 and kind.group in kinds.OF_OTHERS:
            return []
        raise


def everything(api, instance: str, namespaces: list[str]) -> list[dict]:
    """All that carries our labels, in the order in which it was made; namespaces: [""] is all of them."""
    return _labelled(api, instance, "", namespaces)


def _note(outcome: Outcome, names: list[str], words: str, before: dict | None, after: dict | None) -> None:
    was, is_ = comparable(before), comparable(after)
    if was != is_:
        names.append(words)
        outcome.before[words], outcome.after[words] = was, is_


def comparable(thing: dict | None) -> dict:
    """An object without what the cluster writes itself, and without what is secret in it."""
    if not thing:
        return {}
    about = {key: value for key, value in thing["metadata"].items() if key not in _OF_THE_CLUSTER}
    kept = {key: value for key, value in thing.items() if key not in ("status", "apiVersion")}
    if thing["kind"] == "Secret":
        for key in ("data", "stringData"):
            kept[key] = {name: _blurred(value) for name, value in (thing.get(key) or {}).items()}
    return {**kept, "metadata": about}


def _blurred(value: str) -> str:
    return "secret " + hashlib.sha256(value.encode()).hexdigest()[:8]
