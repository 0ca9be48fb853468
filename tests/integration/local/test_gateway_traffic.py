# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""gateway_traffic against the real gateway, under requests that take a while: none is lost."""

from __future__ import annotations

import http.client
import http.server
import json
import random
import subprocess
import threading
import time

import jinja2
import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway
from serving import ROOT, free_port, wait_for
from supervised import result_of, start_module, tools_bin

HOST, CLIENTS = "127.0.0.1", 8
# Some answers come at once, some after the traffic has moved.
DELAYS = (0.0, 0.02, 1.0)


class Model(http.server.ThreadingHTTPServer):
    """Answers with its name, after a while; busy says how many requests it holds."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, name, ends=True):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                with self.server.lock:
                    self.server.busy += 1
                time.sleep(random.choice(DELAYS) if ends else 60)
                self.answer(self.server.name.encode())
                with self.server.lock:
                    self.server.busy -= 1

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments):
                pass

        super().__init__((HOST, 0), Handler)
        self.name, self.busy, self.lock = name, 0, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()


def described(*predictors):
    """(version, share, models) of each as a deployment."""
    return {
        "name": "housing",
        "namespace": "seldon",
        "prediction_path": "/seldon/seldon/housing/api/v1.0/predictions",
        "predictors": [
            {
                "name": f"p{number}",
                "version": version,
                "traffic": share,
                "shadow": False,
                "servers": [
                    {"http_port": model.server_port, "metrics_port": model.server_port}
                    for model in models
                ],
            }
            for number, (version, share, *models) in enumerate(predictors)
        ],
    }


class Gateway:
    """The gateway, with the role's own configuration."""

    def __init__(self, directory):
        self.directory, self.port, self.admin_port = directory, free_port(), free_port()
        (directory / "etc").mkdir()
        for name in ("clusters", "routes"):
            (directory / f"etc/{name}.json").write_text('{"resources": []}')
        config = directory / "envoy.yml"
        template = (ROOT / "roles/seldon/templates/envoy.yml.j2").read_text()
        config.write_text(
            jinja2.Template(template).render(
                ansible_managed="",
                monitml_instance="test",
                monitml_listen_address=HOST,
                monitml_gateway_port=self.port,
                monitml_gateway_admin_port=self.admin_port,
                monitml_home=directory,
                seldon_latency_buckets_ms=[1, 10],
            )
        )
        command = [f"{tools_bin()}/envoy", "--config-path", str(config), "--concurrency", "1"]
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--disable-hot-restart"], stdout=log, stderr=log
            )

    def close(self):
        self.process.kill()
        self.process.wait()

    def options(self, deployment, **options):
        return {
            "directory": str(self.directory / "etc"),
            "admin_url": f"http://{HOST}:{self.admin_port}",
            "clusters": gateway.envoy_clusters(deployment, HOST),
            "routes": gateway.envoy_routes(deployment, 60),
            "settle_seconds": 0.5,
            **options,
        }

    def move(self, *predictors, **options):
        """Result of the module for predictors as described() takes them."""
        return result_of(
            start_module("gateway_traffic", self.options(described(*predictors), **options))
        )

    def files(self):
        return {path.name: path.read_text() for path in (self.directory / "etc").iterdir()}

    def clusters(self):
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=10)
        connection.request("GET", "/clusters?format=json")
        told = json.loads(connection.getresponse().read())
        connection.close()
        return {status["name"] for status in told["cluster_statuses"]}


class Load:
    """Requests without a pause; answers are (status or error, who answered)."""

    def __init__(self, gateway_):
        self.port, self.answers, self.ended = gateway_.port, [], threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _one in range(CLIENTS)]

    def run(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        while not self.ended.is_set():
            try:
                connection.request("POST", described()["prediction_path"], "{}")
                answer = connection.getresponse()
                self.answers.append((answer.status, answer.read().decode()))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((repr(error), ""))
                connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_more()
        return self

    def wait_for_more(self):
        """Until so many were answered that some of the slow ones are under way."""
        goal = len(self.answers) + 4 * CLIENTS
        wait_for(lambda: len(self.answers) >= goal)

    def __exit__(self, *_error):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    @property
    def failed(self):
        return [answer for answer in self.answers if answer[0] != 200]

    def names(self, since=0):
        return {name for _status, name in self.answers[since:]}


@pytest.fixture
def envoy(tmp_path):
    made = Gateway(tmp_path)
    yield made
    made.close()


def test_a_version_and_a_server_of_the_same_version_take_over_without_a_lost_request(envoy):
    first, second, third, other = Model("first"), Model("second"), Model("third"), Model("other")
    assert envoy.move(("v1", 75, first), ("v1", 25, other))["changed"]
    assert not envoy.move(("v1", 75, first), ("v1", 25, other))["changed"]
    with Load(envoy) as load:
        # Another server of the same version.
        told = envoy.move(("v1", 75, second), ("v1", 25, other))
        assert told["changed"] and told["drained"] and told["left_ports"] == [first.server_port]
        assert not first.busy
        at = len(load.answers)
        load.wait_for_more()
        # Another version.
        told = envoy.move(("v2", 75, third), ("v1", 25, other))
        assert told["drained"] and told["left_ports"] == [second.server_port] and not second.busy
        after = len(load.answers)
        load.wait_for_more()
        # One more, and one less.
        more = Model("more")
        assert envoy.move(("v2", 50, third), ("v1", 25, other), ("v9", 25, more))["drained"]
        load.wait_for_more()
        told = envoy.move(("v2", 75, third), ("v1", 25, other))
        assert told["drained"] and told["left_ports"] == [more.server_port] and not more.busy
    assert not load.failed, load.failed[:3]
    assert load.names() == {"first", "second", "third", "other", "more"}
    assert "first" not in load.names(at) and "second" not in load.names(after)
    assert not envoy.move(("v2", 75, third), ("v1", 25, other))["changed"]
    assert not {"seldon/housing/p0/v1", "seldon/housing/p2/v9"} & envoy.clusters()


def test_a_server_that_nobody_finds_well_gets_no_request_and_all_goes_on(envoy):
    good = Model("good")
    envoy.move(("v1", 100, good))
    before = envoy.files()
    with Load(envoy) as load:
        lost = Model("lost")
        lost.server_close()
        told = envoy.move(("v2", 100, lost), take_seconds=2)
        load.wait_for_more()
    assert told["failed"]
    assert f"no answer from the server of seldon/housing/p0/v2 at port {lost.server_address[1]}" in told["msg"]
    assert told["msg"].endswith("It goes on as before.")
    assert envoy.files() == before and not load.failed and load.names() == {"good"}


def test_check_mode_shows_the_difference_and_moves_nothing(envoy):
    good, other = Model("good"), Model("other")
    envoy.move(("v1", 100, good))
    before = envoy.files()
    plan = {"_ansible_check_mode": True, "_ansible_diff": True}
    told = envoy.move(("v2", 100, other), **plan)
    assert told["changed"] and envoy.files() == before
    assert [one["after_header"].rpartition("/")[2] for one in told["diff"]] == ["clusters.json", "routes.json"]
    assert '"v2"' in told["diff"][1]["after"] and '"v1"' in told["diff"][1]["before"]
    assert not envoy.move(("v1", 100, good), **plan)["changed"]


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.7, 1.0])
def test_a_move_that_is_killed_loses_nothing_and_is_finished_by_the_next(envoy, seconds):
    first, second = Model("first"), Model("second")
    envoy.move(("v1", 100, first))
    with Load(envoy) as load:
        process = start_module("gateway_traffic", envoy.options(described(("v2", 100, second))))
        time.sleep(seconds)
        process.kill()
        process.wait()
        load.wait_for_more()
        assert envoy.move(("v2", 100, second))["drained"] and not first.busy
    assert not load.failed, load.failed[:3]
    assert "seldon/housing/p0/v1" not in envoy.clusters()
    assert not envoy.move(("v2", 100, second))["changed"]


def test_a_request_that_is_never_answered_does_not_hold_up_for_ever(envoy):
    hanging, good = Model("hanging", ends=False), Model("good")
    envoy.move(("v1", 100, hanging))

    def ask():
        connection = http.client.HTTPConnection(HOST, envoy.port, timeout=60)
        connection.request("POST", described()["prediction_path"], "{}")
        connection.getresponse()

    threading.Thread(target=ask, daemon=True).start()
    wait_for(lambda: hanging.busy)
    told = envoy.move(("v2", 100, good), drain_seconds=1)
    assert told["changed"] and not told["drained"]
    (warning,) = told["warnings"]
    assert f"at the ports {hanging.server_port}, have not answered" in str(warning)


def test_a_gateway_that_is_not_there_is_named(envoy):
    envoy.close()
    told = envoy.move(("v1", 100, Model("good")), take_seconds=0.5)
    assert told["failed"] and f"its administration at {HOST}:{envoy.admin_port} says" in told["msg"]
    assert json.loads(envoy.files()["clusters.json"]) == {"resources": []}
