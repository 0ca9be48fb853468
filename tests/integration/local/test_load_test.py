# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""load_test against a stub on loopback: every protocol, every framing and every fault."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError

sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
from load_testing import run, stub  # noqa: E402,F401  pylint: disable=unused-import
from stub_model import Stub  # noqa: E402


def test_a_canary_is_judged(stub):
    stub.numbers = iter(range(10**9))
    begin = time.time()
    result = run(
        stub.url(),
        count=100,
        expected_split=[{"predictor": "good", "weight": 75}, {"predictor": "bad", "weight": 25}],
        thresholds=[
            "p95 < 1s",
            "errors == 0",
            "prediction_mean(bad) == 100",
            "prediction_min(good) >= 100000",
        ],
    )
    assert result["outcome"] == "pass" and not result["failed"] and not result["changed"]
    assert (result["requests"], result["answers"], result["errors"]["total"]) == (100, 100, 0)
    bad, good = result["predictors"]
    assert (bad["predictor"], bad["version"], bad["count"], bad["prediction_mean"]) == (
        "bad",
        "v2",
        25,
        100.0,
    )
    assert (good["predictor"], good["version"], good["count"], good["prediction_max"]) == (
        "good",
        "v1",
        75,
        500000.0,
    )
    assert bad["share_low"] < 0.25 < bad["share_high"] and bad["declared"] == 0.25
    assert begin - 1 < bad["first_answer_at"] <= bad["last_answer_at"] < time.time() + 1
    assert result["latency_ms"]["exact"] and result["latency_ms"]["count"] == 100
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["max"] < 2000


def test_a_wrong_split_fails(stub):
    result = run(
        stub.url(),
        count=200,
        expected_split=[{"predictor": "good", "weight": 25}, {"predictor": "bad", "weight": 75}],
    )
    assert result["outcome"] == "fail" and result["failed"]
    assert "split: bad 25.0 % (declared 75.0 %" in result["msg"]


def test_rows_are_those_of_the_contract_and_the_seed(stub):
    bodies = []
    for seed in (1, 1, 2):
        del stub.requests[:]
        run(stub.url(), count=3, connections=1, seed=seed)
        bodies.append([body for _path, _head, body in stub.requests])
    assert bodies[0] == bodies[1] != bodies[2]
    document = json.loads(bodies[0][0])
    assert document["data"]["names"] == ["x"] and 0 <= document["data"]["ndarray"][0][0] <= 9


@pytest.mark.parametrize("path", ["body", "chunked", "continued", "pieces", "close", "untilclose"])
@pytest.mark.parametrize("mode", [{}, {"rate": 400, "duration": 0.1, "count": None}])
def test_every_framing_is_read(stub, path, mode):
    result = run(stub.url("/" + path), **{"count": 30, "connections": 3, **mode})
    # Not the outcome: on a busy machine the generator may rightly call itself late.
    assert not result["errors"]["total"], result["msg"]
    assert result["answers"] == result["requests"] >= 30
    assert (
        result["predictors"][0]["predictor"] == "good"
        and result["predictors"][0]["version"] == "0.1"
    )
    assert result["predictors"][0]["predictions"] == result["answers"]


def test_a_connection_that_the_server_closed_is_not_used_again(stub):
    # Slowly: a close that is still under way when the next request leaves cannot be seen by anyone.
    result = run(stub.url("/silentclose"), rate=5, duration=1.2, count=None)
    assert result["answers"] == 6 and result["generator"]["connects"] == 6, result


def test_a_server_that_breaks_its_promise_is_named(stub):
    # A request sent into a connection that is being closed is lost, for us as for every other client.
    result = run(stub.url("/silentclose"), count=20, connections=1)
    assert result["answers"] + result["errors"]["total"] == 20
    assert set(result["errors"]["by_kind"]) <= {"closed", "reset"}


def test_a_large_answer_is_read(stub):
    result = run(stub.url("/large"), count=2)
    assert result["predictors"][0]["predictions"] == 400000


@pytest.mark.parametrize(
    "path, kind, detail",
    [
        ("error500", "http_5xx", None),
        ("error404", "http_4xx", None),
        ("redirect", "http_3xx", None),
        ("html", "bad_answer", "the body is not JSON"),
        ("nan", "bad_answer", "a prediction is not finite"),
        ("garbage", "malformed", "not"),
        ("cut", "closed", "the server closed"),
        ("reset", "reset", None),
    ],
)
@pytest.mark.parametrize("mode", [{}, {"rate": 200, "duration": 0.05, "count": None}])
def test_every_fault_is_counted_and_named(stub, path, kind, detail, mode):
    result = run(stub.url("/" + path), **{"count": 4, "connections": 2, **mode})
    assert result["errors"]["by_kind"] == {kind: result["requests"]}, result["errors"]
    assert result["answers"] == 0 and result["outcome"] == "error" and result["failed"]
    assert "no request was answered (%s" % kind in result["msg"]
    if detail:
        assert detail in result["errors"]["details"][0]["text"]
    if kind == "http_5xx":
        assert result["errors"]["by_status"] == {"500": result["requests"]}


@pytest.mark.parametrize("protocol", ["seldon", "raw"])
def test_an_answer_is_not_taken_for_one_of_the_same_size(stub, protocol):
    result = run(stub.url("/alike"), count=100, connections=4, protocol=protocol, thresholds=[])
    assert result["answers"] == 50
    assert result["errors"]["by_status"] == {"500": 50}


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_an_answer_that_does_not_come_times_out(stub, path):
    begin = time.monotonic()
    result = run(stub.url("/" + path), count=3, connections=3, timeout=0.3)
    assert time.monotonic() - begin < 1.5
    assert result["errors"]["by_kind"] == {"timeout": 3}
    assert result["latency_ms"]["min"] >= 300


@pytest.mark.parametrize("mode", [{"count": 400}, {"rate": 400, "duration": 1, "count": None}])
def test_every_request_ends_as_an_answer_or_a_named_error(stub, mode):
    result = run(stub.url("/fuzz"), connections=20, timeout=0.2, thresholds=[], **mode)
    errors = result["errors"]
    assert result["answers"] + errors["total"] + result["generator"]["missed"] == 400
    assert errors["total"] == sum(errors["by_kind"].values()) > 50 and result["answers"] > 50
    assert {"timeout", "closed", "malformed"} <= set(errors["by_kind"])
    assert set(errors["by_kind"]) <= {
        "timeout", "closed", "malformed", "bad_answer", "reset", "too_large",
        "http_3xx", "http_4xx", "http_5xx",
    }  # fmt: skip


def test_a_late_request_counts_from_when_it_was_due(stub):
    # One connection, 20 ms an answer, 100 requests/s: each waits longer than the one before.
    result = run(stub.url("/slow"), rate=100, duration=0.5, count=None, connections=1, timeout=5)
    assert result["answers"] == 50 and result["generator"]["queued"] > 40
    assert result["service_ms"]["p50"] < 60
    assert result["latency_ms"]["max"] > 400


def test_requests_that_found_no_connection_are_no_pass(stub):
    result = run(
        stub.url("/hang"),
        rate=50,
        duration=0.2,
        count=None,
        connections=1,
        timeout=0.3,
        thresholds=[],
    )
    assert result["generator"]["missed"] > 0 and result["generator"]["saturated"]
    assert result["requests"] + result["generator"]["missed"] == 10


def test_bytes_after_an_answer_are_not_taken_for_the_next(stub):
    result = run(stub.url("/extra"), count=10, connections=1)
    assert result["answers"] == 10
    assert result["errors"]["details"][0] == {"text": "bytes after the answer", "count": 10}
    assert result["generator"]["connects"] == 10


def test_protocols(stub):
    result = run(stub.url("/v2"), protocol="v2")
    assert (result["predictors"][0]["predictor"], result["predictors"][0]["version"]) == ("m", "7")
    assert "inputs" in stub.requests[-1][2]
    assert run(stub.url("/feedback"), protocol="feedback", reward=1)["outcome"] == "pass"
    assert json.loads(stub.requests[-1][2])["reward"] == 1
    assert run(stub.url("/html"), protocol="raw", payload="{}", method="PUT")["outcome"] == "pass"
    assert stub.requests[-1][1].startswith("PUT ")
    assert run(stub.url("/body"), payload_type="tensor")["outcome"] == "pass"
    assert "tensor" in stub.requests[-1][2]


def test_answers_without_a_predictor_are_counted_apart(stub):
    result = run(stub.url("/noname"), expected_split=[{"predictor": "good", "weight": 1}])
    assert [item["predictor"] for item in result["predictors"]] == [""]
    assert result["outcome"] == "error"


def test_data_files_are_replayed_and_sampled(stub, tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("x,price\n1,10\n2,20\n3,30\n")
    del stub.requests[:]
    run(stub.url("/body"), data=str(data), count=4, connections=1)
    assert [json.loads(body)["data"]["ndarray"][0][0] for _p, _h, body in stub.requests] == [
        1,
        2,
        3,
        1,
    ]
    del stub.requests[:]
    run(
        stub.url("/feedback"),
        data=str(data),
        truth_column="price",
        protocol="feedback",
        data_order="sample",
        count=30,
        connections=1,
    )
    sent = [json.loads(body) for _p, _h, body in stub.requests]
    assert {
        (each["request"]["data"]["ndarray"][0][0] * 10, each["truth"]["data"]["ndarray"][0])
        for each in sent
    } == {(10, 10), (20, 20), (30, 30)}
    assert sent[0]["request"]["data"]["names"] == ["x"]


def test_headers_and_token_are_sent(stub, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    result = run(
        stub.url("/body"), headers={"Host": "model.example"}, token_file=str(token), count=1
    )
    head = stub.requests[-1][1]
    assert "Authorization: Bearer s3cret" in head and "Host: model.example" in head
    assert "s3cret" not in json.dumps(result)


def test_stages_poisson_and_warm_up(stub):
    result = run(
        stub.url("/body"),
        stages=[{"duration": 0.3, "rate": 200, "start_rate": 100}, {"duration": 0.3, "rate": 200}],
        warm_up=0.2,
        thresholds=[],
    )
    assert result["requests"] == result["answers"] == pytest.approx(105, abs=2)
    result = run(
        stub.url("/body"), rate=300, duration=0.5, count=None, arrival="poisson", thresholds=[]
    )
    assert 90 < result["requests"] < 220
    assert 0.3 < result["duration_seconds"] < 1.5


@pytest.mark.parametrize(
    "mode",
    [
        {"count": 101},
        {"rate": 300, "duration": 2.4, "count": None, "seed": 3, "arrival": "poisson"},
    ],
)
def test_processes_share_the_work(stub, mode):
    lines = []
    alone = run(stub.url("/body"), connections=4, thresholds=[], **mode)
    del stub.requests[:]
    result = run(
        stub.url("/body"), processes=3, connections=4, thresholds=[], progress=lines.append, **mode
    )
    assert result["answers"] == result["requests"] == alone["requests"] == len(stub.requests)
    assert result["predictors"][0]["predictions"] == result["answers"]
    assert len(set(body for _path, _head, body in stub.requests)) > 90
    assert "count" in mode or result["duration_seconds"] < 4
    if "rate" in mode:
        assert len(lines) in (1, 2) and "errors" in lines[0]


def test_a_process_that_dies_is_said(stub):
    def children():
        return set(
            Path("/proc/self/task/%d/children" % threading.get_native_id()).read_text().split()
        )

    # Servers of other tests may be children of this process as well.
    others = children()

    def kill(_line):
        os.kill(int(min(children() - others)), signal.SIGKILL)

    with pytest.raises(LoadTestError, match="a process of the load test died"):
        run(stub.url("/body"), rate=50, duration=5, count=None, processes=2, progress=kill)
    with pytest.raises(LoadTestError, match="each process needs at least one"):
        run(stub.url("/body"), processes=3, connections=2)


def test_think_time_paces_a_closed_loop(stub):
    result = run(stub.url("/body"), duration=0.5, count=None, connections=2, think_time=0.1)
    assert 6 <= result["requests"] <= 12


def test_a_server_that_dies_and_returns():
    server = Stub()
    port = server.port
    box = {}
    thread = threading.Thread(
        target=lambda: box.update(
            run(
                server.url("/body"),
                rate=200,
                duration=2.0,
                count=None,
                thresholds=["error_ratio < 90%"],
            )
        )
    )
    thread.start()
    time.sleep(0.5)
    server.kill()
    time.sleep(0.5)
    with Stub(("127.0.0.1", port)):
        thread.join(20)
    assert not thread.is_alive()
    assert box["requests"] == 400
    assert box["answers"] + box["errors"]["total"] == 400
    assert 50 <= box["errors"]["by_kind"]["refused"] <= 150
    assert set(box["errors"]["by_kind"]) <= {"refused", "reset", "closed"}


def test_a_dead_server_does_not_use_up_the_count_at_once():
    server = Stub()
    thread = threading.Timer(0.1, server.kill)
    thread.start()
    begin = time.monotonic()
    result = run(server.url("/slow"), count=60, connections=4)
    thread.join()
    assert time.monotonic() - begin > 1
    assert result["answers"] + result["errors"]["total"] == 60


def test_the_target_is_checked_first():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d/" % sock.getsockname()[1]
        with pytest.raises(LoadTestError, match="connection refused"):
            run(url)
    with pytest.raises(LoadTestError, match="cannot be resolved"):
        run("http://nowhere.invalid/")


def test_check_mode_sends_nothing(stub):
    del stub.requests[:]
    result = run(stub.url(), check_mode=True)
    assert "nothing was sent" in result["msg"] and result["requests"] == 0 and not result["changed"]
    assert not stub.requests
    with pytest.raises(LoadTestError):
        run(stub.url(), check_mode=True, contract={"features": []})


def test_progress_and_files(stub, tmp_path):
    lines = []
    report, series = tmp_path / "report", tmp_path / "run.prom"
    result = run(
        stub.url(),
        rate=50,
        duration=2.2,
        count=None,
        progress=lines.append,
        report=str(report),
        metrics_file=str(series),
        name="<b>run</b>",
    )
    assert len(lines) == 2 and "errors" in lines[0] and "s left" in lines[0] and "p95" in lines[0]
    assert sorted(path.name for path in report.iterdir()) == [
        "load_test.html",
        "load_test.json",
        "percentiles.csv",
        "timeline.csv",
    ]
    assert json.loads((report / "load_test.json").read_text())["requests"] == result["requests"]
    page = (report / "load_test.html").read_text()
    assert "<b>run</b>" not in page and "&lt;b&gt;run&lt;/b&gt;" in page
    assert "http" not in page.replace(stub.url(), "").replace("http-equiv", "")
    assert 'monitml_load_test_running{name="<b>run</b>"' in series.read_text()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=model.test",
            "-addext",
            "subjectAltName=DNS:model.test",
            "-keyout",
            folder / "key.pem",
            "-out",
            folder / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )
    return folder


def test_tls(stub, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with Stub(context=context) as server:
        trusted = {"ca_file": str(certificate / "cert.pem"), "tls_server_name": "model.test"}
        for path in ("body", "chunked", "close"):
            for mode in ({"count": 10}, {"rate": 100, "duration": 0.1, "count": None}):
                result = run(server.url("/" + path, "https"), connections=2, **trusted, **mode)
                assert result["answers"] == 10 and not result["errors"]["total"], result["msg"]
        assert result["generator"]["timestamps"]["receive"] > 0
        assert run(server.url("/large", "https"), count=1, **trusted)["answers"] == 1
        assert run(server.url("/body", "https"), validate_certs=False)["outcome"] == "pass"
        with pytest.raises(LoadTestError, match="is not trusted"):
            run(server.url("/body", "https"))
        with pytest.raises(LoadTestError, match="is not trusted"):
            run(server.url("/body", "https"), ca_file=trusted["ca_file"])
        # Plain HTTP to a TLS port, and the other way round.
        assert run(server.url("/body"), count=2, timeout=0.5)["outcome"] == "error"
        with pytest.raises(LoadTestError, match="does not speak TLS"):
            run(stub.url("/body", "https"), timeout=0.3)
