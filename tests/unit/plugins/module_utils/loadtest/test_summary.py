# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as tree

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.monitml.stack.plugins.module_utils.loadtest import charts
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.options import (
    ARGUMENT_SPEC,
    Plan,
)
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.output import (
    percentiles_csv,
    timeline,
    timeline_csv,
)
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.record import Record
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.report import report_html
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.status import Status, teller
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.summary import summarise
from hypothesis import given
from hypothesis import strategies as st

MS = 1000000
SECOND = 1000 * MS


def plan(**options):
    return Plan(
        ArgumentSpecValidator(ARGUMENT_SPEC)
        .validate({"url": "http://a/?<x>".replace("<x>", "x"), "n": 100, **options})
        .validated_parameters
    )


def record(good=75, bad=25, errors=0, seconds=4, latency=5 * MS):
    made = Record(0)
    made.epoch = 1000.0
    for name, version, count, value in (("good", "v1", good, 500000.0), ("bad", "v2", bad, 100.0)):
        slot = made.slot(name, version)
        for second in range(seconds):
            part = count // seconds + (second < count % seconds)
            slot.latency += [latency] * part
            slot.service += [latency // 2] * part
            slot.values += [value] * part
            if part:
                slot.first, slot.last = slot.first or SECOND, (second + 1) * SECOND
            made.sent += part
            made.flush((second + 1) * SECOND)
    made.errors["http_5xx"] += errors
    made.statuses[503] += errors
    made.sent += errors
    made.flush(seconds * SECOND)
    return made


SPLIT = [{"predictor": "good", "weight": 75}, {"predictor": "bad", "weight": 25}]


def test_figures():
    result = summarise(plan(expected_split=SPLIT), record())
    assert result["outcome"] == "pass"
    assert (
        result["requests"],
        result["answers"],
        result["throughput"],
        result["duration_seconds"],
    ) == (100, 100, 25.0, 4.0)
    assert (result["started_at"], result["ended_at"]) == (1000.0, 1004.0)
    assert result["latency_ms"]["p50"] == 5.0 and result["service_ms"]["p99_9"] == 2.5
    bad, good = result["predictors"]
    assert (bad["predictor"], bad["share"], bad["declared"], bad["prediction_mean"]) == (
        "bad",
        0.25,
        0.25,
        100.0,
    )
    assert (good["first_answer_at"], good["last_answer_at"]) == (1001.0, 1004.0)


@pytest.mark.parametrize(
    "thresholds, given, outcome",
    [
        (["error_ratio < 1%"], {"errors": 2}, "fail"),
        (["error_ratio < 5%"], {"errors": 2}, "pass"),
        (["errors == 0"], {"errors": 2}, "fail"),
        (["p95 < 5ms"], {}, "fail"),
        (
            [
                "p95 <= 5ms",
                "max(bad) <= 5",
                "service_p95 < 3",
                "service_max <= 2.5",
                "min >= 5",
                "mean <= 5",
            ],
            {},
            "pass",
        ),
        (["p99(bad) < 9"], {}, "inconclusive"),
        (["prediction_mean(bad) >= 100000"], {}, "fail"),
        (
            [
                "prediction_mean(good) >= 100000",
                "prediction_min(bad) >= 100",
                "prediction_max(bad) <= 100",
            ],
            {},
            "pass",
        ),
        (["prediction_mean(other) >= 1"], {}, "error"),
        (
            ["share(bad) <= 25%", "count(bad) == 25", "requests == 100", "throughput >= 25"],
            {},
            "pass",
        ),
        (["share(bad) < 25%"], {}, "fail"),
        ([], {"good": 0, "bad": 0, "errors": 3}, "error"),
    ],
)
def test_thresholds(thresholds, given, outcome):
    assert summarise(plan(thresholds=thresholds), record(**given))["outcome"] == outcome


def test_a_saturated_generator_is_no_pass():
    open_loop = plan(rate=25, duration=4, n=None)
    assert summarise(open_loop, record())["outcome"] == "pass"
    late = record()
    late.lags.add([MS // 10] * 90 + [50 * MS] * 10)
    found = summarise(open_loop, late)
    assert found["outcome"] == "inconclusive"
    assert "0.1 ms late (median; 99th percentile 50.0 ms)" in found["generator"]["reasons"][0]
    slow = record(latency=900 * MS)
    slow.lags.add([MS // 10] * 90 + [50 * MS] * 10)
    assert summarise(open_loop, slow)["outcome"] == "pass"  # late, but not against what is measured
    slow.lags.add([2 * MS] * 100)
    assert summarise(open_loop, slow)["outcome"] == "inconclusive"
    few = record(good=60, bad=20)
    assert "only 80 of 100" in summarise(open_loop, few)["generator"]["reasons"][0]
    missed = record()
    missed.missed = 1
    assert "never sent" in summarise(open_loop, missed)["generator"]["reasons"][0]
    hot = record()
    hot.cpu_seconds = 3.9
    assert "of its processor" in summarise(plan(), hot)["generator"]["reasons"][0]
    assert summarise(plan(processes=2), hot)["outcome"] == "pass"
    warm = plan(n=None, duration=4, warm_up=2)
    assert summarise(warm, hot)["generator"]["cpu_ratio"] == 0.65


def test_an_interrupted_run_is_no_pass():
    stopped = record()
    stopped.interrupted = True
    assert summarise(plan(), stopped)["outcome"] == "inconclusive"


def test_versions_of_one_predictor_are_one_share():
    both = record()
    both.slots["good", "v3"] = both.slots.pop(("bad", "v2"))
    both.slots["good", "v3"].predictor, both.slots["good", "v3"].version = "good", "v3"
    result = summarise(
        plan(
            expected_split=[{"predictor": "good", "weight": 1}],
            thresholds=["prediction_min(good) == 100"],
        ),
        both,
    )
    assert result["outcome"] == "pass" and len(result["predictors"]) == 2


def test_csv():
    rows = list(csv.DictReader(io.StringIO(timeline_csv(timeline(record(errors=1))))))
    # Good's answers are put in first, then bad's, over the same four seconds.
    assert (
        sum(int(row["answers"]) for row in rows) == 100
        and sum(int(row["errors"]) for row in rows) == 1
    )
    assert rows[0]["good v1 prediction_mean"] == "500000.0"
    lines = percentiles_csv(record()).splitlines()
    assert lines[0] == "percentile,latency_ms,service_ms" and lines[-1] == "100.0,5.0,2.5"


def test_csv_holds_no_formulas():
    evil = Record(0)
    slot = evil.slot("=cmd()", "")
    slot.latency, slot.service, slot.first, slot.last = [1], [1], 1, 1
    evil.flush(1)
    assert "'=cmd()" in timeline_csv(timeline(evil))


def page(made, **options):
    result = summarise(plan(expected_split=SPLIT, **options), made)
    result.update(name="<run>", url="http://a/?x")
    return report_html(result, timeline(made), made, {"good": 0.75, "bad": 0.25})


@pytest.mark.parametrize(
    "made", [record(), record(0, 0, 5), record(1, 0), record(errors=3), Record(0)]
)
def test_the_report_is_whole_and_needs_nothing(made):
    if not made.intervals:
        made.flush(1)
    text = page(made)
    assert "<run>" not in text and "&lt;run&gt;" in text
    assert not re.search(r"<(script|link|img|iframe)|src=|@import|url\(", text)
    for picture in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        tree.fromstring(picture)
    assert "nan" not in text.lower().replace("finance", "")


def test_the_report_shows_the_verdicts():
    text = page(record(), thresholds=["p95 < 1ms", "prediction_mean(bad) > 3"])
    assert "p95 &lt; 1ms: measured 5 ms of 100 samples" in text and "class='out fail'" in text
    assert text.count("<svg") == 6


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_any_values_make_a_chart(values):
    for svg in (
        charts.lines([("a", list(enumerate(values)))], "x", "y"),
        charts.distribution([("a", values)], "x"),
        charts.lines(
            [("a", [(at, abs(value)) for at, value in enumerate(values)])],
            "x",
            "y",
            log=True,
            whole=True,
        ),
    ):
        for picture in re.findall(r"<svg.*?</svg>", svg, re.DOTALL):
            tree.fromstring(picture)
        for number in re.findall(r' (?:x|y|x1|x2|y1|y2|cx|cy)="([^"]+)"', svg):
            assert -5 <= float(number) <= charts.WIDTH + 5


def test_axis_figures():
    assert [charts.figure(value) for value in (0, 0.25, 12, 12000, 2.5e6, 3e9)] == [
        "0",
        "0.25",
        "12",
        "12k",
        "2.5M",
        "3G",
    ]


def test_progress_lines():
    lines = []
    tell = teller(plan(rate=25, duration=4, n=None, name="run"), lines.append)
    tell(Status(record(), 4 * SECOND))
    assert re.fullmatch(r"run: 100 sent, 25/s, p95 5\.0 ms, 0 errors, [34] s left", lines[0])
    first, second = Status(record(), 4 * SECOND), Status(record(errors=2), 4 * SECOND)
    first.merge(second)
    assert (first.sent, first.errors) == (
        202,
        2,
    ) and first.latencies.count == 2 * second.latencies.count
