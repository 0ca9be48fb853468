# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""site.yml on a stack that answers requests all the while: whatever changes, none is lost."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from serving import ROOT, wait_for

HOST = "127.0.0.1"
HOUSE = json.dumps({"data": {"ndarray": [[1.0]]}})
CONTRACT = {
    "features": [{"name": "x", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 9]}],
    "targets": [{"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}],
}
CODE = """
import time


class Constant:
    def __init__(self, price=100.0):
        self.price = price

    def predict(self, X, names=()):
        time.sleep(0.02)
        return [self.price for _row in X]
"""
CLIENTS, PAUSE_SECONDS = 4, 0.1


def free_base(count=20):
    """First of so many ports in a row that are free, below those that the kernel gives to clients."""
    for base in range(12000 + os.getpid() % 10000, 32000, count):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + count):
                    held.enter_context(socket.create_server((HOST, port)))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")


class Stack:
    """A stack of its own, of models that are written here."""

    def __init__(self, folder):
        self.folder, self.name = folder, f"monitml-changes-{secrets.token_hex(2)}"
        self.home, self.base = Path("/opt", self.name), free_base()
        names = ("gateway", "gateway_admin", "prometheus", "alertmanager", "inbox", "node_exporter", "grafana", "labels")
        self.ports = {name: self.base + place for place, name in enumerate(names)}
        self.ports["model"] = self.base + 8
        self.model("constant", CODE)

    def model(self, name, code):
        """Writes a model; returns its folder."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "Constant.py").write_text(code)
        (folder / "contract.json").write_text(json.dumps(CONTRACT))
        (folder / "environment_rest").write_text("MODEL_NAME=Constant\n")
        return str(folder)

    def described(self, *others, **good):
        """Variables of a deployment of good, which has three quarters of the traffic, and others."""
        model = str(self.folder / "constant")
        good = {"name": "good", "version": "v1", "model": model, "traffic": 75, **good}
        other = {"name": "other", "version": "v1", "model": model, "traffic": 25}
        return {"monitml_deployment": {"name": "houses", "predictors": [good, *(others or [other])]}}

    def command(self, playbook, *arguments, **variables):
        given = {f"monitml_{name}_port": port for name, port in self.ports.items()}
        given = {**self.described(), **given, "monitml_instance": self.name, **variables}
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, f"playbooks/{playbook}.yml", "-e", json.dumps(given), *arguments]

    def start(self, playbook, *arguments, **variables):
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            self.command(playbook, *arguments, **variables),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook, *arguments, fails=False, **variables):
        """What a playbook shows."""
        process = self.start(playbook, *arguments, **variables)
        text = process.communicate()[0]
        assert bool(process.returncode) == fails, text
        return text

    def servers(self):
        """{port: pid} of the model servers that run."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().decode(errors="replace").split("\0")
                if any(re.fullmatch(f"{self.home}/releases/.*/serve.py", word) for word in words):
                    found[int(words[words.index("--http-port") + 1])] = int(path.parent.name)
        return found

    def places(self):
        """(port for predictions relative to the first) of the servers on record."""
        record = json.loads((self.home / "etc/servers.json").read_text())
        return [one["http_port"] - self.ports["model"] for one in record]

    def ask(self, query):
        url = f"http://{HOST}:{self.ports['prometheus']}/api/v1/query?"
        with urllib.request.urlopen(url + urllib.parse.urlencode({"query": query}), timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def alerts(self):
        """Names of the alerts that fire, those left out that only inform."""
        found = self.ask('ALERTS{alertstate="firing",severity!="info"}')
        return sorted({one["metric"]["alertname"] for one in found})


def changes(text):
    return int(re.search(r"changed=(\d+)", text.partition("PLAY RECAP")[2])[1])


class Load:
    """Requests at a steady rate; answers are (status or error, version that answered)."""

    def __init__(self, stack):
        self.port, self.answers, self.ended = stack.ports["gateway"], [], threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _one in range(CLIENTS)]

    def run(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        while not self.ended.wait(PAUSE_SECONDS):
            try:
                connection.request("POST", "/seldon/seldon/houses/api/v1.0/predictions", HOUSE, headers)
                answer = connection.getresponse()
                answer.read()
                who = f"{answer.getheader('x-monitml-predictor')} {answer.getheader('x-monitml-version')}"
                self.answers.append((answer.status, who))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((repr(error), ""))
                connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more()
        return self

    def more(self):
        """Who answers from now on."""
        at = len(self.answers)
        wait_for(lambda: len(self.answers) >= at + 20, 60)
        return {who for _status, who in self.answers[at + CLIENTS :]}

    def __exit__(self, *_error):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        failed = [answer for answer in self.answers if answer[0] != 200]
        assert not failed, (len(failed), len(self.answers), failed[:3])


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    if os.geteuid():
        pytest.skip("needs root: it installs a stack of its own")
    made = Stack(tmp_path_factory.mktemp("models"))
    try:
        made.play("site")
        yield made
    finally:
        made.play("destroy")
        assert not made.home.exists() and not made.servers()


def test_a_new_version_takes_over_and_the_old_one_ends(stack):
    assert stack.places() == [0, 2]
    before = stack.servers()
    with Load(stack) as load:
        told = stack.play("site", "--check", "--diff", **stack.described(version="v3"))
        assert changes(told) and '"version": "v3"' in told and stack.servers() == before
        stack.play("site", **stack.described(version="v3"))
        assert load.more() == {"good v3", "other v1"}
    assert stack.places() == [4, 2] and set(stack.servers()) == {stack.ports["model"] + place for place in (2, 4)}
    assert stack.servers()[stack.ports["model"] + 2] == before[stack.ports["model"] + 2]
    # The old version was read to its end and is told nothing of since; nobody was alarmed.
    (old,) = stack.ask('max_over_time(monitml_prediction_count{predictor_name="good",predictor_version="v1"}[10m])')
    assert int(old["value"][1]) > 0
    # Prometheus takes other targets up every five seconds.
    wait_for(lambda: not stack.ask('up{predictor_version="v1",predictor_name="good"}'), 15)
    assert stack.alerts() == []
    assert changes(stack.play("site", **stack.described(version="v3"))) == 0


def test_every_other_change_loses_nothing_either(stack):
    other = {"name": "other", "version": "v1", "model": str(stack.folder / "constant")}
    third = {**other, "name": "third", "version": "v7", "traffic": 25}
    with Load(stack) as load:
        # Parameters, of the same version.
        stack.play("site", **stack.described(version="v3", parameters={"price": 7.0}))
        assert load.more() == {"good v3", "other v1"}
        more = stack.described({**other, "traffic": 0}, third, version="v3", replicas=2)
        stack.play("site", **more)
        assert load.more() == {"good v3", "third v7"} and len(stack.servers()) == 4
        stack.play("site", canary_workers=2, **stack.described())
        assert load.more() == {"good v1", "other v1"} and len(stack.servers()) == 2
    assert stack.alerts() == []
    stack.play("site")


def test_a_version_that_does_not_start_leaves_everything_as_it_was(stack):
    before = stack.servers()
    broken = stack.model("broken", "import no_such_package\n")
    nan = stack.model("nan", CODE.replace("self.price for", "float('nan') for"))
    two = [
        {"name": "other", "version": "v8", "model": nan, "traffic": 25},
    ]
    with Load(stack) as load:
        began = time.monotonic()
        text = stack.play("site", fails=True, **stack.described(*two, version="v9", model=broken))
        seconds = time.monotonic() - began
        message = text.partition("msg: |-")[2].splitlines()[1:]
        first, second = message[0].strip(), message[1].strip()
        assert first.startswith(
            "Predictor good v9: The model's module Constant cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
        ), text
        assert second.startswith("Predictor other v8: ") and "nan" in second, text
        assert "RETRYING" not in text and "What served before goes on." in text
        assert f"{stack.home}/log/model-good-" in text and text.count("fatal:") == 1
        assert load.more() == {"good v1", "other v1"} and stack.servers() == before
        assert seconds < 120 * max(1.0, os.getloadavg()[0] / os.cpu_count())
        # Taken back, it is as if nothing had been.
        assert changes(stack.play("site")) == 0
    assert stack.servers() == before and stack.alerts() == []


@pytest.mark.parametrize("task", ["Wait for a real prediction", "Move the gateway's traffic", "Watch what serves alone"])
def test_a_run_that_is_killed_loses_nothing_and_the_next_one_ends_its_work(stack, task):
    version = f"k{len(task)}"
    with Load(stack) as load:
        process = stack.start("site", **stack.described(version=version))
        for line in process.stdout:
            if task in line:
                break
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert load.more() <= {"good v1", f"good {version}", "other v1"} | load.more()
        stack.play("site", **stack.described(version=version))
        assert load.more() == {f"good {version}", "other v1"} and len(stack.servers()) == 2
    assert changes(stack.play("site", **stack.described(version=version))) == 0


def test_without_its_record_the_stack_finds_its_way_back(stack):
    (stack.home / "etc/servers.json").unlink()
    before = stack.servers()
    with Load(stack) as load:
        stack.play("site")
        assert load.more() == {"good v1", "other v1"}
    assert len(stack.servers()) == 2 and not set(before.values()) & set(stack.servers().values())
    assert changes(stack.play("site")) == 0


def test_traffic_moves_only_to_what_serves(stack):
    before = stack.servers()
    text = stack.play("traffic", fails=True, **stack.described(version="v44"))
    assert "No server runs good v44 as it is described: run site.yml" in " ".join(text.split())
    with Load(stack):
        stack.play("traffic", canary_traffic={"good": 40, "other": 60})
    assert stack.servers() == before
    stack.play("traffic")
