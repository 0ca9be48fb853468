# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes all of an instance out of a cluster, in order, and looks whether anything is left.

api is what has list() and delete() as api.Api has them; clock, what has monotonic() and sleep().
"""

from __future__ import annotations

from . import convergence, kinds
from .errors import KubernetesError

_SECONDS = 120
_PAUSE_SECONDS = 0.5
_GRACE_SECONDS = 1


def remove_everything(api, instance: str, namespaces: list[str], clock, check: bool = False) -> convergence.Outcome:
    """The outcome of taking it away; raises KubernetesError where something stays."""
    places = convergence.places_of(api, instance, namespaces)
    outcome = convergence.Outcome()
    found = list(reversed(convergence.everything(api, instance, places)))
    for thing in found:
        words = kinds.words_of(thing)
        outcome.removed.append(words)
        outcome.before[words] = convergence.comparable(thing)
    if check:
        return outcome
    spaces = [thing for thing in found if thing["kind"] == "Namespace"]
    for thing in found:
        if thing not in spaces:
            api.delete(thing)
    # A namespace whose pods are still ending is looked at again only much later.
    _wait_until_gone(api, instance, places, clock, but=("Namespace",))
    for thing in spaces:
        # What others have put into a namespace that we made is theirs, and would go with it.
        _refuse_guests(api, thing["metadata"]["name"], instance)
        api.delete(thing)
    _wait_until_gone(api, instance, places, clock)
    return outcome


def _refuse_guests(api, namespace: str, instance: str) -> None:
    guests = [
        kinds.words_of(thing)
        for kind in (kinds.named(name) for name in ("Deployment", "PersistentVolumeClaim", "HTTPRoute"))
        for thing in api.list(kind, namespace)
        if not kinds.is_ours(thing, instance) and not thing["metadata"].get("ownerReferences")
    ]
    if guests:
        raise KubernetesError(
            f"The namespace {namespace} was made by this stack, and others have put {', '.join(guests)} there, which"
            " would go with it. Take that elsewhere, or remove our label"
            f" {kinds.INSTANCE_LABEL} from the namespace to keep it, and run again. All else of the stack is gone."
        )


def _wait_until_gone(api, instance: str, places: list[str], clock, but: tuple[str, ...] = ()) -> None:
    until = clock.monotonic() + _SECONDS
    selector = f"{kinds.INSTANCE_LABEL}={instance}"
    while True:
        left = [one for one in convergence.everything(api, instance, places) if one["kind"] not in but]
        pods = [pod for place in places for pod in api.list(kinds.POD, place, selector)]
        # What an operator makes of ours goes a moment after that.
        deployments = [one for place in places for one in api.list(kinds.named("Deployment"), place, selector)]
        for pod in pods:
            # Nobody is to be served any more: what is asked now need not be answered.
            if pod["metadata"].get("deletionGracePeriodSeconds", 0) > _GRACE_SECONDS:
                api.end_pod(pod, _GRACE_SECONDS)
        left += pods + [one for one in deployments if one not in left]
        if not left:
            return
        if clock.monotonic() >= until:
            names = ", ".join(kinds.words_of(thing) for thing in left)
            raise KubernetesError(
                f"After {_SECONDS} s there is still {names}. See what holds it (its finalizers), and run again."
            )
        clock.sleep(_PAUSE_SECONDS)
