# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for what was applied, and tells in the pods' own words why something does not come.

api is what has get(), list(), text() and end_pod() as api.Api has them; clock, what has monotonic() and sleep().
"""

from __future__ import annotations

from . import kinds, waiting

_PAUSE_SECONDS = 0.25
# What a controller has just been told may look like trouble for so long.
_PATIENCE_SECONDS = 3


class Arrival:
    """Objects that are on their way."""

    def __init__(self, api, things: list[dict], clock):
        self._api, self._clock = api, clock
        self._lines: dict[str, tuple[str, bool]] = {}
        self._waited = [thing for thing in things if thing["kind"] in waiting.READY]

    def wait(self, seconds: float) -> list[str]:
        """Sentences about what is not there after so long, or will never be; none where all are."""
        self._try_anew()
        start = self._clock.monotonic()
        troubled: dict[str, float] = {}
        left = self._waited
        while True:
            left = [thing for thing in map(self._now, left) if not waiting.READY[thing["kind"]](thing)]
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
        for thing in self._waited:
            if thing["kind"] != "Deployment" or waiting.deployment_ready(self._now(thing)):
                continue
            for pod in self._pods(thing):
                trouble = waiting.pod_trouble(pod)
                if trouble and trouble.final:
                    self._api.end_pod(pod, 0)

    def _now(self, thing: dict) -> dict:
        return self._api.get(thing) or thing

    def _pods(self, thing: dict) -> list[dict]:
        return self._api.list(kinds.POD, thing["metadata"]["namespace"], waiting.selector_of(thing))

    def _trouble(self, thing: dict) -> waiting.Trouble | None:
        if thing["kind"] != "Deployment":
            return waiting.taken_trouble(thing)
        found = waiting.deployment_trouble(thing)
        if found:
            return found
        pods = [pod for pod in self._pods(thing) if not pod["metadata"].get("deletionTimestamp")]
        troubles = [trouble for trouble in map(waiting.pod_trouble, pods) if trouble]
        troubles.sort(key=lambda trouble: not trouble.final)
        return self._with_log(thing, troubles[0]) if troubles else None

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
