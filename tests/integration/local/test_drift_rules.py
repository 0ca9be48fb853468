# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drift as promtool computes it, held against numpy; what fires, what does not, and what is said."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules as watching_rules
from rule_cases import (
    BAD,
    GOOD,
    chance,
    deployment_with,
    flat,
    healthy,
    jensen_shannon,
    model,
    promtool,
    psi,
    run,
    spread,
)

WINDOW = 30
DRIFT = {"name": "Drift", "measure": "feature_drift", "max": 0.2, "window_seconds": WINDOW}


def draw(rng, bins, rows):
    """Rows by bin; some bins are empty on purpose."""
    shares = rng.dirichlet(np.full(bins, 0.4))
    return rng.multinomial(rows, shares)


@pytest.mark.parametrize("distance, truth", [("psi", psi), ("jensen_shannon", jensen_shannon)])
def test_promql_equals_numpy(tmp_path, distance, truth):
    """Of random counts, empty bins on either side and both, and of 1 to 10,000 rows."""
    rng = np.random.default_rng(7)
    series = {**model(GOOD), **model(BAD)}
    for number in range(24):
        bins, rows = int(rng.integers(2, 14)), int(10 ** rng.uniform(0, 4))
        counts, reference = draw(rng, bins, rows), draw(rng, bins, 5000)
        reference[rng.integers(0, bins)] += 1
        names = [f"b{place}" for place in range(bins)]
        of = f'feature="f{number}"'
        # All of it within the window.
        series |= {
            f'monitml_feature_rows_total{{instance="a:1",{BAD},{of},bin="{name}"}}': f"0x20 {count}x100"
            for name, count in zip(names, counts)
        }
        series |= spread(BAD, of, {}, dict(zip(names, reference.astype(float))))
        series[f"truth{{{of}}}"] = flat(truth(counts, reference), 100)
        series[f"chance{{{of}}}"] = flat(chance(counts, reference), 100)
    monitor = {**DRIFT, "distance": distance}
    found = f'monitml:feature_drift:{distance}{{window="30s"}}'
    expressions = [
        (40, f"count({found})", {"{}": 24}),
        (40, f"max(abs({found} - on (feature) group_left () truth)) < bool 0.001", {"{}": 1}),
        (40, "max(abs(monitml:feature_drift:chance{window='30s'} / on (feature) chance - 1)) < bool 0.001", {"{}": 1}),
    ]
    run(tmp_path, series, {}, deployment_with(monitor), expressions)


def test_restarts_and_replicas_are_counted_as_rows_are(tmp_path):
    rows = "monitml_feature_rows_total"
    series = {
        **healthy(),
        **spread(BAD, 'feature="x"', {}, {"low": 50, "high": 50}),
        # A replica that goes on counting where it was, and one that began anew.
        f'{rows}{{instance="a:1",{BAD},feature="x",bin="low"}}': "0x20 10x10 _x3 10x60",
        f'{rows}{{instance="a:1",{BAD},feature="x",bin="high"}}': "0x20 20x10 _x3 25x60",
        f'{rows}{{instance="b:1",{BAD},feature="x",bin="low"}}': "5x80",
        f'{rows}{{instance="b:1",{BAD},feature="x",bin="high"}}': "7x30 8x60",
    }
    labels = '{{__name__="monitml:feature_rows:counted",{},feature="x",bin="{}",window="30s"}}'
    query = 'monitml:feature_rows:counted{window="30s"}'
    wanted = {labels.format(BAD, "low"): 10, labels.format(BAD, "high"): 26}
    run(tmp_path, series, {}, deployment_with(DRIFT), [(45, query, wanted)])


# -- what fires -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_second", "fires"),
    [({"low": 1, "high": 1}, False), ({"low": 0.6, "high": 0.4}, False), ({"low": 0, "high": 1}, True)],
    ids=["as trained", "as few rows may be", "moved"],
)
def test_only_what_is_beyond_chance_fires(tmp_path, per_second, fires):
    """Of 30 rows, 18 to 12 are a PSI of 0.04, and chance reaches 0.6: the limit says nothing yet."""
    series = {**healthy(), **spread(BAD, 'feature="x"', per_second, {"low": 5000, "high": 5000})}
    monitor = {**DRIFT, "max": 0.02}
    run(tmp_path, series, {100: {"Drift/bad"} if fires else set()}, deployment_with(monitor))


def test_it_resolves_when_what_is_asked_is_as_before(tmp_path):
    series = {**healthy(), **spread(BAD, 'feature="x"', {}, {"low": 50, "high": 50})}
    for name, text in (("low", "0x50 0+1x300"), ("high", "0+1x50 50+1x300")):
        series[f'monitml_feature_rows_total{{instance="a:1",{BAD},feature="x",bin="{name}"}}'] = text
    run(tmp_path, series, {45: {"Drift/bad"}, 82: set(), 200: set()}, deployment_with(DRIFT))


def test_without_a_reference_or_rows_there_is_no_value(tmp_path):
    series = {
        **healthy(),
        **spread(GOOD, 'feature="x"', {"low": 1}),
        **spread(BAD, 'feature="x"', {"low": 0}, {"low": 10, "high": 10}),
    }
    between = {"name": "Between", "measure": "prediction_drift_between", "max": 0.1}
    found = (60, 'count({__name__=~"monitml:monitor:value"}) or vector(0)', {"{}": 0})
    run(tmp_path, series, {60: set()}, deployment_with(DRIFT, between), [found])


def test_versions_that_count_in_other_bins_are_not_compared(tmp_path):
    series = {
        **healthy(),
        **spread(GOOD, 'output="price"', {"low": 1, "high": 1}),
        **spread(BAD, 'output="price"', {"low": 0, "up": 1}),
    }
    monitor = {"name": "Between", "measure": "prediction_drift_between", "max": 0.1}
    found = (60, 'monitml:monitor:value{predictor_name="bad"}', {})
    run(tmp_path, series, {60: set()}, deployment_with(monitor), [found])


def test_stable_is_the_predictor_with_most_of_the_traffic(tmp_path):
    labels = f'{{__name__="monitml:traffic_stable:info",{GOOD}}}'
    found = (60, "monitml:traffic_stable:info", {labels: 1})
    run(tmp_path, healthy(), {60: set()}, deployment_with(), [found])


# -- what is said ---------------------------------------------------------------------------------


def told(tmp_path, monitor, series, labels, description):
    deployment = deployment_with(monitor)
    content = yaml.safe_dump(watching_rules.alert_rules(deployment), width=10000)
    (tmp_path / "rules.yml").write_text(content)
    measure = monitor["measure"]
    who = {
        "namespace": "seldon",
        "deployment_name": "housing",
        "predictor_name": "bad",
        "predictor_version": "v2",
        "monitor": monitor["name"],
        "measure": measure,
        "severity": "critical",
        **labels,
    }
    words, value = description
    output = f" ({labels['output']})" if labels else ""
    said = {
        "summary": f"housing/bad v2: the {words}{output} is {value}, allowed is at most 0.2.",
        "value": value,
        "limit": "at most 0.2",
    }
    result = promtool_said(tmp_path, series, monitor["name"], who)
    for key, text in said.items():
        assert result[key] == text
    return result["description"]


def promtool_said(tmp_path, series, name, labels):
    """The annotations that promtool sees of the one alert of this name."""
    test = {"eval_time": "60s", "alertname": name, "exp_alerts": [{"exp_labels": labels}]}
    with pytest.raises(AssertionError) as error:
        promtool(tmp_path, series, alert_rule_test=[test])
    text = str(error.value)
    got = text[text.index("got:") :]
    assert str(labels["predictor_name"]) in got, got
    part = got[got.index("Annotations:{") :]
    return dict(
        (key, value.encode().decode("unicode_escape"))
        for key, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', part)
    )


def test_the_message_names_the_features_that_moved_and_how(tmp_path):
    series = {
        **healthy(),
        **spread(BAD, 'feature="area"', {"290 to 1090": 0, "below 290": 1}, {"290 to 1090": 900, "below 290": 100}),
        **spread(BAD, 'feature="rooms"', {"1": 1, "2": 9}, {"1": 5000, "2": 5000}),
        **spread(BAD, 'feature="same"', {"1": 1, "2": 1}, {"1": 5000, "2": 5000}),
    }
    text = told(
        tmp_path, DRIFT, series, {}, ("drift of the features", f"{psi([0, 30], [900, 100]):.4g}")
    )
    assert "Samples: 300." in text
    assert f" area moved by {psi([0, 30], [900, 100]):.3g}: 100 % lie in below 290, 10 % of the training data." in text
    assert f" rooms moved by {psi([30, 270], [5000, 5000]):.3g}: 90 % lie in 2, 50 % of the training data." in text
    assert "same" not in text


def test_the_message_says_which_way_predictions_went(tmp_path):
    series = {
        **healthy(),
        **spread(GOOD, 'output="price"', {"up to 1000": 0, "above 1000": 3}),
        **spread(BAD, 'output="price"', {"up to 1000": 1, "above 1000": 0}),
    }
    monitor = {**DRIFT, "measure": "prediction_drift_between"}
    value = psi([30, 0], [0, 90])
    words = "distance of the predictions from the stable predictor's"
    text = told(tmp_path, monitor, series, {"output": "price"}, (words, f"{value:.4g}"))
    assert f" price moved by {value:.3g}: 100 % lie in up to 1000, 0 % of the stable predictor's." in text
