# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether model servers become ready, and if not, why: as soon as that is final.

A server is at fault for good when it has ended by itself, when its model gives the same wrong
answer again and again, and when its time is over. The clock, the looking and the asking are
passed in.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

# A wrong answer counts when it was given so often in a row: a model may load something first.
WRONG_ANSWERS = 3
# How long others are waited for when one is at fault: a person wants to hear of all faults at once.
GRACE_SECONDS = 4.0
# How long a service may take to appear at all; see service_watch.
APPEAR_SECONDS = 10.0
_POLL_SECONDS = 0.1
_ENDED_SILENTLY = "it ended without a word"


@dataclass(frozen=True)
class Answer:
    """What a server says of itself: ready, or a problem; wrong where that is an answer of the model's.

    warnings are sentences about a model that serves all the same.
    """

    ready: bool = False
    problem: str = ""
    wrong: bool = False
    warnings: tuple = ()


@dataclass(frozen=True)
class Verdict:
    """Whether a server is at fault for good, and why, as far as it says itself."""

    ended: bool = False
    problem: str = ""


class Watch:
    """Waits for servers. names: of their services; memory: what an earlier watch left, see memory()."""

    def __init__(self, names, memory=None):
        memory = memory or {}
        self.pending = list(names)
        self.verdicts = {}
        self.warnings = {}
        self.problems = dict.fromkeys(names, "nobody answers there")
        self._seconds = memory.get("seconds", 0.0)
        self._fault_at = memory.get("fault_at")
        self._pids = dict(memory.get("pids", {}))
        self._wrong = dict.fromkeys(names, 0)

    def memory(self):
        """What the next watch of the same servers has to know, as JSON."""
        return {"seconds": self._seconds, "fault_at": self._fault_at, "pids": self._pids}

    @property
    def done(self):
        """Whether there is nothing more to wait for."""
        late = self._fault_at is not None and self._seconds - self._fault_at >= GRACE_SECONDS
        return late or not self.pending

    def wait(self, look, answers, start_seconds, slice_seconds, now, sleep):
        """Waits until all are ready, or it is known which are at fault, or the slice of time is over.

        look(names)      name -> Seen
        answers(name)    the Answers of a server since the last call, oldest first
        start_seconds    how long a server may take, counted over all slices
        """
        began, before = now(), self._seconds
        while not self.done:
            self._seconds = before + now() - began
            seen = look(self.pending)
            for name in list(self.pending):
                self._judge(name, seen[name], answers(name), start_seconds)
            if self.done or now() - began >= slice_seconds:
                break
            sleep(_POLL_SECONDS)

    def _judge(self, name, seen, answers, start_seconds):
        for answer in answers:
            if answer.ready:
                self.pending.remove(name)
                self.warnings[name] = answer.warnings
                return
            self.problems[name] = answer.problem or self.problems[name]
            self._wrong[name] = self._wrong[name] + 1 if answer.wrong else 0
        if seen.pid:
            self._pids.setdefault(name, seen.pid)
        first = self._pids.get(name)
        gone = seen.pid != first if first else self._seconds > APPEAR_SECONDS
        if seen.ended or gone:
            self._fail(name, Verdict(ended=True))
        elif self._wrong[name] >= WRONG_ANSWERS:
            self._fail(name, Verdict(problem=self.problems[name]))
        elif self._seconds >= start_seconds:
            sentence = "It is not ready after %g s: %s"
            self._fail(name, Verdict(problem=sentence % (start_seconds, self.problems[name])))

    def _fail(self, name, verdict):
        self.pending.remove(name)
        self.verdicts[name] = verdict
        if self._fault_at is None:
            self._fault_at = self._seconds


def cause_in(log, since):
    """What a server's log says of its end: its first error since a moment, in seconds since 1970.

    A server may have ended without one, and what is not its own has no time: the last line, then.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    for line in lines:
        words = line.split(" ", 3)
        # As serve.py writes it: date, time, level, message.
        if len(words) == 4 and words[2] in ("ERROR", "CRITICAL"):
            try:
                at = time.mktime(time.strptime(" ".join(words[:2]).partition(",")[0], "%Y-%m-%d %H:%M:%S"))
            except ValueError:
                continue
            # The whole seconds of a moment within one.
            if at >= int(since):
                return words[3]
    return lines[-1].strip() if lines else _ENDED_SILENTLY


def complaint(problems):
    """The message about servers at fault: who and why first, the ends of their logs after that.

    problems: dicts of predictor, version, cause, log (where to read it) and tail.
    """
    causes = dict.fromkeys(
        "Predictor %(predictor)s %(version)s: %(cause)s" % problem for problem in problems
    )
    tails = [
        "The log of %s %s (%s) ends with:\n%s"
        % (problem["predictor"], problem["version"], problem["log"], problem["tail"] or "(nothing)")
        for problem in problems
    ]
    return "\n".join(causes) + "\n\n" + "\n\n".join(tails)
