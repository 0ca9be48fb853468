# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real Prometheus, Alertmanager and inbox around models and a gateway that only pretend.

Everything listens on free loopback ports and ends with the stack.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from ansible_collections.monitml.stack.plugins.module_utils.deployment import (
    description as deployment_description,
)
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    board,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    messages as watching_messages,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules, scraping
from pretenders import HOST, PretendGateway, PretendModel

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


def deploy_inbox(directory: Path) -> Path:
    """Puts the inbox's files where they find each other, as the role does; returns the program."""
    directory.mkdir(exist_ok=True)
    for source in (ROOT / "roles/analytics/files").glob("inbox*.py"):
        shutil.copy(source, directory)
    delivery = ROOT / "plugins/module_utils/receivers/delivery.py"
    shutil.copy(delivery, directory / "inbox_delivery.py")
    return directory / "inbox.py"


def housing_deployment(**changes) -> dict:
    """The default description, completed as deployment_info does it, on free ports."""
    defaults = yaml.safe_load((ROOT / "roles/monitml/defaults/main.yml").read_text())
    spec = yaml.safe_load((ROOT / "roles/monitml/meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]["monitml_deployment"]["options"]
    description = {**defaults["monitml_deployment"], **changes}
    for part in ("predictors", "monitors"):
        known = {name: entry.get("default") for name, entry in options[part]["options"].items()}
        description[part] = [{**known, **entry} for entry in description[part]]
    deployment = deployment_description.complete(description, 9000)
    for predictor in deployment["predictors"]:
        for server in predictor["servers"]:
            server["metrics_port"] = free_port()
    return deployment


class WatchingStack:
    """Everything that watches, started on free ports in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        deployment: dict | None = None,
        receivers: list[dict] | None = None,
        **settings,
    ):
        self.directory = directory
        self.receivers = receivers or []
        self.deployment = deployment or housing_deployment()
        names = ("prometheus", "alertmanager", "gateway_admin", "inbox", "node_exporter")
        self.settings = {
            "listen_address": HOST,
            **{f"{name}_port": free_port() for name in names},
            "scrape_interval": "500ms",
            "stack_scrape_interval": "1s",
            "evaluation_interval": "500ms",
            "rule_files": [str(directory / "rules.yml")],
            **settings,
        }
        self.models: dict[str, list[PretendModel]] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self._commands: dict[str, list[str]] = {}
        self.gateway: PretendGateway | None = None
        self._traffic: threading.Thread | None = None
        self._stop_traffic = threading.Event()

    # -- life

    def start(self) -> WatchingStack:
        self.start_models()
        self.start_watching()
        return self

    def start_models(self):
        for predictor in self.deployment["predictors"]:
            self.models[predictor["name"]] = [
                PretendModel(
                    self.deployment,
                    predictor,
                    server,
                    self.directory / f"slots-{predictor['name']}-{server['index']}",
                )
                for server in predictor["servers"]
            ]
        self.gateway = PretendGateway(self.settings["gateway_admin_port"])

    def start_watching(self):
        self.write_configuration()
        self._start_processes()
        self.wait(lambda: self.values('up{job="models"} == 1'), "models to be scraped")

    def write_configuration(self):
        self._write_yaml("rules.yml", rules.alert_rules(self.deployment))
        self._write_yaml(
            "prometheus.yml", scraping.prometheus_config(self.deployment, self.settings)
        )
        self._write_yaml(
            "alertmanager.yml",
            watching_messages.alertmanager_config(
                {
                    "inbox_url": f"{self.inbox_url}/services/local",
                    "group_wait": "0s",
                    "group_interval": "1s",
                    "repeat_interval": "4h",
                    "severities": ["critical", "warning"],
                }
            ),
        )
        assets = self.directory / "board"
        assets.mkdir(exist_ok=True)
        for file in (ROOT / "files/board").iterdir():
            (assets / file.name).write_bytes(file.read_bytes())
        definition = yaml.safe_load((ROOT / "files/dashboards/canary.yml").read_text())
        inbox = f"http://{HOST}:{self.settings['inbox_port']}/"
        content = board.board(
            definition,
            "local",
            f"http://{HOST}:8004{self.deployment['prediction_path']}",
            inbox,
        )
        (assets / "board.json").write_text(json.dumps(content))

    def _write(self, name: str, text: str):
        (self.directory / name).write_text(text)

    def _write_yaml(self, name: str, content: dict):
        self._write(name, yaml.safe_dump(content, sort_keys=False, width=10000))

    def _start_processes(self):
        at, ports = self.directory, self.settings
        (at / "inbox").mkdir(exist_ok=True)
        self.metrics.mkdir(exist_ok=True)
        program = deploy_inbox(at / "program")
        (at / "receivers.json").write_text(json.dumps({"receivers": self.receivers}))
        self._run(
            "inbox",
            [sys.executable, str(program), "--directory", str(at / "inbox")]
            + ["--port", str(ports["inbox_port"]), "--receivers", str(at / "receivers.json")],
        )
        self._run(
            "alertmanager",
            ["prometheus-alertmanager", f"--config.file={at}/alertmanager.yml"]
            + [f"--storage.path={at}/alertmanager", "--cluster.listen-address="]
            + [f"--web.listen-address={HOST}:{ports['alertmanager_port']}"],
        )
        self._run(
            "node_exporter",
            ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.filesystem"]
            + [
                "--collector.filesystem.fs-types-exclude=^(proc|sysfs|tmpfs|devtmpfs|cgroup2?|mqueue)$"
            ]
            + ["--collector.textfile", f"--collector.textfile.directory={self.metrics}"]
            + [f"--web.listen-address={HOST}:{ports['node_exporter_port']}"],
        )
        self._run(
            "prometheus",
            ["prometheus", f"--config.file={at}/prometheus.yml", f"--storage.tsdb.path={at}/data"]
            + [f"--web.user-assets={at}/board", "--web.enable-lifecycle"]
            + [
                f"--web.external-url={self.url}",
                f"--web.listen-address={HOST}:{ports['prometheus_port']}",
            ],
        )

    def _run(self, name: str, command: list[str]):
        self._commands[name] = command
        with (self.directory / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, name: str):
        self.processes[name].kill()
        self.processes[name].wait()

    def start_again(self, name: str):
        self._run(name, self._commands[name])

    def stop(self):
        self.stop_traffic()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for server in [model for models in self.models.values() for model in models] + [
            self.gateway
        ]:
            if server is not None:
                server.stop()

    # -- requests

    def request(
        self, predictor: str, value: float | None, milliseconds: float = 12.0, code: int = 200
    ):
        """One request that the predictor answered; value None: it failed."""
        described = next(p for p in self.deployment["predictors"] if p["name"] == predictor)
        model = random.choice(self.models[predictor])
        model.fail() if value is None else model.predict(value)
        cluster = gateway.cluster_name(self.deployment, described)
        self.gateway.answer(cluster, 500 if value is None else code, milliseconds)

    def start_traffic(self, per_second: float = 40, good=lambda: random.lognormvariate(13.1, 0.45)):
        """Requests in the background, split as declared; good answers prices, bad answers 100."""
        answers = {"good": good, "bad": lambda: 100.0}
        self._stop_traffic.clear()

        def run():
            while not self._stop_traffic.wait(1 / per_second):
                live = [p for p in self.deployment["predictors"] if p["traffic"]]
                chosen = random.choices(live, [p["traffic"] for p in live])[0]
                wait = random.lognormvariate(2.6, 0.5)
                self.request(chosen["name"], answers.get(chosen["name"], good)(), wait)

        self._traffic = threading.Thread(target=run, daemon=True)
        self._traffic.start()

    def stop_traffic(self):
        self._stop_traffic.set()
        if self._traffic:
            self._traffic.join()
            self._traffic = None

    # -- what there is to see

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.settings['prometheus_port']}"

    @property
    def metrics(self) -> Path:
        """Where load tests leave what Prometheus is to know of them."""
        return self.directory / "metrics"

    @property
    def inbox_url(self) -> str:
        return f"http://{HOST}:{self.settings['inbox_port']}"

    def get(self, url: str) -> dict:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)

    def query(self, expression: str) -> list[dict]:
        """The instant vector of an expression."""
        query = urllib.parse.urlencode({"query": expression})
        return self.get(f"{self.url}/api/v1/query?{query}")["data"]["result"]

    def query_range(self, expression: str, start: float, end: float, step: str) -> list[dict]:
        query = urllib.parse.urlencode(
            {"query": expression, "start": start, "end": end, "step": step}
        )
        return self.get(f"{self.url}/api/v1/query_range?{query}")["data"]["result"]

    def values(self, expression: str) -> list[float]:
        try:
            return [float(sample["value"][1]) for sample in self.query(expression)]
        except OSError:
            return []

    def alerts(self) -> list[dict]:
        alerts = self.get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]

    def messages(self) -> list[dict]:
        """Attachments of the inbox's messages, with the moment each came."""
        messages = self.get(f"{self.inbox_url}/api/messages")["messages"]
        return [
            {"received_at": message["received_at"], **attachment}
            for message in messages
            for attachment in message["payload"]["attachments"]
        ]

    def reload(self):
        """Writes the configuration again, as it follows from the deployment now, and has it read."""
        self.write_configuration()
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def wait(self, condition, what: str, seconds: float = START_SECONDS):
        """The first true result of a condition; AssertionError with the logs when time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                found = condition()
            except OSError:
                found = None
            if found:
                return found
            time.sleep(0.1)
        logs = "\n".join(
            f"== {path.name}\n{path.read_text()[-1500:]}"
            for path in sorted(self.directory.glob("*.log"))
        )
        raise AssertionError(f"waited {seconds} s for {what}\n{logs}")
