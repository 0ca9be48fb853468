# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stack of its own to measure: what site.yml makes of the default description, on ports apart.

Everything that benchmarks of the whole stack share: its playbooks, its traffic and its weights,
and how results are shown and kept.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.client
import json
import os
import pwd
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Ansible's own finder: the ansible package in site-packages hides a collection on sys.path.
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()
# pylint: disable=wrong-import-position
from ansible_collections.monitml.stack.plugins.action.deployment_info import typed
from ansible_collections.monitml.stack.plugins.module_utils.deployment import (
    description as deployment_description,
)
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway

HOST = "127.0.0.1"
INSTANCE = "monitml-bench"
HOME = Path("/opt") / INSTANCE
PORTS = {
    "gateway": 28004,
    "gateway_admin": 28005,
    "model": 29000,
    "grafana": 23000,
    "prometheus": 23001,
    "alertmanager": 23005,
    "inbox": 23006,
    "node_exporter": 23007,
    "labels": 23008,
}
HOUSE = json.dumps({"data": {"ndarray": [[7, 47.5, -122.2, 1800, 0, 1970]]}})
# As the role canary's default has it.
TIMEOUT_SECONDS = 60


@dataclass
class Run:
    """A playbook that has ended: seconds and CPU seconds it took, tasks that changed something."""

    seconds: float
    cpu_seconds: float
    changed: int
    output: str


def playbook(name: str, *arguments: str) -> Run:
    """Runs one of the collection's playbooks against the stack; SystemExit where it fails."""
    variables = {
        "monitml_instance": INSTANCE,
        **{f"monitml_{key}_port": port for key, port in PORTS.items()},
    }
    command = [shutil.which("ansible-playbook", path=_path()), str(ROOT / f"playbooks/{name}.yml")]
    command += ["-e", json.dumps(variables), *arguments]
    environment = {
        **os.environ,
        "PATH": _path(),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
        "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
        "ANSIBLE_NOCOLOR": "1",
    }
    # Compiled files stay, as they do for anybody who does not forbid it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start, cpu = time.monotonic(), _cpu_of_children()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(f"{name}.yml failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    recap = done.stdout.partition("PLAY RECAP")[2]
    changed = sum(int(number) for number in re.findall(r"changed=(\d+)", recap))
    return Run(seconds, _cpu_of_children() - cpu, changed, done.stdout)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _path() -> str:
    return os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))


def deployment(**traffic: int) -> dict:
    """The completed default description, without digests; traffic names weights to put in."""
    defaults = yaml.safe_load((ROOT / "roles/monitml/defaults/main.yml").read_text())
    description, problems = deployment_description.with_traffic(typed(defaults["monitml_deployment"]), traffic)
    if problems:
        raise ValueError(problems)
    return deployment_description.complete(description, PORTS["model"])


def move_traffic(**traffic: int) -> str:
    """Moves the weights as the role does, by one rename; returns the version to read back."""
    routes = gateway.envoy_routes(deployment(**traffic), TIMEOUT_SECONDS, labels_port=PORTS["labels"])
    fresh = HOME / "etc/routes.json.new"
    fresh.write_text(json.dumps(routes))
    fresh.chmod(0o644)
    fresh.replace(HOME / "etc/routes.json")
    return routes["version_info"]


def routes_version() -> str:
    """The version of the routes that the gateway has taken."""
    found = get(
        f"http://{HOST}:{PORTS['gateway_admin']}/config_dump?resource=dynamic_route_configs"
    )
    return found["configs"][0]["version_info"]


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def await_true(condition, what: str, seconds: float, pause: float = 0.05):
    """The first true value of condition(); SystemExit naming what was waited for."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, LookupError):
            found = condition()
            if found:
                return found
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s for {what}")
        time.sleep(pause)


class Client:
    """Predictions through the gateway, one after the other on one connection."""

    def __init__(self, port: int = PORTS["gateway"], path: str = ""):
        self.path = path or deployment()["prediction_path"]
        self.connection = http.client.HTTPConnection(HOST, port, timeout=10)

    def predict(self, **headers: str) -> tuple[int, str]:
        """Status and answering predictor; OSError or HTTPException where there is no answer."""
        sent = {"Content-Type": "application/json", **headers}
        try:
            self.connection.request("POST", self.path, HOUSE, sent)
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        return answer.status, answer.getheader("x-monitml-predictor", "")


class Traffic(threading.Thread):
    """Requests at a steady rate, in the background; seen(when, predictor) is told of each answer, "" of a failure."""

    def __init__(self, per_second: float, seen):
        super().__init__(daemon=True)
        self.pause, self.seen, self.ended = 1 / per_second, seen, threading.Event()

    def run(self):
        client, due = Client(), time.monotonic()
        while not self.ended.is_set():
            predictor = ""
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answered = client.predict()
                predictor = answered if status == 200 else ""
            self.seen(time.time(), predictor)
            due += self.pause
            self.ended.wait(max(0.0, due - time.monotonic()))

    def stop(self):
        self.ended.set()
        self.join()


def processes() -> dict[int, str]:
    """pid -> command line of what runs as the stack's user, zombies left out."""
    try:
        user = pwd.getpwnam(INSTANCE).pw_uid
    except KeyError:
        return {}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if command and entry.stat().st_uid == user:
                found[int(entry.name)] = command.replace("\0", " ").strip()
    return found


# Kinds of processes by what stands in their command line, the first that fits.
KINDS = {
    "watchdog": "agent.py watch",
    "supervisor": "/supervisord ",
    "gateway": "/envoy ",
    "model, launcher": "/serve.py ",
    "model, server": "/serve_app.py ",
    "Prometheus": "/prometheus ",
    "Alertmanager": "/prometheus-alertmanager ",
    "node exporter": "/prometheus-node-exporter ",
    "inbox": "/inbox.py ",
}


def kind(command: str) -> str:
    return next((name for name, part in KINDS.items() if part in command), command)


@contextlib.contextmanager
def measured(name: str, add_arguments=None, deploy: bool = True):
    """The frame of a benchmark: (options, result) on a stack that is up; then prints and writes.

    result is a dict that becomes results/NAME.json; what the machine was and did stands with it.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the stack for the next one")
    if add_arguments:
        add_arguments(parser)
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("Run as root: the stack to measure is installed, killed and removed.")
    if deploy:
        playbook("site")
    result = {"machine": _machine()}
    try:
        yield options, result
    finally:
        if not options.keep:
            playbook("destroy")
    result["machine"]["load_1m_after"] = os.getloadavg()[0]
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    load = result["machine"]
    print(
        f"load of the machine: {load['load_1m_before']:.1f} before, {load['load_1m_after']:.1f} after"
        f" ({load['cpus']} processors)"
    )


def _machine() -> dict:
    return {
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "load_1m_before": os.getloadavg()[0],
    }
