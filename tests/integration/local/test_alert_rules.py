# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every monitor's alert and every recording rule, run by promtool over made-up series."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    label_measures,
    queries,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules as watching_rules
from ansible_collections.monitml.stack.plugins.module_utils.watching.figures import (
    figure,
    figure_template,
    promql_number,
)
from rule_cases import (
    BAD,
    GOOD,
    MONITOR,
    SECONDS,
    UP_GATEWAY,
    deployment_with,
    flat,
    gateway,
    healthy,
    labelled,
    model,
    promtool,
    psi,
    run,
    spread,
    steps,
)
from watching_stack import housing_deployment

# -- nothing is wrong -----------------------------------------------------------------------------


def test_nothing_fires_on_a_healthy_deployment(tmp_path):
    run(tmp_path, healthy(), {at: set() for at in (1, 5, 40, 100, 400, 690)})


# -- the mean of the predictions ------------------------------------------------------------------


def test_bad_mean_fires_with_enough_samples_and_resolves_after_the_window(tmp_path):
    parts = ((1, 20), (0, SECONDS - 20))
    series = {
        **healthy(),
        **model(BAD, value=100, rate=steps(*parts), parts=parts),
        # Without traffic there is no smallest prediction either.
    }
    low = "PredictionMeanTooLow/bad"
    run(tmp_path, series, {4: set(), 6: {low}, 19: {low}, 45: {low}, 52: set(), 200: set()})


def test_it_resolves_when_the_process_is_gone(tmp_path):
    series = {**healthy(), **model(BAD, value=100)}
    for name in list(series):
        if BAD in name and "monitml_prediction" in name:
            values = {"_sum_total": "0+100x19 stale", "_count": "0+1x19 stale"}
            ending = next((v for k, v in values.items() if k in name), "0+0x19 stale")
            series[name] = ending if "negative" not in name else "0+0x19 stale"
        elif BAD in name and name.startswith("up"):
            series[name] = "1+0x19 0+0x600"
    fired = {"PredictionMeanTooLow/bad", "ModelServerDown/bad"}
    run(
        tmp_path, series, {15: {"PredictionMeanTooLow/bad"}, 40: fired, 52: {"ModelServerDown/bad"}}
    )


def test_the_message_has_value_limit_and_samples(tmp_path):
    series = {**healthy(), **model(BAD, value=484_713.5)}
    deployment = deployment_with(
        {"name": "Priced", "measure": "prediction_mean", "max": 1000, "predictors": ["bad"]}
    )
    labels = {
        "namespace": "seldon",
        "deployment_name": "housing",
        "predictor_name": "bad",
        "predictor_version": "v2",
        "output": "price",
        "monitor": "Priced",
        "measure": "prediction_mean",
        "severity": "critical",
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(watching_rules.alert_rules(deployment), width=10000))
    annotations = {
        "summary": "housing/bad v2: the average prediction (price) is 484,713.5, allowed is at most 1,000.",
        "description": "Predictor bad, version v2, of housing: the average prediction (price) is"
        " 484,713.5 over the last 30 s; allowed is at most 1,000. Samples: 30.",
        "value": "484,713.5",
        "limit": "at most 1,000",
        "samples": "30",
        "link": "/user/?namespace=seldon&deployment=housing&predictor=bad",
    }
    fired = {"exp_labels": labels, "exp_annotations": annotations}
    tests = [{"eval_time": "60s", "alertname": "Priced", "exp_alerts": [fired]}]
    promtool(tmp_path, series, alert_rule_test=tests)


def test_not_a_number_is_no_verdict(tmp_path):
    series = {**healthy(), **model(BAD, sums=flat("NaN"))}
    monitors = [
        {"name": "Low", "measure": "prediction_mean", "min": 100_000},
        {"name": "High", "measure": "prediction_mean", "max": 600_000},
        {"name": "Smallest", "measure": "prediction_min", "min": 100_000},
        {"name": "Largest", "measure": "prediction_max", "max": 600_000},
    ]
    for bound in ("min", "max"):
        series[f'monitml_prediction_{bound}{{{BAD},output="price"}}'] = flat("NaN")
    run(tmp_path, series, {60: set()}, deployment_with(*monitors))


def test_a_measure_without_samples_has_no_value(tmp_path):
    """Not even NaN: whoever compares, draws or judges the recorded values must not meet one."""
    idle = {**healthy(), **model(BAD, rate=flat(0), parts=((0, SECONDS),))}
    for bound in ("min", "max"):
        idle[f'monitml_prediction_{bound}{{{BAD},output="price"}}'] = flat("NaN")
    monitors = [
        {"name": f"Watch{index}", "measure": measure, "min": -1e9, "predictors": ["bad"]}
        for index, measure in enumerate(queries.MONITORED)
        # Of no requests there are none a second, and no share of the others' is theirs.
        if measure not in ("requests_per_second", "traffic_deviation_ratio")
    ]
    query = "count by (measure) (monitml:monitor:value)"
    run(tmp_path, idle, {60: set()}, deployment_with(*monitors), [(60, query, {})])


@pytest.mark.parametrize(("limit", "fires"), [(-50, True), (-200, False)])
def test_negative_predictions_have_a_mean(tmp_path, limit, fires):
    monitor = {"name": "Low", "measure": "prediction_mean", "min": limit, "predictors": ["bad"]}
    series = {**healthy(), **model(BAD, value=-100)}
    run(tmp_path, series, {60: {"Low/bad"} if fires else set()}, deployment_with(monitor))


def test_a_restarted_server_does_not_change_the_mean(tmp_path):
    count, total = "0+1x40 0+1x600", "0+500000x40 0+500000x600"
    series = {**healthy(), **model(BAD, rate=count, sums=total)}
    monitor = {"name": "Off", "measure": "prediction_mean", "min": 499_999, "max": 500_001}
    run(tmp_path, series, {at: set() for at in (39, 41, 45, 60)}, deployment_with(monitor))


def test_replicas_are_weighted_by_their_predictions(tmp_path):
    """Nine predictions of 100 on one replica, one of 1,000,100 on the other: the mean is 100,100."""
    who = BAD + ',replica="1"'
    series = {
        **healthy(),
        **model(BAD, value=100, rate=steps((9, SECONDS)), sums=steps((900, SECONDS))),
    }
    series[f'monitml_prediction_count{{instance="x",{who},output="price"}}'] = steps((1, SECONDS))
    series[f'monitml_prediction_sum_total{{instance="x",{who},output="price",sign="positive"}}'] = (
        steps((1_000_100, SECONDS))
    )
    monitor = {"name": "Mean", "measure": "prediction_mean", "min": 0, "predictors": ["bad"]}
    labels = f'{{__name__="monitml:monitor:value",{BAD},output="price",monitor="Mean",measure="prediction_mean"}}'
    query = 'monitml:monitor:value{monitor="Mean"}'
    run(tmp_path, series, {60: set()}, deployment_with(monitor), [(60, query, {labels: 100_100})])


# -- every measure that a monitor can watch -------------------------------------------------------


def slow(**_):
    return gateway(BAD, ((1, SECONDS),), milliseconds=1000)


def failing(**_):
    return {
        f'envoy_cluster_upstream_rq_xx{{{BAD},envoy_response_code_class="2"}}': steps((1, SECONDS)),
        f'envoy_cluster_upstream_rq_xx{{{BAD},envoy_response_code_class="5"}}': steps((1, SECONDS)),
    }


def raising(**_):
    name = f'monitml_prediction_errors_total{{{BAD},reason="exception"}}'
    return {name: steps((1, SECONDS))}


def valued(value):
    return lambda: model(BAD, value=value)


def unanswered(**_):
    own = f'instance="a:1",{BAD}'
    return {
        f"monitml_requests_total{{{own}}}": steps((1, SECONDS)),
        f'monitml_requests_unanswered_total{{{own},within="2s"}}': steps((0.5, SECONDS)),
        f'monitml_requests_overdue{{{own},within="2s"}}': flat(0),
    }


def moved(of, stable=None):
    """All rows of bad lie in one bin, where training (or the stable predictor) had as many in another."""
    reference = None if stable else {"low": 100, "high": 100}
    theirs = spread(GOOD, of, {"low": 1, "high": 1}) if stable else {}
    return lambda: {**spread(BAD, of, {"low": 0, "high": 1}, reference), **theirs}


def judged(series, value, rows="monitml_label_rows", **own):
    return lambda: labelled(BAD, series, value, rows, **own)


# measure -> (what breaks the limit, the limit, what is recorded of the broken predictor)
BROKEN = {
    "prediction_mean": (valued(100), {"min": 1000}, 100),
    "prediction_min": (valued(100), {"min": 1000}, 100),
    "prediction_max": (valued(9e6), {"max": 1e6}, 9e6),
    "prediction_error_ratio": (raising, {"max": 0.1}, 0.5),
    "error_ratio": (failing, {"max": 0.1}, 0.5),
    "unanswered_ratio": (unanswered, {"max": 0.1}, 0.5),
    "latency_p50_seconds": (slow, {"max": 0.5}, 0.55),
    "latency_p90_seconds": (slow, {"max": 0.5}, 0.91),
    "latency_p95_seconds": (slow, {"max": 0.5}, 0.955),
    "latency_p99_seconds": (slow, {"max": 0.5}, 0.991),
    "requests_per_second": (lambda: gateway(BAD, ((50, SECONDS),)), {"max": 40}, 50),
    "traffic_deviation_ratio": (lambda: gateway(BAD, ((9, SECONDS),)), {"max": 0.3}, 0.5),
    "feature_drift": (moved('feature="area"'), {"max": 0.2}, psi([0, 30], [100, 100])),
    "prediction_drift": (moved('output="price"'), {"max": 0.2}, psi([0, 30], [100, 100])),
    "prediction_drift_between": (moved('output="price"', stable=True), {"max": 0.2}, psi([0, 30], [30, 30])),
    "prediction_mae": (judged("monitml_label_absolute_error", 9e5, output="price"), {"max": 1e5}, 9e5),
    "prediction_mape": (judged("monitml_label_percentage_error", 0.9, output="price"), {"max": 0.5}, 0.9),
    "prediction_bias": (judged("monitml_label_bias", -9e5, output="price"), {"min": -1e5}, -9e5),
    "prediction_accuracy": (judged("monitml_label_accuracy", 0.5, output="price"), {"min": 0.8}, 0.5),
    "prediction_precision": (
        judged("monitml_label_precision", 0.5, "monitml_label_predicted_rows", output="price", class_="a"),
        {"min": 0.8},
        0.5,
    ),
    "prediction_recall": (
        judged("monitml_label_recall", 0.5, "monitml_label_true_rows", output="price", class_="a"),
        {"min": 0.8},
        0.5,
    ),
    "reward_mean": (judged("monitml_label_reward", -1.0, "monitml_label_rewards"), {"min": -0.5}, -1),
}


def test_every_measure_has_a_case():
    assert set(BROKEN) == set(queries.MONITORED)


@pytest.mark.parametrize("measure", BROKEN)
def test_a_broken_limit_fires_for_the_one_that_broke_it(tmp_path, measure):
    breaks, limit, value = BROKEN[measure]
    monitor = {"name": "Broken", "measure": measure, **limit, "predictors": ["bad"]}
    lenient = {
        "name": "Lenient",
        "measure": measure,
        **{b: v * (0.001 if (b == "min") == (v > 0) else 1000) for b, v in limit.items()},
    }
    patient = {**monitor, "name": "TooFew", "min_samples": 100_000}
    later = {**monitor, "name": "Later", "for_seconds": 90}
    output = (
        ',output="price"'
        if measure in ("prediction_mean", "prediction_min", "prediction_max")
        or measure.startswith("prediction_drift")
        or measure in label_measures.MEASURES
        and measure != "reward_mean"
        else ""
    )
    output = (',class="a"' if measure in ("prediction_precision", "prediction_recall") else "") + output
    labels = (
        f'{{__name__="monitml:monitor:value",{BAD}{output},monitor="Broken",measure="{measure}"}}'
    )
    query = 'monitml:monitor:value{monitor="Broken"}'
    run(
        tmp_path,
        {**healthy(), **breaks()},
        {60: {"Broken/bad"}, 180: {"Broken/bad", "Later/bad"}},
        deployment_with(monitor, lenient, patient, later),
        [(60, query, {labels: value})],
    )


def test_labels_are_told_while_they_are_of_the_window_and_of_what_is_declared(tmp_path):
    """A week of labels comes at once: told within a second, and no more when they have left the window."""
    gone = BAD.replace("v2", "v0")
    series = {
        **healthy(),
        **labelled(BAD, "monitml_label_absolute_error", 9e5, output="price", number="_x19 20+0x29 stale"),
        **labelled(gone, "monitml_label_absolute_error", 9e5, output="price"),
        **labelled(GOOD, "monitml_label_absolute_error", 9e5, output="price", number=4),
    }
    error = f'monitml_label_absolute_error{{job="labels",{BAD},window="30s",output="price"}}'
    series[error] = "_x19 900000+0x29 stale"
    monitor = {"name": "Wrong", "measure": "prediction_mae", "max": 1e5}
    told = {"Wrong/bad"}
    run(tmp_path, series, {18: set(), 21: told, 48: told, 52: set(), 300: set()}, deployment_with(monitor))


def test_what_labels_tell_is_said_with_their_number_and_age(tmp_path):
    series = {**healthy(), **labelled(BAD, "monitml_label_absolute_error", 484713.5, output="price", number=1234)}
    deployment = deployment_with({"name": "Wrong", "measure": "prediction_mae", "max": 1e5, "predictors": ["bad"]})
    content = watching_rules.alert_rules(deployment)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(content, width=10000))
    words = "the mean absolute error of the predictions (price) is 484,713.5"
    description = (
        f"Predictor bad, version v2, of housing: {words} over the last 30 s; allowed is at most 100,000. Labels: 1,234."
        " These answers are 2 h 0 m 0 s old on average, the last label came 1 m 0 s ago."
    )
    annotations = {
        "summary": f"housing/bad v2: {words}, allowed is at most 100,000.",
        "description": description,
        "value": "484,713.5",
        "limit": "at most 100,000",
        "samples": "1,234",
        "link": "/user/?namespace=seldon&deployment=housing&predictor=bad",
    }
    labels = {"severity": "critical", "monitor": "Wrong", "measure": "prediction_mae", "output": "price"}
    labels |= dict(pair.split("=") for pair in BAD.replace('"', "").split(","))
    fired = {"exp_labels": labels, "exp_annotations": annotations}
    promtool(tmp_path, series, alert_rule_test=[{"eval_time": "60s", "alertname": "Wrong", "exp_alerts": [fired]}])


def test_latency_is_known_from_the_first_answers_on(tmp_path):
    """Envoy shows nothing of a predictor before its first answer: all of a burst is new at once."""
    time = "envoy_cluster_upstream_rq_time"
    bounds = {"10": "_x40 0x60", "1000": "_x40 20x60", "+Inf": "_x40 20x60"}
    series = {
        **{f'{time}_bucket{{instance="gw",{BAD},le="{b}"}}': text for b, text in bounds.items()},
        f'{time}_count{{instance="gw",{BAD}}}': "_x40 20x60",
        'envoy_server_uptime{instance="gw"}': "5+1x100",
    }
    monitor = {"name": "Slow", "measure": "latency_p50_seconds", "max": 0.2}
    value, samples = (
        f'{{__name__="monitml:monitor:{what}",{BAD},monitor="Slow",measure="latency_p50_seconds"}}'
        for what in ("value", "samples")
    )
    asked = [
        (50, 'monitml:monitor:value{monitor="Slow"}', {value: 0.505}),
        (50, 'monitml:monitor:samples{monitor="Slow"}', {samples: 20}),
        (90, 'monitml:monitor:value{monitor="Slow"}', {}),
    ]
    run(tmp_path, series, {}, deployment_with(monitor), asked)


def test_extremes_look_back_as_far_as_the_window(tmp_path):
    series = {**healthy()}
    series[f'monitml_prediction_min{{{BAD},output="price"}}'] = "5+0x20 500000+0x600"
    monitors = [
        {"name": "Short", "measure": "prediction_min", "min": 10, "window_seconds": 10},
        {"name": "Long", "measure": "prediction_min", "min": 10, "window_seconds": 90},
    ]
    run(
        tmp_path,
        series,
        {15: {"Short/bad", "Long/bad"}, 60: {"Long/bad"}, 90: set()},
        deployment_with(*monitors),
    )


# -- recorded series ------------------------------------------------------------------------------


def test_the_first_failures_count_though_their_series_was_not_there_before(tmp_path):
    """Envoy shows a status class from its first answer on; what it starts with must not be lost."""
    fives = f'envoy_cluster_upstream_rq_xx{{{BAD},envoy_response_code_class="5"}}'
    series = {**healthy(), fives: "_x40 20+0x600"}
    monitor = {"name": "Failures", "measure": "error_ratio", "max": 0.3}
    run(tmp_path, series, {38: set(), 42: {"Failures/bad"}}, deployment_with(monitor))


def test_an_unread_gateway_is_no_restarted_one(tmp_path):
    """After a failed scrape the old totals must not look like new answers."""
    series = healthy()
    for name, text in list(series.items()):
        if "rq_xx" in name:
            rate = "3" if "good" in name else "1"
            series[name] = f"100000+{rate}x39 stale _x4 100200+{rate}x600"
    series[UP_GATEWAY] = "1+0x39 0+0x4 1+0x600"
    monitor = {"name": "Rush", "measure": "requests_per_second", "max": 50}
    run(tmp_path, series, {at: set() for at in (45, 46, 50, 60)}, deployment_with(monitor))


def test_declared_split_limit_and_samples_are_recorded(tmp_path):
    monitor = {"name": "Mean", "measure": "prediction_mean", "min": 0, "max": 1e6}
    extra = 'monitor="Mean",measure="prediction_mean"'
    own = 'namespace="seldon",deployment_name="housing"'
    split = {
        f'{{__name__="monitml:traffic_declared:ratio",{GOOD},shadow="false"}}': 0.75,
        f'{{__name__="monitml:traffic_declared:ratio",{BAD},shadow="false"}}': 0.25,
    }
    limits = {
        f'{{__name__="monitml:monitor:limit",{own},{extra},bound="min"}}': 0,
        f'{{__name__="monitml:monitor:limit",{own},{extra},bound="max"}}': 1e6,
    }
    samples = {f'{{__name__="monitml:monitor:samples",{BAD},output="price",{extra}}}': 30}
    expressions = [
        (60, "monitml:traffic_declared:ratio", split),
        (60, 'monitml:monitor:limit{monitor="Mean"}', limits),
        (60, 'monitml:monitor:samples{predictor_name="bad"}', samples),
    ]
    run(tmp_path, healthy(), {60: set()}, deployment_with(monitor), expressions)


def test_a_changed_split_is_not_judged_by_the_requests_before_it(tmp_path):
    """Right after 75/25 became 0/100 the window still holds the old split."""
    declared = "monitml:traffic_declared:ratio"
    responses = "monitml:gateway_responses:total"
    series = {
        f'{declared}{{{GOOD},shadow="false"}}': "0.75+0x99 0+0x200",
        f'{declared}{{{BAD},shadow="false"}}': "0.25+0x99 1+0x200",
        f'{responses}{{{GOOD},code_class="2"}}': steps((3, 100), (0, 200)),
        f'{responses}{{{BAD},code_class="2"}}': steps((1, 100), (4, 200)),
    }
    query = queries.value_query(
        "traffic_deviation_ratio", "local", queries.Scope.of(housing_deployment()), 30
    )
    scope = queries.Scope(queries.Scope.of(housing_deployment()).deployment)
    counting = [{"name": "counting", "rules": queries.counting_rules("local", scope, [30])}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": counting}, width=10000))
    both = {f"{{{GOOD}}}": 0, f"{{{BAD}}}": 0}
    tests = [
        {
            "expr": query,
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": k, "value": v} for k, v in found.items()],
        }
        for at, found in ((90, both), (102, {}), (130, {}), (145, both))
    ]
    promtool(tmp_path, series, promql_expr_test=tests)


def test_a_new_version_is_not_judged_by_the_requests_of_the_old_one(tmp_path):
    declared = "monitml:traffic_declared:ratio"
    responses = "monitml:gateway_responses:total"
    new = GOOD.replace("v1", "v3")
    series = {
        # The old version is declared until its last request is answered, the new one from before its first.
        f'{declared}{{{GOOD},shadow="false"}}': "0.75+0x97 0+0x4 stale",
        f'{declared}{{{new},shadow="false"}}': "_x98 0.75+0x200",
        f'{declared}{{{BAD},shadow="false"}}': "0.25+0x300",
        f'{responses}{{{GOOD},code_class="2"}}': f"{steps((3, 100), (0, 3))} stale",
        f'{responses}{{{new},code_class="2"}}': "_x98 0+0x1 0+3x200",
        f'{responses}{{{BAD},code_class="2"}}': steps((1, 300)),
    }
    query = queries.value_query(
        "traffic_deviation_ratio", "local", queries.Scope.of(housing_deployment()), "30s"
    )
    before, after = ({f"{{{who}}}": 0, f"{{{BAD}}}": 0} for who in (GOOD, new))
    tests = [
        {
            "expr": query,
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": k, "value": v} for k, v in found.items()],
        }
        for at, found in ((90, before), (99, {}), (102, {}), (115, {}), (130, {}), (150, after))
    ]
    promtool(tmp_path, series, promql_expr_test=tests)


def test_shadows_are_no_part_of_the_split(tmp_path):
    predictors = [
        {"name": "good", "version": "v1", "model": "housing", "traffic": 100},
        {"name": "bad", "version": "v2", "model": "housing_bad", "traffic": 0, "shadow": True},
    ]
    monitors = [{**MONITOR, "name": "Off", "measure": "traffic_deviation_ratio", "max": 0.01}]
    deployment = housing_deployment(predictors=predictors, monitors=monitors)
    run(tmp_path, healthy(), {60: set(), 650: set()}, deployment)


@pytest.mark.parametrize("target", ["local", "kubernetes", "eks"])
def test_promtool_accepts_the_rules_of_every_target(tmp_path, target):
    monitors = [
        {"name": f"Watch{index}", "measure": measure, "min": -1e9, "max": 1e9}
        for index, measure in enumerate(queries.MONITORED)
    ]
    content = watching_rules.alert_rules(deployment_with(*monitors), target)
    (tmp_path / "rules.yml").write_text(json.dumps(content))
    result = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules.yml"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_writes_figures_as_we_do(tmp_path):
    """Limits are written when the rules are made, values when they fire: alike, to be compared."""
    values = {
        "value": [
            0,
            1,
            -1,
            0.02345,
            100,
            999.4,
            1000,
            1234.5,
            484_713.5,
            540_088,
            1_234_567.8,
            -98_765.4,
            1e9,
        ],
        "count": [0, 5, 12, 999, 1000, 123_456],
        "ratio": [0, 0.01, 0.125, 0.3333, 1],
        "seconds": [0, 0.0123, 0.5, 0.955, 1, 12.5],
        "per_second": [0, 0.123, 12, 456.7],
    }
    rules, tests = [], []
    for unit, figures in values.items():
        for number, value in enumerate(figures):
            name = f"{unit.title().replace('_', '')}{number}"
            annotations = {"value": figure_template(unit)}
            rules.append(
                {
                    "alert": name,
                    "expr": f"vector({promql_number(value)})",
                    "annotations": annotations,
                }
            )
            expected = {"exp_annotations": {"value": figure(value, unit)}}
            tests.append({"alertname": name, "eval_time": "1m", "exp_alerts": [expected]})
    (tmp_path / "rules.yml").write_text(
        json.dumps({"groups": [{"name": "figures", "rules": rules}]})
    )
    promtool(tmp_path, {}, alert_rule_test=tests)
