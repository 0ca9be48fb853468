# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Monitors on metrics of a model's own; that their rules do what they say, promtool tests."""

from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import model_metrics, queries
from ansible_collections.monitml.stack.plugins.module_utils.watching.queries import Scope

SCOPE = Scope('namespace="seldon",deployment_name="housing"', 'predictor_name=~"good|bad"')


def monitor(**changes):
    given = {"measure": "metric", "metric": "queue", "statistic": "last", "window_seconds": 30}
    return {**given, "min": None, "max": 20, **changes}


@pytest.mark.parametrize("statistic", model_metrics.STATISTICS)
@pytest.mark.parametrize("target", queries.TARGETS)
def test_each_statistic_has_a_value_and_samples_per_predictor(statistic, target):
    measure = model_metrics.measure_of(monitor(statistic=statistic))
    assert "queue" in measure.words
    for query in (queries.value_query, queries.samples_query):
        text = query(measure, target, SCOPE, 30)
        assert ",".join(queries.IDENTITY) in text and "$" not in text
        assert all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))


def test_the_worst_of_a_gauge_is_on_the_side_of_the_limit():
    assert model_metrics.measure_of(monitor()).value.startswith("max by")
    assert model_metrics.measure_of(monitor(min=1, max=None)).value.startswith("min by")


@pytest.mark.parametrize("name", ["hits", "hits_total"])
def test_a_counter_is_found_with_and_without_its_ending(name):
    value = model_metrics.measure_of(monitor(metric=name, statistic="rate")).value
    assert 'monitml_metric=~"hits(_total)?"' in value


def test_other_measures_are_those_of_the_table():
    assert model_metrics.measure_of({"measure": "error_ratio"}) is queries.MEASURES["error_ratio"]
