# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import math

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.interval import share_interval
from hypothesis import given
from hypothesis import strategies as st


def at_least(count, total, share):
    return sum(
        math.comb(total, hits) * share**hits * (1 - share) ** (total - hits)
        for hits in range(count, total + 1)
    )


@given(st.integers(1, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_bounds_are_those_of_the_binomial_distribution(pair):
    count, total = pair
    low, high = share_interval(count, total)
    assert 0 <= low <= count / total <= high <= 1
    if count:
        assert at_least(count, total, low) == pytest.approx(0.0005, rel=1e-6)
    if count < total:
        assert 1 - at_least(count + 1, total, high) == pytest.approx(0.0005, rel=1e-6)


def test_ends():
    assert share_interval(0, 0) == (0.0, 1.0)
    assert share_interval(0, 10)[0] == 0.0 and share_interval(10, 10)[1] == 1.0
    low, high = share_interval(7500000, 10000000)
    assert 0.7495 < low < 0.75 < high < 0.7505
