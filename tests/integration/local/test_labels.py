# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels from end to end: houses are asked for at the gateway, sold, and the prices told days later.

One story: whoever answered is found by the id; the canary that answers $100 is told; what is told
twice, corrected, of nobody or through feedback; a server that is replaced; whoever takes labels is
killed; the window passes.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching.figures import figure
from gateways import Gateway
from labelling import Labelling, write_table
from playwright.sync_api import sync_playwright
from run_module import run_module
from serving import ROOT, Server, deploy, find_python, wait_for
from test_drift import HOUSING, NAMES, Watched, read_houses
from test_watching import CHROMIUM, FLAGS
from watching_stack import housing_deployment

WINDOW = 40
MONITORS = [
    {"name": "ErrorTooLarge", "measure": "prediction_mae", "max": 300000, "window_seconds": WINDOW, "min_samples": 10},
    {"name": "Off", "measure": "prediction_mape", "max": 0.5, "window_seconds": WINDOW, "min_samples": 10, "severity": "warning"},
]


class Labelled(Watched):
    """Real servers behind the real gateway, and what takes labels."""

    def ask_gateway(self, house, **meta):
        """(who answered, the answer)."""
        body = {"data": {"names": list(NAMES), "ndarray": [house]}, **({"meta": meta} if meta else {})}
        status, answer, headers = self.front.ask("POST", "predictions", body)
        assert status == 200, answer
        assert headers["seldon-puid"] == answer["meta"]["puid"]
        return headers["x-monitml-predictor"], answer


def start_server(files, python, directory, name, version, model, labels, artifact):
    env = {
        "PREDICTOR_ID": name,
        "PREDICTIVE_UNIT_ID": name,
        "PREDICTOR_LABELS": '{"version": "%s"}' % version,
        "MONITML_ANSWERS_DIR": str(labels.answers),
        **({"MONITML_ARTIFACT_DIR": str(artifact)} if model == "housing" else {}),
    }
    directory.mkdir()
    return Server(files, ROOT / "models" / model, python, directory, "--workers=2", env=env, supervised=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    at, python = tmp_path_factory.mktemp("labels"), find_python()
    subprocess.run([python, HOUSING / "train.py", "--output", at / "artifact"], check=True)
    files, deployment = deploy(at / "files"), housing_deployment(monitors=MONITORS)
    labels, servers = Labelling(at), {}
    (at / "watching").mkdir()
    (at / "gateway").mkdir()
    stack = front = None
    try:
        for name, version, model in (("good", "v1", "housing"), ("bad", "v2", "housing_bad")):
            servers[name] = start_server(files, python, at / name, name, version, model, labels, at / "artifact")
        for server in servers.values():
            server.wait_ready(60)
        front = Gateway(at / "gateway", deployment, servers, labels_port=labels.port)
        stack = Labelled(at / "watching", deployment, servers)
        stack.settings["labels_port"] = labels.port
        stack.front, stack.labels, stack.at, stack.told_of = front, labels, at, {}
        stack.again = lambda name, version, model: start_server(
            files, python, at / f"{name}-{version}", name, version, model, labels, at / "artifact"
        )
        yield stack.start()
    finally:
        if stack:
            stack.stop()
        if front:
            front.close()
        for server in servers.values():
            server.stop()
        labels.stop()


@pytest.fixture(scope="module")
def sales(stack):
    """[(id, who answered, prediction, price)] of houses that were asked for one by one."""
    houses = read_houses(with_price=True)
    random.Random(3).shuffle(houses)
    found = []
    for number, (house, price) in enumerate(houses[:160]):
        given = {"puid": f"sale-{number}"} if number % 2 else {}
        who, answer = stack.ask_gateway(house, **given)
        assert answer["meta"]["puid"] == given.get("puid", answer["meta"]["puid"])
        found.append((answer["meta"]["puid"], who, answer["data"]["ndarray"][0], price))
    assert len({one[0] for one in found}) == 160 and {one[1] for one in found} == {"good", "bad"}
    return found


def of(sales, who):
    return [(predicted, price) for _id, whose, predicted, price in sales if whose == who]


def tell(stack, rows, check=False, header=("id", "truth"), **options):
    path = write_table(stack.at / "truth.csv", rows, header)
    return run_module("labels", check=check, src=path, **{"url": stack.labels.url, **options})


def test_each_answer_is_found_by_its_id_with_who_gave_it(stack, sales):
    for name, who, predicted, _price in (sales[0], sales[1], sales[-1]):
        (answer,) = stack.labels.find(name)
        assert (answer["predictor"], answer["predictions"]) == (who, [{"price": predicted}])
        assert len(answer["features"][0]) == len(NAMES) and abs(answer["at"] - time.time()) < 120
    assert stack.labels.find("nobody") == []


def test_asking_what_would_come_of_labels_takes_none(stack, sales):
    done = tell(stack, [(name, price) for name, _who, _predicted, price in sales], check=True)
    assert (done["changed"], done["new"], done["diff"]["after"]) == (True, 160, "new labels: 160\ncorrected labels: 0\n")
    assert stack.labels.figures() == {}


def test_the_canary_that_answers_100_dollars_is_told_with_its_error_and_age(stack, sales):
    began = time.time()
    done = tell(stack, [(name, price) for name, _who, _predicted, price in sales])
    counts = {who: len(of(sales, who)) for who in ("good", "bad")}
    assert (done["changed"], done["new"], done["unknown"]) == (True, 160, 0), done
    assert {one["predictor"]: one["labels"] for one in done["joined"]} == counts
    title = "ErrorTooLarge in housing/bad v2"
    message = stack.wait(lambda: stack.told().get(title), "a message", 20)
    assert message["received_at"] - began < 10
    error = np.mean([abs(predicted - price) for predicted, price in of(sales, "bad")])
    assert f"the mean absolute error of the predictions (price) is {figure(error, 'value')} over the last {WINDOW} s" in message["text"]
    assert f"allowed is at most 300,000. Labels: {counts['bad']}. These answers are " in message["text"]
    assert re.search(r"s old on average, the last label came [\d.]+ m?s ago\.", message["text"])
    stack.wait(lambda: stack.told().get("Off in housing/bad v2"), "a message", 10)
    assert not [name for name in stack.told() if "good" in name]


def test_figures_are_those_of_numpy(stack, sales):
    found = stack.labels.figures()
    for who, version in (("good", "v1"), ("bad", "v2")):
        predicted, price = (np.array(column) for column in zip(*of(sales, who)))
        assert found["rows", who, version] == len(price)
        assert found["absolute_error", who, version] == pytest.approx(np.mean(np.abs(predicted - price)))
        assert found["bias", who, version] == pytest.approx(np.mean(predicted - price))
        assert found["percentage_error", who, version] == pytest.approx(np.mean(np.abs(predicted / price - 1)))


def test_the_board_shows_errors_labels_and_their_age(stack, sales):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{stack.url}/user/?namespace=seldon&deployment=housing")
        for panel in ("label_error", "label_error_share", "labels", "label_age"):
            page.wait_for_selector(f"#panel-{panel} svg path.line[d]", state="attached")
        assert "bad v2 mean absolute error" in page.inner_text("#panel-label_error .legend")
        assert page.is_hidden("#panel-label_accuracy") and page.is_hidden("#panel-label_reward")
        page.screenshot(path=os.environ.get("MONITML_SCREENSHOT") or str(stack.directory / "board.png"), full_page=True)
        assert problems == []
        browser.close()


def test_what_is_told_twice_counts_once_and_what_is_corrected_replaces(stack, sales):
    rows = [(name, price) for name, _who, _predicted, price in sales]
    again = tell(stack, rows)
    assert (again["changed"], again["same"], again["new"]) == (False, 160, 0)
    name, who, predicted, price = sales[5]
    done = tell(stack, [(name, price + 1000), ("nobody", 5)])
    assert (done["corrected"], done["unknown"], done["unknown_ids"]) == (1, 1, ["nobody"])
    assert "1 fit no answer" in done["msg"] and "the answer nobody" in done["msg"]
    others = [abs(p - t) for p, t in of(sales, who)]
    others.remove(abs(predicted - price))
    expected = np.mean([*others, abs(predicted - price - 1000)])
    version = {"good": "v1", "bad": "v2"}[who]
    assert stack.labels.figures()["absolute_error", who, version] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ([("sale-1", "dear")], ("id", "truth"), "line 2: The label of sale-1 cannot be: the truth of price is 'dear', which is no number."),
        ([("sale-1", 5)], ("id", "price"), "lacks the column truth; it has id, price"),
        ([("sale-1", 5, "1.2.2026")], ("id", "truth", "when"), "line 2: when is '1.2.2026', no date"),
        ([("sale-1", 5), ("sale-1", 6)], ("id", "truth"), "line 2 and line 3 give the id sale-1 different truths"),
        ([("sale-1", 5, 3)], ("id", "truth", "row"), "its answer has 1 rows, counted from 0, and the label is of row 3"),
        ([], ("id", "truth"), "has a header and no rows"),
    ],
)
def test_bad_labels_are_refused_in_words_and_none_is_taken(stack, sales, rows, header, words):
    before = stack.labels.figures()
    done = tell(stack, [*rows, *[("sale-3", 7, *["" for _more in header[2:]])][: len(rows)]], header=header)
    assert done["failed"] and words in done["msg"], done["msg"]
    assert done["msg"].startswith("These labels cannot be taken; none of them has been.")
    after = stack.labels.figures()
    assert {k: v for k, v in after.items() if "age" not in k[0] and "last" not in k[0]} == {
        k: v for k, v in before.items() if "age" not in k[0] and "last" not in k[0]
    }


def test_a_file_or_service_that_is_not_there_is_said(stack, tmp_path):
    done = run_module("labels", src=str(tmp_path / "none.csv"), url=stack.labels.url)
    assert "none.csv cannot be read: No such file or directory." in done["msg"]
    done = tell(stack, [("a", 1)], url="http://127.0.0.1:9")
    assert done["failed"] and "does not answer: " in done["msg"] and "answers.enabled" in done["msg"]


def feedback(stack, body, **headers):
    return stack.front.ask("POST", "feedback", body, **headers)


def test_feedback_reaches_whoever_answered_and_a_reward_of_nothing_counts(stack, sales):
    """With the answer as its response, with a header that names another predictor, and by the id alone."""
    before = stack.labels.figures()
    rewards = {"good": [], "bad": []}
    houses = read_houses()
    for number in range(12):
        who, answer = stack.ask_gateway(houses[number])
        reward = float(number % 2)
        rewards[who].append(reward)
        body, headers = {"reward": reward, "response": answer, "truth": {"data": {"ndarray": [[500000.0]]}}}, {}
        if not reward:
            del body["truth"]
        if number % 3 == 1:
            body["response"] = {"meta": {"puid": answer["meta"]["puid"]}}
        if number % 3 == 2:
            headers = {"x_monitml_predictor": "bad" if who == "good" else "good"}
        status, said, _headers = feedback(stack, body, **headers)
        assert status == 200, said

    def counted():
        found = stack.labels.figures()
        return all(found.get(("rewards", who, v)) == len(rewards[who]) for who, v in (("good", "v1"), ("bad", "v2")) if rewards[who]) and found

    found = wait_for(counted, 10)
    for who, version in (("good", "v1"), ("bad", "v2")):
        if rewards[who]:
            assert found["reward", who, version] == pytest.approx(np.mean(rewards[who]))
        assert found["rows", who, version] - before["rows", who, version] == sum(rewards[who])


def test_feedback_on_what_nobody_answered_is_refused_in_words(stack):
    status, said, _headers = feedback(stack, {"reward": 1, "response": {"meta": {"puid": "nobody"}}})
    assert (status, said["status"]["info"]) == (404, "No answer is known that has the id nobody.")
    status, said, _headers = feedback(stack, {"reward": 1})
    assert status == 400 and "send it with the header x-monitml-predictor of that answer" in said["status"]["info"]


def test_an_answer_of_a_version_that_is_gone_gets_its_label_from_whoever_takes_them_after_a_kill(stack, sales):
    who, answer = next(a for a in (stack.ask_gateway(house) for house in read_houses()[:200]) if a[0] == "good")
    old = stack.servers["good"]
    old.stop()
    stack.labels.stop(kill=True)
    new = stack.again("good", "v3", "housing_bad")
    try:
        new.wait_ready(60)
        new.predict([[1] * 6], meta={"puid": "of-v3"})
        stack.labels.start()
        before = stack.labels.figures()["rows", who, "v1"]
        done = tell(stack, [(answer["meta"]["puid"], 1.0), ("of-v3", 1.0)])
        assert {(one["predictor"], one["version"]): one["labels"] for one in done["joined"]} == {("good", "v1"): 1, ("good", "v3"): 1}
        assert stack.labels.figures()["rows", "good", "v1"] == before + 1
    finally:
        new.stop()


def test_it_resolves_when_the_window_has_passed(stack):
    stack.wait(lambda: "Resolved: ErrorTooLarge in housing/bad v2" in stack.told(), "it to be resolved", WINDOW + 40)


def test_killed_workers_lose_no_answer_that_was_given(stack):
    server, names = stack.servers["bad"], []
    for number in range(60):
        status, answer = server.predict([[1] * 6], meta={"puid": f"kill-{number}"})
        if status == 200:
            names.append(answer["meta"]["puid"])
        if number % 20 == 10:
            for pid in sorted(set(tree_of(server)))[-1:]:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: server.ready()[0] == 200, 30)
    assert len(names) > 50 and all(len(stack.labels.find(name)) == 1 for name in names)


def tree_of(server):
    from serving import tree

    return [pid for pid in tree(server.process.pid)[2:]]
