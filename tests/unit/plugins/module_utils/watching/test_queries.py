# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of measures: complete for every target, and nothing left unresolved in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.deployment import description
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as series,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    drift_rules,
    label_measures,
    model_metrics,
    queries,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching.queries import MEASURES, Scope
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[5]
sys.path.insert(0, str(ROOT / "roles/analytics/files"))
import labels_figures  # noqa: E402

OF_LABELS = {*labels_figures.FIGURES, labels_figures.OUTCOMES}
SCOPE = Scope('namespace="seldon",deployment_name="housing"', 'predictor_name=~"good|bad"')
DEPLOYMENT = {
    "namespace": "seldon",
    "name": "housing",
    "predictors": [{"name": "good", "version": "v1", "traffic": 100, "shadow": False}],
}
MEASURE = st.sampled_from(sorted(MEASURES))
TARGET = st.sampled_from(sorted(queries.TARGETS))


def balanced(text: str) -> bool:
    return all(text.count(pair[0]) == text.count(pair[1]) for pair in ("()", "[]", "{}"))


def test_monitors_can_watch_what_the_argument_spec_offers():
    spec = yaml.safe_load((ROOT / "roles/monitml/meta/argument_specs.yml").read_text())
    deployment = spec["argument_specs"]["main"]["options"]["monitml_deployment"]["options"]
    choices = deployment["monitors"]["options"]["measure"]["choices"]
    assert set(choices) <= {*queries.MONITORED, model_metrics.METRIC}
    statistics = deployment["monitors"]["options"]["statistic"]["choices"]
    assert set(statistics) == set(model_metrics.STATISTICS)


def test_what_labels_tell_is_known_wherever_it_is_refused_without_them():
    kubernetes = yaml.safe_load((ROOT / "roles/monitml/vars/main.yml").read_text())["__monitml_label_measures"]
    assert list(label_measures.MEASURES) == list(description.OF_LABELS) == kubernetes


@given(MEASURE, TARGET, st.integers(min_value=5, max_value=86_400))
def test_every_query_resolves_completely(measure, target, window):
    for render in (queries.value_query, queries.samples_query):
        query = render(measure, target, SCOPE, window)
        assert "$" not in query.replace('"$1"', "")
        assert balanced(query)


@given(MEASURE, TARGET)
def test_the_variables_of_a_board_stay_in_place(measure, target):
    scope = Scope('namespace="$namespace"', 'predictor_name=~"$predictor"')
    query = queries.value_query(measure, target, scope, "$window")
    assert set(re.findall(r"\$\w+", query)) <= {"$namespace", "$predictor", "$window"}


def test_targets_name_the_same_series():
    assert {frozenset(series_of) for series_of in queries.TARGETS.values()} == {
        frozenset(queries.TARGETS["local"])
    }


@pytest.mark.parametrize("measure", queries.MONITORED)
@pytest.mark.parametrize("target", queries.TARGETS)
def test_what_a_monitor_watches_has_samples_per_predictor(measure, target):
    for query in (queries.value_query, queries.samples_query):
        assert ",".join(queries.IDENTITY) in query(measure, target, SCOPE, 30)


def test_measures_read_the_families_of_the_instrumentation():
    """A family that is renamed there must not leave a query behind."""
    names = set()
    for measure in MEASURES:
        for query in (queries.value_query, queries.samples_query):
            names |= set(re.findall(r"monitml_\w+", query(measure, "local", SCOPE, "30s")))
    names = {name.removesuffix(series.PAST) for name in names - {series.METRIC_LABEL, series.KIND_LABEL}}
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in names - OF_LABELS} <= set(series.FAMILIES)
    assert {part for _words, _unit, *parts in label_measures.MEASURES.values() for part in parts} <= OF_LABELS
    assert {label_measures.ANSWER_AGE, label_measures.LAST} <= OF_LABELS
    assert label_measures.BOARD_SECONDS in labels_figures.WINDOWS


@pytest.mark.parametrize("measure", MEASURES)
def test_what_a_measure_counts_is_recorded_for_its_window(measure):
    compared = {**DEPLOYMENT, "monitors": [{"measure": "feature_drift", "window_seconds": 300}]}
    recorded = {
        (rule["record"], rule["labels"]["window"])
        for rule in [
            *queries.counting_rules("local", SCOPE, [30, 300]),
            *drift_rules.recorded(compared, "local"),
        ]
        if "window" in rule.get("labels", {})
    }
    for query in (queries.value_query, queries.samples_query):
        read = re.findall(
            r'(monitml:\w+:counted)\{[^}]*window="(\w+)"', query(measure, "local", SCOPE, 300)
        )
        assert set(read) <= recorded


@pytest.mark.parametrize(
    ("window", "gauge", "samples"),
    [
        (5, "monitml_prediction_min{%s}", '"30s"'),
        (30, "monitml_prediction_min{%s}", '"30s"'),
        (90, "min_over_time(monitml_prediction_min{%s}[60s])", '"90s"'),
    ],
)
def test_extremes_cover_the_window_and_count_the_samples_of_what_they_cover(window, gauge, samples):
    selector = f"{SCOPE.deployment},{SCOPE.predictors}"
    assert gauge % selector in queries.value_query("prediction_min", "local", SCOPE, window)
    assert samples in queries.samples_query("prediction_min", "local", SCOPE, window)
    assert queries.window_seconds("prediction_min", window) == max(window, 30)


def test_a_scope_names_the_predictors_it_is_asked_for():
    deployment = {"name": "d", "namespace": "n", "predictors": [{"name": "a"}, {"name": "b"}]}
    assert Scope.of(deployment).predictors == 'predictor_name=~"a|b"'
    assert Scope.of(deployment, ["b"]).predictors == 'predictor_name=~"b"'
    assert Scope.of(deployment).deployment == 'namespace="n",deployment_name="d"'


def test_an_unknown_measure_or_target_is_an_error():
    with pytest.raises(KeyError):
        queries.value_query("mood", "local", SCOPE, 30)
    with pytest.raises(KeyError):
        queries.value_query("prediction_mean", "moon", SCOPE, 30)
