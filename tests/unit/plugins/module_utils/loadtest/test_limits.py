# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.interval import share_interval
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.limits import (
    judge,
    judge_split,
    overall,
    parse_limit,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "text, measure, predictor, symbol, value, ratio",
    [
        ("p95 < 300ms", "p95", None, "<", 300.0, 0.95),
        ("p99.9<=0.5s", "p99.9", None, "<=", 500.0, 0.999),
        ("service_p50 < 250us", "service_p50", None, "<", 0.25, 0.5),
        ("mean(good) < 10", "mean", "good", "<", 10.0, None),
        ("error_ratio <= 0.1%", "error_ratio", None, "<=", 0.001, None),
        ("errors == 0", "errors", None, "==", 0.0, None),
        ("prediction_mean( my-model ) >= 1e5", "prediction_mean", "my-model", ">=", 100000.0, None),
        ("share(bad) > .2", "share", "bad", ">", 0.2, None),
        ("prediction_min(a) > -3.5", "prediction_min", "a", ">", -3.5, None),
    ],
)
def test_limits_are_read(text, measure, predictor, symbol, value, ratio):
    limit = parse_limit(text)
    assert (limit.measure, limit.predictor, limit.symbol) == (measure, predictor, symbol)
    assert limit.value == pytest.approx(value) and limit.ratio == (ratio and pytest.approx(ratio))


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "cannot be read"),
        ("p95", "cannot be read"),
        ("p95 < fast", "cannot be read"),
        ("p95 =< 3", "cannot be read"),
        ("p100 < 3", "not known"),
        ("latency < 3", "not known"),
        ("p95 < 3%", "has the unit"),
        ("errors < 3ms", "has the unit"),
        ("throughput(a) > 3", "leave the brackets out"),
        ("service_p95(a) < 3", "leave the brackets out"),
        ("prediction_mean > 3", "name the predictor"),
        ("p95() > 3", "name the predictor"),
    ],
)
def test_limits_that_make_no_sense(text, says):
    with pytest.raises(LoadTestError, match=says):
        parse_limit(text)


@given(st.text())
def test_any_text_is_a_limit_or_a_sentence(text):
    try:
        parse_limit(text)
    except LoadTestError:
        pass


@pytest.mark.parametrize(
    "text, observed, samples, outcome",
    [
        ("p95 < 10", 9.9, 20, "pass"),
        ("p95 < 10", 10.0, 20, "fail"),
        ("p95 <= 10", 10.0, 20, "pass"),
        ("p95 < 10", 1.0, 19, "inconclusive"),
        ("p99.9 < 10", 1.0, 999, "inconclusive"),
        ("p99.9 < 10", 1.0, 1000, "pass"),
        ("errors == 0", 0, 1, "pass"),
        ("errors == 0", 1, 1, "fail"),
        ("prediction_mean(a) > 1", None, 0, "error"),
        ("throughput >= 5", 4.9, 3, "fail"),
    ],
)
def test_verdicts(text, observed, samples, outcome):
    found = judge(parse_limit(text), observed, samples)
    assert found["outcome"] == outcome and found["name"] == text
    assert found["samples"] == samples and found["message"].startswith(text)


def test_a_verdict_has_the_unit_of_its_limit():
    for text, value, shown in (
        ("error_ratio < 1%", 0.0125, "1.25 %"),
        ("p50 < 1s", 12.5, "12.5 ms"),
        ("prediction_mean(a) > 1", 484713.5, "484714"),
        ("prediction_max(a) > 1", 5e7, "50000000"),
    ):
        assert judge(parse_limit(text), value, 10)["message"] == "%s: measured %s of 10 samples" % (
            text,
            shown,
        )


def split(expected, counts, unnamed=0, low=0.0, high=1.0):
    return judge_split(expected, counts, lambda _count, _total: (low, high), unnamed)["outcome"]


def test_splits():
    assert split({"a": 0.75, "b": 0.25}, {"a": 15, "b": 5}) == "pass"
    assert split({"a": 0.75, "b": 0.25}, {"a": 15, "b": 4}) == "inconclusive"
    assert split({"a": 0.75, "b": 0.25}, {"a": 75, "b": 25}, low=0.3) == "fail"
    assert split({"a": 0.75, "b": 0.25}, {"a": 75, "b": 25}, high=0.7) == "fail"
    assert split({"a": 1.0}, {"a": 75, "c": 1}) == "fail"
    assert split({"a": 1.0, "b": 0.0}, {"a": 75, "b": 1}) == "fail"
    assert split({"a": 1.0, "b": 0.0}, {"a": 1}) == "pass"
    assert split({"a": 1.0}, {"a": 75}, unnamed=1) == "error"
    assert split({"a": 1.0}, {}) == "error"


def test_a_split_is_judged_as_far_as_the_unanswered_could_not_turn_it_round():
    def judged(good, bad, unanswered):
        found = judge_split(
            {"good": 0.95, "bad": 0.05}, {"good": good, "bad": bad}, share_interval, 0, unanswered
        )
        return found["outcome"], found["message"]

    # 46 of 300 went to one that hangs.
    outcome, message = judged(252, 2, 46)
    assert outcome == "inconclusive" and "46 requests have no answer" in message
    assert judged(250, 4, 0)[0] == "pass"
    assert judged(285, 15, 1)[0] == "pass"
    # However those are shared out, this is not what was declared.
    assert judged(50, 230, 20)[0] == "fail"


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 100))
def test_no_way_of_sharing_out_the_unanswered_contradicts_the_verdict(good, bad, lost, percent):
    if not good + bad:
        return
    taken = min(lost, lost * percent // 100)
    expected = {"good": 0.75, "bad": 0.25}
    outcome = judge_split(expected, {"good": good, "bad": bad}, share_interval, 0, lost)["outcome"]
    shared = {"good": good + taken, "bad": bad + lost - taken}
    known = judge_split(expected, shared, share_interval, 0)["outcome"]
    assert (outcome, known) not in {("pass", "fail"), ("fail", "pass")}


def test_the_worst_outcome_is_that_of_all():
    def outcome(*outcomes):
        return overall([{"outcome": each} for each in outcomes])

    assert outcome() == outcome("pass") == "pass"
    assert outcome("pass", "inconclusive") == "inconclusive"
    assert outcome("inconclusive", "fail", "pass") == "fail"
    assert outcome("fail", "error", "inconclusive") == "error"
