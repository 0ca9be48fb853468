# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model server reports of its predictions: the names, how they are counted and shown.

This one file stands on its own, as monitml_metrics.py beside a model::

    from monitml_metrics import watch

    @watch
    class HousingModel: ...

Every row of every answer counts. Each worker process owns one small file ("slot") of float64
cells in MONITML_METRICS_DIR; the kernel's lock on it ends with the worker, however it dies, and
the next worker goes on counting in the same slot. So totals never fall and files do not pile up.
A reader sums the slots whenever it is asked. It needs Python 3.8 and, only while counting, numpy.

It is long, and stays one file: it is copied beside models, also by hand, and what writes a slot
must be of the same version as what reads it. Its parts follow each other: names, layout, writing,
watching a model, reading.

The environment: MONITML_METRICS_DIR; MONITML_CONTRACT, the path of the model's contract.json,
whose targets give the outputs and, by the key bins, the bounds of their distribution;
MONITML_MODEL_DIGEST; MONITML_PROBE_TOKEN; and Seldon's own variables for the identity labels.
"""

from __future__ import annotations

import atexit
import bisect
import fcntl
import functools
import inspect
import json
import logging
import math
import mmap
import os
import shutil
import struct
import sys
import tempfile
import threading
import time
import zlib

try:
    import monitml_features as _features
except ImportError:
    try:
        from . import prediction_features as _features
    except ImportError:
        _features = None  # beside a model by itself, which is watched without its features

LOG = logging.getLogger("monitml")

PREDICTION = "monitml_prediction"
PREDICTION_SUM = "monitml_prediction_sum_total"
PREDICTION_MIN = "monitml_prediction_min"
PREDICTION_MAX = "monitml_prediction_max"
PREDICTION_ERRORS = "monitml_prediction_errors_total"
PREDICTION_NON_NUMERIC = "monitml_prediction_non_numeric_total"
MODEL_INFO = "monitml_model_info"
MODEL_FILE_CHANGED = "monitml_model_file_changed"
# What each series of a model's own metrics carries: its name as shown, and counter, gauge or timer.
METRIC_LABEL = "monitml_metric"
KIND_LABEL = "monitml_kind"
MODEL_METRIC_UPDATES = "monitml_model_metric_updates_total"
MODEL_METRIC_DROPPED = "monitml_model_metric_series_dropped"
MODEL_WARNING = "monitml_model_warning"
# What the server's parent knows of the requests, whatever the model is doing.
REQUESTS = "monitml_requests_total"
UNANSWERED = "monitml_requests_unanswered_total"
OVERDUE = "monitml_requests_overdue"
OLDEST = "monitml_request_oldest_seconds"
HUNG = "monitml_hung_processes_total"
STOPPED = "monitml_stopped_processes"
# Of how much patience they are told.
WITHIN_LABEL = "within"
WITHIN_SECONDS = (1, 2, 5, 10, 30, 60)
FEEDBACK = "seldon_api_model_feedback_total"
FEEDBACK_REWARD = "seldon_api_model_feedback_reward_total"
PROCESS_CPU = "process_cpu_seconds_total"
PROCESS_MEMORY = "process_resident_memory_bytes"
PROCESS_START = "process_start_time_seconds"

# name -> (type, labels besides the identity, help)
FAMILIES = {
    PREDICTION: ("histogram", ("output",), "Predicted values that were answered, one per row."),
    PREDICTION_SUM: (
        "counter",
        ("output", "sign"),
        "Sum of the predicted values, by sign and without it, so that increase() is right.",
    ),
    PREDICTION_MIN: ("gauge", ("output",), "Smallest prediction of the last 30 seconds."),
    PREDICTION_MAX: ("gauge", ("output",), "Largest prediction of the last 30 seconds."),
    PREDICTION_ERRORS: ("counter", ("reason",), "Requests that the model failed to answer."),
    PREDICTION_NON_NUMERIC: ("counter", (), "Answered rows that are not numbers."),
    MODEL_INFO: ("gauge", ("digest",), "Always 1; the digest of the model that is served."),
    MODEL_FILE_CHANGED: ("gauge", ("file",), "Always 1; a file of the model that is not as at the start."),
    MODEL_METRIC_UPDATES: (
        "counter",
        ("metric", "kind"),
        "How often the model gave each of its own metrics.",
    ),
    MODEL_METRIC_DROPPED: ("gauge", (), "Series of the model's own metrics that found no room."),
    MODEL_WARNING: ("gauge", ("warning",), "Always 1; what the model's start warned of."),
    REQUESTS: ("counter", (), "Predictions and feedback that clients asked for."),
    UNANSWERED: ("counter", (WITHIN_LABEL,), "Of these, those without an answer so long after they came."),
    OVERDUE: ("gauge", (WITHIN_LABEL,), "Requests that have waited so long, and still do."),
    OLDEST: ("gauge", (), "How long the oldest request without an answer has waited, in seconds."),
    HUNG: ("counter", (), "Processes that hung in a request and were ended for it."),
    STOPPED: ("gauge", (), "Processes of the model that are stopped by a signal."),
    FEEDBACK: ("counter", (), "Feedback received, whatever the reward."),
    FEEDBACK_REWARD: (
        "counter",
        ("sign",),
        "Sum of the rewards, by sign and without it, so that increase() is right.",
    ),
    PROCESS_CPU: ("counter", (), "CPU time of all processes of the server."),
    PROCESS_MEMORY: ("gauge", (), "Memory of all processes of the server, shared pages once."),
    PROCESS_START: ("gauge", (), "Start of the server, in seconds since the epoch."),
}
FAMILIES.update(_features.FAMILIES if _features else {})
IDENTITY_LABELS = (
    "deployment_name",
    "predictor_name",
    "predictor_version",
    "model_name",
    "model_image",
    "model_version",
)
SIGNS = ("positive", "negative")
REASONS = ("exception", "not_finite", "shape")
DEFAULT_OUTPUT = "prediction"
# Decades of both signs: coarse, but right for a model whose magnitude nobody told us.
DEFAULT_BINS = tuple(
    [-(10.0**k) for k in range(9, -4, -1)] + [0.0] + [10.0**k for k in range(-3, 10)]
)
EXTREMES_SECONDS = 30
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Beside a counter that is asked for by windows: its value as many seconds ago as the label says.
PAST = "_past"
PAST_LABEL = "window"
# The key of meta.tags under which a health probe shows its token.
PROBE_TAG = "monitml_probe"

_SLOTS_MAX = 256
_RING = 32  # seconds kept; more than EXTREMES_SECONDS, so that none is overwritten while it counts
_MAGIC = 6.02214076e23
# Cells of a slot: magic, layout, sequence, then the payload.
_HEAD = 3
_HEAD_BYTES = _HEAD * 8
_ERRORS = 0
_NON_NUMERIC = _ERRORS + len(REASONS)
_FEEDBACK = _NON_NUMERIC + 1
_REWARD = _FEEDBACK + 1
_OUTPUTS = _REWARD + len(SIGNS)


# -- layout -------------------------------------------------------------------------------------


def _number(value):
    """VALUE as a finite float, or None; contracts write "inf" for an open range."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def target_bins(target):
    """Upper bounds of the distribution of one target of a contract, ascending and finite.

    Its bins; else its values, if they are numbers; else 20 steps over its range, equal in
    ratio where it spans two decades; else DEFAULT_BINS. ValueError where bins are no numbers.
    """
    if target.get("bins"):
        bins = sorted({_number(b) for b in target["bins"]}, key=lambda b: (b is None, b or 0))
        if None in bins:
            raise ValueError("bins of target '%s' must be finite numbers" % target.get("name"))
        return tuple(bins)
    values = [_number(v) for v in target.get("values") or ()]
    if values and None not in values:
        return tuple(sorted(set(values)))
    low, high = ([_number(v) for v in target.get("range") or ()] + [None, None])[:2]
    if low is None or high is None or not low < high:
        return DEFAULT_BINS
    if low > 0 and high / low >= 100:
        return tuple(float("%.3g" % (low * (high / low) ** (i / 20))) for i in range(21))
    return tuple(float("%.12g" % (low + (high - low) * i / 20)) for i in range(21))


class Layout:
    """Where each number stands in a slot; the same for writers and readers of one contract.

    outputs: list of (name, bounds). declared: whether a contract named them, so that an answer
    with another number of columns is an error. features: what is counted of them, or None.
    references: the rows of a reference in each bin, by output.
    """

    def __init__(self, outputs=None, declared=False, features=None, references=None):
        self.outputs = list(outputs or [(DEFAULT_OUTPUT, DEFAULT_BINS)])
        self.declared = declared
        self.features, self.references = features, references or {}
        self.starts = []
        cells = _OUTPUTS
        for _name, bounds in self.outputs:
            self.starts.append(cells)
            # bins and +Inf, sums of both signs, then the ring of (second + 1, min, max)
            cells += len(bounds) + 1 + 2 + 3 * _RING
        self.features_start = cells
        cells += features.cells if features else 0
        self.cells = cells
        self.bytes = _HEAD_BYTES + cells * 8
        # What a server that was killed goes on counting, and what one of another contract does not.
        self.counted = [self.outputs, features.identity()] if features else self.outputs
        self.digest = float(zlib.crc32(json.dumps(self.counted).encode()))

    @classmethod
    def from_contract(cls, contract, trained=None):
        """Layout of a contract (dict); the outputs are its targets, repeated ones as name:0 ...

        trained: the folder in which training left its reference; that of the environment by default.
        ValueError, TypeError, AttributeError, OSError: it, or what training left, is unsound.
        """
        outputs = []
        for target in contract.get("targets") or ():
            name, repeat = str(target.get("name") or DEFAULT_OUTPUT), int(target.get("repeat") or 1)
            names = [name] if repeat == 1 else ["%s:%d" % (name, i) for i in range(repeat)]
            outputs.extend((n, target_bins(target)) for n in names)
        if not _features:
            return cls(outputs, declared=bool(outputs))
        contract = _features.with_trained(contract, trained or _trained_in())
        features = _features.Features(contract)
        references = _features.output_references(contract, outputs)
        return cls(outputs, bool(outputs), features if features.named else None, references)


def _trained_in():
    """The folder in which training leaves what it made: the artifact's, or the contract's."""
    contract = os.environ.get("MONITML_CONTRACT") or "contract.json"
    return os.environ.get("MONITML_ARTIFACT_DIR") or os.path.dirname(os.path.abspath(contract))


def load_layout(path=None):
    """Layout for the contract at MONITML_CONTRACT, else PATH, else contract.json here."""
    path = os.environ.get("MONITML_CONTRACT") or path or "contract.json"
    if not os.path.isfile(path):
        return Layout()
    with open(path, encoding="utf-8") as stream:
        return Layout.from_contract(json.load(stream))


# -- writing ------------------------------------------------------------------------------------


class Slot:
    """One worker's counters: changed in private memory, then copied to its file in one piece.

    The sequence cell is odd while a copy is under way, so that readers never see half of one.
    Not thread-safe: callers hold a lock. OSError where DIRECTORY has no free slot or no space.
    """

    def __init__(self, directory, layout):
        self.layout = layout
        self.index, self._file = self._acquire(directory)
        os.posix_fallocate(self._file, 0, layout.bytes)
        self._map = mmap.mmap(self._file, layout.bytes)
        head = struct.unpack_from("=3d", self._map)
        fresh = head[:2] != (_MAGIC, layout.digest)
        self._sequence = 0 if fresh else int(head[2]) + int(head[2]) % 2
        self._state = bytearray(layout.cells * 8 if fresh else self._map[_HEAD_BYTES:])
        self.cells = memoryview(self._state).cast("d")
        struct.pack_into("=3d", self._map, 0, _MAGIC, layout.digest, self._sequence)
        self.publish()

    def _acquire(self, directory):
        for index in range(_SLOTS_MAX):
            path = os.path.join(directory, "slot-%03d" % index)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            if os.fstat(handle).st_size not in (0, self.layout.bytes):
                os.ftruncate(handle, 0)
            return index, handle
        raise OSError("all %d slots in %s are in use" % (_SLOTS_MAX, directory))

    def publish(self):
        """Copies the cells to the file, where readers see them."""
        self._sequence += 2
        struct.pack_into("=d", self._map, 16, self._sequence - 1)
        self._map[_HEAD_BYTES:] = self._state
        struct.pack_into("=d", self._map, 16, self._sequence)

    def close(self):
        """Gives the slot free in this process."""
        self.cells.release()
        self._map.close()
        os.close(self._file)

    def add_value(self, output, value, second):
        """Counts one finite VALUE of output number OUTPUT at monotonic SECOND."""
        bounds, start = self.layout.outputs[output][1], self.layout.starts[output]
        self._add(start + bisect.bisect_left(bounds, value), 1)
        sums = start + len(bounds) + 1
        self._add(sums + (value < 0), abs(value))
        self._extend(sums + 2, value, value, second)

    def add_values(self, output, values, second):
        """Counts a float64 array of finite VALUES."""
        if not values.size:
            return
        np = sys.modules["numpy"]
        bounds, start = self.layout.outputs[output][1], self.layout.starts[output]
        counts = np.bincount(np.searchsorted(bounds, values, side="left"))
        for index in np.flatnonzero(counts).tolist():
            self._add(start + index, int(counts[index]))
        sums = start + len(bounds) + 1
        low, high = float(values.min()), float(values.max())
        if low < 0 < high:
            self._add(sums, float(values[values > 0].sum()))
            self._add(sums + 1, float(-values[values < 0].sum()))
        else:
            self._add(sums + (low < 0), abs(float(values.sum())))
        self._extend(sums + 2, low, high, second)

    def add_rows(self, rows, names):
        """Counts the features of the ROWS that came in a request."""
        self.layout.features.count(self.cells, self.layout.features_start, rows, names)

    def add_feedback(self, reward):
        """Counts one feedback; a reward that is no finite number counts, but adds nothing."""
        self._add(_FEEDBACK, 1)
        if math.isfinite(reward):
            self._add(_REWARD + (reward < 0), abs(reward))

    def add_error(self, reason):
        """Counts one failed request; REASON is one of REASONS."""
        self._add(_ERRORS + REASONS.index(reason), 1)

    def add_non_numeric(self, rows):
        """Counts ROWS that were answered with something else than numbers."""
        self._add(_NON_NUMERIC, rows)

    def _add(self, index, amount):
        self.cells[index] += amount

    def _extend(self, ring, low, high, second):
        cells, place = self.cells, ring + 3 * (second % _RING)
        if cells[place] != second + 1:
            cells[place], cells[place + 1], cells[place + 2] = second + 1, low, high
            return
        if low < cells[place + 1]:
            cells[place + 1] = low
        if high > cells[place + 2]:
            cells[place + 2] = high


class Recorder:
    """This process's slot, taken at the first use after a fork. Safe to call from threads.

    Nothing here raises: a server that cannot count still answers, and says once why it does not.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.layout = self.contract = None
        self._slot = self._process = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self):
        # The parent may have held the lock in another thread; and the slot is the parent's.
        self.lock = threading.Lock()
        if self._slot is not None:
            self._slot.close()
        self._slot = self._process = None

    def get_layout(self):
        """The layout of this process's contract; without outputs of its own if it is unsound."""
        if self.layout is None:
            try:
                self.layout = load_layout(self.contract)
            except (OSError, ValueError, TypeError, AttributeError) as error:
                LOG.error("The contract cannot be read, so its targets are ignored: %s.", error)
                self.layout = Layout()
        return self.layout

    def slot(self):
        """The slot of this process, or None; hold the lock."""
        if self._process is None:
            self._process = os.getpid()
            directory = os.environ.get("MONITML_METRICS_DIR")
            try:
                self._slot = Slot(directory, self.get_layout()) if directory else None
            except OSError as error:
                LOG.error("Predictions of this worker are not counted: %s.", error)
        return self._slot

    def count(self, change, *arguments):
        """Calls CHANGE(slot, *ARGUMENTS) and shows the result to readers."""
        with self.lock:
            slot = self.slot()
            if slot is not None:
                change(slot, *arguments)
                slot.publish()


RECORDER = Recorder()


# -- watching a model ---------------------------------------------------------------------------


class Here(threading.local):
    """What this thread is at: inside a watched call, serving a probe, past the model's start."""

    inside = probe = ran = False


HERE = Here()


class Refused(Exception):
    """An answer that must not go out. reason: one of REASONS."""

    def __init__(self, reason, sentence):
        super().__init__(sentence)
        self.reason = reason


def _numbers(data):
    """DATA of an answer as a float64 array, or None where it does not hold numbers."""
    import numpy as np

    if isinstance(data, (str, bytes, bytearray, dict)):
        return None
    if not isinstance(data, (np.ndarray, list)):
        raise Refused("shape", "The model answered with a %s, not an array." % type(data).__name__)
    try:
        values = np.asarray(data)
        if values.dtype.kind == "O":
            values = values.astype(np.float64)
    except OverflowError:
        raise Refused("not_finite", "The model predicted a number beyond all bounds.") from None
    except (TypeError, ValueError):
        if len({len(r) if isinstance(r, (list, tuple, np.ndarray)) else -1 for r in data}) > 1:
            raise Refused("shape", "The model answered with rows of unequal length.") from None
        return None
    return values.astype(np.float64) if values.dtype.kind in "fiub" else None


def _check_shape(values, sent, layout):
    """VALUES as rows by outputs. Refused where rows or columns are not what was asked for."""
    columns = len(layout.outputs)
    if values.ndim == 0:
        values = values.reshape(1, 1)
    elif values.ndim == 1:
        # One row of several outputs may come flat; otherwise each number is a row.
        values = values.reshape((1, -1) if sent == 1 and values.size == columns > 1 else (-1, 1))
    elif values.ndim > 2:
        values = values.reshape(values.shape[0], -1)
    if sent is not None and values.shape[0] != sent:
        raise Refused("shape", "The model answered %d rows for %d." % (values.shape[0], sent))
    if values.shape[0] and layout.declared and values.shape[1] != columns:
        text = "The model answered %d columns; its contract has %d targets."
        raise Refused("shape", text % (values.shape[1], columns))
    return values


def _rows(features):
    """Number of rows in a request's features; None where it cannot be told (text, one flat row)."""
    return features.shape[0] if getattr(features, "ndim", 0) > 1 else None


def _count_rows(data, names):
    """Counts the features of a request's DATA before the model sees, and maybe changes, them."""
    if HERE.inside or HERE.probe or RECORDER.get_layout().features is None:
        return
    try:
        RECORDER.count(Slot.add_rows, data, names)
    except Exception as error:  # pylint: disable=broad-except
        # Whatever a client sent is the model's to judge, not to be refused by who only counts.
        LOG.warning("The features of a request are not counted: %s.", error)


def _record(slot, values, second):
    for output in range(min(len(slot.layout.outputs), values.shape[1])):
        slot.add_values(output, values[:, output], second)


def _take(data, sent):
    """Counts the DATA of one answer to SENT rows. Refused, uncounted, where it is not sound."""
    values = _numbers(data)
    if values is None:
        rows = len(data) if isinstance(data, list) or hasattr(data, "shape") and data.ndim else 1
        if not HERE.probe:
            RECORDER.count(Slot.add_non_numeric, rows)
        return
    if values.size == 1 and sent in (1, None) and len(RECORDER.get_layout().outputs) == 1:
        # The common case, four times as fast without arrays.
        value = values.item()
        if math.isfinite(value):
            if not HERE.probe:
                RECORDER.count(Slot.add_value, 0, value, int(time.monotonic()))
            return
        raise Refused("not_finite", "The model predicted %s." % value)
    values = _check_shape(values, sent, RECORDER.get_layout())
    bad = values.size - int(sys.modules["numpy"].isfinite(values).sum())
    if bad:
        raise Refused("not_finite", "The model predicted %d values that are not finite." % bad)
    if not HERE.probe:
        RECORDER.count(_record, values, int(time.monotonic()))


def _is_probe(meta):
    token = os.environ.get("MONITML_PROBE_TOKEN")
    if not token or not isinstance(meta, dict):
        return False
    tags = meta.get("tags")
    return isinstance(tags, dict) and tags.get(PROBE_TAG) == token


def _failure(model, error):
    """Counts ERROR of a model and gives the exception to raise, or None to let it pass as it is."""
    seldons = any(c.__name__ == "SeldonMicroserviceException" for c in type(error).__mro__)
    if seldons and error.status_code < 500:
        return None  # the model says that the request is at fault, or does not implement this
    reason = error.reason if isinstance(error, Refused) else "exception"
    if not HERE.probe:
        RECORDER.count(Slot.add_error, reason)
    if seldons or hasattr(model, "model_error_handler"):
        return None
    text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    if not isinstance(error, Refused):
        trace, where = error.__traceback__, ""
        while trace is not None:
            where = "%s:%d" % (os.path.basename(trace.tb_frame.f_code.co_filename), trace.tb_lineno)
            trace = trace.tb_next
        LOG.error("The model failed on a request: %s: %s (%s)", type(error).__name__, text, where)
        LOG.debug("Its traceback:", exc_info=error)
        text = "The model failed on this request: %s" % text
    else:
        LOG.error("%s", text)
    from seldon_core.flask_utils import SeldonMicroserviceException

    failure = SeldonMicroserviceException(text, status_code=500, reason="MODEL_" + reason.upper())
    failure.args = (text,)  # Seldon leaves it empty, and gRPC clients would see nothing
    return failure


def _guard(model, meta, call, count, given):
    """Runs CALL, counts its answer by COUNT, or its failure; only the outermost call counts.

    given: data and names of the request.
    """
    if HERE.inside:
        return call()
    HERE.ran, HERE.probe = True, _is_probe(meta)
    _count_rows(*given)
    HERE.inside = True
    try:
        answer = call()
        count(answer)
        return answer
    except Exception as error:  # pylint: disable=broad-except
        failure = _failure(model, error)
        if failure is None:
            raise
        raise failure from None
    finally:
        HERE.inside = False


def _watch_predict(predict):
    parameters = inspect.signature(predict).parameters.values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    taken = {p.name for p in parameters}

    @functools.wraps(predict)
    def watched(self, X, *arguments, **keywords):
        # Seldon offers meta and, on TypeError, calls again without: so what the model does not
        # take is dropped here, and a TypeError from inside the model stays one failure.
        if takes_any:
            passed = keywords
        else:
            passed = {key: value for key, value in keywords.items() if key in taken}
        return _guard(
            self,
            keywords.get("meta"),
            lambda: predict(self, X, *arguments, **passed),
            # a SeldonResponse has metrics and data
            lambda a: _take(a.data if hasattr(a, "metrics") else a, _rows(X)),
            (X, arguments[0] if arguments else keywords.get("names")),
        )

    return watched


def _raw_data(message):
    """(data, meta, names) of a SeldonMessage, JSON dict or protobuf; data is None without numbers."""
    if not isinstance(message, dict):
        from seldon_core.utils import seldon_message_to_json

        message = seldon_message_to_json(message)
    import numpy as np

    data, meta = message.get("data") or {}, message.get("meta")
    names = data.get("names")
    if "ndarray" in data:
        return np.array(data["ndarray"]), meta, names
    if "tensor" in data:
        tensor = data["tensor"]
        values = np.array(tensor.get("values", [])).reshape(tensor.get("shape", [-1]))
        return values, meta, names
    return None, meta, names


def _watch_predict_raw(predict_raw):
    @functools.wraps(predict_raw)
    def watched(self, msg, *arguments, **keywords):
        try:
            sent, meta, names = _raw_data(msg)
        except Exception:  # pylint: disable=broad-except
            sent, meta, names = None, None, None  # a raw model may take what we cannot read

        def count(answer):
            data = _raw_data(answer)[0]
            _take({} if data is None else data, _rows(sent))

        def call():
            return predict_raw(self, msg, *arguments, **keywords)

        return _guard(self, meta, call, count, (sent, names))

    return watched


def watch(model_class):
    """Makes MODEL_CLASS count its predictions; returns it. Watching twice is the same as once.

    Its predict() and predict_raw() still answer as before, but a failure, a value that is not
    finite or rows that do not fit raise Seldon's exception with status 500 and are counted.
    An exception of Seldon's own with a status below 500 passes uncounted: the request is at
    fault. Answers that are no numbers (text, JSON) count in PREDICTION_NON_NUMERIC only.
    """
    for name, wrap in (("predict", _watch_predict), ("predict_raw", _watch_predict_raw)):
        method = model_class.__dict__.get(name)
        if method is None:
            method = getattr(model_class, name, None)
            base = next((c for c in model_class.__mro__ if name in c.__dict__), None)
            # Seldon's own base class only says that it is not implemented.
            if method is None or base.__module__.startswith("seldon_core."):
                continue
        if not getattr(method, "monitml_watched", False):
            watched = wrap(method)
            watched.monitml_watched = True
            setattr(model_class, name, watched)
    source = getattr(sys.modules.get(model_class.__module__), "__file__", None)
    if source:
        RECORDER.contract = os.path.join(os.path.dirname(os.path.abspath(source)), "contract.json")
    if "seldon_core.wrapper" in sys.modules:
        _join_stock_server()
    return model_class


def _join_stock_server():
    """Adds our families to the endpoint of seldon-core-microservice, before it forks."""
    from seldon_core.metrics import SeldonMetrics

    if not os.environ.get("MONITML_METRICS_DIR"):
        directory, owner = tempfile.mkdtemp(prefix="monitml-"), os.getpid()
        os.environ["MONITML_METRICS_DIR"] = directory
        atexit.register(
            lambda: os.getpid() == owner and shutil.rmtree(directory, ignore_errors=True)
        )
    generate = SeldonMetrics.generate_metrics
    if getattr(generate, "monitml_watched", False):
        return

    @functools.wraps(generate)
    def generate_with_predictions(self):
        text, mimetype = generate(self)
        ours = render(os.environ["MONITML_METRICS_DIR"], RECORDER.get_layout(), feedback=False)
        return text + ours, mimetype

    generate_with_predictions.monitml_watched = True
    SeldonMetrics.generate_metrics = generate_with_predictions


# -- reading ------------------------------------------------------------------------------------


def read_slots(directory, layout):
    """The cells of every sound slot in DIRECTORY, as tuples of floats."""
    slots = []
    for name in sorted(os.listdir(directory)):
        if name.startswith("slot-"):
            cells = _read_slot(os.path.join(directory, name), layout)
            if cells is not None:
                slots.append(cells)
    return slots


def _read_slot(path, layout):
    for attempt in range(20):
        with open(path, "rb", buffering=0) as stream:
            data = stream.read(layout.bytes + 1)
            again = os.pread(stream.fileno(), 8, 16)
        if len(data) != layout.bytes:
            return None  # just made, torn or of another layout
        magic, digest, sequence = struct.unpack_from("=3d", data)
        if (magic, digest) != (_MAGIC, layout.digest):
            return None
        if sequence % 2 == 0 and again == data[16:24]:
            break
        time.sleep(0.0001)  # a copy takes a microsecond; a writer killed in one leaves it odd
    return struct.unpack_from("=%dd" % layout.cells, data, _HEAD_BYTES)


def identity():
    """The identity labels, read from the environment as Seldon does."""
    environ, unset = os.environ.get, "NOT_IMPLEMENTED"
    image, _colon, version = environ("PREDICTIVE_UNIT_IMAGE", unset + ":" + unset).rpartition(":")
    try:
        predictor_version = str(json.loads(environ("PREDICTOR_LABELS", "{}"))["version"])
    except (ValueError, KeyError, TypeError):
        predictor_version = unset
    return {
        "deployment_name": environ("SELDON_DEPLOYMENT_ID", unset),
        "predictor_name": environ("PREDICTOR_ID", unset),
        "predictor_version": predictor_version,
        "model_name": environ("PREDICTIVE_UNIT_ID", unset),
        "model_image": image,
        "model_version": version,
    }


def format_number(value):
    """VALUE as the exposition format writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def format_labels(labels):
    """LABELS (dict) as {name="value",...}."""
    text = []
    for name, value in labels.items():
        value = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        text.append('%s="%s"' % (name, value))
    return "{" + ",".join(text) + "}"


def exposition(name, samples, labels=None):
    """Lines of one family of FAMILIES; samples: (suffix, own labels, value)."""
    labels = identity() if labels is None else labels
    kind, _own, text = FAMILIES[name]
    lines = ["# HELP %s %s" % (name, text), "# TYPE %s %s" % (name, kind)]
    for suffix, own, value in samples:
        lines.append(
            name + suffix + format_labels(dict(labels, **own)) + " " + format_number(value)
        )
    return "\n".join(lines) + "\n"


def _output_samples(layout, slots, now):
    """Samples of the four per-output families, as {family: [samples]}."""
    found = {PREDICTION: [], PREDICTION_SUM: [], PREDICTION_MIN: [], PREDICTION_MAX: []}
    for (name, bounds), start in zip(layout.outputs, layout.starts):
        own, sums, running = {"output": name}, start + len(bounds) + 1, 0.0
        for index, bound in enumerate(bounds + (math.inf,)):
            running += sum(slot[start + index] for slot in slots)
            le = format_number(bound) if math.isinf(bound) else repr(float(bound))
            found[PREDICTION].append(("_bucket", dict(own, le=le), running))
        positive, negative = (sum(slot[sums + i] for slot in slots) for i in (0, 1))
        found[PREDICTION].append(("_sum", own, positive - negative))
        found[PREDICTION].append(("_count", own, running))
        for sign, value in zip(SIGNS, (positive, negative)):
            found[PREDICTION_SUM].append(("", dict(own, sign=sign), value))
        lows, highs = _extremes(slots, sums + 2, now)
        found[PREDICTION_MIN].append(("", own, min(lows, default=math.nan)))
        found[PREDICTION_MAX].append(("", own, max(highs, default=math.nan)))
    return found


def _binned(layout, slots):
    """Samples of what drift is seen by, as {family: [samples]}."""
    counts = [
        [sum(slot[start + place] for slot in slots) for place in range(len(bounds) + 1)]
        for (_name, bounds), start in zip(layout.outputs, layout.starts)
    ]
    found = _features.output_samples(layout.outputs, counts, layout.references)
    if layout.features:
        cells = range(layout.features_start, layout.features_start + layout.features.cells)
        found.update(layout.features.samples([sum(slot[c] for slot in slots) for c in cells]))
    return found


def _extremes(slots, ring, now):
    lows, highs = [], []
    for slot in slots:
        for place in range(ring, ring + 3 * _RING, 3):
            if slot[place] and now - EXTREMES_SECONDS < slot[place] - 1 <= now:
                lows.append(slot[place + 1])
                highs.append(slot[place + 2])
    return lows, highs


def counted(slots, layout):
    """What only grows, over all slots: [(name of the series, own labels, value)], always in one order."""
    found = []
    for (name, bounds), start in zip(layout.outputs, layout.starts):
        own, sums = {"output": name}, start + len(bounds) + 1
        rows = sum(sum(slot[start:sums]) for slot in slots)
        found.append((PREDICTION + "_count", own, rows))
        for place, sign in enumerate(SIGNS):
            value = sum(slot[sums + place] for slot in slots)
            found.append((PREDICTION_SUM, dict(own, sign=sign), value))
    for name, label, values, place in (
        (PREDICTION_ERRORS, "reason", REASONS, _ERRORS),
        (PREDICTION_NON_NUMERIC, None, ("",), _NON_NUMERIC),
        (FEEDBACK, None, ("",), _FEEDBACK),
        (FEEDBACK_REWARD, "sign", SIGNS, _REWARD),
    ):
        for offset, value in enumerate(values):
            total = sum(slot[place + offset] for slot in slots)
            found.append((name, {label: value} if label else {}, total))
    return found


def render_past(series, pasts, labels=None):
    """Prometheus text of what counters were. series: as counted() has them; pasts: {seconds: values}."""
    labels = identity() if labels is None else labels
    lines, named = [], None
    for place, (name, own, _value) in enumerate(series):
        if name != named:
            lines.append("# HELP %s Its counter, so many seconds ago." % (name + PAST))
            lines.append("# TYPE %s gauge" % (name + PAST))
            named = name
        for seconds, values in pasts.items():
            marked = dict(labels, **own, **{PAST_LABEL: "%ds" % seconds})
            lines.append(name + PAST + format_labels(marked) + " " + format_number(values[place]))
    return "".join(line + "\n" for line in lines)


def render(directory, layout, now=None, labels=None, feedback=True):
    """Prometheus text of all slots in DIRECTORY. NOW: monotonic seconds. OSError: unreadable.

    feedback: whether to show feedback, which Seldon's own endpoint already does.
    """
    now = time.monotonic() if now is None else now
    labels = identity() if labels is None else labels
    slots = read_slots(directory, layout)

    def total(index):
        return sum(slot[index] for slot in slots)

    families = _output_samples(layout, slots, int(now))
    families[PREDICTION_ERRORS] = [
        ("", {"reason": reason}, total(_ERRORS + i)) for i, reason in enumerate(REASONS)
    ]
    families[PREDICTION_NON_NUMERIC] = [("", {}, total(_NON_NUMERIC))]
    if _features:
        families.update(_binned(layout, slots))
    families[MODEL_INFO] = [("", {"digest": os.environ.get("MONITML_MODEL_DIGEST", "")}, 1)]
    if feedback:
        families[FEEDBACK] = [("", {}, total(_FEEDBACK))]
        families[FEEDBACK_REWARD] = [
            ("", {"sign": sign}, total(_REWARD + i)) for i, sign in enumerate(SIGNS)
        ]
    return "".join(exposition(name, samples, labels) for name, samples in families.items())
