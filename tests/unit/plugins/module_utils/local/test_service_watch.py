# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local.service_watch import (
    APPEAR_SECONDS,
    Seen,
    await_steady,
    unsteady,
)


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


def up(pid):
    return Seen(pid=pid, running=True, settled=True, seconds=1.0)


LAUNCHING = Seen(pid=1, running=True, settled=False)
NOTHING = Seen()


def wait(history, start_seconds=1.0):
    """history: list of (seconds from the start, Seen), each valid until the next."""
    clock = Clock()

    def look():
        return {"a": [seen for since, seen in history if clock.now() - 100.0 >= since][-1]}

    return await_steady(look, ["a"], start_seconds, clock.now, clock.sleep), clock.now() - 100.0


@pytest.mark.parametrize(
    "history, failed",
    [
        ([(0, up(1))], []),
        ([(0, NOTHING), (3, LAUNCHING), (4, up(1))], []),
        ([(0, up(1)), (0.5, up(2))], ["a"]),
        ([(0, up(1)), (0.5, NOTHING)], ["a"]),
        ([(0, LAUNCHING), (0.5, Seen(pid=2, running=True))], ["a"]),
        ([(0, Seen(ended=True))], ["a"]),
        ([(0, up(1)), (0.9, Seen(ended=True))], ["a"]),
        ([(0, NOTHING)], ["a"]),
        ([(0, LAUNCHING)], ["a"]),
    ],
)
def test_a_service_is_steady_once_one_process_stayed_up(history, failed):
    assert wait(history)[0] == failed


def test_it_takes_as_long_as_it_has_to_stay_up():
    assert 1.0 <= wait([(0, up(1))])[1] < 1.1
    assert 5.0 <= wait([(0, NOTHING), (4, up(1))])[1] < 5.1
    assert wait([(0, Seen(ended=True))])[1] == 0
    assert wait([(0, NOTHING)])[1] < APPEAR_SECONDS + 1.1


def test_nothing_to_wait_for_needs_no_look():
    assert await_steady(None, [], 1, Clock().now, None) == []


def test_unsteady():
    assert not unsteady(up(1), 1.0)
    assert unsteady(up(1), 1.1) and unsteady(LAUNCHING, 0) and unsteady(NOTHING, 0)
