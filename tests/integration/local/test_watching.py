# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a bad prediction to a message, a board and a resolved message, on the real watchers.

One stack for the whole file; its tests tell one story in order: nothing yet, traffic that is
well, a model that answers 100, the board that shows it, the rollback, and a Prometheus that died.
"""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    dashboard,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    load_test_series as series,
)
from load_testing import run, stub  # noqa: F401  pylint: disable=unused-import
from playwright.sync_api import sync_playwright
from watching_stack import ROOT, WatchingStack

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW_SECONDS = 30
# What a reader has chosen on the board.
CHOSEN = {
    "namespace": "seldon",
    "deployment": "housing",
    "predictor": ".+",
    "window": "30s",
    "range": "300s",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = WatchingStack(tmp_path_factory.mktemp("watching"))
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(stack, chromium):
    """The board, opened; what its console said is an error, as is a request to anywhere else."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.problems = []
    page.on(
        "console",
        lambda message: message.type in ("error", "warning") and page.problems.append(message.text),
    )
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "request",
        lambda request: request.url.startswith((stack.url, "data:"))
        or page.problems.append(request.url),
    )
    page.goto(f"{stack.url}/user/")
    page.wait_for_selector("#state.live")
    yield page
    page.close()


def test_the_products_own_checkers_accept_the_configurations(stack):
    for command in (
        ["promtool", "check", "config", "prometheus.yml"],
        ["amtool", "check-config", "alertmanager.yml"],
    ):
        result = subprocess.run(
            command, cwd=stack.directory, check=False, capture_output=True, text=True, timeout=60
        )
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "inbox"), ("warning", "inbox"), ("info", "board")]
)
def test_what_needs_a_person_is_told_the_rest_is_on_the_board(stack, severity, receiver):
    command = [
        "amtool",
        "config",
        "routes",
        "test",
        "--config.file=alertmanager.yml",
        f"severity={severity}",
    ]
    result = subprocess.run(
        command, cwd=stack.directory, check=True, capture_output=True, text=True, timeout=60
    )
    assert result.stdout.strip() == receiver


def test_everything_is_scraped(stack):
    jobs = {"models", "gateway", "prometheus", "alertmanager", "inbox", "node", "load_test"}
    stack.wait(
        lambda: {s["metric"]["job"] for s in stack.query("up == 1")} == jobs, "every job to be up"
    )


def test_an_empty_board_says_what_to_do(page):
    page.wait_for_selector("#hint:not([hidden])")
    assert "No data yet" in page.inner_text("#hint")
    assert "/seldon/seldon/housing/api/v1.0/predictions" in page.inner_text("#hint")
    assert "No alert is firing." in page.inner_text("#alerts")
    assert page.problems == []


def test_good_predictions_raise_no_alarm(stack):
    for predictor in ("good", "bad") * 20:
        stack.request(predictor, random.uniform(400_000, 600_000))
    stack.wait(
        lambda: stack.values("sum(monitml_prediction_count) == 40"), "the predictions to be seen"
    )
    time.sleep(2)
    assert stack.alerts() == []
    assert stack.messages() == []


def test_a_model_that_answers_100_is_told_with_all_that_matters(stack):
    # Beyond the good ones above, which weigh down nothing for ever: the mean is of the window.
    stack.wait(
        lambda: not stack.values("sum(increase(monitml_prediction_count[30s])) > 0"),
        "a clean window",
        45,
    )
    stack.start_traffic(per_second=40)
    started = time.time()
    (message,) = stack.wait(stack.messages, "a message", 15)
    assert message["received_at"] - started < 5
    fields = {field["title"]: field["value"] for field in message["fields"]}
    samples = int(fields.pop("Samples"))
    assert samples >= 5
    assert fields == {
        "Deployment": "housing",
        "Predictor": "bad",
        "Version": "v2",
        "Severity": "critical",
        "Value": "100",
        "Limit": "at least 100,000",
    }
    assert message["title"] == "PredictionMeanTooLow in housing/bad v2"
    assert message["color"] == "danger"
    assert f"is 100 over the last {WINDOW_SECONDS} s" in message["text"]
    assert f"Samples: {samples}" in message["text"]
    link = f"{stack.url}/user/?namespace=seldon&deployment=housing&predictor=bad"
    assert message["title_link"] == link
    assert f"<{link}|Open the board>" in message["text"]


def test_no_rule_fails(stack):
    groups = stack.get(f"{stack.url}/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules and [rule for rule in rules if rule["health"] != "ok"] == []


def test_every_panel_of_the_board_has_data(stack):
    board = json.loads((stack.directory / "board/board.json").read_text())
    queries = {
        f"{panel['id']} {entry['name']}": entry["query"]
        for panel in board["panels"]
        for entry in panel["series"]
        if not panel["optional"]  # of real models: test_model_metrics.py
    }
    queries |= {
        f"{panel['id']} limits": panel["limits"]
        for panel in board["panels"]
        if panel["limits"] and not panel["optional"]
    }
    queries |= {"choices": board["choices"], **board["monitors"]}
    # The default description has no monitor on it.
    del queries["requests limits"]
    stack.wait(
        lambda: stack.values("sum(increase(monitml_prediction_count[30s])) > 200"), "traffic"
    )
    for name, query in queries.items():
        filled = re.sub(r"\$(\w+)", lambda match: CHOSEN[match[1]], query)
        assert [
            value for value in stack.values(filled) if not math.isnan(value)
        ], f"{name} has no data: {filled}"


def test_every_panel_of_grafana_has_data(stack):
    definition = yaml.safe_load((ROOT / "files/dashboards/canary.yml").read_text())
    values = {
        "namespace": "seldon",
        "deployment": "housing",
        "predictor": "good|bad",
        "window": "30s",
        "__range": "300s",
    }
    optional = {panel["title"] for panel in definition["panels"] if panel.get("optional")}
    for panel in dashboard.dashboard(definition)["panels"]:
        for target in panel["targets"] if panel["title"] not in optional else ():
            query = re.sub(r"\$(\w+)", lambda match: values[match[1]], target["expr"])
            if target["refId"] != "LIMIT" or "requests_per_second" not in query:
                assert stack.values(query), f"{panel['title']} has no data: {query}"


def test_measured_figures_are_right(stack):
    board = json.loads((stack.directory / "board/board.json").read_text())

    def shown(panel, series=0):
        query = next(p for p in board["panels"] if p["id"] == panel)["series"][series]["query"]
        filled = re.sub(r"\$(\w+)", lambda match: CHOSEN[match[1]], query)
        return {s["metric"]["predictor_name"]: float(s["value"][1]) for s in stack.query(filled)}

    assert shown("prediction_mean")["bad"] == pytest.approx(100)
    assert shown("prediction_mean")["good"] == pytest.approx(540_000, rel=0.15)
    assert shown("split", 1) == {"good": 0.75, "bad": 0.25}
    assert sum(shown("split").values()) == pytest.approx(1)
    assert shown("success") == {"good": 1, "bad": 1}
    quantiles = [shown("latency", index)["good"] for index in range(4)]
    assert quantiles == sorted(quantiles) and 0.005 < quantiles[0] < quantiles[3] < 0.2


def test_the_board_shows_the_bad_model_at_once(stack, page):
    page.wait_for_selector("article.alert.critical")
    alert = page.inner_text("article.alert.critical")
    assert "PredictionMeanTooLow" in alert and "is 100 over the last 30 s" in alert
    assert page.inner_text('[data-predictor="bad"].alarm .big.off') == "100"
    good = page.inner_text('[data-predictor="good"]:not(.alarm) .big:not(.off)')
    assert 300_000 < int(good.replace(",", "")) < 900_000
    for panel in (
        "predictions",
        "requests",
        "success",
        "latency",
        "errors",
        "cpu",
        "memory",
        "disk",
    ):
        page.wait_for_selector(f"#panel-{panel} svg path.line[d]", state="attached")
    assert page.locator("#panel-distribution svg rect").count() >= 5
    assert "of 75 %" in page.inner_text("#panel-split") and "of 25 %" in page.inner_text(
        "#panel-split"
    )
    assert page.locator("#panels .none").count() == 0
    page.locator("#panel-predictions svg[role=img]").hover(position={"x": 400, "y": 80})
    assert "good v1 average" in page.inner_text("#panel-predictions .tip")
    assert page.problems == []


def load_test(stack, stub, **options):
    """A load test that tells the stack of itself as the playbook has it do, against a stub; its result."""
    # A closed loop: on a busy machine a run at a rate may rightly call its generator late.
    return run(
        stub.url("/slow"),
        connections=2,
        metrics_file=str(stack.metrics / "load_test.prom"),
        metrics_labels={"namespace": "seldon", "deployment_name": "housing"},
        **options,
    )


def load_tests_shown(page, panel):
    """Spans of the load tests in a chart: (left, width), in seconds of the time shown."""
    boxes = page.eval_on_selector_all(
        f"#panel-{panel} svg[role=img] rect.test",
        "rects => rects.map(rect => [rect.x.baseVal.value, rect.width.baseVal.value,"
        " rect.ownerSVGElement.width.baseVal.value])",
    )
    margins, shown = 52 + 12, int(CHOSEN["range"].rstrip("s"))
    return [
        (left / (width - margins) * shown, wide / (width - margins) * shown)
        for left, wide, width in boxes
    ]


def test_each_load_test_is_marked_on_the_board(stack, page, stub):
    # One after the other, as fast as a playbook can be started again.
    first = load_test(stack, stub, count=60)
    time.sleep(1.2)
    second = load_test(stack, stub, duration=6, thresholds=["p95 < 1us"])
    time.sleep(1.2)
    with ThreadPoolExecutor() as pool:
        third = pool.submit(load_test, stack, stub, duration=5)
        chart = "#panel-requests svg[role=img]"
        page.wait_for_selector(f"{chart}[aria-label$=': running'] rect.test:nth-of-type(3)")
        third = third.result()
    page.wait_for_selector(f"{chart}[aria-label$=', passed']")
    for panel in ("predictions", "requests", "success", "latency", "errors", "cpu", "memory", "disk"):
        spans = load_tests_shown(page, panel)
        assert len(spans) == 3
        for (left, wide), result in zip(spans[1:], (second, third)):
            assert left - spans[0][0] == pytest.approx(
                result["started_at"] - first["started_at"], abs=0.3
            )
            assert wide == pytest.approx(result["duration_seconds"], abs=0.3)
        assert "3 load tests" in page.inner_text(f"#panel-{panel} .legend")
    told = page.get_attribute(chart, "aria-label").split("; load test at ")[1:]
    assert "60 requests, 0 errors, p95 " in told[0] and told[0].endswith(", passed")
    assert f"{second['requests']} requests, 0 errors, p95 " in told[1]
    assert told[1].endswith(", not passed")
    page.locator("#panel-requests rect.test").nth(1).hover(force=True)
    assert f"{second['requests']} requests" in page.inner_text("#panel-requests .tip")
    page.locator(chart).hover(position={"x": 60, "y": 60})
    assert "load test" not in page.inner_text("#panel-requests .tip")
    assert page.problems == []


def test_grafana_marks_begin_and_end_of_each_load_test(stack):
    definition = yaml.safe_load((ROOT / "files/dashboards/canary.yml").read_text())
    began, ended = dashboard.dashboard(definition)["annotations"]["list"]
    now = time.time()

    def marks(annotation):
        """What Grafana takes for the times of marks: each value that was there, in ms."""
        assert annotation["useValueForTime"]
        query = re.sub(r"\$(\w+)", lambda match: CHOSEN[match[1]], annotation["expr"])
        found = stack.query_range(query, now - 120, now, annotation["step"])
        return sorted({float(value) for one in found for _time, value in one["values"]})

    starts, ends = marks(began), marks(ended)
    assert len(starts) == len(ends) == 3
    assert all(0 < end - start < 8000 for start, end in zip(starts, ends))
    assert abs(ends[-1] / 1000 - now) < 60


def test_a_load_test_that_broke_off_does_not_run_for_ever(stack, page, stub):
    start = time.time()
    with pytest.raises(ValueError):
        load_test(stack, stub, duration=3, progress=lambda line: int("broken"))
    found = f"{series.END} > {start} and on () {series.RUNNING} == 0"
    stack.wait(lambda: stack.values(found), "the end of the load test")
    page.wait_for_selector("#panel-requests svg[aria-label$=': broken off']")


def test_the_board_can_be_narrowed_and_is_linked_to(stack, page):
    page.select_option("#predictor", "bad")
    page.wait_for_function("document.querySelectorAll('.figure').length === 1")
    page.check("input[value='900']", force=True)
    page.wait_for_function("location.search.includes('range=900')")
    page.goto(f"{stack.url}/user/?namespace=seldon&deployment=housing&predictor=good")
    page.wait_for_selector('[data-predictor="good"]')
    assert page.locator(".figure").count() == 1
    assert page.input_value("#predictor") == "good"
    page.goto(f"{stack.url}/user/?deployment=gone&predictor=never")
    page.wait_for_selector('[data-predictor="bad"]')
    assert page.problems == []


def test_the_inbox_shows_the_message(stack, chromium):
    page = chromium.new_page()
    page.goto(stack.inbox_url)
    assert "PredictionMeanTooLow in housing/bad v2" in page.inner_text("article")
    assert page.locator('a[href^="http://127.0.0.1"]').count() >= 1
    page.close()


def test_a_rollback_resolves_within_the_window(stack):
    stack.stop_traffic()
    traffic = {"good": 100, "bad": 0}
    for predictor in stack.deployment["predictors"]:
        predictor["traffic"] = traffic[predictor["name"]]
    stack.reload()
    rolled_back = time.time()
    stack.start_traffic(per_second=20)

    def resolved():
        return [message for message in stack.messages() if message["title"].startswith("Resolved:")]

    (message,) = stack.wait(resolved, "a resolved message", WINDOW_SECONDS + 15)
    assert message["received_at"] - rolled_back < WINDOW_SECONDS + 5
    assert message["title"] == "Resolved: PredictionMeanTooLow in housing/bad v2"
    assert message["color"] == "good"
    assert "no longer so" in message["text"]
    assert stack.alerts() == []
    # Told once, resolved once, and nothing else, least of all about the split that was changed.
    assert len(stack.messages()) == 2


def test_a_lost_prometheus_is_said(stack, page):
    stack.stop_traffic()
    stack.processes["prometheus"].terminate()
    stack.processes["prometheus"].wait(timeout=10)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "does not answer" in page.inner_text("#trouble")
    assert "What you see is from" in page.inner_text("#trouble")
