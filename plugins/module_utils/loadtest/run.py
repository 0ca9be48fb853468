# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One load test from options to result, for the module and the action plugin alike."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time

from ..client.error import LoadTestError
from ..client.payload import body, compact, header_lines, render
from ..client.sockets import find_address, tls_context
from ..contract.definition import ContractError, parse_contract
from ..watching.load_test_series import metrics
from .engine import Engine
from .options import Plan
from .status import Status, teller
from .summary import summarise
from .work import Work

# Different requests made before the run; a longer run sends them again in turn.
_MAX_REQUESTS = 10000
_MAX_REQUEST_BYTES = 64 * 1024 * 1024

_MAX_FILE_BYTES = 256 * 1024 * 1024


def load_test(options, check_mode=False, progress=None):
    """Does what ``options`` (validated against ARGUMENT_SPEC) say and returns the result.

    ``progress`` is called with a line of text about once a second. Raises LoadTestError.
    """
    plan = Plan(options)
    requests = prepare(plan)
    if check_mode:
        return {
            "changed": False,
            "requests": 0,
            "msg": "check mode: nothing was sent; without it, %s would go to %s"
            % (_amount(plan), plan.target.url),
        }
    context = None
    if plan.target.tls:
        context = tls_context(plan.ca_file, plan.validate_certs)
    name = plan.tls_server_name or plan.target.host
    family, address = find_address(plan.target, plan.timeout, context, name)
    work = Work(
        family=family,
        address=address,
        context=context,
        server_name=name,
        requests=requests,
        protocol=plan.protocol,
        connections=plan.connections,
        timeout=_ns(plan.timeout),
        think=_ns(plan.think_time),
        warm_up=_ns(plan.warm_up),
        transmit=plan.transmit,
        count=plan.count,
        duration=None if plan.duration is None else _ns(plan.duration),
    )
    if plan.stages is not None:
        from .arrivals import arrivals

        work.due = arrivals(plan.stages, plan.arrival == "poisson", plan.seed, plan.count)
    engine = _engine(work, plan.processes, progress and teller(plan, progress))
    with _interruptible(engine):
        with _Announcement(plan) as announcement:
            record = engine.run()
            result = summarise(plan, record)
            result.update(changed=False, url=plan.target.url, name=plan.name, msg=_message(result))
            announcement.result = result
        if announcement.problem:
            result["warnings"] = [announcement.problem]
        if plan.report:
            result["report"] = _report(plan, record, result)
    result["failed"] = result["outcome"] != "pass"
    return result


# What only some runs need is loaded there: Ansible compiles a collection's files anew in every process.


def _engine(work, processes, progress):
    """What runs ``work``; ``progress`` is called with a Status about once a second."""
    if processes == 1:
        return Engine(work, progress and (lambda record, now: progress(Status(record, now))))
    from .workers import Workers

    return Workers(work, processes, progress)


class _Announcement:
    """Tells Prometheus, in a file, that a run began and, on leaving the block, what came of it.

    The block sets ``result``. ``problem`` is a sentence about a file that could not be written; raises
    LoadTestError instead where the plan requires the file.
    """

    def __init__(self, plan):
        self._plan = plan
        self._wanted = plan.metrics_file and (
            plan.metrics_required
            or os.path.isdir(os.path.dirname(os.path.abspath(plan.metrics_file)))
        )
        self._started_at = time.time()
        self.result = self.problem = None

    def __enter__(self):
        self._write()
        return self

    def __exit__(self, *_error):
        self._write(self.result["ended_at"] if self.result else time.time())

    def _write(self, ended_at=None):
        if not self._wanted:
            return
        plan = self._plan
        labels = dict(plan.metrics_labels, name=plan.name, url=plan.target.url)
        text = metrics(labels, self._started_at, ended_at, self.result)
        try:
            # Whatever this user's mask: the exporter is another user.
            _write(plan.metrics_file, text, 0o644)
        except LoadTestError as err:
            if plan.metrics_required:
                raise
            self.problem = str(err)


def _report(plan, record, result):
    """Writes the report's files and returns the path of the one for the browser."""
    from . import output
    from .report import report_html

    directory = plan.report
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as err:
        raise LoadTestError("report %s cannot be made (%s)." % (directory, err.strerror))
    rows = output.timeline(record)
    files = {
        "load_test.json": json.dumps(result, indent=2, sort_keys=True) + "\n",
        "timeline.csv": output.timeline_csv(rows),
        "percentiles.csv": output.percentiles_csv(record),
        "load_test.html": report_html(result, rows, record, plan.expected),
    }
    for name, text in files.items():
        _write(os.path.join(directory, name), text)
    return os.path.join(directory, "load_test.html")


def _write(path, text, mode=None):
    """Writes a file as a whole, since others may read it at any time, and other runs write it."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(temporary, "w", encoding="utf-8") as handle:
            if mode is not None:
                os.fchmod(handle.fileno(), mode)
            handle.write(text)
        os.replace(temporary, path)
    except OSError as err:
        raise LoadTestError("%s cannot be written (%s)." % (path, err.strerror))


def _ns(seconds):
    return int(seconds * 1e9)


def _amount(plan):
    if plan.stages is not None and plan.count is None:
        return "about %d requests" % round(sum(stage.requests for stage in plan.stages))
    return "%d requests" % plan.count if plan.count else "requests for %g s" % plan.duration


def prepare(plan):
    """The requests as bytes, in the order they are sent in."""
    head = header_lines(plan.target, plan.headers, plan.token_file and _token(plan.token_file))
    wanted = _MAX_REQUESTS if plan.count is None else min(plan.count, _MAX_REQUESTS)
    requests, size = [], 0
    for text in _bodies(plan, wanted):
        requests.append(render(plan.target, plan.method, head, text))
        size += len(requests[-1])
        if size > _MAX_REQUEST_BYTES:
            break
    return requests


def _bodies(plan, wanted):
    """Yields the bodies of ``wanted`` requests at most."""
    rng = random.Random(plan.seed)
    if plan.contract is not None:
        contract = _contract(plan.contract)
        for _each in range(wanted):
            rows = [contract.row(rng) for _row in range(plan.batch_rows)]
            yield body(plan.protocol, rows, contract.names, plan.payload_type, reward=plan.reward)
    elif plan.data:
        yield from _data_bodies(plan, wanted, rng)
    elif plan.payload is not None:
        yield plan.payload if isinstance(plan.payload, str) else compact(plan.payload)
    elif plan.protocol == "raw":
        yield ""
    else:
        raise LoadTestError("nothing says what to send; give contract, data or payload.")


def _contract(given):
    """The Contract in a file, or in the mapping itself."""
    try:
        if isinstance(given, dict):
            return parse_contract(compact(given))
        path = os.path.expanduser(os.path.expandvars(str(given)))
        return parse_contract(_read(path, "contract"), path)
    except ContractError as err:
        raise LoadTestError(str(err))


def _data_bodies(plan, wanted, rng):
    from .data import parse_data, take_column

    names, rows = parse_data(_read(plan.data, "data"), plan.data)
    truth = None
    if plan.truth_column:
        names, rows, truth = take_column(names, rows, plan.truth_column, plan.data)
    size = plan.batch_rows
    for number in range(
        wanted if plan.data_order == "sample" else min(wanted, -(-len(rows) // size))
    ):
        if plan.data_order == "sample":
            picked = [int(rng.random() * len(rows)) for _each in range(size)]
        else:
            picked = range(number * size, min(len(rows), (number + 1) * size))
        yield body(
            plan.protocol,
            [rows[at] for at in picked],
            names,
            plan.payload_type,
            truth and [truth[at] for at in picked],
            plan.reward,
        )


def _read(path, option):
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read(_MAX_FILE_BYTES + 1)
    except (OSError, UnicodeDecodeError) as err:
        raise LoadTestError(
            "%s %s cannot be read (%s)." % (option, path, getattr(err, "strerror", None) or err)
        )
    if len(text) > _MAX_FILE_BYTES:
        raise LoadTestError("%s %s is too large; give at most 256 MB." % (option, path))
    return text


def _token(path):
    token = _read(path, "token_file").strip()
    if not token or any(char.isspace() for char in token):
        raise LoadTestError("token_file %s must hold one token and nothing else." % path)
    return token


@contextlib.contextmanager
def _interruptible(engine):
    """SIGINT and SIGTERM end the run of the engine; the block goes on and tells what there is.

    More of them, such as Ansible sends when it ends itself, change nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda _number, _frame: engine.stop())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _message(result):
    """One sentence, for a person who reads nothing else."""
    bad = [item["message"] for item in result["verdicts"] if item["outcome"] != "pass"]
    p95 = result["latency_ms"]["p95"]
    shares = ", ".join(
        "%s %d" % (item["predictor"] or "(unnamed)", item["count"]) for item in result["predictors"]
    )
    start = "%d requests, %d answers%s, %d errors, p95 %s" % (
        result["requests"],
        result["answers"],
        " (%s)" % shares if shares else "",
        result["errors"]["total"],
        "-" if p95 is None else "%.2f ms" % p95,
    )
    return "%s. %s: %s" % (start, result["outcome"], "; ".join(bad)) if bad else start + ". pass"
