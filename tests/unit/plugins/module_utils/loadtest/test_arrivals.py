# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import itertools
import math

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.arrivals import (
    Stage,
    arrivals,
    expected,
    stages_of,
)
from hypothesis import given
from hypothesis import strategies as st

INF = math.inf


def due(stages, **options):
    return [time / 1e9 for time in arrivals(stages, **options)]


def test_a_constant_rate_is_even():
    assert due([Stage(0.5, 10, 10)]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert due([Stage(INF, 10, 10)], count=3) == pytest.approx([0, 0.1, 0.2])


def test_a_ramp_grows_as_its_area():
    times = due([Stage(10, 0, 20)])
    assert len(times) == 100
    # After t seconds t^2 requests were due.
    assert [times[at] for at in (0, 1, 4, 81)] == pytest.approx([0, 1, 2, 9])


def test_stages_follow_each_other():
    stages = stages_of([(1, 10, None), (1, 20, None), (1, 0, None), (1, 0, None), (1, 5, 5)])
    assert [(stage.first, stage.last) for stage in stages] == [
        (10, 10),
        (10, 20),
        (20, 0),
        (0, 0),
        (5, 5),
    ]
    times = due(stages)
    assert len(times) == 10 + 15 + 10 + 5
    assert times == sorted(times)
    assert not [time for time in times if 3.01 < time < 3.99]
    assert expected(stages) == (40, 5)
    assert expected(stages, 7) == (7, 5)
    assert expected([Stage(INF, 3, 3)], 7) == (7, None)


def test_poisson_arrivals_are_repeatable_and_exponential():
    first = due([Stage(100, 50, 50)], poisson=True, seed=1)
    assert (
        first
        == due([Stage(100, 50, 50)], poisson=True, seed=1)
        != due([Stage(100, 50, 50)], poisson=True, seed=2)
    )
    gaps = sorted(after - before for before, after in zip(first, first[1:]))
    assert 4700 < len(first) < 5300
    # Kolmogorov-Smirnov against the exponential, at the 0.1 % level.
    distance = max(
        abs((at + 0.5) / len(gaps) - (1 - math.exp(-50 * gap))) for at, gap in enumerate(gaps)
    )
    assert distance < 1.95 / math.sqrt(len(gaps))


@given(
    st.lists(
        st.tuples(st.floats(0.1, 5), st.floats(0, 50), st.none() | st.floats(0, 50)),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_times_rise_and_stay_within_the_stages(rates, poisson):
    stages = stages_of(rates)
    times = due(stages, poisson=poisson, seed=1)
    assert times == sorted(times)
    assert all(0 <= time <= sum(stage.seconds for stage in stages) + 1e-6 for time in times)
    if not poisson:
        assert abs(len(times) - expected(stages)[0]) <= len(stages)


def test_processes_take_turns():
    whole = list(arrivals([Stage(2, 10, 30)], poisson=True, seed=5))
    parts = [
        list(itertools.islice(arrivals([Stage(2, 10, 30)], poisson=True, seed=5), at, None, 3))
        for at in range(3)
    ]
    assert sorted(itertools.chain(*parts)) == whole
