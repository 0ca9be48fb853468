# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether services that were just started stay up. The clock and the looking are passed in."""

from __future__ import annotations

from dataclasses import dataclass

# How much longer than it must stay up a service may take to appear at all: supervisord looks
# at its programs once a second, and a busy machine starts Python slowly.
APPEAR_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Seen:
    """How a service stands.

    pid      0 where no process runs
    running  whether it is up, or on its way there
    settled  whether the process already is the service's own command
    ended    whether it ended by itself and waits for its next start
    seconds  how long the process has been there
    """

    pid: int = 0
    running: bool = False
    settled: bool = False
    ended: bool = False
    seconds: float = 0.0


def unsteady(seen, start_seconds):
    """Whether the service is not known to stay up yet."""
    return not seen.running or not seen.settled or seen.seconds < start_seconds


def await_steady(look, names, start_seconds, now, sleep):
    """Waits until each service has stayed up for start_seconds. Returns those that did not, sorted.

    look()  returns name -> Seen
    now()   returns monotonic seconds
    sleep() takes seconds
    """
    pending = set(names)
    failed = set()
    first = {}
    since = {}
    deadline = now() + start_seconds + APPEAR_SECONDS
    while pending:
        current = look()
        for name in sorted(pending):
            seen = current.get(name, Seen())
            if seen.pid:
                first.setdefault(name, seen.pid)
            if seen.ended or (name in first and seen.pid != first[name]):
                failed.add(name)
            elif seen.pid and seen.running and seen.settled:
                since.setdefault(name, now())
                if now() - since[name] >= start_seconds:
                    pending.discard(name)
        pending -= failed
        if pending and now() >= deadline:
            failed |= pending
            break
        if pending:
            sleep(_POLL_SECONDS)
    return sorted(failed)
