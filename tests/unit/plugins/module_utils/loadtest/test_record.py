# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pickle

from ansible_collections.monitml.stack.plugins.module_utils.loadtest.record import (
    MAX_INTERVALS,
    MAX_SLOTS,
    RESERVOIR,
    Predictions,
    Record,
)
from hypothesis import given
from hypothesis import strategies as st

SECOND = 1000000000


def answered(record, predictor, latencies, values=()):
    slot = record.slot(predictor, "v1")
    slot.latency += latencies
    slot.service += latencies
    slot.values += values
    slot.first = slot.first or 1
    slot.last = 2
    record.sent += len(latencies)


def test_a_flush_puts_everything_in_its_place():
    record = Record(0)
    answered(record, "good", [10, 20], [1.0, 3.0])
    record.errors["timeout"] += 1
    record.waited.append(1000)
    record.lag.append(5)
    record.flush(SECOND // 2)
    slot = record.slots["good", "v1"]
    assert (slot.count, slot.latency, slot.service, slot.values) == (2, [], [], [])
    assert record.latencies.count == 3 and record.services.count == 2 and record.lags.count == 1
    (interval,) = record.intervals
    assert interval.latencies.count == 3 and interval.errors == 1 and interval.sent == 2
    assert interval.slots == {("good", "v1"): [2, 2, 4.0, 1.0, 3.0]}
    record.flush(SECOND)
    assert record.latencies.count == 3 and interval.errors == 1


def test_answers_are_counted_in_the_interval_they_came_in():
    record = Record(0)
    for second in range(3):
        answered(record, "good", [10] * (second + 1))
        record.flush(second * SECOND + SECOND // 2)
    assert [interval.sent for interval in record.intervals] == [3, 3]


def test_a_long_run_makes_its_intervals_longer():
    record = Record(0)
    for second in range(MAX_INTERVALS * 5):
        answered(record, "good", [10], [2.0])
        record.flush((second + 1) * SECOND)
    assert len(record.intervals) <= MAX_INTERVALS and record.width == 8.0
    assert sum(interval.sent for interval in record.intervals) == MAX_INTERVALS * 5
    assert (
        sum(interval.slots["good", "v1"][2] for interval in record.intervals)
        == 2.0 * MAX_INTERVALS * 5
    )


def test_a_server_cannot_fill_the_memory_with_names():
    record = Record(0)
    for number in range(MAX_SLOTS * 3):
        answered(record, "p%d" % number, [1])
    record.flush(1)
    assert len(record.slots) == MAX_SLOTS + 1
    assert record.slots["(others)", ""].count == MAX_SLOTS * 2


def test_records_merge_whatever_the_length_of_their_intervals():
    long, short = Record(0), Record(0)
    for second in range(MAX_INTERVALS * 3):
        answered(long, "good", [10], [1.0])
        long.flush((second + 1) * SECOND)
    answered(short, "good", [30], [5.0])
    answered(short, "bad", [40], [9.0])
    short.errors["reset"] += 2
    short.stamps["receive"] += 2
    short.flush(SECOND)
    for first, second in ((long, short), (short, long)):
        merged, other = pickle.loads(pickle.dumps((first, second)))
        merged.merge(other)
        assert (
            merged.sent == MAX_INTERVALS * 3 + 2
            and merged.errors["reset"] == 2
            and merged.stamps["receive"] == 2
        )
        assert (
            merged.slots["good", "v1"].count == MAX_INTERVALS * 3 + 1
            and merged.slots["bad", "v1"].count == 1
        )
        assert merged.slots["good", "v1"].predictions.high == 5.0
        assert sum(interval.sent for interval in merged.intervals) == merged.sent
        assert merged.latencies.count == merged.sent
        assert len(merged.intervals) <= MAX_INTERVALS and merged.ended == MAX_INTERVALS * 3 * SECOND


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=20))
def test_predictions_add_up(chunks):
    one, two = Predictions(), Predictions()
    for chunk in chunks:
        one.add(chunk)
        two.add(chunk)
    one.merge(two)
    together = [value for chunk in chunks for value in chunk] * 2
    assert one.count == len(together) == len(one.sample)
    if together:
        assert (one.low, one.high) == (min(together), max(together))
        assert abs(one.total - sum(together)) < 1


def test_the_sample_of_predictions_is_bounded_and_fair():
    one, two = Predictions(), Predictions()
    for number in range(40):
        one.add([float(number)] * 500)
    two.add([100.0] * 20000)
    assert len(one.sample) == RESERVOIR
    assert abs(sum(one.sample) / RESERVOIR - 19.5) < 2
    one.merge(two)
    assert len(one.sample) == RESERVOIR
    assert 0.4 < one.sample.count(100.0) / RESERVOIR < 0.6


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.booleans()), max_size=40),
    st.lists(st.integers(10, 19), max_size=5),
)
def test_what_is_both_latency_and_service_time_counts_as_both(answers, waited):
    record, latencies, services = Record(0), [], []
    record.waited += waited
    for predictor, value, same in answers:
        slot = record.slot(predictor, "")
        if same:
            slot.took.append(value)
        else:
            slot.latency.append(value + 100)
            slot.service.append(value)
        latencies.append(value if same else value + 100)
        services.append(value)
    record.flush(SECOND)
    record.merge(Record(0))
    for found, expected in (
        (record.latencies, latencies + waited),
        (record.services, services),
    ):
        assert found.count == len(expected)
        summary = found.summary([0.5])
        assert (summary["min"], summary["max"]) == (
            min(expected, default=None),
            max(expected, default=None),
        )
    for slot in record.slots.values():
        assert slot.count == slot.latencies.count
        assert slot.count == sum(name == slot.predictor for name, _value, _same in answers)
