# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes the truth about answers that models gave, joins it to them, and says how right they were.

Standard library only; Python 3.8 or later. POST /api/labels takes labels, POST /api/v1.0/feedback
what Seldon's clients send; GET /api/answers?id=ID gives what was answered; GET /metrics?window=SECONDS
the figures over the labels that came in each window; GET /healthz says that it runs. It listens on
the machine itself alone: answers are nobody else's business.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import labels_figures
from labels_store import OUTCOMES, Store, Told

HOST = "127.0.0.1"
BODY_BYTES_MAX = 32 * 1024 * 1024
LABELS_MAX = 20000
CATCH_UP_SECONDS = 0.5
PRUNE_SECONDS = 3600
# Of the time, at most one part in so many goes into figures.
_FIGURES_PART = 20
_SHOWN_UNKNOWN = 10
_SHOWN_REASONS = 20


class Refused(Exception):
    """A request that is not taken. status: of the answer; the text is a sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


class Keeper:
    """The store, for threads. clock: what time it is, in seconds since the epoch."""

    def __init__(self, store, clock=time.time):
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._figures = {}  # seconds -> (samples, changes of the store, when they are old)
        self._answers = (0, 0.0)
        self._pruned = 0.0

    def follow(self, stopped):
        """Keeps up with what servers write, until an event; run it in a thread of its own."""
        while not stopped.wait(CATCH_UP_SECONDS):
            with self._lock:
                try:
                    now = self._clock()
                    self._store.catch_up(now)
                    if now - self._pruned >= PRUNE_SECONDS:
                        self._store.prune(now)
                        self._pruned = now
                except (OSError, sqlite3.Error) as error:
                    print(f"The answers cannot be read: {error}", file=sys.stderr, flush=True)

    def add(self, told, check):
        """See Store.add()."""
        with self._lock:
            return self._store.add(told, self._clock(), check)

    def find(self, name):
        """The answers with an id."""
        with self._lock:
            self._store.catch_up(self._clock())
            return self._store.find(name)

    def metrics(self, windows):
        """Prometheus text."""
        with self._lock:
            now, samples = self._clock(), []
            for seconds in windows:
                samples += self._figures_of(seconds, now)
            if now >= self._answers[1]:
                self._answers = (self._store.answers(), now + 10)
            return labels_figures.render(samples, self._store.outcomes(), self._answers[0], self._store.bytes)

    def _figures_of(self, seconds, now):
        samples, changes, until = self._figures.get(seconds, ((), -1, 0.0))
        if now < until or (changes == self._store.changes and now < until + 1):
            return samples
        began = time.perf_counter()
        samples, changes = labels_figures.figures(self._store, seconds, now), self._store.changes
        took = time.perf_counter() - began
        self._figures[seconds] = (samples, changes, now + _FIGURES_PART * took)
        return samples


def asked_windows(query):
    """The windows that a scrape asks for, in seconds, and those of the board."""
    given = [int(text) for text in query.get("window", [])[: labels_figures.WINDOWS_MAX] if text.isascii() and text.isdigit()]
    return sorted({*labels_figures.WINDOWS, *(seconds for seconds in given if seconds > 0)})


def read_labels(content):
    """The labels in a request of ours, a list of Told. Refused."""
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, list) or len(labels) > LABELS_MAX:
        raise Refused(400, "labels must be a list of at most %d." % LABELS_MAX)
    found = []
    for one in labels:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or one.get("truth") is None:
            raise Refused(400, "A label needs an id and a truth, and this is none: %.200s." % json.dumps(one))
        row, when = one.get("row"), one.get("when")
        if not isinstance(row, (int, type(None))) or not isinstance(when, (int, float, type(None))):
            raise Refused(400, "The label of %s: row is a whole number and when are seconds." % one["id"])
        found.append(Told(one["id"], one["truth"], row, when))
    return found


def read_feedback(content):
    """The label in a Feedback of Seldon's. Refused."""
    parts = [content.get(part) for part in ("response", "request", "truth")] if isinstance(content, dict) else []
    metas = [part.get("meta") for part in parts if isinstance(part, dict)]
    names = [meta["puid"] for meta in metas if isinstance(meta, dict) and meta.get("puid")]
    if not names:
        raise Refused(
            400,
            "Feedback belongs to the predictor that answered: send it with the header x-monitml-predictor of"
            " that answer, or with that answer as its response. Its id alone is enough, as response.meta.puid.",
        )
    truth = _truth(content.get("truth"))
    reward = content.get("reward", None if truth is not None else 0)
    return Told(str(names[0]), truth, reward=reward)


def _truth(message):
    """The values in a SeldonMessage; None where it has none."""
    data = message.get("data") if isinstance(message, dict) else None
    if isinstance(message, dict) and isinstance(message.get("strData"), str):
        return [message["strData"]]
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("ndarray"), list):
        return data["ndarray"]
    tensor = data.get("tensor") if isinstance(data.get("tensor"), dict) else {}
    values, shape = tensor.get("values"), tensor.get("shape") or []
    if isinstance(values, list) and len(shape) > 1 and shape[0]:
        width = max(1, len(values) // int(shape[0]))
        return [values[start : start + width] for start in range(0, len(values), width)]
    return values


class Handler(BaseHTTPRequestHandler):
    """One connection; self.server.keeper knows everything."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "monitml-labels", ""
    timeout = 60
    wbufsize = -1

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/healthz":
            self._answer(200, "ok\n", "text/plain")
        elif url.path == "/metrics":
            self._try(lambda: (self.server.keeper.metrics(asked_windows(query)) + _process(), "text/plain; version=0.0.4"))
        elif url.path == "/api/answers":
            self._try(lambda: json.dumps({"answers": [_shown(a) for a in self.server.keeper.find(query.get("id", [""])[0])]}))
        else:
            self._answer(404, _failure(404, "There is no such page."))

    def do_POST(self):
        path = urllib.parse.urlsplit(self.path).path
        handle = {"/api/labels": self._labels, "/api/v1.0/feedback": self._feedback}.get(path)
        if handle is None:
            self.close_connection = True
            self._answer(404, _failure(404, "There is nothing at %s." % path))
        else:
            self._try(lambda: handle(self._body()))

    def _labels(self, content):
        counts, reasons, unknown, joined = self.server.keeper.add(read_labels(content), bool(content.get("check")))
        names = ("deployment", "predictor", "version")
        told = {
            "reasons": [{"place": place, "sentence": sentence} for place, sentence in reasons[:_SHOWN_REASONS]],
            "unknown_ids": unknown[:_SHOWN_UNKNOWN],
            "joined": [{**dict(zip(names, owner)), "labels": number} for owner, number in sorted(joined.items())],
        }
        return json.dumps({**counts, **told})

    def _feedback(self, content):
        told = read_feedback(content)
        counts, reasons, unknown, _joined = self.server.keeper.add([told], False)
        if reasons:
            raise Refused(400, reasons[0][1])
        if unknown:
            raise Refused(404, "No answer is known that has the id %s." % told.id)
        outcome = next(name for name in OUTCOMES if counts[name])
        return json.dumps({"meta": {"puid": told.id, "tags": {"label": outcome}}})

    def _body(self):
        # Only a browser says so: a page from elsewhere that has this one post in its place.
        if self.headers.get("Origin"):
            raise Refused(403, "Pages of other sites may tell nothing here.")
        try:
            length = int(self.headers.get("Content-Length") or "")
        except ValueError:
            length = -1
        if not 0 <= length <= BODY_BYTES_MAX:
            self.close_connection = True
            raise Refused(413, "The body must say its length, of at most %d bytes." % BODY_BYTES_MAX)
        try:
            return json.loads(self.rfile.read(length))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "The body is no JSON.") from error

    def _try(self, what):
        try:
            found = what()
        except Refused as refused:
            self._answer(refused.status, _failure(refused.status, str(refused)))
        except (OSError, sqlite3.Error) as error:
            self._answer(503, _failure(503, "The answers cannot be read: %s." % error))
        else:
            self._answer(200, *(found if isinstance(found, tuple) else (found,)))

    def _answer(self, status, text, content_type="application/json"):
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Silent: the labels are the log."""


def _shown(answer):
    """What a person is shown of an answer."""
    names = [output["name"] for output in answer.outputs]
    return {
        **dict(zip(("deployment", "predictor", "version"), answer.owner)),
        "id": answer.id,
        "at": answer.at,
        "features": answer.features,
        "predictions": [dict(zip(names, row)) for row in answer.predictions],
    }


def _failure(status, sentence):
    return json.dumps({"status": {"code": status, "info": sentence, "reason": "LABELS", "status": "FAILURE"}})


def _process():
    with open("/proc/self/statm", encoding="ascii") as stream:
        resident = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return "process_cpu_seconds_total %r\nprocess_resident_memory_bytes %d\n" % (time.process_time(), resident)


class Server(ThreadingHTTPServer):
    """Quiet about clients that go away."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, keeper):
        self.keeper = keeper
        super().__init__((HOST, port), Handler)

    def handle_error(self, request, client_address):
        print(f"A request ended early: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--answers", required=True, help="directory in which model servers write answers down")
    parser.add_argument("--directory", required=True, help="where the labels are kept")
    options = parser.parse_args(arguments)
    try:
        os.makedirs(options.directory, mode=0o750, exist_ok=True)
        keeper = Keeper(Store(options.answers, os.path.join(options.directory, "labels.db")))
        server = Server(options.port, keeper)
    except (OSError, sqlite3.Error) as error:
        print(f"What takes labels cannot start: {error}", file=sys.stderr)
        return 1
    stopped = threading.Event()
    threading.Thread(target=keeper.follow, args=[stopped], daemon=True).start()
    # In a container it is the first process, which no signal ends that nobody handles.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    stopped.set()
    return 0


if __name__ == "__main__":
    sys.exit(main())
