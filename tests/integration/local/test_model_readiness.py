# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person is told of a real model server that does not start, under a real supervisord."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import time
from pathlib import Path

import pytest
from serving import deploy, find_python, free_port
from supervised import Instance, result_of, start_module

CONTRACT = '{"features": [{"name": "x", "dtype": "FLOAT", "ftype": "continuous"}], "targets": [{"name": "y", "dtype": "FLOAT", "ftype": "continuous"}]}'
# The code of a model's file, and what the sentence about it has to hold.
CODES = {
    "import error": (
        "import no_such_package\nclass Frame: pass",
        "The model's module Frame cannot be imported: ModuleNotFoundError: No module named 'no_such_package' (Frame.py, line 1).",
    ),
    "constructor": (
        "class Frame:\n    def __init__(self):\n        raise OSError('the disk is missing')",
        "The constructor of Frame failed: OSError: the disk is missing (Frame.py, line 3).",
    ),
    "class not found": ("class Other: pass", "Frame.py has no class Frame."),
    "nan": (
        "class Frame:\n    def predict(self, X, names):\n        return [float('nan')]",
        "nan",
    ),
    "outputs": (
        "class Frame:\n    def predict(self, X, names):\n        return [[1.0, 2.0]]",
        "The model answered 2 columns; its contract has 1 targets.",
    ),
    "killed": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "The REST server was killed by signal 9",
    ),
    "exits": ("import os\nos._exit(3)", "The REST server ended with status 3"),
}
NEVER = "import time\nclass Frame:\n    def __init__(self):\n        time.sleep(1000)"
SLOW = "import time\nclass Frame:\n    def __init__(self):\n        time.sleep(8)\n    def predict(self, X, names):\n        return [1.0]"
GOOD = "class Frame:\n    def predict(self, X, names):\n        return [1.0]"


class Servers:
    """Model servers of one instance, by the code of their models."""

    def __init__(self, instance):
        self.instance, self.python = instance, find_python()
        self.runtime = deploy(Path(instance.home, "runtime"))
        self.servers, self.services = [], []

    def add(self, predictor, code, http_port=None):
        model = Path(self.instance.home, "models", predictor)
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir(parents=True)
        for name, text in (
            ("Frame.py", code),
            ("contract.json", CONTRACT),
            ("environment_rest", "MODEL_NAME=Frame"),
        ):
            (model / name).write_text(text)
        http_port, metrics_port = http_port or free_port(), free_port()
        name = f"model-{predictor}-{http_port}"
        command = [self.python, str(self.runtime / "serve.py"), "--model-dir", str(model)]
        command += ["--http-port", str(http_port), "--metrics-port", str(metrics_port)]
        self.services.append(
            {
                "name": name,
                "command": command,
                "environment": {"MONITML_METRICS_DIR": f"{self.instance.home}/run/{name}"},
            }
        )
        self.servers.append(
            {
                "name": name,
                "predictor": predictor,
                "version": "v3",
                "http_port": http_port,
                "metrics_port": metrics_port,
            }
        )
        return self

    def start(self):
        """Starts them, as the canary role does: it leaves the judging to who waits."""
        self.since = time.time()
        self.instance.converge(self.services, group="models", purge=True, start_seconds=0)
        return self

    def wait(self, **options):
        given = {
            "servers": self.servers,
            "instance": self.instance.name,
            "home": self.instance.home,
            "user": self.instance.user,
            "backend": "supervisor",
            "supervisor_path": self.instance.bin,
            "since": self.since,
            "slice_seconds": 120,
            **options,
        }
        return result_of(start_module("model_server_ready", given))


@pytest.fixture(scope="module")
def instance():
    # Another user might not be able to run the interpreter of our own environment.
    made = Instance(pwd.getpwuid(os.geteuid()).pw_name)
    yield made
    made.close()


@pytest.fixture
def servers(instance):
    yield Servers(instance)
    instance.converge([], group="models", purge=True)


@pytest.mark.parametrize("kind", CODES)
def test_a_fault_is_told_in_the_servers_own_words_as_soon_as_it_is_final(servers, kind):
    code, words = CODES[kind]
    told = servers.add("good", code).start().wait()
    first, *more = told["msg"].splitlines()
    assert first.startswith("Predictor good v3: ") and words in first, told["msg"]
    # Ten seconds on a machine that has nothing else to do.
    assert told["seconds"] < 10 * max(1.0, os.getloadavg()[0] / os.cpu_count()), told["seconds"]
    (problem,) = told["problems"]
    name = servers.servers[0]["name"]
    assert problem["log"] == f"{servers.instance.home}/log/{name}.log"
    assert any(problem["log"] in line for line in more) and problem["tail"].splitlines()[-1] in more


def test_a_port_that_somebody_took_meanwhile_is_named(servers):
    with socket.socket() as taken:
        # Bound and not listening: nobody can see it before trying.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        told = servers.add("good", GOOD, port).start().wait()
    assert told["msg"].startswith(
        f"Predictor good v3: Port {port} of 127.0.0.1, for predictions, cannot be listened on: Address already in use."
    )


def test_one_that_never_gets_ready_is_given_up_when_its_time_is_over(servers):
    told = servers.add("good", NEVER).start().wait(start_seconds=6)
    assert told["msg"].startswith("Predictor good v3: It is not ready after 6 s: The model does not listen yet.")
    assert 6 <= told["seconds"] < 9


def test_all_faults_are_told_at_once_and_what_is_well_is_not(servers):
    servers.add("first", CODES["import error"][0]).add("second", CODES["class not found"][0])
    told = servers.add("third", GOOD).start().wait()
    lines = told["msg"].splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["Predictor first v3", "Predictor second v3"]
    assert "third" not in told["msg"]


def test_a_slow_model_is_waited_for_slice_by_slice(servers):
    servers.add("slow", SLOW).add("good", GOOD).start()
    told, slices = servers.wait(slice_seconds=1), 1
    assert {one["predictor"] for one in told["pending"]} >= {"slow"}
    while told["pending"]:
        assert not told["problems"] and told["pending"][0]["problem"]
        before = told["seconds"]
        told = servers.wait(slice_seconds=1, memory=told["memory"])
        slices += 1
        assert told["seconds"] > before
    assert not told["problems"] and slices > 3
    # What is ready is not waited for.
    assert servers.wait()["seconds"] < 2 * max(1.0, os.getloadavg()[0] / os.cpu_count())


def test_one_that_ends_between_two_slices_is_not_missed(servers):
    code = "import time\ntime.sleep(4)\nimport no_such_package"
    servers.add("good", code).start()
    told = servers.wait(slice_seconds=0.5)
    assert told["pending"]
    time.sleep(8)
    told = servers.wait(memory=told["memory"], slice_seconds=0.5)
    assert "No module named 'no_such_package'" in told["msg"].splitlines()[0]


def test_errors_of_an_earlier_server_at_its_place_are_not_taken_for_its_own(servers):
    port = free_port()
    servers.add("good", CODES["constructor"][0], port).start()
    assert "the disk is missing" in servers.wait()["msg"].splitlines()[0]
    servers.servers, servers.services = [], []
    servers.instance.converge([], group="models", purge=True)
    time.sleep(1)
    told = servers.add("good", CODES["import error"][0], port).start().wait()
    assert "No module named 'no_such_package'" in told["msg"].splitlines()[0]
