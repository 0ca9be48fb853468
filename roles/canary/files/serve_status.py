# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model server says of itself, on its metrics port: /metrics, /answering and /ready.

They are answered by the parent of the server's processes, from files, so that they work and
tell the truth whatever the workers are doing. /answering costs nothing, and is for gateways that
ask each second; /ready asks the model for a prediction.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import monitml_metrics
import serve_metrics
import serve_warnings
from serve_history import INTERVAL_SECONDS, LONGEST_SECONDS, History
from serve_requests import PROBE_HEADER

PREDICTIONS_PATH = "/api/v1.0/predictions"
PROBE_TIMEOUT_SECONDS = 5
# Series of a model's own metrics, where MONITML_SERIES_MAX does not say.
SERIES_MAX = 1000
# Reading the memory of a process walks its page tables: not at each scrape.
MEMORY_SECONDS = 5
# Asked for or not, as the oldest thing that Prometheus may know of a server is its first scrape.
WINDOWS = (30,)
WINDOWS_MAX = 20
HISTORY = "history"


# -- processes ----------------------------------------------------------------------------------


def _stat(pid):
    """Fields of /proc/PID/stat after the command's name; None where it is gone."""
    try:
        with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except OSError:
        return None


def process_tree(root):
    """{pid: stat fields} of ROOT and all its descendants."""
    parents, stats = {}, {}
    for name in os.listdir("/proc"):
        stat = _stat(name) if name.isdigit() else None
        if stat:
            stats[int(name)] = stat
            parents.setdefault(int(stat[1]), []).append(int(name))
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            found[pid] = stats[pid]
            waiting.extend(parents.get(pid, ()))
    return found


def _memory(pid):
    """Bytes of PID, pages shared with others by share; all of its pages where that is secret."""
    try:
        with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as stream:
            for line in stream:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        with open("/proc/%d/statm" % pid, encoding="ascii") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class ProcessMetrics:
    """CPU time, memory and start of this process and all below it."""

    def __init__(self):
        self._root = os.getpid()
        self._tick = os.sysconf("SC_CLK_TCK")
        self._memory, self._memory_until = 0, 0.0
        self._cpu = 0.0
        with open("/proc/stat", encoding="ascii") as stream:
            boot = next(int(line.split()[1]) for line in stream if line.startswith("btime"))
        self._start = boot + int(_stat(self._root)[19]) / self._tick

    def render(self, labels):
        """Prometheus text."""
        tree = process_tree(self._root)
        # user, system and both of ended children; never less, even while one is being reaped
        ticks = sum(int(field) for stat in tree.values() for field in stat[11:15])
        self._cpu = max(self._cpu, ticks / self._tick)
        if time.monotonic() >= self._memory_until:
            self._memory = sum(_memory(pid) for pid in tree)
            self._memory_until = time.monotonic() + MEMORY_SECONDS
        values = (
            (monitml_metrics.PROCESS_CPU, self._cpu),
            (monitml_metrics.PROCESS_MEMORY, self._memory),
            (monitml_metrics.PROCESS_START, self._start),
        )
        return "".join(monitml_metrics.exposition(n, [("", {}, v)], labels) for n, v in values)


# -- the probe ----------------------------------------------------------------------------------


def sample_value(feature):
    """A value that FEATURE (of a contract) may take: its first, or the middle of its range."""
    if feature.get("values"):
        return feature["values"][0]
    low, high = feature.get("range") or (0, 1)
    low, high = float(low), float(high)
    if math.isinf(low):
        low = min(0.0, high - 1)
    if math.isinf(high):
        high = low + 1
    middle = (low + high) / 2
    return int(middle) if str(feature.get("dtype", "")).upper() == "INT" else middle


def sample_request(contract):
    """A request of one row for CONTRACT (dict) in Seldon's protocol; None without features."""
    names, row = [], []
    for feature in contract.get("features") or ():
        repeat = int(feature.get("repeat") or 1)
        shape = feature.get("shape") or [1]
        for number in range(repeat * math.prod(int(n) for n in shape)):
            name = str(feature.get("name", ""))
            names.append(name if repeat == 1 else name + str(number + 1))
            row.append(sample_value(feature))
    return {"data": {"names": names, "ndarray": [row]}} if row else None


class WrongAnswer(str):
    """The sentence about an answer of the model's own: asking again will not make it another."""


class Probe:
    """Whether a server really serves: it answers a prediction and its metrics can be read.

    The prediction carries this start's secret token, by which it is left out of the metrics.
    """

    def __init__(self, address, contract, token, layout, status):
        self._address, self._token, self._layout, self._status = address, token, layout, status
        request = sample_request(contract)
        if request:
            request["meta"] = {"tags": {monitml_metrics.PROBE_TAG: token}}
        self._body = json.dumps(request).encode() if request else None

    def check(self):
        """None where all is well, else a sentence that says what is not."""
        try:
            self._status.metrics()
        except (OSError, ValueError) as error:
            return "The metrics cannot be read: %s." % error
        problem = self._status.requests.problem()
        if problem:
            return problem
        try:
            status, body = self._ask()
        except (OSError, http.client.HTTPException) as error:
            return "The model does not answer on port %d: %s." % (self._address[1], error)
        if status != 200:
            # Those that gateways and queues give say that the model did not answer.
            kind = str if status in (502, 503, 504) else WrongAnswer
            return kind("The model answered %d: %s" % (status, self._sentence(body)))
        problem = self._judge(body) if self._body else None
        return problem and WrongAnswer(problem)

    def _ask(self):
        connection = http.client.HTTPConnection(*self._address, timeout=PROBE_TIMEOUT_SECONDS)
        try:
            connection.connect()
            self._status.requests.expect_own()
            if self._body:
                headers = {"Content-Type": "application/json", PROBE_HEADER: self._token}
                connection.request("POST", PREDICTIONS_PATH, self._body, headers)
            else:
                connection.request("GET", "/health/ping")
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @staticmethod
    def _sentence(body):
        try:
            return str(json.loads(body)["status"]["info"])
        except (ValueError, KeyError, TypeError):
            return body[:200].decode(errors="replace")

    def _judge(self, body):
        try:
            answer = json.loads(body)
        except ValueError:
            return "The model's answer is not JSON."
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            return None  # text or JSON: there are no numbers to judge
        values = data["tensor"].get("values") if "tensor" in data else data.get("ndarray")
        flat = [v for row in values or () for v in (row if isinstance(row, list) else [row])]
        numbers = [v for v in flat if isinstance(v, (int, float))]
        if not all(math.isfinite(v) for v in numbers):
            return "The model's answer to the probe is not finite."
        if self._layout.declared and len(flat) != len(self._layout.outputs):
            sentence = "The model answered the probe's one row with %d values, not %d."
            return sentence % (len(flat), len(self._layout.outputs))
        return None if flat else "The model's answer to the probe is empty."


# -- the endpoints ------------------------------------------------------------------------------


class Status:
    """Renders what the endpoints answer."""

    def __init__(self, directory, layout, requests, files):
        self._directory, self._layout, self.requests = directory, layout, requests
        self._files = files
        self._labels = monitml_metrics.identity()
        self._process = ProcessMetrics()
        series_max = int(os.environ.get("MONITML_SERIES_MAX", SERIES_MAX))
        self._of_model = serve_metrics.ModelMetrics(directory, series_max)
        self._lock = threading.Lock()
        names = [(name, own) for name, own, _value in self._counted()]
        path = os.path.join(directory, HISTORY)
        self._history = History(path, names, time.monotonic())

    def warnings(self):
        """Sentences that whoever deploys this should read; a problem would keep it from serving."""
        try:
            found = serve_warnings.read(self._directory)
        except OSError:
            found = []  # told by whoever asks for the metrics
        if self._of_model.dropped:
            text = "%d series of the model's own metrics are left out: there may be %d (canary_series_max)."
            found.append(text % (self._of_model.dropped, self._of_model.series_max))
        return found

    def _counted(self):
        slots = monitml_metrics.read_slots(self._directory, self._layout)
        return monitml_metrics.counted(slots, self._layout) + self.requests.counted()

    def remember(self):
        """Notes what the counters are, for ever; run it in a thread of its own."""
        while True:
            with self._lock:
                try:
                    values = [value for _name, _own, value in self._counted()]
                    self._history.note(time.monotonic(), values)
                except OSError:
                    pass  # told by whoever asks for the metrics
            time.sleep(INTERVAL_SECONDS)

    def _past(self, windows):
        now = time.monotonic()
        found = {seconds: self._history.before(now, seconds) for seconds in windows}
        pasts = {seconds: values for seconds, values in found.items() if values is not None}
        return monitml_metrics.render_past(self._counted(), pasts, self._labels)

    def metrics(self, windows=WINDOWS):
        """Prometheus text of everything; of counters also what they were before each of the windows,
        in seconds. OSError where the files cannot be read."""
        self.requests.look()
        with self._lock:
            return (
                self._past(windows)
                + monitml_metrics.render(self._directory, self._layout, labels=self._labels)
                + self._of_model.render(self._labels)
                + self.requests.render(self._labels)
                + serve_warnings.render(self._directory, self._labels)
                + self._files.render(self._labels)
                + self._process.render(self._labels)
            )


def asked_windows(query):
    """The windows that a scrape's QUERY asks for, in seconds: those that can be answered, and WINDOWS."""
    given = parse_qs(query).get("window", [])[:WINDOWS_MAX]
    seconds = [int(text) for text in given if text.isascii() and text.isdigit()]
    return sorted({*WINDOWS, *(value for value in seconds if 0 < value <= LONGEST_SECONDS)})


def make_server(listen, port, metrics_path="/metrics"):
    """A server bound to LISTEN:PORT; set its status and probe before it serves. OSError: taken."""

    class Handler(BaseHTTPRequestHandler):
        """Answers from the server's status and probe."""

        protocol_version = "HTTP/1.1"
        timeout = 600  # seconds until a connection that nobody uses is closed

        def do_GET(self):
            path, _mark, query = self.path.partition("?")
            if path == metrics_path:
                self._metrics(asked_windows(query))
            elif path == "/answering":
                problem = self.server.status.requests.problem()
                answer = {"answering": not problem, **({"problem": problem} if problem else {})}
                self._answer(503 if problem else 200, json.dumps(answer))
            elif path == "/ready":
                problem = self.server.probe.check()
                answer = {"ready": not problem, **({"problem": problem} if problem else {})}
                if problem:
                    answer["answered"] = isinstance(problem, WrongAnswer)
                warnings = self.server.status.warnings()
                if warnings:
                    answer["warnings"] = warnings
                self._answer(503 if problem else 200, json.dumps(answer))
            else:
                self._answer(404, json.dumps({"problem": "There is nothing at %s." % path}))

        def _metrics(self, windows):
            try:
                text = self.server.status.metrics(windows)
            except OSError as error:
                self._answer(503, json.dumps({"problem": "No metrics: %s." % error}))
            else:
                self._answer(200, text, monitml_metrics.CONTENT_TYPE)

        def _answer(self, status, text, content_type="application/json"):
            body = text.encode() + (b"\n" if content_type == "application/json" else b"")
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            """Scrapes are not worth a line each."""

    class Server(ThreadingHTTPServer):
        """Quiet about clients that hang up."""

        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    return Server((listen, port), Handler)
