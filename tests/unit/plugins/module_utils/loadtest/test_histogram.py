# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pickle
import random

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.histogram import (
    EXACT_LIMIT,
    Histogram,
    Samples,
    bounds,
    rank,
)
from hypothesis import given
from hypothesis import strategies as st

RATIOS = [0.0, 0.5, 0.9, 0.99, 1.0]
values = st.lists(st.integers(0, 10**13), min_size=1, max_size=200)


@given(values, st.sampled_from([6, 10]))
def test_percentiles_are_within_half_a_bucket(numbers, bits):
    histogram = Histogram(bits)
    histogram.add(numbers)
    ordered = sorted(numbers)
    for ratio, found in zip(RATIOS, histogram.percentiles(RATIOS)):
        true = rank(ordered, ratio)
        assert abs(found - true) <= true / 2 ** (bits + 1)
    assert (histogram.low, histogram.high, histogram.total) == (
        min(numbers),
        max(numbers),
        sum(numbers),
    )


@given(st.integers(0, 10**15))
def test_a_bucket_holds_its_value_and_is_narrow(value):
    histogram = Histogram()
    histogram.add([value])
    (number,) = list(histogram.counts)
    low, width = bounds(number)
    assert low <= value < low + width and width <= max(1, value / 1024)


@given(values, values)
def test_merged_is_as_recorded_together(first, second):
    one, two, both = Histogram(), Histogram(), Histogram()
    one.add(first)
    two.add(second)
    both.add(first + second)
    one.merge(two)
    one.merge(Histogram())
    assert one.__dict__ == both.__dict__


def test_nothing_has_no_percentiles():
    assert Histogram().percentiles([0.5]) == [None]
    assert Samples().summary([0.5]) == {
        "count": 0,
        "exact": True,
        "min": None,
        "mean": None,
        "max": None,
        "percentiles": [None],
    }


@pytest.mark.parametrize(
    "ratio, expected", [(0, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (1, 10)]
)
def test_nearest_rank(ratio, expected):
    assert rank(list(range(1, 11)), ratio) == expected


@given(values)
def test_samples_are_exact_while_they_fit(numbers):
    samples = Samples()
    for number in numbers:
        samples.add([number])
    summary = samples.summary(RATIOS)
    assert summary["exact"] and summary["count"] == len(numbers)
    assert summary["percentiles"] == [rank(sorted(numbers), ratio) for ratio in RATIOS]


@given(
    st.lists(values, min_size=1, max_size=5),
    st.lists(values, min_size=1, max_size=5),
    st.integers(1, 300),
)
def test_samples_fold_and_merge_without_loss(first, second, limit):
    one, two = Samples(limit), Samples(limit)
    for chunk in first:
        one.add(chunk)
    for chunk in second:
        two.add(chunk)
    one.merge(two)
    together = [number for chunk in first + second for number in chunk]
    summary = one.summary(RATIOS)
    assert summary["count"] == one.count == len(together)
    assert (summary["min"], summary["max"]) == (min(together), max(together))
    assert summary["mean"] == pytest.approx(sum(together) / len(together))
    assert summary["exact"] == (len(together) <= limit)
    for ratio, found in zip(RATIOS, summary["percentiles"]):
        assert found == pytest.approx(rank(sorted(together), ratio), rel=0.0005, abs=0.5)


def test_what_is_kept_is_bounded_and_travels():
    samples = Samples()
    rng = random.Random(1)
    for _each in range(EXACT_LIMIT // 1000 + 2):
        samples.add([int(rng.lognormvariate(15, 1)) for _value in range(1000)])
    assert not samples.exact and len(samples._histogram.counts) < 20000
    assert pickle.loads(pickle.dumps(samples)).summary(RATIOS) == samples.summary(RATIOS)
