# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's own metrics and the warnings of its start: rules by promtool, and a real server watched.

The second part is one story of one real server under real Prometheus and Alertmanager: nothing
given yet, answers that give metrics, a queue that is too long, tags without end.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import dashboard
from playwright.sync_api import sync_playwright
from pretenders import PretendGateway
from rule_cases import BAD, SECONDS, deployment_with, flat, healthy, run, steps
from serving import MODELS, ROOT, Server, deploy, find_python
from test_watching import CHROMIUM, FLAGS
from watching_stack import WatchingStack, housing_deployment

# -- rules ------------------------------------------------------------------------------------------


def own(kind, name, values, part="", **labels):
    """Series of one metric of bad, as its server marks them, and how often it was given: once a second."""
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    who = f'job="models",instance="v2:1",{BAD}'
    marks = f'monitml_metric="{name}",monitml_kind="{kind}"'
    given = f'monitml_model_metric_updates_total{{{who},metric="{name}",kind="{kind}"}}'
    return {f"{name}{part}{{{who},{marks}{more}}}": values, given: steps((1, SECONDS))}


def timer():
    """One of 0.25 s each second, and one of 2 s."""
    parts = {"0.1": 0, "1.0": 1, "10.0": 2, "+Inf": 2}
    found = {}
    for le, rate in parts.items():
        found |= own("timer", "step", steps((rate, SECONDS)), "_bucket", le=le)
    found |= own("timer", "step", steps((2.25, SECONDS)), "_sum")
    return found | own("timer", "step", steps((2, SECONDS)), "_count")


GAUGE = own("gauge", "queue", flat(10), queue="a") | own("gauge", "queue", flat(25), queue="b")
# name -> (series, what is watched, the limit, the value)
CASES = {
    "last": (GAUGE, {"metric": "queue"}, {"max": 20}, 25),
    "last_min": (GAUGE, {"metric": "queue"}, {"min": 15}, 10),
    "mean": (GAUGE, {"metric": "queue"}, {"max": 20}, 25),
    "mean_timer": (timer(), {"metric": "step"}, {"max": 1}, 1.125),
    "rate": (
        own("counter", "hits_total", steps((3, SECONDS))),
        {"metric": "hits"},
        {"max": 2},
        3,
    ),
    "rate_timer": (timer(), {"metric": "step"}, {"max": 1}, 2),
    "p95": (GAUGE, {"metric": "queue"}, {"max": 20}, 25),
    "p95_timer": (timer(), {"metric": "step"}, {"max": 1}, 9.1),
}


@pytest.mark.parametrize("case", CASES)
def test_each_statistic_fires_for_who_broke_its_limit(tmp_path, case):
    series, watched, limit, value = CASES[case]
    statistic = case.partition("_")[0]
    watched = {"measure": "metric", "statistic": statistic, "predictors": ["bad"], **watched}
    monitors = [
        {**watched, **limit, "name": "Broken"},
        {**watched, "name": "Lenient", **{b: v * (0.001 if b == "min" else 1000) for b, v in limit.items()}},
        {**watched, **limit, "name": "TooFew", "min_samples": 31},
    ]
    labels = (
        f'{{__name__="monitml:monitor:value",{BAD},monitor="Broken",measure="metric",'
        f'metric="{watched["metric"]}",statistic="{statistic}"}}'
    )
    samples = labels.replace("monitor:value", "monitor:samples")
    expressions = [
        (60, 'monitml:monitor:value{monitor="Broken"}', {labels: value}),
        (60, 'monitml:monitor:samples{monitor="Broken"}', {samples: 30}),
    ]
    run(tmp_path, {**healthy(), **series}, {60: {"Broken/bad"}}, deployment_with(*monitors), expressions)


def test_what_is_given_first_counts_from_nothing(tmp_path):
    """The series of a metric is not there before it: of a server that is known all of it is new."""
    series = own("counter", "hits_total", "_x40 60+0x600")
    given = next(name for name in series if "updates" in name)
    series[given] = "_x40 6+0x600"
    monitor = {"measure": "metric", "metric": "hits", "statistic": "rate", "predictors": ["bad"]}
    monitors = [{**monitor, "max": 1.9, "name": "Rush"}]
    expected = {38: {"MetricMissing/bad"}, 42: {"Rush/bad"}, 75: set()}
    run(tmp_path, {**healthy(), **series}, expected, deployment_with(*monitors))


def test_a_gauge_that_nobody_gives_any_more_raises_no_alarm(tmp_path):
    series = dict(GAUGE)
    series[next(name for name in series if "updates" in name)] = steps((1, 60), (0, 600))
    monitor = {"measure": "metric", "metric": "queue", "max": 20, "name": "Long", "predictors": ["bad"]}
    expected = {50: {"Long/bad"}, 100: set()}
    run(tmp_path, {**healthy(), **series}, expected, deployment_with(monitor))


def test_what_is_not_given_or_does_not_fit_is_told(tmp_path):
    watched = {"measure": "metric", "max": 20, "predictors": ["bad"]}
    monitors = [
        {**watched, "name": "Typo", "metric": "queu"},
        {**watched, "name": "Unfit", "metric": "queue", "statistic": "rate"},
    ]
    expected = {60: {"MetricMissing/bad", "MetricUnfit/bad"}}
    run(tmp_path, {**healthy(), **GAUGE}, expected, deployment_with(*monitors))


def test_series_that_found_no_room_are_told(tmp_path):
    dropped = {f"monitml_model_metric_series_dropped{{{BAD}}}": flat(7)}
    run(tmp_path, {**healthy(), **dropped}, {60: {"ModelMetricsDropped/bad"}})


# -- a real server ----------------------------------------------------------------------------------


class RealServer(WatchingStack):
    """Watches one real server; the gateway only pretends."""

    def __init__(self, directory, deployment, server):
        super().__init__(directory, deployment)
        self.server = server
        deployment["predictors"][0]["servers"][0]["metrics_port"] = server.metrics_port

    def start(self):
        self.gateway = PretendGateway(self.settings["gateway_admin_port"])
        self.write_configuration()
        self._start_processes()
        self.wait(lambda: self.values('up{job="models"} == 1'), "the server to be scraped", 60)
        return self


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    files = deploy(tmp_path_factory.mktemp("files"))
    predictor = {"name": "good", "version": "v1", "model": "telling", "traffic": 100}
    watched = {"measure": "metric", "max": 20}
    monitors = [
        {**watched, "name": "QueueTooLong", "metric": "queue_length", "window_seconds": 120, "min_samples": 2},
        {**watched, "name": "Misspelt", "metric": "queue_lenght"},
    ]
    deployment = housing_deployment(predictors=[predictor], monitors=monitors)
    parameters = [{"name": "users", "value": "30", "type": "INT"}]
    env = {"MONITML_SERIES_MAX": "80", "PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters)}
    with Server(files, MODELS / "telling", find_python(), tmp_path_factory.mktemp("good"), env=env) as server:
        server.wait_ready(120)
        stack = RealServer(tmp_path_factory.mktemp("watching"), deployment, server)
        try:
            yield stack.start()
        finally:
            stack.stop()


@pytest.fixture
def page(stack):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{stack.url}/user/")
        page.wait_for_selector("#state.live")
        yield page
        browser.close()


def test_before_the_first_answer_the_board_says_that_nothing_is_given(stack, page):
    text = "The monitor QueueTooLong watches the metric queue_length, which the model has not given"
    page.wait_for_selector(f"article.alert.info:has-text('{text}')")
    page.wait_for_selector("#panel-cpu svg path.line[d]", state="attached")
    assert not page.is_visible("#panel-model_gauges")


def test_a_pickle_of_another_scikit_learn_is_told_beside_the_version(stack, page):
    status, answer = stack.server.ready()
    (warning,) = answer["warnings"]
    assert status == 200 and "scikit-learn 1.2.2" in warning and "LinearRegression" in warning
    page.wait_for_selector("[data-predictor=good] .note")
    assert page.inner_text("[data-predictor=good] .note") == warning
    assert warning in stack.server.log


def test_its_metrics_arrive_with_the_labels_that_all_series_have(stack):
    for _request in range(3):
        assert stack.server.predict([[1.0]] * 4)[0] == 200
    stack.wait(lambda: stack.values("queue_length == 4"), "the gauge")
    assert stack.values('rows_seen_total{method="predict"}') == [3]
    assert stack.values("lookup_sum") == [pytest.approx(0.06)]
    assert stack.values("sum(monitml_model_metric_updates_total{metric='queue_length'})") == [3]
    (sample,) = stack.query("queue_length")
    labels = {
        "namespace": "seldon",
        "deployment_name": "housing",
        "predictor_name": "good",
        "predictor_version": "v1",
        "replica": "0",
    }
    assert labels.items() <= sample["metric"].items()


def test_a_metric_above_its_limit_is_told_and_shown(stack, page):
    assert stack.alerts() and {a["labels"]["alertname"] for a in stack.alerts()} >= {"MetricMissing"}
    assert stack.server.predict([[1.0]] * 30)[0] == 200
    (message,) = stack.wait(stack.messages, "a message", 20)
    assert message["title"] == "QueueTooLong in housing/good v1"
    assert "the last value of the metric queue_length is 30 over the last 120 s" in message["text"]
    fields = {field["title"]: field["value"] for field in message["fields"]}
    assert (fields["Limit"], fields["Samples"]) == ("at most 20", "4")
    for panel in ("gauges", "counters", "timers"):
        page.wait_for_selector(f"#panel-model_{panel} svg path.line[d]", state="attached", timeout=60000)
    assert "queue_length" in page.inner_text("#panel-model_gauges .legend")
    assert "lookup" in page.inner_text("#panel-model_timers .legend")
    assert page.locator("tr.broken").count() == 1
    assert "QueueTooLong" in page.inner_text("tr.broken")
    assert "no samples" in page.inner_text("tr.unknown:has-text('Misspelt')")


def test_the_panels_of_grafana_have_its_data_too(stack):
    definition = yaml.safe_load((ROOT / "files/dashboards/canary.yml").read_text())
    chosen = {"namespace": "seldon", "deployment": "housing", "predictor": ".+", "window": "30s"}
    titles = {"Gauges of the model", "Counters of the model", "Timers of the model"}
    panels = [p for p in dashboard.dashboard(definition)["panels"] if p["title"] in titles]
    assert len(panels) == 3
    for panel in panels:
        (target,) = panel["targets"]
        assert "{{monitml_metric}}" in target["legendFormat"]
        query = re.sub(r"\$(\w+)", lambda match: chosen[match[1]], target["expr"])
        assert stack.values(query), query


def test_what_finds_no_room_is_told_in_the_run_and_on_the_board(stack, page):
    # 1 + 1 + 53 of 80, so that of 30 tags 25 have room.
    _status, answer = stack.server.ready()
    told = "5 series of the model's own metrics are left out: there may be 80 (canary_series_max)."
    assert told in answer["warnings"]
    stack.wait(lambda: len(stack.query("of_user")) == 25, "what has room")
    page.wait_for_selector("article.alert.info:has-text('5 series of metrics')")
    page.wait_for_selector("article.alert.info:has-text('queue_lenght')")
