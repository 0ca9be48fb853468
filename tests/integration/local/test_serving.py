# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real model servers: what they answer, what they count, and that nothing outlives them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from serving import (
    IDENTITY,
    MODELS,
    Server,
    alive,
    deploy,
    find_python,
    free_port,
    parse,
    total,
    tree,
    wait_for,
)


@pytest.fixture(scope="module")
def python():
    return find_python()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("files"))


@pytest.fixture
def serve(files, python, tmp_path):
    """Starts servers that end with the test."""
    servers = []

    def start(*arguments, model="odd", **more):
        server = Server(files, MODELS / model, python, tmp_path, *arguments, **more)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def odd(files, python, tmp_path_factory):
    """One server with two workers, for what leaves it as it was but for its counts."""
    directory = tmp_path_factory.mktemp("odd")
    with Server(files, MODELS / "odd", python, directory, "--workers=2") as server:
        yield server.wait_ready()


class Change:
    """What a block adds to a server's metrics."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = self.server.metrics()
        return self

    def __exit__(self, *_error):
        self.after = self.server.metrics()

    def __call__(self, name, **labels):
        return total(self.after, name, **labels) - total(self.before, name, **labels)


# -- answers and counts -------------------------------------------------------------------------


def test_every_row_counts_in_every_form(odd):
    with Change(odd) as change:
        status, answer = odd.predict([[5.0], [50.0], [-20.0]])
        assert (status, answer["data"]["ndarray"]) == (200, [5.0, 50.0, -20.0])
        assert answer["meta"]["requestPath"] == {"good": "housing:v1"}
        assert odd.predict([["5.0"], ["7"]])[1]["data"]["ndarray"] == [5.0, 7.0]
        tensor = {"data": {"tensor": {"shape": [2, 1], "values": [1, 2]}}}
        status, answer = odd.ask("POST", "/predict", tensor)
        assert answer["data"]["tensor"]["values"] == [1, 2]
        form = "json=%7B%22data%22%3A%7B%22ndarray%22%3A%5B%5B9%5D%5D%7D%7D"
        kind = "application/x-www-form-urlencoded"
        assert odd.ask("POST", "/api/v1.0/predictions", form, content_type=kind)[0] == 200
    assert change("monitml_prediction_count", output="y") == 8
    assert change("monitml_prediction_bucket", le="0.0") == 1
    assert change("monitml_prediction_bucket", le="10.0") == 7
    assert change("monitml_prediction_bucket", le="100.0") == 8
    assert change("monitml_prediction_sum_total", sign="positive") == 79
    assert change("monitml_prediction_sum_total", sign="negative") == 20
    assert total(change.after, "monitml_prediction_min") <= -20
    assert total(change.after, "monitml_prediction_max") >= 50


def test_series_carry_the_identity(odd):
    _status, text = odd.ask("GET", "/metrics", port=odd.metrics_port)
    line = next(line for line in text.splitlines() if line.startswith("monitml_model_info"))
    for label in ('deployment_name="housing"', 'predictor_name="good"', 'predictor_version="v1"'):
        assert label in line
    for label in ('model_name="good"', 'model_image="housing"', 'digest="abc"'):
        assert label in line
    assert "worker_id" not in text


@pytest.mark.parametrize(
    "what, reason, sentence",
    [
        ("fail", "exception", "this one is cursed"),
        ("type", "exception", "not of this type"),
        ("nan", "not_finite", "not finite"),
        ("shape", "shape", "3 rows for 2"),
        ("none", "shape", "NoneType"),
    ],
)
def test_a_failing_model_answers_500_and_is_counted_once(odd, what, reason, sentence):
    with Change(odd) as change:
        status, answer = odd.predict([[what], [what]])
    assert status == 500
    assert answer["status"]["reason"] == "MODEL_" + reason.upper()
    assert answer["status"]["status"] == 1  # FAILURE
    assert sentence in answer["status"]["info"]
    assert "Traceback" not in str(answer) and "second line" not in str(answer)
    assert change("monitml_prediction_errors_total", reason=reason) == 1
    assert change("monitml_prediction_errors_total") == 1
    assert change("monitml_prediction_count") == 0
    assert "Traceback" not in odd.log
    assert odd.predict([[1]])[0] == 200


@pytest.mark.parametrize(
    "body",
    ["{", "", "[]", "5", '{"data": 5}', '{"data": {"tensor": {"shape": [2, 2], "values": [1]}}}', "{}"],
)
def test_a_request_that_cannot_be_read_is_the_clients_fault(odd, body):
    with Change(odd) as change:
        status, answer = odd.ask("POST", "/api/v1.0/predictions", body)
    assert status == 400
    assert answer["status"]["reason"] == "MICROSERVICE_BAD_DATA"
    assert change("monitml_prediction_errors_total") == 0


def test_unknown_paths_and_methods_are_told_apart(odd):
    status, answer = odd.ask("GET", "/nothing")
    assert (status, answer["status"]["reason"]) == (404, "NOT_FOUND")
    for method in ("GET", "DELETE"):
        status, answer = odd.ask(method, "/api/v1.0/predictions")
        assert (status, answer["status"]["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert odd.ask("GET", "/nothing", port=odd.metrics_port)[0] == 404
    assert odd.ask("GET", "/seldon.json")[0] == 200
    assert odd.ask("GET", "/health/ping") == (200, "pong")


def test_answers_that_are_no_numbers_pass(odd):
    with Change(odd) as change:
        assert odd.predict([["words"], ["words"]])[1]["data"]["ndarray"] == ["cat", "cat"]
        path = "/api/v1.0/predictions"
        assert odd.ask("POST", path, {"strData": "hello"})[1]["strData"] == "hello"
        assert odd.ask("POST", path, {"jsonData": {"a": 1}})[1]["jsonData"] == {"a": 1}
    assert change("monitml_prediction_non_numeric_total") == 4
    assert change("monitml_prediction_count") == 0


def test_two_workers_under_load_count_exactly(odd):
    failures = []

    def client(number):
        for step in range(40):
            rows = [[float(number)]] * (1 + step % 5)
            if odd.predict(rows)[0] != 200:
                failures.append(step)

    with Change(odd) as change:
        threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert change("monitml_prediction_count") == 6 * 40 * 3
    assert change("monitml_prediction_sum_total", sign="positive") == 40 * 3 * sum(range(6))
    assert change("odd_rows_total", kind="a") == 6 * 40 * 3
    assert change("odd_step_count") == 6 * 40


def test_the_models_own_metrics(odd):
    with Change(odd) as change:
        odd.predict([[1], [2]])
    assert change("odd_rows_total", kind="a", method="predict") == 2
    assert change("odd_step_count") == 1
    assert change("odd_step_bucket", le="+Inf") == 1
    assert change("odd_step_sum") == pytest.approx(0.02)
    assert total(change.after, "odd_requests") >= 1


def test_feedback_counts_with_any_reward_and_adds_no_prediction(odd):
    with Change(odd) as change:
        for reward in (1.5, 0, -2):
            body = {"request": {"data": {"ndarray": [[1]]}}, "reward": reward}
            assert odd.ask("POST", "/api/v1.0/feedback", body)[0] == 200
    assert change("seldon_api_model_feedback_total") == 3
    assert change("seldon_api_model_feedback_reward_total", sign="positive") == 1.5
    assert change("seldon_api_model_feedback_reward_total", sign="negative") == 2
    assert change("odd_feedback_total", method="feedback") == 3
    assert change("monitml_prediction_count") == 0
    assert not any(
        name == "odd_requests" and ("method", "feedback") in labels for name, labels in change.after
    )


def test_readiness_is_a_prediction_that_is_not_counted(odd):
    with Change(odd) as change:
        for _probe in range(5):
            assert odd.ready() == (200, {"ready": True})
    assert change("monitml_prediction_count") == 0
    assert change("odd_rows_total") == 0
    with Change(odd) as change:
        odd.predict([[1]], meta={"tags": {"monitml_probe": "a guess"}})
    assert change("monitml_prediction_count") == 1


def test_constructor_parameters_are_taken_as_seldon_does(serve):
    parameters = '[{"name": "scale", "value": "2.5", "type": "FLOAT"}]'
    server = serve(env={"PREDICTIVE_UNIT_PARAMETERS": parameters}).wait_ready()
    assert server.predict([[2]])[1]["data"]["ndarray"] == [5.0]


# -- what goes wrong at the start ---------------------------------------------------------------


@pytest.mark.parametrize(
    "model, arguments, env, sentence",
    [
        ("odd", ["--class=Nothing"], {}, "no .*Nothing.py for the class Nothing"),
        ("odd", ["--class=Odd.Other"], {}, "Odd.py has no class Other"),
        ("broken", ["--class=Broken"], {}, r"constructor of Broken failed: OSError: .*missing \(Brok"),
        ("unloadable", ["--class=Unloadable"], {}, "load.. of the model failed: FileNotFoundError"),
        ("odd", [], {"PREDICTIVE_UNIT_PARAMETERS": "{"}, "PREDICTIVE_UNIT_PARAMETERS is not"),
        ("odd", [], {"PREDICTIVE_UNIT_METRICS_ENDPOINT": "/m"}, None),
        ("none", [], {}, "no folder .*none"),
    ],
)
def test_a_model_that_cannot_start_says_why_in_a_sentence(serve, model, arguments, env, sentence):
    import re

    server = serve(*arguments, model=model, env=env)
    if sentence is None:
        server.wait_ready()
        assert server.ask("GET", "/m", port=server.metrics_port)[0] == 200
        return
    assert server.process.wait(20) != 0
    assert re.search("ERROR.*" + sentence, server.log), server.log
    assert "Traceback" not in server.log
    assert len(server.log.splitlines()) < 8


@pytest.mark.parametrize("which", ["http_port", "metrics_port"])
def test_a_port_that_is_taken_is_named(serve, which):
    first = serve().wait_ready()
    taken = getattr(first, which)
    second = serve("--%s=%d" % (which.replace("_", "-"), taken))
    assert second.process.wait(20) == 2
    assert "Port %d of 127.0.0.1" % taken in second.log
    assert first.ready()[0] == 200


def test_a_server_that_is_not_ready_says_so(serve, python):
    server = serve("--workers=1")
    wait_for(lambda: server.ready()[0])
    server.wait_ready()
    os.kill(tree(server.process.pid)[1], signal.SIGSTOP)
    worker = tree(server.process.pid)[2]
    os.kill(worker, signal.SIGSTOP)
    status, answer = server.ready()
    assert status == 503 and "are stopped" in answer["problem"]
    assert server.ask("GET", "/metrics", port=server.metrics_port)[0] == 200


def test_everything_listens_on_loopback_only(odd):
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    for port in (odd.http_port, odd.metrics_port):
        addresses = [line.split()[3] for line in listening.splitlines() if ":%d " % port in line]
        assert addresses == ["127.0.0.1:%d" % port]


# -- death --------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["parent", "arbiter", "worker"])
def test_whatever_is_killed_it_serves_again_and_leaves_no_orphan(serve, victim):
    server = serve("--workers=2", supervised=True).wait_ready()
    for _request in range(20):
        assert server.predict([[5.0], [6.0]])[0] == 200
    before = wait_for(lambda: len(tree(server.process.pid)) == 4 and tree(server.process.pid))
    pid = dict(zip(("parent", "arbiter", "worker"), before))[victim]
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    if victim == "worker":
        wait_for(lambda: set(tree(server.process.pid)) - set(before))
    else:
        wait_for(lambda: server.process.pid != before[0])
    server.wait_ready(10)
    assert time.monotonic() - killed < 10
    after = tree(server.process.pid)
    assert not [p for p in before if alive(p) and p not in after]
    # Counting goes on where it was, whoever was killed.
    assert server.count() == 40
    for _request in range(10):
        assert server.predict([[5.0]])[0] == 200
    assert server.count() == 50


@pytest.mark.parametrize("victim", ["arbiter", "worker"])
def test_what_a_model_started_ends_with_the_server(serve, victim):
    server = serve().wait_ready()
    assert server.predict([["spawn"]])[0] == 200
    parent, arbiter, worker, helper = tree(server.process.pid)
    os.kill({"arbiter": arbiter, "worker": worker}[victim], signal.SIGKILL)
    if victim == "worker":
        wait_for(lambda: helper in tree(parent) and len(tree(arbiter)) == 2)
        server.stop()
    else:
        assert server.process.wait(10) == 1
    assert not any(alive(p) for p in (parent, arbiter, worker, helper))


def test_killed_workers_lose_no_count(serve):
    server = serve("--workers=2").wait_ready()
    sent = 0
    for _kill in range(3):
        for _request in range(20):
            assert server.predict([[5.0]])[0] == 200
            sent += 1
        arbiter = tree(server.process.pid)[1]
        before = tree(arbiter)[1:]
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(tree(arbiter)[1:]) - set(before)) == 2)
        server.wait_ready()
    assert server.count() == sent
    assert total(server.metrics(), "odd_rows_total") == sent


def test_a_worker_that_hangs_is_replaced(serve):
    server = serve("--timeout=1").wait_ready()
    started = time.monotonic()
    with pytest.raises(OSError):
        server.predict([["hang"]])
    server.wait_ready()
    assert time.monotonic() - started < 15
    assert server.predict([[1]])[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_clean_and_quick(serve, number):
    server = serve("--workers=2").wait_ready()
    pids = wait_for(lambda: len(tree(server.process.pid)) == 4 and tree(server.process.pid))
    status, seconds = server.stop(number)
    assert (status, not any(alive(p) for p in pids)) == (0, True)
    assert seconds < 2.5
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.http_port))


def test_stop_does_not_wait_for_a_request_that_hangs(serve):
    server = serve().wait_ready()
    thread = threading.Thread(
        target=lambda: pytest.raises(OSError, server.predict, [["hang"]]), daemon=True
    )
    thread.start()
    time.sleep(0.5)
    pids = tree(server.process.pid)
    status, seconds = server.stop()
    assert status == 0 and seconds < 3
    assert not any(alive(p) for p in pids)


def test_counting_goes_on_in_the_metrics_directory_and_leaves_what_is_another_models(serve, tmp_path):
    directory = tmp_path / "metrics"
    for digest, before in (("d1", 0), ("d1", 1), ("d2", 0)):
        env = {"MONITML_MODEL_DIGEST": digest}
        server = serve("--metrics-dir=%s" % directory, env=env).wait_ready()
        server.predict([[1]])
        assert server.count() == before + 1
        server.stop(signal.SIGKILL)
    found = sorted(p.name.partition("-rest-")[0] for p in directory.iterdir())
    assert found == ["at-work", "counted-for.json", "custom-000", "history", "requests", "slot-000"]


# -- other ways in ------------------------------------------------------------------------------

GRPC_CLIENT = """
import sys, grpc
from seldon_core.proto import prediction_pb2 as p, prediction_pb2_grpc as g
stub = g.SeldonStub(grpc.insecure_channel("127.0.0.1:" + sys.argv[1]))
tensor = p.Tensor(shape=[3, 1], values=[5, 6, 7])
print(stub.Predict(p.SeldonMessage(data=p.DefaultData(tensor=tensor)), timeout=10).data.tensor.values)
"""


def test_grpc_on_request(serve, python):
    port = free_port()
    server = serve("--grpc-port=%d" % port).wait_ready()
    ask = [python, "-c", GRPC_CLIENT, str(port)]
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + server.log
    assert done.stdout.split() == ["[5.0,", "6.0,", "7.0]"]
    assert server.count() == 3
    pids = wait_for(lambda: len(tree(server.process.pid)) == 4 and tree(server.process.pid))
    assert server.stop()[0] == 0
    assert not any(alive(p) for p in pids)


def test_a_watched_model_reports_under_seldons_own_server(files, python, tmp_path):
    """The vendor's image runs seldon-core-microservice; one line in the model is enough."""
    http_port, metrics_port = free_port(), free_port()
    command = [os.path.join(os.path.dirname(python), "seldon-core-microservice"), "Stock"]
    command += ["--http-port=%d" % http_port, "--metrics-port=%d" % metrics_port]
    command += ["--workers=2", "--grpc-workers=0"]
    env = {**os.environ, **IDENTITY, "PYTHONPATH": str(files), "TMPDIR": str(tmp_path)}
    env.pop("MONITML_METRICS_DIR", None)
    server = Server.__new__(Server)
    server.http_port, server.metrics_port = http_port, metrics_port
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=MODELS / "stock", env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:

        def scrape():
            try:
                status, text = server.ask("GET", "/metrics", port=metrics_port)
                return status == 200 and server.ask("GET", "/health/ping")[0] == 200 and text
            except OSError:
                return None

        zeros = wait_for(scrape, 30)
        assert total(parse(zeros), "monitml_prediction_count", output="y") == 0
        for _request in range(20):
            assert server.predict([[5.0], [50.0]])[0] == 200
        assert server.predict([[float("1e400")]])[0] >= 400
        samples = parse(scrape())
        assert total(samples, "monitml_prediction_count", output="y") == 40
        assert total(samples, "monitml_prediction_sum", output="y") == 1100
        assert total(samples, "monitml_prediction_errors_total", reason="not_finite") == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
