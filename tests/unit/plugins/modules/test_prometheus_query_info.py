# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import prometheus_query_info

GOOD = {"metric": {"predictor_name": "good", "predictor_version": "1"}, "value": [0, "17"]}
BAD = {"metric": {"predictor_name": "bad", "predictor_version": "2"}, "value": [0, "1"]}


def vector(*samples):
    return 200, {"status": "success", "data": {"resultType": "vector", "result": list(samples)}}


@pytest.fixture
def prometheus():
    """A stub that gives one answer after the other, the last one for ever; [] refuses connections."""
    answers = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answers.pop(0) if len(answers) > 1 else answers[0]
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", answers
    server.shutdown()
    server.server_close()


def run(capsys, url, **options):
    given = {"url": url, "query": "monitml_model_info", "timeout_seconds": 5, **options}
    with patch_module_args(given), pytest.raises(SystemExit) as caught:
        prometheus_query_info.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


def test_the_samples_are_returned(capsys, prometheus):
    url, answers = prometheus
    answers[:] = [vector(GOOD)]
    code, result = run(capsys, url, _ansible_check_mode=True)
    assert code == 0 and not result["changed"]
    assert result["samples"] == [{"labels": GOOD["metric"], "value": 17.0}]


def test_it_waits_for_what_is_expected(capsys, prometheus):
    url, answers = prometheus
    answers[:] = [(503, {"error": "starting"}), vector(), vector(GOOD), vector(GOOD, BAD)]
    expected = [{"predictor_name": "good"}, {"predictor_name": "bad", "predictor_version": 2}]
    code, result = run(capsys, url, expected=expected)
    assert code == 0 and len(result["samples"]) == 2


def test_what_never_comes_is_named(capsys, prometheus):
    url, answers = prometheus
    answers[:] = [vector(GOOD)]
    expected = [{"predictor_name": "bad", "predictor_version": "2"}, {"predictor_name": "good"}]
    code, result = run(capsys, url, expected=expected, timeout_seconds=0.3)
    assert code == 1 and result["missing"] == expected[:1]
    assert "predictor_name=bad predictor_version=2" in result["msg"] and url in result["msg"]


def test_a_wrong_query_is_told_at_once(capsys, prometheus):
    url, answers = prometheus
    answers[:] = [(400, {"error": "parse error: unexpected end of input"})]
    code, result = run(capsys, url, expected=[{"a": "b"}], timeout_seconds=60)
    assert code == 1 and "parse error: unexpected end of input" in result["msg"]


def test_what_is_no_vector_is_refused(capsys, prometheus):
    url, answers = prometheus
    answers[:] = [(200, {"data": {"resultType": "scalar", "result": [0, "1"]}})]
    code, result = run(capsys, url, query="1")
    assert code == 1 and "scalar" in result["msg"]


def test_a_prometheus_that_is_not_there_is_named(capsys):
    code, result = run(capsys, "http://127.0.0.1:1", expected=[{"a": "b"}], timeout_seconds=0.3)
    assert code == 1 and "Prometheus at http://127.0.0.1:1 does not answer" in result["msg"]
