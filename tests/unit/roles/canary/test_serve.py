# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of the server's parent that start nothing: its checks, its probe, its numbers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import types

import monitml_metrics
import pytest
import serve
import serve_status


def parse(*arguments):
    return serve.argument_parser().parse_args(arguments)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_NAME", raising=False)
    (tmp_path / "Model.py").write_text("class Model: pass\n")
    return tmp_path


def test_the_class_comes_from_environment_rest(model, monkeypatch):
    (model / "environment_rest").write_text("# a comment\nMODEL_NAME='Model'\nSERVICE_TYPE=MODEL\n\n")
    for name in ("MODEL_NAME", "SERVICE_TYPE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    options = parse("--model-dir", str(model))
    serve.check_model(options)
    assert options.model_class == "Model"
    os.environ.pop("MODEL_NAME", None)
    os.environ.pop("SERVICE_TYPE", None)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model-dir", "{}/none"], "no folder"),
        (["--model-dir", "{}"], "Nothing names"),
        (["--model-dir", "{}", "--class", "Other"], "no .*Other.py for the class Other"),
    ],
)
def test_a_model_that_is_not_there_is_named(model, arguments, sentence):
    with pytest.raises(serve.Problem, match=sentence):
        serve.check_model(parse(*[a.format(model) for a in arguments]))


@pytest.mark.parametrize("text, sentence", [("{", "cannot be read"), ("[]", "features and targets")])
def test_an_unsound_contract_is_named(model, monkeypatch, text, sentence):
    monkeypatch.setenv("MONITML_CONTRACT", str(model / "contract.json"))
    (model / "contract.json").write_text(text)
    with pytest.raises(serve.Problem, match="contract.json.*" + sentence):
        serve.read_contract(str(model))


def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(serve.Problem, match="Port %d .* for metrics" % port):
            serve.take_port("127.0.0.1", port, "metrics")


def test_the_metrics_directory_is_emptied_of_our_files_only(tmp_path):
    for name in ("slot-000", "custom-000", "history", "requests", "at-work-rest-1", "other"):
        (tmp_path / name).write_text("x")
    assert serve.prepare_directory(str(tmp_path), 1, "one") == str(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [serve.COUNTED_FOR, "other"]


@pytest.mark.parametrize(("whose", "kept"), [("one", ["history", "requests", "slot-000"]), ("another", [])])
def test_counting_goes_on_for_the_same_model_only(tmp_path, whose, kept):
    serve.prepare_directory(str(tmp_path), 1, "one")
    for name in ("slot-000", "custom-000", "history", "requests", "at-work-rest-1"):
        (tmp_path / name).write_text("x")
    serve.prepare_directory(str(tmp_path), 1, whose)
    assert sorted(os.listdir(tmp_path)) == sorted([serve.COUNTED_FOR, *kept])


def test_the_metrics_directory_of_a_port_is_the_same_at_each_start(tmp_path, monkeypatch):
    monkeypatch.setattr(serve.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(serve.os, "access", lambda _path, _mode: False)
    first = serve.prepare_directory(None, 9001)
    assert os.path.dirname(first) == str(tmp_path)
    assert serve.prepare_directory(None, 9001) == first
    assert serve.prepare_directory(None, 9003) != first


def test_a_metrics_directory_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(serve.os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(serve.Problem, match="another user"):
        serve.prepare_directory(str(tmp_path), 1)


@pytest.mark.parametrize(
    "feature, value",
    [
        ({"values": ["a", "b"]}, "a"),
        ({"dtype": "INT", "range": [1, 4]}, 2),
        ({"dtype": "FLOAT", "range": [1, 4]}, 2.5),
        ({"range": [3, "inf"]}, 3.5),
        ({"range": ["-inf", 3]}, 1.5),
        ({"range": ["-inf", "inf"]}, 0.5),
        ({}, 0.5),
    ],
)
def test_the_probes_row_is_within_the_contract(feature, value):
    assert serve_status.sample_value(feature) == value


def test_the_probes_row_has_a_value_per_feature():
    contract = {"features": [{"name": "x", "repeat": 2}, {"name": "y", "shape": [3]}]}
    request = serve_status.sample_request(contract)
    assert request["data"]["names"] == ["x1", "x2", "y", "y", "y"]
    assert len(request["data"]["ndarray"][0]) == 5
    assert serve_status.sample_request({}) is None


class Status:
    """What a probe asks of a status. problem: of the requests."""

    def __init__(self, error=None, problem=None):
        self.requests, self._error, self._problem = self, error, problem

    def metrics(self):
        if self._error:
            raise self._error
        return ""

    def problem(self):
        return self._problem

    def expect_own(self):
        pass


@pytest.mark.parametrize(
    "answer, problem",
    [
        ({"data": {"ndarray": [5.0]}}, None),
        ({"data": {"ndarray": [[5.0]]}}, None),
        ({"data": {"tensor": {"shape": [1], "values": [5.0]}}}, None),
        ({"data": {"ndarray": ["cat"]}}, None),
        ({"jsonData": {"label": "cat"}}, None),
        ({"data": {"ndarray": [float("nan")]}}, "finite"),
        ({"data": {"ndarray": [1.0, 2.0]}}, "2 values, not 1"),
        ({"data": {"ndarray": []}}, "0 values, not 1"),
        ([], None),
    ],
)
def test_the_probe_judges_the_answer(answer, problem):
    layout = monitml_metrics.Layout.from_contract({"targets": [{"name": "price"}]})
    contract = {"features": [{"name": "x"}]}
    probe = serve_status.Probe(("127.0.0.1", 1), contract, "token", layout, Status())
    verdict = probe._judge(json.dumps(answer).encode())
    assert verdict is None if problem is None else problem in verdict


def test_the_probe_says_what_is_wrong():
    layout = monitml_metrics.Layout()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    probe = serve_status.Probe(address, {}, "token", layout, Status())
    assert "does not answer on port %d" % address[1] in probe.check()
    probe = serve_status.Probe(address, {}, "token", layout, Status(OSError("gone")))
    assert probe.check() == "The metrics cannot be read: gone."
    probe = serve_status.Probe(address, {}, "token", layout, Status(problem="It hangs."))
    assert probe.check() == "It hangs."


def test_process_numbers_are_of_the_whole_tree():
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    child = subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        child.stdout.readline()
        assert set(serve_status.process_tree(os.getpid())) >= {os.getpid(), child.pid}
        numbers = serve_status.ProcessMetrics()
        values = dict(
            (line.partition("{")[0], float(line.split()[-1]))
            for line in numbers.render({"a": "b"}).splitlines()
            if not line.startswith("#")
        )
    finally:
        child.communicate(b"\n")
    own = sum(os.times()[:2])
    assert values[monitml_metrics.PROCESS_CPU] >= 0.25
    assert values[monitml_metrics.PROCESS_CPU] < own + 60
    assert values[monitml_metrics.PROCESS_MEMORY] > 5e6
    assert values[monitml_metrics.PROCESS_START] > 1.6e9


def test_a_server_that_ends_listens_no_more(monkeypatch):
    """Else whoever comes meanwhile would wait for those who end, and be cut off."""
    listener, seen = serve.take_port("127.0.0.1", 0, "predictions"), []

    class Family:
        def stop(self, graceful):
            seen.append((graceful, listener.fileno()))

    told = types.SimpleNamespace(si_signo=signal.SIGTERM)
    monkeypatch.setattr(serve.signal, "sigtimedwait", lambda *_arguments: told)
    assert serve.wait(Family(), None, listener) == 0
    assert seen == [(True, -1)]
