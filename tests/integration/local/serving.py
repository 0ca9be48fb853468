# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts real model servers for the tests and asks them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
MODELS = Path(__file__).resolve().parent / "models"
IDENTITY = {
    "SELDON_DEPLOYMENT_ID": "housing",
    "PREDICTOR_ID": "good",
    "PREDICTOR_LABELS": '{"version": "v1"}',
    "PREDICTIVE_UNIT_ID": "good",
    "PREDICTIVE_UNIT_IMAGE": "housing:v1",
    "MONITML_MODEL_DIGEST": "abc",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_python():
    """An interpreter with what a model server needs: MONITML_SERVING_PYTHON, else our own."""
    given = os.environ.get("MONITML_SERVING_PYTHON")
    if given:
        return os.path.abspath(given)
    python = ROOT / ".cache" / "serving" / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
        files, model = ROOT / "roles" / "seldon" / "files", ROOT / "models" / "housing"
        at = ["--quiet", "--python", str(python)]
        subprocess.run([uv, "venv", "--quiet", str(python.parents[1])], check=True)
        lock = ["--require-hashes", str(files / "serving.txt")]
        subprocess.run([uv, "pip", "sync", *at, *lock], check=True)
        subprocess.run([python, str(files / "loosen.py"), str(files / "serving.toml")], check=True)
        added = ["-r", str(files / "serving.in"), "-r", str(model / "requirements.txt")]
        subprocess.run([uv, "pip", "install", *at, *added], check=True)
    return str(python)


def deploy(directory):
    """Puts the server's files where they find each other, as the canary role does."""
    directory.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / "roles" / "canary" / "files").glob("serve*.py"):
        shutil.copy(source, directory)
    for source in (ROOT / "plugins" / "module_utils" / "serving").glob("prediction_*.py"):
        shutil.copy(source, directory / source.name.replace("prediction_", "monitml_"))
    return directory


def wait_for(condition, seconds=20, step=0.05):
    """What CONDITION gives once it is true; AssertionError after SECONDS."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(step)
    raise AssertionError("not within %s seconds" % seconds)


def alive(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def tree(root):
    """Pids of ROOT and all below it, in the order of their start."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found.extend(sorted(children.get(pid, ())))
    return found


class Server:
    """A model server, and how to ask it. supervised: started anew whenever it ends."""

    def __init__(self, files, model, python, directory, *arguments, env=None, supervised=False):
        self.http_port, self.metrics_port = free_port(), free_port()
        self.log_path = Path(directory) / "server.log"
        self.metrics_dir = Path(directory) / ("metrics-%d" % self.metrics_port)
        self._command = [
            python,
            str(files / "serve.py"),
            "--model-dir=%s" % model,
            "--http-port=%d" % self.http_port,
            "--metrics-port=%d" % self.metrics_port,
            "--metrics-dir=%s" % self.metrics_dir,
            *arguments,
        ]
        self._env = {**os.environ, **IDENTITY, **(env or {})}
        for name in ("MODEL_NAME", "MONITML_METRICS_DIR", "MONITML_CONTRACT"):
            self._env.pop(name, None)
        self._stopped = threading.Event()
        self._supervised = supervised
        self._start()
        if supervised:
            threading.Thread(target=self._supervise, daemon=True).start()

    def _start(self):
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._env, stdout=log, stderr=log)

    def _supervise(self):
        while not self._stopped.is_set():
            self.process.wait()
            if not self._stopped.wait(0.1):
                self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._stopped.set()
        self.stop()

    def stop(self, number=signal.SIGTERM):
        """Ends it; returns its status and the seconds that took."""
        self._stopped.set()
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20), time.monotonic() - started

    @property
    def log(self):
        return self.log_path.read_text()

    def ask(self, method, path, body=None, port=None, content_type="application/json"):
        """(status, body) of one request; body as JSON where it is."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=30)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, {"Content-Type": content_type} if body else {})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def predict(self, rows, **more):
        return self.ask("POST", "/api/v1.0/predictions", {"data": {"ndarray": rows}, **more})

    def ready(self):
        """(status, answer) of /ready; (0, None) where nobody listens."""
        try:
            return self.ask("GET", "/ready", port=self.metrics_port)
        except OSError:
            return 0, None

    def wait_ready(self, seconds=30):
        def is_ready():
            assert self._supervised or self.process.poll() is None, self.log
            return self.ready()[0] == 200

        wait_for(is_ready, seconds)
        return self

    def metrics(self):
        """{(name, labels without the identity): value}; checks that it can be parsed."""
        status, text = self.ask("GET", "/metrics", port=self.metrics_port)
        assert status == 200, text
        return parse(text)

    def count(self):
        return total(self.metrics(), "monitml_prediction_count")


def parse(text):
    """{(name, labels without the identity): value} of exposition TEXT, no series twice."""
    identity = ("deployment_name", "predictor_name", "predictor_version")
    identity += ("model_name", "model_image", "model_version")
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k not in identity))
            assert (sample.name, labels) not in samples, "%s appears twice" % sample.name
            samples[sample.name, labels] = sample.value
    return samples


def total(samples, name, **labels):
    """Sum of the samples of NAME that carry LABELS."""
    return sum(
        value
        for (other, own), value in samples.items()
        if other == name and set(labels.items()) <= set(own)
    )
