# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serves one model: predictions in Seldon's protocol, its metrics and its health.

    serve.py --model-dir models/housing --http-port 9000 --metrics-port 9001

This process starts the server (serve_app.py), answers /metrics and /ready itself and belongs
under a supervisor. It ends, with all that is below it and a status other than 0, when the server
ends; and the server ends with it, however it dies. So whatever is killed, nothing stays behind
that holds a port, and the supervisor starts all of it anew. A worker that dies is replaced
without that. Its own code is plain Python, so it is small.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

LOG = logging.getLogger("monitml")
# Exit statuses: the server ended by itself; something that only a person can put right.
ENDED, PROBLEM = 1, 2
STOP_SECONDS = 1.5
# How often it is looked whether a server hangs for good.
HANGING_SECONDS = 1
# Beside what is counted: whose it is.
COUNTED_FOR = "counted-for.json"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


class Problem(Exception):
    """Something that the one who starts this can put right; a sentence."""


def set_up_log():
    """One line per message, to standard error."""
    level = os.environ.get("SELDON_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(
        level=level if isinstance(logging.getLevelName(level), int) else "INFO",
        format="%(asctime)s %(levelname)s %(message)s",
    )


def _prctl(option, value):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(%d)" % option)


def die_with_parent(parent):
    """Makes the kernel kill this process when PARENT (its pid) dies, or ends it if that is past."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(ENDED)


def argument_parser():
    """The arguments of serve.py; each can also come from the environment, as Seldon names it."""
    environ = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--model-dir", default=".", help="folder of the model, in s2i layout")
    parser.add_argument(
        "--class",
        dest="model_class",
        metavar="NAME",
        help="class of the model; MODEL_NAME of the environment or of environment_rest by default",
    )
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--http-port", type=int, default=environ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "9000")
    )
    parser.add_argument(
        "--metrics-port", type=int, default=environ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", "6000")
    )
    parser.add_argument("--grpc-port", type=int, default=0, help="0 serves no gRPC")
    parser.add_argument("--workers", type=int, default=environ("GUNICORN_WORKERS", "1"))
    parser.add_argument(
        "--timeout", type=int, default=60, help="seconds after which a worker that hangs is ended"
    )
    parser.add_argument(
        "--metrics-dir", default=environ("MONITML_METRICS_DIR"), help="emptied at the start"
    )
    parser.add_argument("--access-log", action="store_true")
    return parser


def add_child_arguments(parser):
    """What serve.py tells serve_app.py on top of its own arguments."""
    parser.add_argument("--kind", choices=("rest", "grpc"), required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--socket", type=int, help="number of the bound socket to listen on")
    return parser


def read_text(path):
    """The text of PATH; None where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return None


def read_environment_file(path):
    """The NAME=value lines of an s2i environment file, as a dict."""
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        pairs = [line.strip().partition("=") for line in stream if not line.startswith("#")]
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def check_model(options):
    """Fills in the model's folder and class, after checking that they are there."""
    options.model_dir = os.path.abspath(options.model_dir)
    if not os.path.isdir(options.model_dir):
        raise Problem("There is no folder %s for the model." % options.model_dir)
    path = os.path.join(options.model_dir, "environment_rest")
    for name, value in read_environment_file(path).items():
        os.environ.setdefault(name, value)
    options.model_class = options.model_class or os.environ.get("MODEL_NAME")
    if not options.model_class:
        raise Problem("Nothing names the model's class: give --class, or MODEL_NAME in %s." % path)
    parts = options.model_class.split(".")
    source = os.path.join(options.model_dir, *(parts[:-1] or parts))
    if not (os.path.isfile(source + ".py") or os.path.isdir(source)):
        raise Problem("There is no %s.py for the class %s." % (source, options.model_class))


def read_contract(directory):
    """The model's contract.json as a dict; {} without one."""
    path = os.environ.setdefault("MONITML_CONTRACT", os.path.join(directory, "contract.json"))
    if not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as stream:
            contract = json.load(stream)
    except (OSError, ValueError) as error:
        raise Problem("%s cannot be read: %s." % (path, error)) from error
    if not isinstance(contract, dict):
        raise Problem("%s does not hold an object with features and targets." % path)
    return contract


def take_port(listen, port, purpose):
    """A socket bound to PORT, for whoever listens on it. Problem where that cannot be had."""
    taken = socket.socket(socket.AF_INET6 if ":" in listen else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((listen, port))
    except OSError as error:
        taken.close()
        sentence = "Port %d of %s, for %s, cannot be listened on: %s."
        raise Problem(sentence % (port, listen, purpose, error.strerror)) from error
    return taken


def read_boot():
    """What tells one boot of the machine from another."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def prepare_directory(path, port, counted_for=""):
    """The directory for the metrics files; where none is given, one in memory for PORT.

    That one is the same at each start, so that a server that was killed leaves none behind. What
    was counted for the same, by a server that was killed, goes on being counted; all else goes.
    """
    if not path:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
        path = os.path.join(memory, "monitml-%d-%d" % (os.getuid(), port))
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)
        if os.stat(path).st_uid != os.getuid():
            raise Problem("The metrics directory %s belongs to another user." % path)
        mark = os.path.join(path, COUNTED_FOR)
        old = ["custom-", "warning-", "at-work-"]
        if read_text(mark) != counted_for:
            old += ["slot-", "history", "requests"]
        for name in os.listdir(path):
            if name.startswith(tuple(old)):
                os.unlink(os.path.join(path, name))
        with open(mark, "w", encoding="utf-8") as stream:
            stream.write(counted_for)
    except OSError as error:
        raise Problem("The metrics directory %s cannot be used: %s." % (path, error)) from error
    return path


class Family:
    """The processes below this one."""

    def __init__(self):
        self._children = {}  # pid -> what it is
        self._pid = os.getpid()
        # What a process below leaves behind when it dies becomes our child, and can be ended.
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def start(self, options, kind, listener=None):
        """Starts serve_app.py as KIND, with the socket that it is to listen on; call it from the
        main thread, whose end would end it."""
        application = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serve_app.py")
        arguments = [
            "--model-dir=" + options.model_dir,
            "--class=" + options.model_class,
            "--listen=" + options.listen,
            "--http-port=%d" % options.http_port,
            "--grpc-port=%d" % options.grpc_port,
            "--workers=%d" % options.workers,
            "--timeout=%d" % options.timeout,
            "--kind=" + kind,
            "--parent=%d" % self._pid,
        ]
        if options.access_log:
            arguments.append("--access-log")
        kept = [listener.fileno()] if listener else []
        arguments += ["--socket=%d" % number for number in kept]
        child = subprocess.Popen([sys.executable, application] + arguments, pass_fds=kept)
        self._children[child.pid] = kind

    def reap(self):
        """Sentence and exit status for a server that ended, or None; takes leave of all others."""
        ended = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            kind = self._children.pop(pid, None)
            if kind:
                ended = self._verdict(kind, status)

    @staticmethod
    def _verdict(kind, status):
        if os.WIFSIGNALED(status):
            how, code = "was killed by signal %d" % os.WTERMSIG(status), ENDED
        else:
            code = os.WEXITSTATUS(status)
            how, code = "ended with status %d" % code, code if code == PROBLEM else ENDED
        return "The %s server %s; all of it ends, to be started anew." % (kind.upper(), how), code

    def stop(self, graceful):
        """Ends every process below this one; GRACEFUL ones get STOP_SECONDS to finish."""
        if graceful:
            for pid in self._children:
                os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            while self._children and time.monotonic() < until:
                time.sleep(0.02)
                self.reap()
        from serve_status import process_tree

        # A process may fork while it is being ended: until there is none.
        while True:
            below = [pid for pid in process_tree(self._pid) if pid != self._pid]
            if not below:
                return
            for pid in below:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.005)
            self.reap()


def run(options):
    """Serves until told to stop or the server ends; returns the exit status."""
    import monitml_metrics
    import serve_answers
    import serve_files
    import serve_requests
    import serve_status

    check_model(options)
    # Before anything of the model is read.
    files = serve_files.ModelFiles(options.model_dir, os.environ.get("MONITML_ARTIFACT_DIR"))
    contract = read_contract(options.model_dir)
    try:
        layout = monitml_metrics.Layout.from_contract(contract)
        serve_status.sample_request(contract)
    except (ValueError, TypeError, AttributeError, OSError) as error:
        sentence = "%s is not a contract as Seldon has it: %s."
        raise Problem(sentence % (os.environ["MONITML_CONTRACT"], error)) from error
    listener = take_port(options.listen, options.http_port, "predictions")
    if options.grpc_port:
        take_port(options.listen, options.grpc_port, "gRPC").close()
    take_port(options.listen, options.metrics_port, "metrics").close()
    path = os.environ.get("PREDICTIVE_UNIT_METRICS_ENDPOINT", "/metrics")
    server = serve_status.make_server(options.listen, options.metrics_port, path)
    whose = [monitml_metrics.identity(), os.environ.get("MONITML_MODEL_DIGEST"), layout.counted]
    counted_for = json.dumps([*whose, read_boot()], sort_keys=True)
    directory = prepare_directory(options.metrics_dir, options.metrics_port, counted_for)
    answers = serve_answers.Settings(os.environ)
    if answers.directory:
        try:
            os.makedirs(answers.directory, mode=0o750, exist_ok=True)
        except OSError as error:
            raise Problem("The directory %s for answers cannot be had: %s." % (answers.directory, error)) from error
        threading.Thread(target=serve_answers.prune_for_ever, args=[answers], daemon=True).start()
    token = secrets.token_hex(16)
    os.environ.update(MONITML_METRICS_DIR=directory, MONITML_PROBE_TOKEN=token)

    requests = serve_requests.Requests(directory, listener, options.timeout)
    server.status = serve_status.Status(directory, layout, requests, files)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.listen, options.listen)
    address = (host, options.http_port)
    server.probe = serve_status.Probe(address, contract, token, layout, server.status)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    family = Family()
    family.start(options, "rest", listener)
    if options.grpc_port:
        family.start(options, "grpc")
    threading.Thread(target=requests.watch, daemon=True).start()
    threading.Thread(target=server.status.remember, daemon=True).start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    LOG.info("Serving %s on port %d.", options.model_class, options.http_port)
    try:
        return wait(family, requests, listener)
    finally:
        if not options.metrics_dir:
            shutil.rmtree(directory, ignore_errors=True)


def wait(family, requests, listener):
    """Waits for a signal to stop, or a server that ends or hangs; returns the exit status."""
    while True:
        received = signal.sigtimedwait(_SIGNALS, HANGING_SECONDS)
        if received and received.si_signo != signal.SIGCHLD:
            LOG.info("Stopping.")
            # Nobody new is to wait here for those who end: they are refused, and ask elsewhere.
            listener.close()
            family.stop(graceful=True)
            return 0
        ended = family.reap()
        hanging = None if ended else requests.verdict()
        if ended or hanging:
            sentence, status = ended or (hanging, ENDED)
            LOG.error("%s", sentence)
            family.stop(graceful=False)
            return status


def main():
    options = argument_parser().parse_args()
    set_up_log()
    try:
        sys.exit(run(options))
    except Problem as problem:
        LOG.error("%s", problem)
        sys.exit(PROBLEM)


if __name__ == "__main__":
    main()
