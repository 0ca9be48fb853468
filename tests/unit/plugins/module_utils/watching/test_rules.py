# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules as they follow from any description; that they do what they say, promtool tests."""

from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    figures,
    queries,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules as watching_rules
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Z][A-Za-z0-9]{0,20}", fullmatch=True)
LIMIT = st.floats(allow_nan=False, allow_infinity=False, width=32)


def predictor(name, traffic, shadow=False):
    return {
        "name": name,
        "version": "v1",
        "image": "housing:v1",
        "traffic": traffic,
        "shadow": shadow,
        "servers": [{"index": 0, "http_port": 9000, "metrics_port": 9001}],
    }


PREDICTORS = [predictor("good", 75), predictor("bad", 25), predictor("copy", 0, shadow=True)]
MONITOR = st.fixed_dictionaries(
    {
        "name": NAMES,
        "measure": st.sampled_from(queries.MONITORED),
        "answer_within_seconds": st.sampled_from([1, 2, 60]),
        "window_seconds": st.integers(5, 3600),
        "min": st.none() | LIMIT,
        "max": LIMIT,
        "min_samples": st.integers(1, 10_000),
        "for_seconds": st.integers(0, 3600),
        "severity": st.sampled_from(["critical", "warning", "info"]),
        "predictors": st.lists(st.sampled_from(["good", "bad"]), min_size=1, unique=True),
    }
)
DEPLOYMENT = st.builds(
    lambda monitors: {
        "name": "housing",
        "namespace": "seldon",
        "predictors": PREDICTORS,
        "monitors": monitors,
    },
    st.lists(MONITOR, unique_by=lambda monitor: monitor["name"], max_size=4),
)


def rules_of(deployment, target="local"):
    return [
        rule
        for group in watching_rules.alert_rules(deployment, target)["groups"]
        for rule in group["rules"]
    ]


@given(DEPLOYMENT, st.sampled_from(sorted(queries.TARGETS)))
def test_each_monitor_becomes_one_alert_of_its_name(deployment, target):
    alerts = [rule for rule in rules_of(deployment, target) if "alert" in rule]
    for monitor in deployment["monitors"]:
        (rule,) = [
            rule
            for rule in alerts
            if rule["alert"] == monitor["name"] and "value" in rule["annotations"]
        ]
        assert rule["labels"]["severity"] == monitor["severity"]
        assert rule.get("for", "0s") == f"{monitor['for_seconds']}s"
        assert f">= {monitor['min_samples']}" in rule["expr"]
        for bound, sign in (("min", "<"), ("max", ">")):
            if monitor[bound] is not None:
                assert f"{sign} {figures.promql_number(monitor[bound])}" in rule["expr"]


@given(DEPLOYMENT)
def test_every_alert_says_what_is_wrong_and_where_to_look(deployment):
    for rule in rules_of(deployment):
        if "alert" in rule:
            assert {"summary", "description", "link"} <= set(rule["annotations"])
            assert rule["labels"]["severity"] in ("critical", "warning", "info")


@given(DEPLOYMENT)
def test_only_watched_predictors_are_measured(deployment):
    rules = rules_of(deployment)
    for monitor in deployment["monitors"]:
        (value,) = [
            rule
            for rule in rules
            if rule.get("record") == queries.MONITOR_VALUE
            and rule["labels"]["monitor"] == monitor["name"]
        ]
        assert f'predictor_name=~"{"|".join(monitor["predictors"])}"' in value["expr"]


@given(DEPLOYMENT, st.sampled_from(sorted(queries.TARGETS)))
def test_a_series_is_recorded_once(deployment, target):
    """Prometheus refuses to load a file in which two rules make the same series."""
    recorded = [
        (rule["record"], tuple(sorted(rule["labels"].items())))
        for rule in rules_of(deployment, target)
        if "record" in rule and "labels" in rule
    ]
    assert len(recorded) == len(set(recorded))


def test_shadows_are_marked_in_the_declared_split():
    deployment = {
        "name": "housing",
        "namespace": "seldon",
        "predictors": PREDICTORS,
        "monitors": [],
    }
    declared = {
        rule["labels"]["predictor_name"]: (rule["expr"], rule["labels"]["shadow"])
        for rule in rules_of(deployment)
        if rule.get("record") == queries.TRAFFIC_DECLARED
    }
    assert declared == {
        "good": ("vector(0.75)", "false"),
        "bad": ("vector(0.25)", "false"),
        "copy": ("vector(0)", "true"),
    }


def test_a_version_that_serves_until_the_traffic_has_moved_is_declared_to_get_none():
    deployment = {"name": "housing", "namespace": "seldon", "predictors": PREDICTORS, "monitors": []}
    same = {"predictor": "good", "version": deployment["predictors"][0]["version"]}
    old = {"predictor": "good", "version": "v0"}

    def declared(leaving):
        return {
            (rule["labels"]["predictor_name"], rule["labels"]["predictor_version"]): rule["expr"]
            for rule in rules_of({**deployment, "leaving": leaving})
            if rule.get("record") == queries.TRAFFIC_DECLARED
        }

    assert declared([same]) == declared([])
    assert {**declared([]), ("good", "v0"): "vector(0)"} == declared([same, old, old])


def test_the_board_can_be_elsewhere():
    deployment = {
        "name": "housing",
        "namespace": "seldon",
        "predictors": PREDICTORS,
        "monitors": [],
    }
    content = watching_rules.alert_rules(deployment, "local", "https://grafana.example/d/monitml-canary")
    links = [
        rule["annotations"]["link"]
        for group in content["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert links and all(
        link.startswith("https://grafana.example/d/monitml-canary") for link in links
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (100, "value", "100"),
        (100_000, "value", "100,000"),
        (484_713.5, "value", "484,713.5"),
        (-1_234_567.84, "value", "-1,234,567.8"),
        (0.02345, "value", "0.02345"),
        (0.01, "ratio", "1 %"),
        (0.5, "seconds", "500 ms"),
        (2.5, "seconds", "2.5 s"),
        (12, "per_second", "12/s"),
        (1234, "count", "1,234"),
    ],
)
def test_figures_are_readable(value, unit, text):
    assert figures.figure(value, unit) == text


def test_no_figure_without_a_unit():
    with pytest.raises(ValueError, match="furlongs"):
        figures.figure(1, "furlongs")


def test_limits_are_words():
    assert figures.limits(100_000, None, "value") == "at least 100,000"
    assert figures.limits(None, 0.01, "ratio") == "at most 1 %"
    assert figures.limits(10, 20, "value") == "10 to 20"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_reach_promql_without_loss(value):
    assert float(figures.promql_number(value)) == value
