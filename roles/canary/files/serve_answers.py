# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each answer on the disk, so that it is found again by its id when the truth is known, days later.

Answers of all workers of a server are appended to one file, in single writes, which the kernel
keeps apart; a full one is followed by the next. A file says in its first line whose it is, so it
can be read when the server, its version or the deployment is gone. Then each line is
[id, time, features, predictions], or {"feedback": id, ...} for what a client told of an answer.

The directory is shared by all servers of a machine, and each of them keeps it within its bounds:
so what a server leaves behind is cleared away by those that are still there.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
import uuid

import monitml_metrics

LOG = logging.getLogger("monitml")
SUFFIX = ".jsonl"
# Longer ids are cut, here and where they are looked for.
ID_LENGTH_MAX = 200
# Of the whole: so finely does what is oldest go.
_PARTS = 20
_SEGMENT_BYTES_MAX = 16 * 1024 * 1024
_DAY_SECONDS = 86400
PRUNE_SECONDS = 5
_COMPLAIN_SECONDS = 60
# Of a classifier that tells more apart, right answers are counted, and nothing by class.
CLASSES_MAX = 50


# -- what of a request is kept ------------------------------------------------------------------


def column_names(contract):
    """[(name, whether it is private)] of the columns of a CONTRACT (dict), in their order."""
    found = []
    for feature in contract.get("features") or ():
        repeat, shape = int(feature.get("repeat") or 1), feature.get("shape") or [1]
        for number in range(1, repeat + 1):
            name = str(feature.get("name", "")) + (str(number) if repeat > 1 else "")
            parts = range(1, int(shape[0]) + 1)
            names = ["%s_%d" % (name, part) if len(parts) > 1 else name for part in parts]
            found += [(one, bool(feature.get("private"))) for one in names]
    return found


def output_kinds(contract):
    """What a CONTRACT's targets are: [{"name", and "classes" of a categorical one}]."""
    layout = monitml_metrics.Layout.from_contract({"targets": contract.get("targets")})
    kinds = []
    for target in contract.get("targets") or ():
        categorical = target.get("ftype") == "categorical"
        values = list(target.get("values") or ())[: CLASSES_MAX + 1]
        kinds += [{"classes": values} if categorical else {}] * int(target.get("repeat") or 1)
    kinds = kinds or [{}]
    return [{"name": name, **kind} for (name, _bins), kind in zip(layout.outputs, kinds)]


class Features:
    """Which features of a request are kept: WHAT is none, public, or all."""

    def __init__(self, contract, what):
        columns = column_names(contract)
        self.names = [name for name, _private in columns]
        self._none = what == "none"
        self._private = {name for name, private in columns if private and what != "all"}

    def of(self, rows, names):
        """ROWS as they are kept, in the contract's order; None where that is not sure."""
        if self._none or not isinstance(rows, list):
            return None
        if not self._private and (not names or names == self.names):
            return rows
        order = list(names or self.names)
        table = rows and all(isinstance(row, list) and len(row) == len(order) for row in rows)
        if not table or len(set(order)) < len(order) or set(order) != set(self.names):
            # What cannot be told apart may be private.
            return None if self._private else rows
        places = [None if name in self._private else order.index(name) for name in self.names]
        return [[None if place is None else row[place] for place in places] for row in rows]


def rows_of(message, text=False):
    """The values in a SeldonMessage (dict): nested lists, or None where it has none. text: also strData."""
    if text and isinstance(message, dict) and isinstance(message.get("strData"), str):
        return [message["strData"]]
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("ndarray"), list):
        return data["ndarray"]
    tensor = data.get("tensor")
    if not isinstance(tensor, dict):
        return None
    values, shape = list(tensor.get("values") or ()), list(tensor.get("shape") or ())
    if len(shape) < 2 or not shape[0]:
        return values
    width = len(values) // int(shape[0])
    return [values[start : start + width] for start in range(0, len(values), width or 1)]


# -- writing ------------------------------------------------------------------------------------


class AnswerLog:
    """The log of one server. header: whose answers they are. Safe to call from threads and forks.

    Nothing here raises: a server that cannot write its answers down still gives them.
    """

    def __init__(self, directory, name, header, max_bytes, keep_seconds):
        self._directory, self._name, self._header = directory, name, header
        self.segment_bytes = min(_SEGMENT_BYTES_MAX, max(4096, max_bytes // _PARTS))
        self._segment_seconds = min(_DAY_SECONDS, keep_seconds / 10)
        self._lock = threading.Lock()
        self._handle, self._until, self._complained = None, 0.0, None

    def answer(self, name, features, predictions):
        """Writes down an answer with its id."""
        self._write([name[:ID_LENGTH_MAX], round(time.time(), 3), features, predictions])

    def feedback(self, name, truth, reward):
        """Writes down what a client told of the answer with this id."""
        told = {"feedback": name[:ID_LENGTH_MAX], "at": round(time.time(), 3)}
        self._write({**told, "truth": truth, "reward": reward})

    def _write(self, entry):
        try:
            # One that a kill has torn off must not spoil the next: each begins a line of its own.
            line = b"\n%s\n" % json.dumps(entry, separators=(",", ":")).encode()
            with self._lock:
                if self._handle is None or self._is_done(os.fstat(self._handle)):
                    self._open()
                os.write(self._handle, line)
        except (OSError, TypeError, ValueError) as error:
            now = time.monotonic()
            if self._complained is None or now - self._complained > _COMPLAIN_SECONDS:
                self._complained = now
                LOG.warning("An answer cannot be written down, so no label finds it: %s.", error)

    def _is_done(self, stat):
        # Whoever keeps the directory within its bounds may have taken the file.
        return stat.st_size >= self.segment_bytes or not stat.st_nlink or time.time() > self._until

    def _open(self):
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        number = max(self._numbers(), default=1)
        while self._handle is None:
            path = os.path.join(self._directory, "%s-%06d%s" % (self._name, number, SUFFIX))
            number += 1
            try:
                self._make(path)
            except FileExistsError:
                pass
            self._take(path)

    def _numbers(self):
        start = self._name + "-"
        names = [n[len(start) : -len(SUFFIX)] for n in os.listdir(self._directory) if n.startswith(start)]
        return [int(name) for name in names if name.isdigit()]

    def _make(self, path):
        """Makes the file PATH with its first line, at once for all who look. FileExistsError."""
        if os.path.exists(path):
            raise FileExistsError(path)
        token = secrets.token_hex(8)
        first = {**self._header, "token": token, "began": time.time()}
        # What is killed in between leaves one, which goes like the others.
        fresh = "%s.%s.new" % (path, token)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="ascii") as stream:
            stream.write(json.dumps(first) + "\n")
        try:
            os.link(fresh, path)
        finally:
            os.unlink(fresh)

    def _take(self, path):
        """Goes on with the file PATH where it is this server's and has room."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        head = os.pread(handle, 64 * 1024, 0).partition(b"\n")[0]
        try:
            first = json.loads(head)
            self._until = first.pop("began") + self._segment_seconds
            del first["token"]
        except (ValueError, KeyError, TypeError, AttributeError):
            first = None
        if first == self._header and not self._is_done(os.fstat(handle)):
            self._handle = handle
        else:
            os.close(handle)


# -- keeping it within its bounds ---------------------------------------------------------------


def prune(directory, max_bytes, keep_seconds, now):
    """Removes files of DIRECTORY that are older than may be kept, or more than there may be."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_file(follow_symlinks=False) and entry.name.endswith((SUFFIX, ".new")):
                found.append((stat.st_mtime, stat.st_size, entry.path))
    total = sum(size for _time, size, _path in found)
    # Each server may fill a part before anybody looks again.
    for changed, size, path in sorted(found):
        if now - changed <= keep_seconds and total <= max_bytes * (_PARTS - 1) / _PARTS:
            break
        try:
            os.unlink(path)
        except OSError:
            pass
        total -= size


def prune_for_ever(settings):
    """Keeps the directory within its bounds; run it in a thread of its own."""
    while True:
        try:
            prune(settings.directory, settings.max_bytes, settings.keep_seconds, time.time())
        except OSError:
            pass  # told by whoever cannot write
        time.sleep(PRUNE_SECONDS)


# -- in a server --------------------------------------------------------------------------------


class Settings:
    """What the environment says of the log; directory is "" where there is to be none."""

    def __init__(self, environ):
        self.directory = environ.get("MONITML_ANSWERS_DIR", "")
        self.max_bytes = int(environ.get("MONITML_ANSWERS_MAX_BYTES") or 500_000_000)
        self.keep_seconds = float(environ.get("MONITML_ANSWERS_KEEP_DAYS") or 30) * _DAY_SECONDS
        self.features = environ.get("MONITML_ANSWERS_FEATURES") or "public"


def identify(message, header=""):
    """The id of a request: that of its meta (dict), of a HEADER of its own, or a new one."""
    meta = message.get("meta") if isinstance(message, dict) else None
    own = meta.get("puid") if isinstance(meta, dict) else None
    return str(own or header or uuid.uuid4().hex)


class Answers:
    """Writes down what Seldon's functions answer, and gives each answer its id."""

    def __init__(self, settings, contract, port):
        identity = monitml_metrics.identity()
        self._features = Features(contract, settings.features)
        header = {
            "deployment": identity["deployment_name"],
            "predictor": identity["predictor_name"],
            "version": identity["predictor_version"],
            "digest": os.environ.get("MONITML_MODEL_DIGEST", ""),
            "outputs": output_kinds(contract),
            "features": self._features.names,
        }
        name = "%(deployment)s-%(predictor)s" % header
        self._log = AnswerLog(
            settings.directory, "%s-%d" % (name, port), header, settings.max_bytes, settings.keep_seconds
        )

    def join(self, methods, here=monitml_metrics.HERE):
        """Wraps predict() and send_feedback() of METHODS, Seldon's module of that name."""
        predict, send_feedback = methods.predict, methods.send_feedback

        def logged_predict(user_model, request, seldon_metrics):
            name, request = _with_id(request)
            answer = predict(user_model, request, seldon_metrics)
            answer = _answered(answer, name)
            if not here.probe:
                sent, given = _as_dict(request), _as_dict(answer)
                names = (sent.get("data") or {}).get("names") if isinstance(sent, dict) else None
                self._log.answer(name, self._features.of(rows_of(sent), names), rows_of(given, text=True))
            return answer

        def logged_feedback(user_model, request, predictive_unit_id, seldon_metrics):
            name = next((m.meta.puid for m in (request.response, request.request, request.truth) if m.meta.puid), "")
            if name:
                truth = rows_of(_as_dict(request.truth), text=True) if request.HasField("truth") else None
                self._log.feedback(name, truth, _reward(request, truth))
            return send_feedback(user_model, request, predictive_unit_id, seldon_metrics)

        methods.predict, methods.send_feedback = logged_predict, logged_feedback


def _reward(feedback, truth):
    """Its reward; None where none was given, which protobuf cannot tell from 0: then truth says."""
    return None if truth is not None and not feedback.reward else feedback.reward


def _as_dict(message):
    if isinstance(message, (dict, list, bytes, str)):
        return message
    from seldon_core.utils import seldon_message_to_json

    return seldon_message_to_json(message)


def _with_id(request):
    """The id of a REQUEST, and the request with it."""
    if hasattr(request, "meta"):
        request.meta.puid = request.meta.puid or uuid.uuid4().hex
        return request.meta.puid, request
    from flask import g, has_request_context
    from flask import request as http

    header = ""
    if has_request_context():
        # Envoy gives every request an id, and the copy for a shadow the same one.
        header = http.headers.get("Seldon-Puid") or http.headers.get("X-Request-Id") or ""
    name = identify(request, header)
    if has_request_context():
        g.monitml_puid = name
    if isinstance(request, dict) and isinstance(request.get("meta", {}), dict):
        request = {**request, "meta": {**request.get("meta", {}), "puid": name}}
    return name, request


def _answered(answer, name):
    """The ANSWER with its id, where its form has a place for one."""
    if isinstance(answer, dict) and isinstance(answer.get("meta", {}), dict):
        answer.setdefault("meta", {}).setdefault("puid", name)
    elif hasattr(answer, "meta") and not answer.meta.puid:
        answer.meta.puid = name
    return answer
