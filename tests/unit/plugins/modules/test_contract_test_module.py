# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""contract_test against a small model on loopback that breaks one thing at a time."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.module_utils.contract_test import (
    run as contract_test_run,
)
from ansible_collections.monitml.stack.plugins.modules import contract_test

CONTRACT = {
    "features": [
        {"name": "size", "dtype": "INT", "ftype": "continuous", "range": [1, 100]},
        {"name": "kind", "dtype": "INT", "ftype": "categorical", "values": [0, 1]},
    ],
    "targets": [
        {"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 1000]},
        {"name": "class", "dtype": "INT", "ftype": "categorical", "values": [0, 1]},
    ],
}


class Model(ThreadingHTTPServer):
    """Keeps CONTRACT, refuses what is outside it and counts everything, but for ``breaks``.

    ``breaks`` maps the name of a step, see the methods of Handler, to what that does in its place.
    """

    daemon_threads = True

    def __init__(self, **breaks):
        self.breaks = breaks
        self.rows = self.feedbacks = self.reward = 0
        self.requests, self.heads = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path="/api/v1.0/predictions"):
        return "http://127.0.0.1:%d%s" % (self.server_address[1], path)

    def handle_error(self, request, client_address):
        """A client that hung up is not worth a traceback."""

    def metrics(self):
        return (
            "".join(
                'monitml_prediction_count{output="%s"} %d\n' % (name, self.rows)
                for name in ("price", "class")
            )
            + "seldon_api_model_feedback_total %d\n" % self.feedbacks
            + ('seldon_api_model_feedback_reward_total{sign="positive"} %s\n' % self.reward)
        )


class Handler(BaseHTTPRequestHandler):
    def step(self, name, value, *more):
        change = self.server.breaks.get(name)
        return change(value, *more) if change else value

    def do_GET(self):
        self.answer(self.step("metrics_status", 200), self.step("metrics", self.server.metrics()))

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append(text)
        self.server.heads.append(dict(self.headers))
        self.step("wait", None)
        try:
            body = json.loads(text)
        except ValueError:
            self.refuse("malformed", "no JSON")
            return
        if self.path.endswith("feedback"):
            self.feedback(body)
            return
        data = body["data"]
        rows = data.get("ndarray")
        form = "tensor" if rows is None else "ndarray"
        if rows is None:
            height, width = data["tensor"]["shape"]
            flat = data["tensor"]["values"]
            rows = [flat[at : at + width] for at in range(0, height * width, width)]
        if self.is_outside(rows):
            self.refuse("outside", "not in the contract")
            return
        self.server.rows += self.step("counted", len(rows))
        values = self.step("values", [[row[0] * 2.5, int(row[0]) % 2] for row in rows], form)
        answer = {"names": self.step("names", ["price", "class"])}
        if form == "tensor":
            flat = [value for row in values for value in row]
            answer["tensor"] = {"shape": [len(values), len(values[0])], "values": flat}
        else:
            answer["ndarray"] = values
        document = self.step("document", {"data": answer, "meta": {"puid": str(time.time())}})
        self.answer(self.step("status", 200), self.step("text", json.dumps(document)))

    @staticmethod
    def is_outside(rows):
        def fits(row):
            numbers = all(isinstance(v, (int, float)) and math.isfinite(v) for v in row)
            return len(row) == 2 and numbers and 1 <= row[0] <= 100 and row[1] in (0, 1)

        return not rows or not all(fits(row) for row in rows)

    def feedback(self, body):
        assert body["truth"]["data"]["ndarray"] and body["request"]["data"]["ndarray"]
        self.server.feedbacks += 1
        self.server.reward += self.step("reward", body["reward"])
        self.answer(self.step("feedback_status", 200), '{"data": {}, "meta": {}}')

    def refuse(self, step, why):
        status = {"info": why, "status": 1}
        self.answer(*self.step(step, (400, json.dumps({"status": status}))))

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments):
        """A line for each request helps nobody."""


@pytest.fixture
def model():
    models = []

    def start(**breaks):
        models.append(Model(**breaks))
        return models[-1]

    yield start
    for one in models:
        one.shutdown()
        one.server_close()


def run(capsys, server=None, **options):
    if server is not None:
        options.setdefault("url", server.url())
        options.setdefault("metrics_url", server.url("/metrics"))
    arguments = {"contract": CONTRACT, "timeout": 2, "count": 4, **options}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    with patch_module_args(arguments), pytest.raises(SystemExit) as caught:
        contract_test.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


def test_a_model_that_keeps_its_contract_passes(capsys, model):
    server = model()
    code, result = run(capsys, server)
    assert (code, result["changed"], result["violations"]) == (0, False, [])
    # 4 inputs, 2 forms, twice each; 1 and 3 rows in turn.
    assert (result["requests"], result["rows"]) == (16, 32)
    assert result["outside"] == {"answered": 0, "refused": 13, "failed": 0}
    assert result["msg"] == (
        "The model keeps its contract in 16 requests with 32 rows, answered 0 inputs outside it "
        "and refused 13."
    )
    assert (server.rows, server.feedbacks, server.reward) == (32, 2, 1)


def test_the_seed_decides_what_is_sent(capsys, model):
    servers = [model(), model(), model()]
    for server, seed in zip(servers, (1, 1, 2)):
        run(capsys, server, seed=seed)
    assert servers[0].requests == servers[1].requests != servers[2].requests


def changing(values):
    """An answer that is another each time."""
    changing.number = getattr(changing, "number", 0) + 1
    return [[row[0] + changing.number * 1e-9, row[1]] for row in values]


def replaced(column, value):
    return lambda values, _form: [
        [value if at == column else old for at, old in enumerate(row)] for row in values
    ]


BROKEN = {
    "status": ("status", {"status": lambda _s: 503}, "answered HTTP 503"),
    "redirect": ("status", {"status": lambda _s: 302}, "answered HTTP 302"),
    "json": ("json", {"text": lambda _t: "<html>"}, "is no JSON"),
    "failure": (
        "failure",
        {"document": lambda d: {**d, "status": {"status": "FAILURE", "info": "sorry"}}},
        "says FAILURE (sorry)",
    ),
    "data": ("data", {"document": lambda _d: {"strData": "12"}}, "holds strData"),
    "rows": ("rows", {"values": lambda v, _f: v + v[:1]}, "answered 2 rows for 1"),
    "columns": ("columns", {"values": lambda v, _f: [r[:1] for r in v]}, "answered 1 column;"),
    "names": ("names", {"names": lambda _n: ["class", "price"]}, "the contract names them"),
    "dtype": ("dtype", {"values": replaced(1, 0.5)}, "class is 0.5, no whole number"),
    "text": ("dtype", {"values": replaced(0, "much")}, 'price is "much", no number'),
    "finite": ("dtype", {"values": replaced(0, math.nan)}, "price is NaN, no finite number"),
    "range": ("range", {"values": replaced(0, -0.5)}, "price is -0.5, below 0"),
    "values": ("values", {"values": replaced(1, 7)}, "class is 7, none of 0, 1"),
    "same": ("same", {"values": lambda v, _f: changing(v)}, "another answer the second time"),
    "forms": (
        "forms",
        {"values": lambda v, form: [[r[0] + (form == "tensor"), r[1]] for r in v]},
        "answer to tensor is another than the one to ndarray",
    ),
    "uncounted": ("metrics", {"counted": lambda _n: 1}, "grew by 16.0 for 32 of rows: not every"),
    "counted twice": ("metrics", {"counted": lambda n: 2 * n}, "it counts twice"),
    "no series": ("metrics", {"metrics": lambda _m: "up 1\n"}, "There is no series"),
    "no metrics": ("metrics", {"metrics_status": lambda _s: 404}, "It answered HTTP 404"),
    "outside fails": ("outside", {"outside": lambda _a: (500, "boom")}, "HTTP 500 (boom)"),
    "outside is misshaped": (
        "outside",
        {"outside": lambda _a: (200, '{"data": {"ndarray": [[1, 2, 3]]}}')},
        "was answered wrongly: The model answered 3 columns",
    ),
    "malformed fails": (
        "outside",
        {"malformed": lambda _a: (500, "boom")},
        "is no JSON made it fail",
    ),
    "malformed passes": (
        "outside",
        {"malformed": lambda _a: (200, '{"data": {"ndarray": [[1, 1]]}}')},
        "is no JSON was answered nonetheless",
    ),
    "feedback": ("feedback", {"feedback_status": lambda _s: 500}, "Feedback was not accepted"),
    "reward": ("metrics", {"reward": lambda _r: 0.0}, "feedback_reward_total grew by 0.0 for 1.0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_break_is_seen_and_named_with_its_input(capsys, monkeypatch, model, name):
    monkeypatch.setattr(contract_test_run, "_METRICS_SECONDS", 0.2)
    wanted, breaks, says = BROKEN[name]
    code, result = run(capsys, model(**breaks))
    assert code == 1 and result["violations_total"] >= 1
    assert set(result["checks"]) == {wanted}
    found = [one for one in result["violations"] if one["check"] == wanted]
    assert any(says in one["message"] for one in found), found
    for one in found:
        assert wanted == "metrics" or one["input"] is not None
    assert "breaks its contract" in result["msg"] and "Traceback" not in json.dumps(result)


def test_the_row_at_fault_is_shown(capsys, model):
    server = model(values=lambda v, _f: [[-1.0 if r[0] > 200 else r[0], r[1]] for r in v])
    _code, result = run(capsys, server, count=20, forms=["ndarray"], batch_rows=[50])
    assert result["violations"]
    for one in result["violations"]:
        assert len(one["input"]) == 1 and one["input"][0][0] > 80


def test_violations_are_bounded_and_of_every_kind(capsys, model):
    server = model(values=lambda v, _f: [[-1, 9] for _r in v], names=lambda _n: ["a"])
    _code, result = run(capsys, server, count=30)
    assert len(result["violations"]) == 25 and result["violations_total"] > 100
    assert sum(result["checks"].values()) == result["violations_total"]
    assert [one["check"] for one in result["violations"][:3]] == ["names", "range", "values"]
    assert "violations, first: The answer names" in result["msg"]


@pytest.mark.parametrize(
    "declared, answers, passes",
    [
        ("refuse", False, True),
        ("refuse", True, False),
        ("answer", True, True),
        ("answer", False, False),
    ],
)
def test_inputs_outside_are_dealt_with_as_declared(capsys, model, declared, answers, passes):
    good = (200, '{"data": {"ndarray": [[1, 1]]}}')
    server = model(**({"outside": lambda _a: good} if answers else {}))
    feature = {**CONTRACT["features"][0], "outside": declared}
    contract = {**CONTRACT, "features": [feature, CONTRACT["features"][1]]}
    _code, result = run(capsys, server, contract=contract, metrics_url=None)
    wanted = "refusal" if declared == "refuse" else "wants an answer"
    told = [one["message"] for one in result["violations"] if wanted in one["message"]]
    assert bool(told) is not passes
    assert all("size" in message for message in told)


def test_a_silent_model_is_given_up_on(capsys, model):
    server = model(wait=lambda _v: time.sleep(5))
    started = time.monotonic()
    code, result = run(capsys, server, timeout=0.2, metrics_url=None)
    assert code == 1 and time.monotonic() - started < 3
    assert result["checks"] == {"answer": 3}
    assert "did not answer within 0.2 s" in result["violations"][0]["message"]
    assert "answered nothing any more" in result["left_out"][0]


def test_one_input_that_hangs_is_told(capsys, model):
    def outside(answer):
        time.sleep(0.5)
        return answer

    _code, result = run(capsys, model(malformed=outside), timeout=0.3, metrics_url=None)
    (one,) = result["violations"]
    assert "is no JSON got no answer: The model did not answer within 0.3 s" in one["message"]


@pytest.mark.parametrize(
    "reply, says",
    [
        (b"", "closed the connection before the answer was whole"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no sound HTTP: not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", "before the answer was whole"),
    ],
)
def test_what_is_no_http_is_told(capsys, reply, says):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    with listener.accept()[0] as client:
                        client.recv(65536)
                        client.sendall(reply)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        url = "http://127.0.0.1:%d/predict" % listener.getsockname()[1]
        _code, result = run(capsys, url=url, timeout=1)
    assert says in result["violations"][0]["message"]


def test_a_server_that_trickles_is_not_waited_for(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip(client):
            with client:
                try:
                    client.sendall(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        client.sendall(b"X-A: b\r\n")
                        time.sleep(0.02)
                except OSError:
                    return

        def serve():
            while True:
                try:
                    threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        url = "http://127.0.0.1:%d/predict" % listener.getsockname()[1]
        started = time.monotonic()
        _code, result = run(capsys, url=url, timeout=0.3)
    assert time.monotonic() - started < 3
    assert "did not answer within" in result["violations"][0]["message"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    "options, says",
    [
        (
            {"contract": "/nowhere/contract.json"},
            "contract /nowhere/contract.json cannot be read (No",
        ),
        ({"contract": {}}, "describes no features"),
        ({"contract": {"features": []}}, "describes no features"),
        ({"contract": {"features": CONTRACT["features"]}}, "describes no targets"),
        ({"contract": {**CONTRACT, "outside": "maybe"}}, "outside must be one of answer, refuse"),
        ({"url": "ftp://127.0.0.1/predict"}, "must begin with http:// or https://"),
        ({"url": "http://127.0.0.1:1/predict/x"}, "give feedback_url, or feedback: false"),
        ({"metrics_url": "metrics"}, "must begin with http:// or https://"),
        ({"url": "http://127.0.0.1:%d/predict" % free_port()}, "connection refused"),
        ({"url": "http://no-such-host.invalid/predict"}, "cannot be resolved"),
        ({"timeout": 0}, "timeout is 0.0; give a number above 0"),
        ({"count": 0}, "at least 1"),
        ({"batch_rows": []}, "at least 1"),
        ({"batch_rows": [0]}, "at least 1"),
        ({"forms": []}, "forms is empty"),
        ({"token_file": "/nowhere/token"}, "token_file /nowhere/token cannot be read"),
        ({"token_file": "/dev/null"}, "must hold one token and nothing else"),
        ({"headers": {"Bad Name": "x"}}, "characters that HTTP does not allow"),
    ],
)
def test_bad_input_is_one_sentence(capsys, options, says):
    code, result = run(capsys, **{"url": "http://127.0.0.1:1/predict", **options})
    assert code == 1 and says in result["msg"] and "exception" not in result
    assert "\n" not in result["msg"] and "Traceback" not in result["msg"]


def test_a_contract_that_is_no_json_is_told(capsys, tmp_path):
    (tmp_path / "contract.json").write_text("{")
    _code, result = run(
        capsys, url="http://127.0.0.1:1/predict", contract=str(tmp_path / "contract.json")
    )
    assert "contract.json is not valid JSON" in result["msg"]


def test_a_server_without_tls_is_told(capsys, model):
    url = model().url().replace("http:", "https:")
    _code, result = run(capsys, url=url)
    assert "must begin with http://" in result["msg"]
    _code, result = run(capsys, url=url, ca_file="/nowhere/ca.pem")
    assert "ca_file /nowhere/ca.pem cannot be used" in result["msg"]


def test_grpc_needs_what_is_named(capsys, monkeypatch):
    monkeypatch.setattr(contract_test, "IMPORT_ERROR", "Traceback")
    options = {"url": "http://127.0.0.1:1/predict", "forms": ["grpc"]}
    code, result = run(capsys, **options, grpc_address="127.0.0.1:1")
    assert code == 1 and "grpcio and seldon-core" in result["msg"]
    monkeypatch.setattr(contract_test, "IMPORT_ERROR", None)
    _code, result = run(capsys, **options)
    assert "give grpc_address" in result["msg"]


def test_text_is_not_sent_as_a_tensor(capsys, model):
    city = {"name": "city", "ftype": "categorical", "values": ["a", "b"]}
    contract = {**CONTRACT, "features": [*CONTRACT["features"][:1], city]}
    options = {"contract": contract, "metrics_url": None, "outside": False, "feedback": False}
    server = model(outside=lambda _a: (200, '{"data": {"ndarray": [[1, 1]]}}'))
    code, result = run(capsys, server, batch_rows=[1], **options)
    assert code == 0 and not any("tensor" in text for text in server.requests)
    assert result["left_out"] == ["A tensor holds no text, which the feature city is."]
    assert result["msg"] == "The model keeps its contract in 8 requests with 8 rows."
    _code, result = run(capsys, server, forms=["tensor"], **options)
    assert "add ndarray or grpc" in result["msg"]


def test_headers_and_token_go_with_each_request_but_not_to_the_metrics(capsys, model, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    server = model()
    run(capsys, server, headers={"X-Own": "1"}, token_file=str(tmp_path / "token"))
    assert len(server.heads) == 31
    for head in server.heads:
        assert (head["X-Own"], head["Authorization"]) == ("1", "Bearer secret")
        assert head["User-Agent"] == "monitml.stack/contract_test"


def test_check_mode_checks_the_contract_and_sends_nothing(capsys, model):
    server = model()
    code, result = run(capsys, server, _ansible_check_mode=True)
    assert code == 0 and not result["changed"] and server.requests == []
    assert "check mode: nothing was sent" in result["msg"] and "2 features" in result["msg"]
    code, result = run(capsys, server, contract={"features": []}, _ansible_check_mode=True)
    assert code == 1 and "describes no features" in result["msg"]


def test_feedback_goes_where_seldon_takes_it():
    def url(given, **options):
        options = {"feedback": True, "feedback_url": None, "url": given, **options}
        return contract_test_run.find_feedback_url(options)

    assert url("http://a/api/v1.0/predictions") == "http://a/api/v1.0/feedback"
    assert url("http://a/predict") == "http://a/send-feedback"
    assert url("http://a/other", feedback_url="http://a/f") == "http://a/f"
    assert url("http://a/other", feedback=False) is None
