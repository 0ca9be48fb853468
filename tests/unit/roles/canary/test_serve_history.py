# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
import serve_history
from hypothesis import given
from hypothesis import strategies as st
from serve_history import INTERVAL_SECONDS, LONGEST_SECONDS, History

NAMES = [["a_total", {}], ["b_total", {"sign": "positive"}]]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "history")


def test_before_it_began_there_was_nothing(path):
    history = History(path, NAMES, 1000.0)
    history.note(1001.0, [3, 4.5])
    assert history.before(1001.0, 30) == (0, 0)
    assert history.before(1031.0, 30) == (3, 4.5)


def test_the_value_is_that_of_the_last_snapshot_before(path):
    history = History(path, NAMES, 0.0)
    for second in range(1, 100):
        history.note(float(second), [second, -second])
    assert history.before(99.9, 30) == (69, -69)
    assert history.before(100.0, 30) == (70, -70)


def test_another_process_goes_on_with_it(path):
    first = History(path, NAMES, 0.0)
    first.note(5.0, [1, 2])
    first.close()
    again = History(path, NAMES, 20.0)
    again.note(20.0, [7, 8])
    assert again.before(20.0, 10) == (1, 2)
    assert again.before(20.0, 0) == (7, 8)


def test_snapshots_are_not_taken_more_often_than_they_count(path):
    history = History(path, NAMES, 0.0)
    for step in range(10):
        history.note(1 + step * INTERVAL_SECONDS / 10, [step, 0])
    assert history.before(10.0, 1) == (0, 0)


def test_what_is_older_than_the_file_reaches_is_forgotten(path, monkeypatch):
    monkeypatch.setattr(serve_history, "_ENTRIES", 20)
    history = History(path, NAMES, 0.0)
    for second in range(1, 100):
        history.note(float(second), [second, 0])
    assert history.before(99.0, 10) == (89, 0)
    assert history.before(99.0, 50) is None


@pytest.mark.parametrize("names", [NAMES[:1], [["a_total", {}], ["c_total", {}]]])
def test_a_file_of_other_counters_begins_anew(path, names):
    History(path, NAMES, 0.0).note(1.0, [5, 5])
    assert set(History(path, names, 2.0).before(2.0, 0)) == {0}


def test_a_clock_that_began_anew_begins_it_anew(path):
    History(path, NAMES, 5000.0).note(5001.0, [5, 5])
    assert History(path, NAMES, 3.0).before(3.0, 0) == (0, 0)


def test_the_longest_window_can_be_answered(path):
    history = History(path, NAMES, 0.0)
    for step in range(int(1.5 * LONGEST_SECONDS / INTERVAL_SECONDS)):
        history.note(step * INTERVAL_SECONDS, [step, 0])
    now = step * INTERVAL_SECONDS
    assert history.before(now, LONGEST_SECONDS) == (step - LONGEST_SECONDS / INTERVAL_SECONDS, 0)


@given(st.lists(st.tuples(st.floats(0.6, 9), st.integers(0, 50)), max_size=60), st.integers(1, 90))
def test_what_grew_in_a_window_is_what_was_counted_in_it(tmp_path_factory, steps, window):
    history = History(str(tmp_path_factory.mktemp("h") / "history"), NAMES, 0.0)
    now, total, happened = 0.0, 0, [(0.0, 0)]
    for wait, more in steps:
        now, total = now + wait, total + more
        happened.append((now, total))
        history.note(now, [total, 0])
    known = [value for second, value in happened if second <= now - window]
    assert history.before(now, window)[0] == (known[-1] if known else 0)
