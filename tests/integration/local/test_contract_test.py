# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""contract_test against real model servers, good ones and broken ones, over REST and gRPC."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from serving import MODELS, ROOT, Server, deploy, find_python, free_port

HOUSING = ROOT / "models" / "housing"
DATA = HOUSING / "data" / "kc_house_prices.csv.gz"


@pytest.fixture(scope="module")
def python():
    return find_python()


@pytest.fixture(scope="module")
def artifact(python, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    command = [python, str(HOUSING / "train.py"), "--output", str(output), "--seed", "7"]
    subprocess.run(command, check=True, capture_output=True)
    return output


@pytest.fixture
def serve(artifact, python, tmp_path):
    files = deploy(tmp_path / "files")
    servers = []

    def start(model, *arguments, **env):
        env["MONITML_ARTIFACT_DIR"] = str(artifact)
        servers.append(Server(files, model, python, tmp_path, *arguments, env=env))
        return servers[-1].wait_ready()

    yield start
    for server in servers:
        server.stop()


def run_module(name, interpreter=sys.executable, **options):
    """(exit status, result) of one module in a task of Ansible."""
    command = [os.path.join(os.path.dirname(sys.executable), "ansible"), "localhost"]
    command += ["-m", "monitml.stack.%s" % name, "-a", json.dumps(options)]
    command += ["-e", "ansible_python_interpreter=%s" % interpreter]
    env = {
        **os.environ,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    _head, found, text = done.stdout.partition("=> ")
    assert found, done.stdout + done.stderr
    return done.returncode, json.JSONDecoder().raw_decode(text)[0]


def contract_test(server, contract, **options):
    options.setdefault("url", "http://127.0.0.1:%d/api/v1.0/predictions" % server.http_port)
    options.setdefault("metrics_url", "http://127.0.0.1:%d/metrics" % server.metrics_port)
    return run_module("contract_test", contract=str(contract), **options)


@pytest.mark.parametrize("name, answered", [("housing", 11), ("housing_bad", 32)])
def test_the_housing_models_keep_their_contract(serve, name, answered):
    """The bad one too: what is wrong with it shows in the distribution of its answers alone."""
    server = serve(ROOT / "models" / name)
    code, result = contract_test(server, ROOT / "models" / name / "contract.json")
    assert (code, result["violations"]) == (0, []), result["msg"]
    assert (result["requests"], result["rows"]) == (80, 160)
    assert result["outside"] == {"answered": answered, "refused": 33 - answered, "failed": 0}
    assert "Traceback" not in server.log


def test_grpc_answers_as_rest_does(serve, python):
    port = free_port()
    server = serve(HOUSING, "--grpc-port=%d" % port)
    options = {"forms": ["ndarray", "tensor", "grpc"], "grpc_address": "127.0.0.1:%d" % port}
    contract = HOUSING / "contract.json"
    code, result = contract_test(server, contract, interpreter=python, **options)
    assert (code, result["violations"], result["requests"]) == (0, [], 120), result["msg"]
    # The test must see what comes back over gRPC, too.
    dear = json.loads(contract.read_text())
    dear["targets"][0]["range"] = [1e7, "inf"]
    options["forms"] = ["grpc"]
    path = server.log_path.parent / "dear.json"
    path.write_text(json.dumps(dear))
    code, result = contract_test(server, path, interpreter=python, **options)
    assert code == 2 and set(result["checks"]) == {"range"} and result["checks"]["range"] >= 20
    options["grpc_address"] = "127.0.0.1:%d" % free_port()
    _code, result = contract_test(server, contract, interpreter=python, timeout=1, **options)
    assert result["msg"].startswith("nothing answered gRPC on grpc_address 127.0.0.1:")


@pytest.mark.parametrize(
    "way, checks, says",
    [
        ("none", set(), "keeps its contract"),
        ("range", {"range"}, "below 0"),
        ("kind", {"range"}, "kind is -5.0, below 0"),
        ("names", {"names"}, 'names its columns ["wrong", "y"]'),
        ("random", {"same"}, "another answer the second time"),
        (
            "columns",
            {"status"},
            "HTTP 500 (The model answered 1 columns; its contract has 2 targets)",
        ),
        ("careless", {"outside"}, "was answered where the contract wants a refusal"),
        ("outside_fails", {"outside"}, "Text for a, which is a number made it fail"),
        ("outside_hangs", {"outside"}, "got no answer: The model did not answer within 1 s"),
        ("feedback", {"feedback"}, "Feedback was not accepted"),
    ],
)
def test_a_model_that_breaks_its_contract_fails(serve, way, checks, says):
    parameters = json.dumps([{"name": "way", "value": way, "type": "STRING"}])
    server = serve(MODELS / "breaking", PREDICTIVE_UNIT_PARAMETERS=parameters)
    started = time.monotonic()
    contract = MODELS / "breaking" / "contract.json"
    code, result = contract_test(server, contract, count=6, timeout=1)
    assert set(result["checks"]) == checks, result["msg"]
    assert (code == 0) is (not checks) and time.monotonic() - started < 20
    assert any(says in one["message"] for one in result["violations"]) or says in result["msg"]


class Fixed(BaseHTTPRequestHandler):
    """Answers 1 for one row."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"data": {"ndarray": [1]}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_certificate_is_trusted_or_the_cure_is_told(tmp_path):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=model.test".split()
    command += [
        "-addext",
        "subjectAltName=DNS:model.test",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    column = {"name": "x", "ftype": "continuous", "range": [0, 1]}
    options = {"contract": {"features": [column], "targets": [column]}, "batch_rows": [1]}
    options.update(outside=False, feedback=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Fixed) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options["url"] = "https://127.0.0.1:%d/predict" % server.server_address[1]
        _code, result = run_module("contract_test", **options)
        assert (
            "is not trusted" in result["msg"] and "give its authority as ca_file" in result["msg"]
        )
        trusted = {"ca_file": str(tmp_path / "cert.pem"), "tls_server_name": "model.test"}
        for more in (trusted, {"validate_certs": False}):
            code, result = run_module("contract_test", **options, **more)
            assert (code, result["requests"]) == (0, 80), result["msg"]
        server.shutdown()


def test_somebody_else_who_asks_meanwhile_is_told(serve):
    """The other end of counting: it is the very number of rows that is expected."""
    server = serve(ROOT / "models" / "housing_bad")
    contract = ROOT / "models" / "housing_bad" / "contract.json"
    asks = "import sys, urllib.request as u\nwhile True: u.urlopen(u.Request(sys.argv[1], b"
    asks += "'{\"data\": {\"ndarray\": [[1]]}}', {'Content-Type': 'application/json'})).read()"
    url = "http://127.0.0.1:%d/api/v1.0/predictions" % server.http_port
    other = subprocess.Popen([sys.executable, "-c", asks, url])
    try:
        _code, result = contract_test(server, contract)
    finally:
        other.kill()
        other.wait()
    assert set(result["checks"]) == {"metrics"}
    assert "somebody else asks this model too" in result["msg"]


def test_a_contract_that_is_written_from_data_is_kept(serve, tmp_path):
    path = tmp_path / "contract.json"
    options = {"data": str(DATA), "path": str(path), "targets": ["price"]}
    assert run_module("contract_from_data", **options)[1]["changed"]
    assert not run_module("contract_from_data", **options)[1]["changed"]
    written, ours = json.loads(path.read_text()), json.loads(
        (HOUSING / "contract.json").read_text()
    )
    assert written["features"] == ours["features"]
    code, result = contract_test(serve(HOUSING), path)
    assert code == 0, result["msg"]
