# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real server that is not what is described, on real Prometheus and Alertmanager, to a message.

One story: all is as described; a file is changed under the server and put back; the server is
started from another model, then as another version; somebody else answers; all is as described again.
"""

from __future__ import annotations

import shutil
import signal
import time

import pytest
from serving import ROOT, Server, deploy, find_python, wait_for
from test_model_metrics import RealServer
from watching_stack import housing_deployment

# For so long it has to be so, and a server that starts needs a moment to be read.
WITHIN_SECONDS = 5 + 5


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    files, model = deploy(tmp_path_factory.mktemp("files")), tmp_path_factory.mktemp("models") / "bad"
    shutil.copytree(ROOT / "models" / "housing_bad", model)
    predictor = {"name": "good", "version": "v1", "model": "housing_bad", "traffic": 100}
    deployment = housing_deployment(predictors=[predictor], monitors=[])
    deployment["predictors"][0]["digest"] = "abc"
    directory = tmp_path_factory.mktemp("good")
    with Server(files, model, find_python(), directory, supervised=True) as server:
        stack = RealServer(tmp_path_factory.mktemp("watching"), deployment, server.wait_ready(60))
        stack.model = model
        try:
            yield stack.start()
        finally:
            stack.stop()


def told(stack, title):
    return [message for message in stack.messages() if message["title"] == title]


def start_as(stack, **environment):
    """Has the supervisor start the server again, from another environment."""
    server = stack.server
    server._env.update(environment)
    old = server.process.pid
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: server.process.pid != old and server.ready()[0] == 200, 60)
    return time.time()


def test_what_is_as_described_is_told_of_nobody(stack):
    time.sleep(30)
    assert stack.alerts() == [] and stack.messages() == []


def test_a_file_that_is_changed_under_a_server_is_named(stack):
    source = stack.model / "HousingBadModel.py"
    was, began = source.read_text(), time.time()
    source.write_text(was.replace("100.0", "900.0"))
    title = "ModelFilesChanged in housing/good v1"
    (message,) = stack.wait(lambda: told(stack, title), "a message", 20)
    assert message["received_at"] - began < 10
    assert "changed, added or removed: HousingBadModel.py." in message["text"]
    source.write_text(was)
    stack.wait(lambda: told(stack, f"Resolved: {title}"), "it to be resolved", 20)


TITLE = "WrongVersionServed in housing/good v1"


@pytest.mark.parametrize(
    ("environment", "runs"),
    [
        ({"MONITML_MODEL_DIGEST": "other"}, "v1 (digest other)"),
        ({"PREDICTOR_LABELS": '{"version": "v0"}', "MONITML_MODEL_DIGEST": "abc"}, "v0 (digest abc)"),
    ],
    ids=["another model", "another version"],
)
def test_a_replica_that_is_another_is_told_and_resolved(stack, environment, runs):
    before = len(told(stack, TITLE)), len(told(stack, f"Resolved: {TITLE}"))
    began = start_as(stack, **environment)
    stack.wait(lambda: len(told(stack, TITLE)) > before[0], "a message", WITHIN_SECONDS + 10)
    message = max(told(stack, TITLE), key=lambda one: one["received_at"])
    assert message["received_at"] - began < WITHIN_SECONDS
    assert f"good is to be v1 (digest abc), replica 0 runs {runs}. Its server is at " in message["text"]
    start_as(stack, PREDICTOR_LABELS='{"version": "v1"}', MONITML_MODEL_DIGEST="abc")
    stack.wait(lambda: len(told(stack, f"Resolved: {TITLE}")) > before[1], "it to be resolved", 30)
    # Said once, and of nothing else.
    titles = {message["title"].removeprefix("Resolved: ") for message in stack.messages()}
    assert titles == {TITLE, "ModelFilesChanged in housing/good v1"}


def test_answers_of_a_server_that_nobody_described_are_told_and_resolved(stack):
    """The gateway counts answers that the described server did not give; then it gives them."""
    cluster, title = "seldon/housing/good/v1", "AnsweredFromElsewhere in housing/good v1"
    began, until = time.time(), time.monotonic() + 60
    # Asked at the gateway and answered, as they should be: no word of it.
    for _time in range(20):
        stack.server.predict([[1] * 6])
        stack.gateway.answer(cluster, 200, 10)
        time.sleep(0.2)
    assert not told(stack, title)
    began = time.time()
    while not told(stack, title):
        assert time.monotonic() < until
        stack.gateway.answer(cluster, 200, 10)
        time.sleep(0.1)
    (message,) = told(stack, title)
    assert message["received_at"] - began < 30 + 5
    assert "were given by none of the servers that are described" in message["text"]
    stack.wait(lambda: told(stack, f"Resolved: {title}"), "it to be resolved", 60)
