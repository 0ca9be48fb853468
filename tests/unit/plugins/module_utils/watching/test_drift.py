# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is recorded for drift, and when a limit on it counts; what it comes to: test_drift_rules.py."""

from __future__ import annotations

import re

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    drift,
    drift_rules,
    queries,
    rules,
)
from hypothesis import given
from hypothesis import strategies as st


def predictor(name, traffic, shadow=False):
    return {
        "name": name,
        "version": "v1",
        "traffic": traffic,
        "shadow": shadow,
        "servers": [{"index": 0, "http_port": 9000, "metrics_port": 9001}],
    }


def monitor(name, measure, seconds=60, **more):
    return {
        "name": name,
        "measure": measure,
        "window_seconds": seconds,
        "min": None,
        "max": 0.2,
        "min_samples": 5,
        "for_seconds": 0,
        "severity": "warning",
        "predictors": ["a", "b"],
        **more,
    }


def deployment(*monitors, predictors=(predictor("a", 75), predictor("b", 25))):
    return {"name": "d", "namespace": "n", "predictors": list(predictors), "monitors": list(monitors)}


MONITOR = st.builds(
    monitor,
    st.sampled_from("ABCDEF"),
    st.sampled_from(sorted(drift.MEASURES)),
    st.integers(5, 3600),
    distance=st.sampled_from(drift.DISTANCES),
)


@given(st.lists(MONITOR, unique_by=lambda one: one["name"]), st.sampled_from(sorted(queries.TARGETS)))
def test_what_is_read_was_recorded_before(monitors, target):
    given_ = deployment(*monitors)
    known = set()
    for rule in drift_rules.recorded(given_, target):
        who = rule["record"], rule.get("labels", {}).get("window")
        assert who not in known and "$" not in rule["expr"]
        read = set(re.findall(r'(monitml:\w+:\w+)\{[^}]*window="(\w+)"', rule["expr"]))
        assert read <= known, rule["record"]
        known.add(who)
    for one in monitors:
        _subject, record, _apart = drift.MEASURES[one["measure"]]
        window = f"{one['window_seconds']}s"
        for what in ("psi", "chance", one["distance"]):
            assert (f"monitml:{record}:{what}", window) in known


def test_the_board_has_its_window_whatever_is_watched():
    assert drift.windows(deployment()) == [drift.BOARD_SECONDS]
    asked = deployment(monitor("A", "feature_drift", 60), monitor("B", "prediction_mean", 30))
    assert drift.windows(asked) == [60, drift.BOARD_SECONDS]


def test_servers_are_not_asked_for_windows_that_drift_counts_by_itself():
    asked = deployment(monitor("A", "feature_drift", 60), monitor("B", "prediction_mean", 30))
    assert rules.windows(asked) == [30]


def test_drift_is_a_group_of_its_own_that_is_evaluated_less_often():
    asked = deployment(monitor("A", "feature_drift", 60), monitor("B", "prediction_mean", 30))
    groups = {group["name"]: group for group in rules.alert_rules(asked)["groups"]}
    alerts = {
        name: [rule["alert"] for rule in group["rules"] if "alert" in rule] for name, group in groups.items()
    }
    assert groups["monitml/n/d/drift"]["interval"] == "2s" and alerts["monitml/n/d/drift"] == ["A"]
    assert "interval" not in groups["monitml/n/d"] and alerts["monitml/n/d"][0] == "B"


@pytest.mark.parametrize(
    ("predictors", "name"),
    [
        ([predictor("a", 25), predictor("b", 75)], "b"),
        ([predictor("a", 50), predictor("b", 50)], "a"),
        ([predictor("a", 0, shadow=True), predictor("b", 100)], "b"),
        ([], None),
    ],
)
def test_stable_is_who_has_most_of_the_traffic(predictors, name):
    found = drift.stable(deployment(predictors=predictors))
    assert (found and found["name"]) == name


def test_a_lower_limit_needs_no_look_at_chance():
    (alert,) = [
        rule
        for group in rules.alert_rules(deployment(monitor("A", "feature_drift", max=None, min=0.1)))["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "A"
    ]
    assert "chance" not in alert["expr"]
