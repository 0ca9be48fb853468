# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A count in a message is a count of what happened: from the first answer on, through restarts."""

from __future__ import annotations

import random
import shutil
import time

import pytest
from rule_cases import BAD, GOOD, MONITOR, UP_GATEWAY, deployment_with, flat, gateway, run
from watching_stack import WatchingStack, housing_deployment

WINDOW = 60
SAMPLES = {"name": "Watched", "measure": "prediction_mean", "min": 100_000, "window_seconds": WINDOW}


def server(who: str, counter: str, past: str | None) -> dict:
    """The series of a server by its counter of predictions of 100 and what it says of its past."""
    own = f'{{{who},instance="a:1",output="price"'
    found = {f"monitml_prediction_count{own}}}": counter}
    if past is not None:
        for window in ("30s", f"{WINDOW}s"):
            found[f'monitml_prediction_count_past{own},window="{window}"}}'] = past
    return found


def samples(who: str, value: float) -> dict:
    return {f'monitml:monitor:samples{{measure="prediction_mean",monitor="Watched",output="price",{who}}}': value}


def counts(tmp_path, series: dict, expected: dict[int, float | None]):
    """Holds the number of samples of bad at some seconds; None: there is no such number."""
    run(
        tmp_path,
        {**series, UP_GATEWAY: flat(1)},
        {},
        deployment_with(SAMPLES),
        [
            (at, f"monitml:monitor:samples{{{BAD}}}", {} if value is None else samples(BAD, value))
            for at, value in expected.items()
        ],
    )


@pytest.mark.parametrize("past", ["_x4 0x59 17x100", None], ids=["told", "untold"])
def test_what_a_new_server_counted_before_it_was_read_counts(tmp_path, past):
    counts(tmp_path, server(BAD, "_x4 17x100", past), {3: None, 4: 17, 40: 17, 63: 17, 70: 0})


def test_of_an_old_server_only_the_window_counts_though_prometheus_is_new(tmp_path):
    # It counts ten a second, and Prometheus lost its disk.
    old = server(BAD, "_x9 10000+10x200", "_x9 9400+10x200")
    counts(tmp_path, old, {8: None, 9: 600, 50: 600, 150: 600})


def test_what_happened_while_prometheus_was_away_counts_once(tmp_path):
    # Read until second 20, and again from 40 on; 50 more were answered meanwhile.
    read = "0+0x19 100 _x19 150+0x100"
    past = "0+0x19 0 _x19 0+0x40 100+0x60"
    counts(tmp_path, server(BAD, read, past), {20: 100, 40: 150, 60: 150, 79: 150})


def test_of_a_server_that_is_gone_counts_what_lies_in_the_window(tmp_path):
    gone = server(BAD, "0+0x29 20 30x20 stale", "0x50 stale")
    counts(tmp_path, gone, {31: 30, 55: 30, 89: 30, 90: 10, 95: 0})


def test_a_server_that_cannot_go_on_counting_is_estimated(tmp_path):
    fallen = server(BAD, "0+1x60 0+1x60", None)
    run(
        tmp_path,
        {**fallen, UP_GATEWAY: flat(1)},
        {},
        deployment_with(SAMPLES),
        [(90, f"round(monitml:monitor:samples{{{BAD}}} / 10)", {f'{{measure="prediction_mean",monitor="Watched",output="price",{BAD}}}': 6})],
    )


def test_a_gateway_that_was_started_again_loses_no_answer(tmp_path):
    errors = {"name": "Watched", "measure": "error_ratio", "max": 0.5, "window_seconds": WINDOW}
    name = f'envoy_cluster_upstream_rq_xx{{{GOOD},envoy_response_code_class="2"}}'
    # 100 answers, 20 more, gone for three seconds, then 7 of the new one.
    series = {**gateway(GOOD, ((0, 200),)), name: "100x50 120x9 _x2 0x3 7x100"}
    labels = f'monitml:monitor:samples{{measure="error_ratio",monitor="Watched",{GOOD}}}'
    up = {UP_GATEWAY: "1x59 0x2 1x200"}
    run(
        tmp_path,
        {**series, **up},
        {},
        deployment_with(errors),
        [(at, f"monitml:monitor:samples{{{GOOD}}}", {labels: n}) for at, n in ((58, 20), (70, 27), (108, 27))],
    )


# -- on a real Prometheus -----------------------------------------------------------------------

NAMES = [f"p{number}" for number in range(10)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    predictors = [
        {"name": name, "version": "1", "model": "m", "traffic": 10, "replicas": 1 + number % 2}
        for number, name in enumerate(NAMES)
    ]
    monitor = {**MONITOR, **SAMPLES, "window_seconds": 300, "min_samples": 1}
    deployment = housing_deployment(predictors=predictors, monitors=[monitor])
    running = WatchingStack(tmp_path_factory.mktemp("counting"), deployment)
    try:
        # Some are answered before anything reads them.
        running.start_models()
        yield running
    finally:
        running.stop()


def test_counts_are_counts(stack):
    """200 random bursts; Prometheus begins after the first, is killed, and loses its disk."""
    truth = dict.fromkeys(NAMES, 0)

    def burst():
        name = random.choice(NAMES)
        for _request in range(random.randint(1, 30)):
            random.choice(stack.models[name]).predict(100.0)
            truth[name] += 1

    def told():
        found = {
            sample["metric"]["predictor_name"]: float(sample["value"][1])
            for sample in stack.query('monitml:monitor:samples{monitor="Watched"}')
        }
        return {name: found.get(name) for name in NAMES}

    for name in NAMES:
        stack.models[name][0].predict(100.0)
        truth[name] += 1
    stack.start_watching()
    for round_ in range(20):
        for _burst in range(10):
            burst()
            time.sleep(random.random() * 0.1)
        if round_ == 7:
            stack.kill("prometheus")
        if round_ == 9:
            stack.start_again("prometheus")
        if round_ == 13:
            stack.kill("prometheus")
            shutil.rmtree(stack.directory / "data")
        if round_ == 15:
            stack.start_again("prometheus")
        if round_ not in (7, 8, 13, 14):
            stack.wait(lambda: told() == truth, f"counts to be {truth} in round {round_}")


def test_messages_say_the_same(stack):
    counted = {
        sample["metric"]["predictor_name"]: float(sample["value"][1])
        for sample in stack.query('monitml:monitor:samples{monitor="Watched"}')
    }
    alerts = {a["labels"]["predictor_name"]: a["annotations"]["samples"] for a in stack.alerts()}
    assert {name: f"{count:,.0f}" for name, count in counted.items()} == alerts
