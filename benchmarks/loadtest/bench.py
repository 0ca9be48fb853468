# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers, pinning and accounting that every benchmark of the load test shares."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
SERVER_CORE, CLIENT_CORE = 0, 1
BODY = '{"data":{"names":[],"ndarray":[[1.0,2.0]]}}'

NGINX = """
worker_processes 1; daemon off; pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; default_type application/json; %(paths)s
  split_clients $connection/$connection_requests $name { 75%% good; * bad; }
  server {
    listen 127.0.0.1:%(port)d;
    location /same { return 200 '{"data":{"names":[],"ndarray":[484713.5]},"meta":{"requestPath":{"good":"housing-good:0.1"}}}'; }
    location /different { return 200 '{"data":{"names":[],"ndarray":[$connection_requests.$connection]},"meta":{"requestPath":{"good":"housing-good:0.1"}}}'; }
    location /split { return 200 '{"data":{"names":[],"ndarray":[484713.5]},"meta":{"requestPath":{"$name":"housing-$name:0.1"}}}'; }
    location /status { stub_status; }
  }
}
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# Set to stand in for a quiet machine: servers and clients then run before everything else.
REALTIME = False


def pinned(core):
    def prepare():
        os.sched_setaffinity(0, {core})
        if REALTIME:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    return prepare


def await_port(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("no server on port %d" % port)


@contextlib.contextmanager
def process(command, core, **options):
    child = subprocess.Popen(command, preexec_fn=pinned(core), **options)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(10)


@contextlib.contextmanager
def nginx(folder):
    port = free_port()
    paths = " ".join(
        "%s_temp_path %s/%s;" % (kind, folder, kind)
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = Path(folder, "nginx.conf")
    config.write_text(NGINX % {"folder": folder, "port": port, "paths": paths})
    with process(["nginx", "-c", config, "-p", folder], SERVER_CORE, stderr=subprocess.DEVNULL):
        await_port(port)
        yield port


def truth_binary(folder):
    binary = Path(folder, "truth_server")
    if not binary.exists():
        subprocess.run(["gcc", "-O2", "-o", binary, HERE / "truth_server.c", "-lm"], check=True)
    return binary


@contextlib.contextmanager
def truth_server(folder, median_us=5000, sigma=0.5, stall_ms=0, every_ms=10000):
    """Yields (port, times): after the block, ``times`` holds (arrival, duration) in ns of every request."""
    port, times = free_port(), []
    log = Path(folder, "truth.log")
    log.unlink(missing_ok=True)
    command = [
        truth_binary(folder),
        str(port),
        log,
        str(median_us),
        str(sigma),
        str(stall_ms),
        str(every_ms),
    ]
    with process(command, SERVER_CORE):
        await_port(port)
        yield port, times
    times.extend(tuple(map(int, line.split())) for line in log.read_text().splitlines())


@contextlib.contextmanager
def busy(core, count):
    """Keeps a core busy with ``count`` endless loops."""
    with contextlib.ExitStack() as stack:
        for _each in range(count):
            stack.enter_context(process([sys.executable, "-c", "while True: pass"], core))
        yield


def run(command, core=CLIENT_CORE, timeout=120, **options):
    """Runs a generator; returns (output, cpu seconds of it and its children, wall seconds)."""
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        child = subprocess.Popen(
            [str(part) for part in command],
            preexec_fn=pinned(core),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            **options,
        )
        deadline = time.monotonic() + timeout
        while True:
            pid, _status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                child.kill()
            time.sleep(0.01)
        child.returncode = 0
        wall = time.monotonic() - begin
        output.seek(0)
        return output.read().decode(errors="replace"), usage.ru_utime + usage.ru_stime, wall


def rank(ordered, ratio):
    """The order statistic, by the rule that load_test uses too."""
    return ordered[max(1, math.ceil(ratio * len(ordered) - 1e-9)) - 1]


def save(name, document):
    document["machine"] = {
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "load": os.getloadavg(),
    }
    document["when"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (name + ".json")
    path.write_text(json.dumps(document, indent=1) + "\n")
    print("written to", path.relative_to(HERE.parents[1]))
