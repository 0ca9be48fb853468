# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a model that does not answer goes unnoticed: first unanswered request to message.

    .venv/bin/python benchmarks/hanging.py [--runs 10] [--keep]

Ten requests a second go to the good model, by clients that give up after a second. A run stops its
worker with SIGSTOP at a random moment, notes the next request, waits for the message, lets the
worker go on and waits for the message that it is over. The next run begins when the window is clear.
What the delay cannot be less than is the monitor's patience with an answer, and with a share of few.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from pathlib import Path

from measured_stack import (
    HOST,
    HOUSE,
    PORTS,
    await_true,
    deployment,
    get,
    kind,
    measured,
    processes,
)

# After measured_stack, which makes the collection importable.
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.histogram import rank

RATE, CLIENT_SECONDS = 10, 1
MONITOR = "RequestsUnanswered"
LIMIT_SECONDS = 5  # beyond the window


class Clients(threading.Thread):
    """Clients that ask the good model and give up."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sent: list[float] = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(1 / RATE):
            self.sent.append(time.time())
            threading.Thread(target=self.ask, daemon=True).start()

    @staticmethod
    def ask():
        connection = http.client.HTTPConnection(HOST, PORTS["gateway"], timeout=CLIENT_SECONDS)
        headers = {"Content-Type": "application/json", "x-monitml-predictor": "good"}
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", deployment()["prediction_path"], HOUSE, headers)
            connection.getresponse().read()
        connection.close()


def workers() -> list[int]:
    """The processes that answer for the good model: below one that is gunicorn's own."""
    servers = {pid for pid, command in processes().items() if kind(command) == "model, server"}
    found = []
    for pid in servers:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if parent in servers and b"PREDICTOR_ID=good" in environment:
            found.append(pid)
    return found


def told(since: float, resolved: bool) -> float | None:
    """When the message came, since a moment."""
    for message in get(f"http://{HOST}:{PORTS['inbox']}/api/messages?since={since}")["messages"]:
        title = message["payload"]["attachments"][0]["title"]
        if MONITOR in title and title.startswith("Resolved: ") == resolved:
            return message["received_at"]
    return None


def one_run(clients: Clients) -> dict:
    time.sleep(random.uniform(1, 3))
    stopped = workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    at = time.time()
    try:
        first = await_true(lambda: next((t for t in list(clients.sent) if t > at), None), "a request", 5)
        message = await_true(lambda: told(at, False), "the message", 60)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    over = time.time()
    await_true(lambda: told(over, True), "the message that it is over", 90)
    return {"delay": message - first, "resolved": told(over, True) - over}


def main():
    def arguments(parser):
        parser.add_argument("--runs", type=int, default=10)

    with measured("hanging", arguments) as (options, result):
        monitor = next(m for m in deployment()["monitors"] if m["name"] == MONITOR)
        clients, runs = Clients(), []
        clients.start()
        try:
            for _run in range(options.runs):
                runs.append(one_run(clients))
                print(".", end="", flush=True)
        finally:
            clients.ended.set()
        delays = sorted(run["delay"] for run in runs)
        result.update(runs=runs, p50=rank(delays, 0.5), p95=rank(delays, 0.95), max=delays[-1])
        result["limit"] = monitor["window_seconds"] + LIMIT_SECONDS
        print(
            f"\nfirst request that a stopped model does not answer, to message: {result['p50']:.2f} s (p50),"
            f" {result['p95']:.2f} s (p95), {result['max']:.2f} s (max) of {len(delays)};"
            f" within {result['limit']} s: {'yes' if result['p95'] <= result['limit'] else 'NO'}"
        )


if __name__ == "__main__":
    main()
