# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of a run's series; that Prometheus reads it, the integration tests show."""

from __future__ import annotations

import re

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    load_test_series as series,
)

RESULT = {
    "requests": 60,
    "errors": {"total": 1},
    "throughput": 155.2,
    "latency_ms": {"p95": 9.5},
    "outcome": "pass",
}
LABELS = {"name": "a", "url": "u"}


def values(text):
    """{name: value} of a text with one set of labels, each line of which must be well formed."""
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ \S.*|\w+\{\w+=".*"\} -?[0-9.e+-]+', line), line
    return {
        name: float(value) for name, value in re.findall(r"^(\w+)\{.*\} (\S+)$", text, re.MULTILINE)
    }


def test_a_run_that_has_begun_has_no_end():
    assert values(series.metrics(LABELS, 3.5)) == {series.RUNNING: 1, series.START: 3.5}


def test_a_run_that_has_ended_has_its_results():
    found = values(series.metrics(LABELS, 3.5, 4.25, RESULT))
    assert set(found) == set(series.FAMILIES)
    assert found[series.RUNNING] == 0
    assert (found[series.START], found[series.END]) == (3.5, 4.25)
    assert (found[series.REQUESTS], found[series.ERRORS], found[series.PASSED]) == (60, 1, 1)
    assert found[series.LATENCY_P95] == 0.0095


@pytest.mark.parametrize("outcome", ["fail", "inconclusive", "error"])
def test_only_what_passed_is_called_so(outcome):
    assert values(series.metrics(LABELS, 1, 2, dict(RESULT, outcome=outcome)))[series.PASSED] == 0


def test_what_was_not_measured_is_left_out():
    found = values(series.metrics(LABELS, 1, 2, dict(RESULT, latency_ms={"p95": None})))
    assert series.LATENCY_P95 not in found and series.REQUESTS in found
    assert set(values(series.metrics(LABELS, 1, 2))) == {series.RUNNING, series.START, series.END}


def test_labels_are_escaped_and_in_order():
    text = series.metrics({"url": "u", "name": 'a"b\\c\nd'}, 1)
    assert 'monitml_load_test_running{name="a\\"b\\\\c\\nd",url="u"} 1' in text
