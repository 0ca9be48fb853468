# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for what was applied, and tells in the pods' own words why something does not come.

api is what has get(), list(), text() and end_pod() as api.Api has them; clock, what has monotonic() and sleep().
"""

from __future__ import annotations

from . import kinds, seldon_status, waiting

_PAUSE_SECONDS = 0.25
# What a controller has just been told may look like trouble for so long.
_PATIENCE_SECONDS = 3


class Arrival:
    """Objects that are on their way."""

    def __init__(self, api, things: list[dict], clock):
        self._api, self._clock = api, clock
        self._lines: dict[str, tuple[str, bool]] = {}
        awaited = {*waiting.READY, "SeldonDeployment"}
        self._waited = [thing for thing in things if kinds.kind_of(thing).label in awaited]

    def wait(self, seconds: float) -> list[str]:
        """Sentences about what is not there after so long, or will never be; none where all are."""
        self._try_anew()
        start = self._clock.monotonic()
        troubled: dict[str, float] = {}
        left = self._waited
        while True:
            left = [thing for thing in map(self._now, left) if not self._is_there(thing)]
            passed = self._clock.monotonic() - start
            troubles = {kinds.words_of(thing): self._trouble(thing) for thing in left}
            finals = {who for who, trouble in troubles.items() if trouble and trouble.final}
            troubled = {who: troubled.get(who, passed) for who in finals}
            lost = [who for who, since in troubled.items() if passed - since >= _PATIENCE_SECONDS]
            if not left or passed >= seconds or lost:
                return [
                    self._sentence(who, trouble, passed)
                    for who, trouble in troubles.items()
                    if not lost or who in lost
                ]
            self._clock.sleep(_PAUSE_SECONDS)

    def _try_anew(self) -> None:
        """What fails at the first look failed before this run, and may not be tried again for minutes."""
        for waited in self._waited:
            for thing in self._deployments(waited):
                if waiting.deployment_ready(self._now(thing)):
                    continue
                for pod in self._pods(thing):
                    trouble = waiting.pod_trouble(pod)
                    if trouble and trouble.final:
                        self._api.end_pod(pod, 0)

    def _is_there(self, thing: dict) -> bool:
        if thing["kind"] == "SeldonDeployment":
            return seldon_status.is_ready(thing, self._deployments(thing), self._virtual_service(thing))
        return waiting.READY[thing["kind"]](thing)

    def _deployments(self, thing: dict) -> list[dict]:
        """A Deployment itself, or those that Seldon's operator has made of what it is told."""
        if thing["kind"] != "SeldonDeployment":
            return [thing] if thing["kind"] == "Deployment" else []
        about = thing["metadata"]
        found = self._api.list(
            kinds.named("Deployment"), about["namespace"], f"{seldon_status.ID_LABEL}={about['name']}"
        )
        return [one for one in found if not one["metadata"].get("deletionTimestamp")]

    def _virtual_service(self, thing: dict) -> dict | None:
        about = thing["metadata"]
        return self._api.find(kinds.named("VirtualService"), about["namespace"], about["name"])

    def _now(self, thing: dict) -> dict:
        return self._api.get(thing) or thing

    def _pods(self, thing: dict) -> list[dict]:
        return self._api.list(kinds.POD, thing["metadata"]["namespace"], waiting.selector_of(thing))

    def _trouble(self, thing: dict) -> waiting.Trouble | None:
        if thing["kind"] == "SeldonDeployment":
            return self._trouble_of_seldon(thing)
        if thing["kind"] != "Deployment":
            return waiting.taken_trouble(thing)
        found = waiting.deployment_trouble(thing)
        if found:
            return found
        pods = [pod for pod in self._pods(thing) if not pod["metadata"].get("deletionTimestamp")]
        troubles = [trouble for trouble in map(waiting.pod_trouble, pods) if trouble]
        troubles.sort(key=lambda trouble: not trouble.final)
        return self._with_log(thing, troubles[0]) if troubles else None

    def _trouble_of_seldon(self, thing: dict) -> waiting.Trouble:
        """What its pods say; else what the operator does."""
        deployments = self._deployments(thing)
        troubles = [self._trouble(one) for one in seldon_status.unready(thing, deployments) if one]
        found = sorted(filter(None, troubles), key=lambda trouble: not trouble.final)
        return found[0] if found else seldon_status.own_trouble(thing, deployments, self._virtual_service(thing))

    def _with_log(self, thing: dict, trouble: waiting.Trouble) -> waiting.Trouble:
        """A log is gone with its pod, which may be withdrawn before anybody can read it.

        While a container is started anew there may be none, and then one in which nothing has failed
        yet: the line that told most is kept.
        """
        if not trouble.pod:
            return trouble
        path = kinds.POD.path(thing["metadata"]["namespace"], trouble.pod) + "/log"
        query = {"container": trouble.container, "tailLines": "50"}
        for more in ({}, {"previous": "true"}):
            line, tells = waiting.log_line(self._api.text(path, {**query, **more}))
            known, told = self._lines.get(trouble.pod, ("", False))
            if line and (tells or not told and not known):
                self._lines[trouble.pod] = (line, tells)
        line = self._lines.get(trouble.pod, ("", False))[0]
        return waiting.Trouble(f"{trouble.sentence} {line}".strip(), trouble.final)

    @staticmethod
    def _sentence(who: str, trouble: waiting.Trouble | None, seconds: float) -> str:
        why = trouble.sentence if trouble else "Nothing says why."
        return f"{who} is not there after {seconds:.0f} s. {why}"
