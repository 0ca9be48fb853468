# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models and a gateway that only pretend.

They expose the very series of the real ones: the models through the instrumentation itself, the
gateway in Envoy's text format, a class of status codes shown only from its first answer on, as
Envoy does.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as metrics,
)

# The server's own files find each other and the instrumentation by the names they have on a host.
sys.modules.setdefault("monitml_metrics", metrics)
sys.path.append(str(Path(__file__).resolve().parents[3] / "roles/canary/files"))
from serve_history import INTERVAL_SECONDS, History  # noqa: E402
from serve_requests import AtWork, Requests  # noqa: E402
from serve_status import asked_windows  # noqa: E402

HOST = "127.0.0.1"
BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500)
PRICE_BOUNDS = tuple(
    float(price) for price in (1e3, 5e4, *range(100_000, 1_000_001, 50_000), 1.5e6, 2e6)
)


class Exposer:
    """Serves what text() returns on one port until it is stopped."""

    def __init__(self, port: int, path: str, text):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                place, _mark, query = self.path.partition("?")
                found = place == path
                body = text(query).encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):
                pass

        self.server = ThreadingHTTPServer((HOST, port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class PretendModel:
    """A model server that predicts what it is told, and counts as the real ones do."""

    def __init__(self, deployment: dict, predictor: dict, server: dict, directory: Path):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        name, _colon, tag = predictor["image"].rpartition(":")
        self.labels = {
            "deployment_name": deployment["name"],
            "predictor_name": predictor["name"],
            "predictor_version": predictor["version"],
            "model_name": predictor["name"],
            "model_image": name,
            "model_version": tag,
        }
        self.layout = metrics.Layout([("price", PRICE_BOUNDS)], declared=True)
        self.slot = metrics.Slot(str(directory), self.layout)
        self.listener = socket.create_server((HOST, 0))
        self.requests = Requests(str(directory), self.listener, 60)
        self.at_work = AtWork(str(directory), accepts=False)
        self.lock = threading.Lock()
        self.started = time.time()
        self.silent = False
        self.history = History(
            str(directory / "history"), [who[:2] for who in self.counted()], time.monotonic()
        )
        self.stopped = threading.Event()
        threading.Thread(target=self.remember, daemon=True).start()
        self.port = server["metrics_port"]
        self.exposer = Exposer(self.port, "/metrics", self.text)

    def counted(self) -> list:
        slots = metrics.read_slots(str(self.directory), self.layout)
        return metrics.counted(slots, self.layout) + self.requests.counted()

    def remember(self):
        while not self.stopped.wait(INTERVAL_SECONDS):
            with self.lock:
                self.history.note(time.monotonic(), [value for *_who, value in self.counted()])

    def text(self, query: str) -> str:
        self.requests.look()
        with self.lock:
            seconds, now = time.time() - self.started, time.monotonic()
            pasts = {s: self.history.before(now, s) for s in asked_windows(query)}
            shown = (
                ""
                if self.silent
                else metrics.render(str(self.directory), self.layout, labels=self.labels)
                + metrics.render_past(self.counted(), pasts, self.labels)
                + self.requests.render(self.labels)
            )
            return shown + "".join(
                metrics.exposition(name, [("", {}, value)], self.labels)
                for name, value in (
                    (metrics.PROCESS_CPU, 0.05 * seconds + 0.3),
                    (metrics.PROCESS_MEMORY, 190e6 + 5e6 * random.random()),
                    (metrics.PROCESS_START, self.started),
                )
            )

    def predict(self, value: float):
        place = self.at_work.begin()
        self.at_work.mark_prediction(place)
        self.at_work.end(place)
        with self.lock:
            self.slot.add_value(0, value, int(time.monotonic()))
            self.slot.publish()

    def fail(self, reason: str = "exception"):
        with self.lock:
            self.slot.add_error(reason)
            self.slot.publish()

    def stop(self):
        self.stopped.set()
        self.exposer.stop()
        self.listener.close()
        with self.lock:
            self.slot.close()


class PretendGateway:
    """Envoy's statistics of requests that were never sent."""

    def __init__(self, port: int):
        self.answers: dict[tuple[str, str], int] = {}
        self.buckets: dict[str, list[int]] = {}
        self.sums: dict[str, float] = {}
        self.lock = threading.Lock()
        self.port = port
        self.exposer = Exposer(port, "/stats/prometheus", self.text)

    def answer(self, cluster: str, code: int, milliseconds: float):
        with self.lock:
            key = (cluster, str(code // 100))
            self.answers[key] = self.answers.get(key, 0) + 1
            buckets = self.buckets.setdefault(cluster, [0] * (len(BOUNDS_MS) + 1))
            for index, bound in enumerate((*BOUNDS_MS, float("inf"))):
                buckets[index] += milliseconds <= bound
            self.sums[cluster] = self.sums.get(cluster, 0) + milliseconds

    def text(self, _query: str) -> str:
        with self.lock:
            lines = ["# TYPE envoy_cluster_upstream_rq_xx counter"]
            lines += [
                f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="{code}",'
                f'envoy_cluster_name="{cluster}"}} {count}'
                for (cluster, code), count in self.answers.items()
            ]
            name = "envoy_cluster_upstream_rq_time"
            lines.append(f"# TYPE {name} histogram")
            for cluster, buckets in self.buckets.items():
                label = f'envoy_cluster_name="{cluster}"'
                for bound, count in zip((*BOUNDS_MS, "+Inf"), buckets):
                    lines.append(f'{name}_bucket{{{label},le="{bound}"}} {count}')
                lines.append(f"{name}_sum{{{label}}} {self.sums[cluster]}")
                lines.append(f"{name}_count{{{label}}} {buckets[-1]}")
            lines.append("# TYPE envoy_server_live gauge\nenvoy_server_live{} 1")
            return "\n".join(lines) + "\n"

    def stop(self):
        self.exposer.stop()
