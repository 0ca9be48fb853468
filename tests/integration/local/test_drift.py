# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drift from end to end: the housing models, trained and served, asked for houses, and watched.

One story: houses as they were sold, and a canary that answers otherwise; areas in square metres; a
server that is killed; houses as before.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
import signal
import subprocess
import time

import pytest
from playwright.sync_api import sync_playwright
from pretenders import PretendGateway
from rule_cases import psi
from serving import ROOT, Server, deploy, find_python, total, tree, wait_for
from test_watching import CHROMIUM, FLAGS
from watching_stack import WatchingStack, housing_deployment

HOUSING = ROOT / "models" / "housing"
NAMES = ("grade", "lat", "long", "sqft_living", "waterfront", "yr_built")
WINDOW = 30
MONITORS = [
    {"name": "FeaturesMoved", "measure": "feature_drift", "max": 0.2, "window_seconds": WINDOW},
    {"name": "PredictionsMoved", "measure": "prediction_drift", "max": 0.2, "window_seconds": WINDOW, "predictors": ["good"]},
    {"name": "CanaryDiffers", "measure": "prediction_drift_between", "max": 0.2, "window_seconds": WINDOW},
]


def read_houses(with_price=False):
    """The houses that were sold, as lists in the order of NAMES; with_price: [(house, price)]."""
    with gzip.open(HOUSING / "data/kc_house_prices.csv.gz", "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    houses = [[float(row[name]) for name in NAMES] for row in rows]
    return [(house, float(row["price"])) for house, row in zip(houses, rows)] if with_price else houses


class Watched(WatchingStack):
    """Watches two real servers; the gateway only pretends."""

    def __init__(self, directory, deployment, servers):
        super().__init__(directory, deployment)
        self.servers = servers
        for predictor in deployment["predictors"]:
            predictor["servers"][0]["metrics_port"] = servers[predictor["name"]].metrics_port

    def start(self):
        self.gateway = PretendGateway(self.settings["gateway_admin_port"])
        self.write_configuration()
        self._start_processes()
        self.wait(lambda: len(self.values('up{job="models"} == 1')) == 2, "the servers to be scraped", 60)
        return self

    def ask(self, houses, who=("good", "bad")):
        for name in who:
            for start in range(0, len(houses), 100):
                rows = houses[start : start + 100]
                assert self.servers[name].ask(
                    "POST", "/api/v1.0/predictions", {"data": {"names": NAMES, "ndarray": rows}}
                )[0] == 200

    def told(self):
        return {message["title"]: message for message in self.messages()}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    python, artifact = find_python(), tmp_path_factory.mktemp("artifact")
    subprocess.run([python, HOUSING / "train.py", "--output", artifact], check=True)
    files = deploy(tmp_path_factory.mktemp("files"))
    deployment = housing_deployment(monitors=MONITORS)
    servers = {}
    try:
        for name, model in (("good", "housing"), ("bad", "housing_bad")):
            version = {"good": "v1", "bad": "v2"}[name]
            env = {
                "PREDICTOR_ID": name,
                "PREDICTOR_LABELS": '{"version": "%s"}' % version,
                **({"MONITML_ARTIFACT_DIR": str(artifact)} if name == "good" else {}),
            }
            directory = tmp_path_factory.mktemp(name)
            servers[name] = Server(
                files, ROOT / "models" / model, python, directory, "--workers=2", env=env, supervised=True
            ).wait_ready(60)
        stack = Watched(tmp_path_factory.mktemp("watching"), deployment, servers)
        try:
            yield stack.start()
        finally:
            stack.stop()
    finally:
        for server in servers.values():
            server.stop()


@pytest.fixture(scope="module")
def houses():
    found = read_houses()
    random.Random(7).shuffle(found)
    return found


def test_of_houses_as_they_were_sold_only_the_canarys_answers_are_told(stack, houses):
    began = time.time()
    stack.ask(houses[:2000])
    message = stack.wait(lambda: stack.told().get("CanaryDiffers in housing/bad v2"), "a message", 20)
    assert message["received_at"] - began < 15
    assert "100 % lie in up to 1000, 0 % of the stable predictor's" in message["text"]
    time.sleep(5)
    assert set(stack.told()) == {"CanaryDiffers in housing/bad v2"}
    found = {s["metric"]["feature"]: float(s["value"][1]) for s in stack.query(
        'monitml:feature_drift:psi{predictor_name="good",window="300s"}')}
    assert set(found) == set(NAMES) and max(found.values()) < 0.03


def test_what_is_shown_is_what_numpy_computes(stack, houses):
    metrics = stack.servers["bad"].metrics()

    def of(name):
        return {
            (dict(labels)["feature"], dict(labels)["bin"]): value
            for (family, labels), value in metrics.items()
            if family == name
        }

    rows, reference = of("monitml_feature_rows_total"), of("monitml_feature_reference_rows")
    areas = [house[3] for house in houses[:2000]]
    assert rows["sqft_living", "1090 to 1320"] == sum(1090 < area <= 1320 for area in areas)
    assert rows["waterfront", "1"] == sum(house[4] for house in houses[:2000])
    shown = stack.values('monitml:feature_drift:psi{predictor_name="bad",feature="yr_built",window="300s"}')
    bins = [key for key in rows if key[0] == "yr_built"]
    assert shown == [pytest.approx(psi([rows[key] for key in bins], [reference[key] for key in bins]), abs=0.001)]


def test_areas_in_square_metres_are_told_by_name(stack, houses):
    began = time.time()
    stack.ask([[*house[:3], house[3] * 0.0929, *house[4:]] for house in houses[2000:2600]], ["good"])
    message = stack.wait(lambda: stack.told().get("FeaturesMoved in housing/good v1"), "a message", 20)
    assert message["received_at"] - began < WINDOW + 5
    assert "sqft_living moved by" in message["text"] and "yr_built" not in message["text"]
    assert "lie in below 290, 0 % of the training data" in message["text"]
    assert "FeaturesMoved in housing/bad v2" not in stack.told()


def test_the_board_shows_what_moved_first(stack):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{stack.url}/user/?namespace=seldon&deployment=housing&predictor=good")
        # The board's window is compared each two seconds, and may be drawn before.
        page.wait_for_selector("#panel-features .spread:first-child[data-feature=sqft_living]")
        page.wait_for_selector("#panel-feature_drift svg path.line[d]", state="attached")
        page.wait_for_selector("#panel-prediction_drift svg path.line[d]", state="attached")
        shown = page.eval_on_selector_all("#panel-features [data-feature]", "all => all.map(e => e.dataset.feature)")
        assert shown[0] == "sqft_living" and sorted(shown) == sorted(NAMES)
        label = page.get_attribute("#panel-features [data-feature=sqft_living] [role=img]", "aria-label")
        assert label.startswith("sqft_living, good v1: below 290: ") and "290 to 1090" in label
        assert "sqft_living" in page.inner_text("#panel-feature_drift .legend")
        page.screenshot(path=os.environ.get("MONITML_SCREENSHOT") or str(stack.directory / "board.png"), full_page=True)
        assert problems == []
        browser.close()


def test_a_killed_server_forgets_no_row(stack):
    server = stack.servers["good"]

    def rows():
        return total(server.metrics(), "monitml_feature_rows_total", feature="grade")

    before = rows()
    assert before >= 2600
    for pid in tree(server.process.pid):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: server.ready()[0] == 200, 60)
    assert rows() == before


def test_it_resolves_when_houses_come_as_before(stack, houses):
    stack.wait(lambda: not stack.values(f'sum(monitml:feature_rows:counted{{predictor_name="good",window="{WINDOW}s"}}) > 0'), "a quiet window", 60)
    stack.ask(houses[3000:4000], ["good"])
    stack.wait(lambda: "Resolved: FeaturesMoved in housing/good v1" in stack.told(), "it to be resolved", WINDOW + 15)
    assert not [alert for alert in stack.alerts() if alert["labels"]["alertname"] == "FeaturesMoved"]


def test_comparing_takes_little_of_prometheus(stack):
    found = {
        group["name"]: group["evaluationTime"]
        for group in stack.get(f"{stack.url}/api/v1/rules")["data"]["groups"]
    }
    # On a machine that is not busy 25 ms; it is evaluated each 2 s.
    assert found["monitml/seldon/housing/drift"] < 0.5, found
    assert not [
        rule
        for group in stack.get(f"{stack.url}/api/v1/rules")["data"]["groups"]
        for rule in group["rules"]
        if rule["health"] != "ok"
    ]
