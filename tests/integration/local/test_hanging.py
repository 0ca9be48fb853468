# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests without an answer: what the server's parent knows of them, whatever the model does."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from serving import MODELS, Server, deploy, find_python, free_port, total, wait_for

PREDICTIONS = "/api/v1.0/predictions"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("files"))


@pytest.fixture
def serve(files, tmp_path):
    """Starts servers that end with the test."""
    servers = []

    def start(*arguments, model="odd", **more):
        server = Server(files, MODELS / model, find_python(), tmp_path, *arguments, **more)
        servers.append(server)
        return server.wait_ready()

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


class Clients:
    """Clients that ask and give up; hung: those that still hold their connection."""

    def __init__(self, server):
        self.server, self.sockets = server, []

    def send(self, what, path=PREDICTIONS, method="POST"):
        body = json.dumps({"data": {"ndarray": [[what]]}})
        client = socket.create_connection(("127.0.0.1", self.server.http_port))
        text = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        client.sendall(f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.sockets.append(client)
        return self

    def give_up(self):
        while self.sockets:
            self.sockets.pop().close()


@pytest.fixture
def clients():
    made = []

    def make(server):
        made.append(Clients(server))
        return made[-1]

    yield make
    for one in made:
        one.give_up()


def processes(server, kind):
    """The processes that answer: of gunicorn the workers, of gRPC its one process."""
    names = [f.name for f in Path(server.metrics_dir).glob(f"at-work-{kind}-*")]
    return [int(name.rpartition("-")[2]) for name in names]


def numbers(server):
    metrics = server.metrics()
    return {
        "came": total(metrics, "monitml_requests_total"),
        "late": total(metrics, "monitml_requests_unanswered_total", within="1s"),
        "late_5": total(metrics, "monitml_requests_unanswered_total", within="5s"),
        "wait": total(metrics, "monitml_requests_overdue", within="1s"),
        "oldest": total(metrics, "monitml_request_oldest_seconds"),
        "hung": total(metrics, "monitml_hung_processes_total"),
        "stopped": total(metrics, "monitml_stopped_processes"),
    }


def reach(server, **wanted):
    """Waits until the numbers are those wanted; tells what they were instead."""
    last = {}

    def there():
        last.update(numbers(server))
        return wanted.items() <= last.items()

    try:
        return wait_for(there, 10) and last
    except AssertionError:
        raise AssertionError(f"wanted {wanted}, got {last}") from None


def answering(server):
    return server.ask("GET", "/answering", port=server.metrics_port)


def test_what_hangs_and_what_waits_behind_it_is_late(serve, clients):
    server = serve()
    assert server.predict([[1.0]])[0] == 200
    waiting = clients(server).send("hang")
    time.sleep(0.3)
    for _one in range(4):
        waiting.send(2.0)
    reach(server, came=6, late=5, wait=5, late_5=0)
    # Who gave up has got no answer either.
    waiting.give_up()
    found = reach(server, came=6, late=5, late_5=5, wait=5)
    assert found["oldest"] >= 5
    status, answer = answering(server)
    assert status == 503 and "and none is given" in answer["problem"]
    assert server.ready()[0] == 503


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stopped_worker_hides_nothing(serve, clients, workers):
    server = serve(f"--workers={workers}")
    assert server.predict([[1.0]])[0] == 200
    wait_for(lambda: len(processes(server, "rest")) == workers)
    stopped = processes(server, "rest")
    time.sleep(0.2)  # until what was answered is written down
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    waiting = clients(server)
    for _one in range(20):
        waiting.send(2.0)
    reach(server, came=21, late=20, wait=20, stopped=workers)
    assert "stopped" in answering(server)[1]["problem"]
    waiting.give_up()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    # They are answered, to nobody, and counted once.
    reach(server, came=21, late=20, wait=0, oldest=0, stopped=0)
    assert answering(server) == (200, {"answering": True})
    assert server.predict([[1.0]])[0] == 200
    reach(server, came=22, late=20)


def test_a_request_that_dies_with_its_worker_is_late_at_once(serve, clients):
    server = serve()
    clients(server).send("hang")
    reach(server, came=1, late=1)
    os.kill(processes(server, "rest")[0], signal.SIGKILL)
    reach(server, came=1, late=1, late_5=1, wait=0, hung=0)
    wait_for(lambda: server.predict([[1.0]])[0] == 200)
    reach(server, came=2, late=1, late_5=1)


def test_a_worker_that_hangs_is_ended_and_that_is_told(serve, clients):
    server = serve("--timeout=3")
    clients(server).send("hang")
    reach(server, came=1, late=1)
    wait_for(lambda: numbers(server)["hung"] == 1, 15)
    wait_for(lambda: server.ready()[0] == 200, 15)
    assert answering(server)[0] == 200


def test_what_is_no_prediction_of_a_client_is_not_counted(serve):
    server = serve()
    before = numbers(server)
    for path in ("/health/ping", "/health/status", "/metadata", "/api/v1.0/metadata"):
        server.ask("GET", path)
    for _one in range(5):
        assert server.ready()[0] == 200
    time.sleep(0.3)
    assert numbers(server) == before
    server.ask("POST", "/api/v1.0/feedback", {"reward": 1})
    reach(server, came=1, late=0)


def test_a_probe_that_waits_is_nobody(serve, clients):
    server = serve()
    waiting = clients(server).send("hang")
    time.sleep(0.3)
    probes = [threading.Thread(target=server.ready) for _one in range(2)]
    for probe in probes:
        probe.start()
    reach(server, came=1, late=1, wait=1)
    waiting.send(2.0)
    reach(server, came=2, late=2, wait=2)


def test_each_of_many_is_counted_once(serve):
    server = serve("--workers=2")
    truth = []

    def ask():
        for _one in range(100):
            truth.append(server.predict([[1.0]])[0])

    askers = [threading.Thread(target=ask) for _one in range(4)]
    for asker in askers:
        asker.start()
    while any(asker.is_alive() for asker in askers):
        assert numbers(server)["came"] <= 400
    assert truth == [200] * 400
    reach(server, came=400, late=0, wait=0, oldest=0)


def test_counts_go_on_when_the_server_is_killed(serve, clients):
    server = serve(supervised=True)
    clients(server).send("hang")
    reach(server, came=1, late=1)
    os.kill(server.process.pid, signal.SIGKILL)
    server.wait_ready()
    reach(server, came=1, late=1, wait=0)


def test_nothing_is_listened_on_before_the_model_is_there(files, tmp_path):
    with Server(files, MODELS / "unloadable", find_python(), tmp_path) as server:
        with pytest.raises(ConnectionRefusedError):
            server.ask("GET", "/health/ping")


def test_a_grpc_server_that_hangs_is_known_too(serve, clients, tmp_path):
    port = free_port()
    server = serve(f"--grpc-port={port}", "--timeout=1", supervised=True)
    script = tmp_path / "ask.py"
    script.write_text(
        "import sys, threading, grpc\n"
        "from seldon_core.proto import prediction_pb2 as pb, prediction_pb2_grpc as g\n"
        "from google.protobuf import json_format\n"
        "channel = grpc.insecure_channel('127.0.0.1:' + sys.argv[1])\n"
        "message = json_format.ParseDict({'data': {'ndarray': [[sys.argv[2]]]}}, pb.SeldonMessage())\n"
        "def ask():\n"
        "    try: print(g.SeldonStub(channel).Predict(message, timeout=3))\n"
        "    except grpc.RpcError as error: print(error.code())\n"
        "threads = [threading.Thread(target=ask) for _one in range(3)]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]\n"
    )

    def ask(what):
        return subprocess.run(
            [find_python(), str(script), str(port), what], capture_output=True, text=True, check=True
        ).stdout

    wait_for(lambda: "ndarray" in ask("1"))
    came = numbers(server)["came"]
    answers = ask("hang")
    assert answers.count("DEADLINE_EXCEEDED") == 3
    reach(server, came=came + 3, late=3, wait=3)
    # Nothing below ends it, so all of it ends, and begins anew.
    old = server.process.pid
    wait_for(lambda: server.process.pid != old, 20)
    server.wait_ready()
    assert numbers(server)["hung"] == 1
    wait_for(lambda: "ndarray" in ask("1"))


# -- compressed ---------------------------------------------------------------------------------


def compressed(server, body, coding="gzip"):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    connection.request("POST", PREDICTIONS, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_compressed_request_is_unpacked_or_refused(serve):
    server = serve()
    body = json.dumps({"data": {"ndarray": [[3.0]]}}).encode()
    status, answer = compressed(server, gzip.compress(body))
    assert (status, answer["data"]["ndarray"]) == (200, [3.0])
    assert compressed(server, body, "identity")[0] == 200
    status, answer = compressed(server, body, "br")
    assert status == 415 and "br is not taken" in answer["status"]["info"]
    status, answer = compressed(server, body)
    assert status == 400 and "not gzip" in answer["status"]["info"]
    status, answer = compressed(server, gzip.compress(body)[:-10])
    assert status == 400
    status, answer = compressed(server, gzip.compress(bytes(65 * 1024 * 1024)))
    assert status == 413 and "unpacks to more" in answer["status"]["info"]
    # Of these two were predictions that the model could read.
    assert server.count() == 2
