# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Seldon's own client and address space, against the real gateway and real model servers."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from gateways import Gateway, two_predictors
from serving import IDENTITY, MODELS, Server, deploy, find_python, free_port, total, wait_for

# What the client of seldon-core sends and gets, told as one JSON per call. It runs where the
# models do: it is the version that they are served with.
CLIENT = """
import json, sys
import numpy as np
from seldon_core.seldon_client import SeldonClient, grpc_feedback_gateway

endpoint, transport = sys.argv[1:]
client = SeldonClient(
    gateway="istio", gateway_endpoint=endpoint, deployment_name="housing", namespace="seldon",
    transport=transport, client_return_type="dict",
)
data = np.array([[2.0], [3.0]])
calls = {
    "ndarray": {"data": data, "payload_type": "ndarray", "names": ["rooms"]},
    "tensor": {"data": data, "payload_type": "tensor"},
    "raw": {"raw_data": {"data": {"names": ["rooms"], "ndarray": [[4]]}, "meta": {"puid": "abc"}}},
    "text": {"raw_data": {"strData": "hello"}},
    "to bad": {"data": data, "headers": {"x-monitml-predictor": "bad"}},
    "to nobody": {"data": data, "headers": {"x-monitml-predictor": "ugly"}},
}
for name, call in calls.items():
    got = client.predict(**call)
    print(json.dumps([name, got.success, got.response, got.msg]))
if transport == "rest":
    for who in ("good", "bad"):
        to = {"x-monitml-predictor": who}
        answered = client.predict(data=data, headers=to, client_return_type="proto")
        got = client.feedback(answered.request, answered.response, reward=1.5)
        print(json.dumps(["feedback " + who, got.success, None, got.msg]))
    got = client.feedback(answered.request, reward=1)
    print(json.dumps(["feedback nobody", got.success, got.response, got.msg]))
else:
    for headers in ({"x-monitml-predictor": "good"}, None):
        got = grpc_feedback_gateway(
            raw_request={"reward": 1}, deployment_name="housing", namespace="seldon",
            gateway_endpoint=endpoint, headers=headers,
        )
        print(json.dumps(["feedback %s" % headers, got.success, None, got.msg]))
"""


@pytest.fixture(scope="module")
def python():
    return find_python()


@pytest.fixture(scope="module")
def stack(python, tmp_path_factory):
    """(gateway, servers) of good and bad, which is sick, over REST and gRPC."""
    files = deploy(tmp_path_factory.mktemp("files"))
    first, servers, front = free_port(), {}, None
    answers = tmp_path_factory.mktemp("answers")
    identities = {"good": "v1", "bad": "v2"}
    try:
        for place, (name, version) in enumerate(identities.items()):
            env = {
                **IDENTITY,
                "PREDICTOR_ID": name,
                "PREDICTIVE_UNIT_ID": name,
                "PREDICTOR_LABELS": json.dumps({"version": version}),
                "PREDICTIVE_UNIT_IMAGE": f"telling:{version}",
                "MONITML_ANSWERS_DIR": str(answers),
            }
            if name == "bad":
                sick = [{"name": "sick", "value": "True", "type": "BOOL"}]
                env["PREDICTIVE_UNIT_PARAMETERS"] = json.dumps(sick)
            servers[name] = Server(
                files,
                MODELS / "telling",
                python,
                tmp_path_factory.mktemp(name),
                f"--grpc-port={first + place}",
                env=env,
            )
        for server in servers.values():
            server.wait_ready(120)
        front = Gateway(tmp_path_factory.mktemp("gateway"), two_predictors(), servers, first)
        front.answers = answers
        yield front, servers
    finally:
        if front:
            front.close()
        for server in servers.values():
            server.stop()


def ask_client(python, front, transport):
    """{name of the call: (success, response, message)}."""
    command = [python, "-c", CLIENT, f"127.0.0.1:{front.port}", transport]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return {line[0]: line[1:] for line in map(json.loads, done.stdout.splitlines())}


def written(front):
    """What was written down: answers as [id, time, features, predictions], and what clients told of them."""
    lines = [line for path in front.answers.glob("*.jsonl") for line in path.read_text().splitlines()[1:]]
    return [json.loads(line) for line in lines if line]


def is_written(front, answer):
    """Whether an answer that a client got was written down, under the id that it brought."""
    found = [entry for entry in written(front) if isinstance(entry, list) and entry[0] == answer["meta"]["puid"]] if answer else []
    data = answer["data"]
    return bool(found) and found[-1][3] == (data["ndarray"] if "ndarray" in data else data["tensor"]["values"])


def feedback_counts(servers):
    name = "seldon_api_model_feedback_total"
    return {who: total(server.metrics(), name) for who, server in servers.items()}


def test_seldons_client_gets_its_answers_over_rest(python, stack):
    front, servers = stack
    before = feedback_counts(servers)
    got = ask_client(python, front, "rest")
    success, answer, _message = got["ndarray"]
    assert success and answer["data"]["ndarray"] == [20, 30]
    assert set(answer["meta"]["requestPath"]) < {"good", "bad"}
    assert got["tensor"][1]["data"]["tensor"]["values"] == [20, 30]
    assert got["raw"][1]["data"]["ndarray"] == [40]
    assert got["raw"][1]["meta"]["puid"] == "abc"
    assert is_written(front, got["raw"][1]) and is_written(front, got["ndarray"][1]) and is_written(front, got["to bad"][1])
    assert got["text"][1]["strData"] == "hello"
    assert got["to bad"][1]["meta"]["requestPath"] == {"bad": "telling:v2"}
    assert got["to nobody"][0] is False and got["to nobody"][2].startswith("400")
    # The client cannot send a header with feedback; the answer that it gives back says whose it is.
    assert got["feedback good"][0] and got["feedback bad"][0], got
    assert got["feedback nobody"][0] is False and got["feedback nobody"][2].startswith("400")
    assert feedback_counts(servers) == {who: count + 1 for who, count in before.items()}


def test_seldons_client_gets_its_answers_over_grpc(python, stack):
    front, servers = stack
    requests, feedback = front.requests(), feedback_counts(servers)
    got = wait_for(lambda: _when_served(ask_client(python, front, "grpc")), 30)
    assert got["ndarray"][1]["data"]["ndarray"] == [20, 30]
    assert got["tensor"][1]["data"]["tensor"]["values"] == [20, 30]
    assert got["raw"][1]["data"]["ndarray"] == [40]
    assert got["raw"][1]["meta"]["puid"] == "abc"
    assert is_written(front, got["raw"][1]) and is_written(front, got["ndarray"][1]) and is_written(front, got["to bad"][1])
    assert got["text"][1]["strData"] == "hello"
    assert got["to bad"][1]["meta"]["requestPath"] == {"bad": "telling:v2"}
    assert got["to nobody"][0] is False
    assert got["feedback None"][0] is False
    assert "x-monitml-predictor" in got["feedback None"][2]
    assert feedback_counts(servers)["good"] > feedback["good"]
    wait_for(lambda: sum(front.requests().values()) >= sum(requests.values()) + 6)


def _when_served(got):
    # The server of gRPC may start after that of REST.
    return got["ndarray"][0] and got["to bad"][0] and got


def test_the_graph_is_described_as_the_executor_does(stack):
    front, _servers = stack
    status, graph, headers = front.ask("GET", "metadata", x_monitml_predictor="bad")
    assert (status, headers["x-monitml-predictor"]) == (200, "bad")
    assert graph["name"] == "bad"
    model = graph["models"]["bad"]
    assert (model["name"], model["versions"]) == ("telling", ["telling:7"])
    assert graph["graphinputs"] == model["inputs"]
    assert graph["graphinputs"][0]["schema"]["names"] == ["rooms"]
    assert graph["graphoutputs"] == model["outputs"]


@pytest.mark.parametrize("who", ["good", "bad"])
def test_a_model_is_described_by_its_own_predictor(stack, who):
    front, _servers = stack
    for _try in range(8):  # by weight, three of four would be those of good
        status, metadata, headers = front.ask("GET", f"metadata/{who}")
        assert (status, headers["x-monitml-predictor"]) == (200, who)
        assert metadata["custom"] == {"author": "somebody"}


def test_the_split_holds_for_what_names_nobody(stack):
    front, _servers = stack
    seen = {front.ask("GET", "metadata")[1]["name"] for _try in range(40)}
    assert seen == {"good", "bad"}


def test_a_models_health_is_its_own(stack):
    front, _servers = stack
    status, answer, _headers = front.ask("GET", "status/good")
    assert status == 200 and len(answer["data"]["tensor"]["values"]) == 1
    assert front.ask("GET", "status", x_monitml_predictor="good")[:2] == (200, "")
    status, answer, _headers = front.ask("GET", "status/bad")
    assert status == 500 and "the data base is gone" in answer["status"]["info"]
    status, answer, _headers = front.ask("GET", "status", x_monitml_predictor="bad")
    assert status == 503 and "the data base is gone" in answer["status"]["info"]


def test_a_model_that_is_not_there_is_named(stack):
    front, _servers = stack
    for what in ("metadata", "status"):
        status, answer, _headers = front.ask("GET", f"{what}/bad", x_monitml_predictor="good")
        assert status == 404
        assert answer["status"]["info"] == "Predictor good has no model bad; it has good."
        assert front.ask("GET", f"{what}/ugly")[0] == 404
        assert front.ask("GET", f"{what}/good", x_monitml_predictor="ugly")[0] == 400
        assert front.ask("POST", f"{what}/good", {})[0] == 405


def test_the_api_is_documented_where_seldon_has_it(stack):
    front, _servers = stack
    status, page, headers = front.ask("GET", "doc/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert "../predictions" in page and "http" not in page.replace("<!doctype html>", "")
    status, document, _headers = front.ask("GET", "doc/seldon.json")
    assert status == 200
    example = document["paths"]["/predictions"]["post"]["requestBody"]["content"]
    request = example["application/json"]["example"]
    assert front.ask("POST", "predictions", request)[0] == 200
    for path, operations in document["paths"].items():
        if "get" in operations:
            path = path.lstrip("/").replace("{model}", "good")
            assert front.ask("GET", path, x_monitml_predictor="good")[0] == 200


def test_who_asks_for_a_status_is_no_traffic(stack):
    front, servers = stack
    time.sleep(1)  # what was asked before is counted by now
    before, counted = front.requests(), servers["good"].metrics()
    for path in ("status/good", "metadata/good", "metadata", "doc/"):
        front.ask("GET", path, x_monitml_predictor="good")
    assert front.ask("POST", "predictions", {"data": {"ndarray": [[1]]}}, x_monitml_predictor="good")[0] == 200
    wait_for(lambda: front.requests() != before)
    time.sleep(1)
    assert front.requests()["good"] == before["good"] + 1
    after = servers["good"].metrics()
    # metrics() of the last prediction do not count again when somebody looks at its health.
    assert total(after, "rows_seen_total") == total(counted, "rows_seen_total") + 1
