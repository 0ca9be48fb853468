# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an answer says: which predictor and version gave it, and the numbers it predicted."""

from __future__ import annotations

import json
import re

# json.loads() guesses the encoding first; answers are UTF-8, so the scanner is called directly.
_scan = json.JSONDecoder().scan_once

PREDICTOR_HEADER = "x-monitml-predictor"
VERSION_HEADER = "x-monitml-version"

# Deeper nesting than any tensor has; the scanner itself would raise RecursionError only later.
_MAX_DEPTH = 32


class Outcome:
    """One answer's meaning.

    ``predictor`` and ``version`` are text, empty where the answer names none. ``values`` holds the
    predictions as floats. ``problem`` is None, or why the answer counts as an error.
    """

    __slots__ = ("predictor", "version", "values", "problem")

    def __init__(self, predictor="", version="", values=(), problem=None):
        self.predictor = predictor
        self.version = version
        self.values = values
        self.problem = problem


_NUMBER = re.compile(rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SINGLE = re.compile(rb'"(?:ndarray|values|data)": ?\[+(%b)\]' % _NUMBER.pattern)


def split_number(body):
    """(all but the number, the number) of a body whose first list of predictions is a single one, else None.

    Two bodies with the same first part are the same document but for this number: the place it
    was taken from is marked by a byte that JSON cannot hold.
    """
    match = _SINGLE.search(body)
    if match is None:
        return None
    value = float(match.group(1))
    if value - value != 0:
        return None
    return body[: match.start(1)] + b"\0" + body[match.end(1) :], value


def number_between(body, before, after):
    """The number that split_number() would take out of a body to leave these two parts, or None."""
    if not (body.startswith(before) and body.endswith(after)):
        return None
    match = _NUMBER.fullmatch(body, len(before), len(body) - len(after))
    if match is None:
        return None
    value = float(match.group())
    return value if value - value == 0 else None


def is_only_number(rest, value, outcome):
    """Whether what split_number() took out of a body is all that the body predicts.

    A list that a second one of the same name overrides is not: JSON takes the last.
    """
    return outcome.values == (value,) and _SINGLE.search(rest) is None


def read_outcome(protocol, headers, body):
    """Returns the Outcome of a 2xx answer; never raises, whatever ``body`` (bytes) holds.

    The gateway's headers go before what the body says: a body passes through the model's hands.
    """
    if protocol == "raw":
        outcome = Outcome()
    elif headers.get("content-encoding", "identity").lower() != "identity":
        outcome = Outcome(problem="the answer is compressed, which the request did not allow")
    else:
        outcome = _read_body(protocol, body)
    if headers.get(PREDICTOR_HEADER):
        outcome.predictor = headers[PREDICTOR_HEADER][:128]
        outcome.version = headers.get(VERSION_HEADER, outcome.version)[:128]
    return outcome


def _read_body(protocol, body):
    try:
        text = body.decode("utf-8")
        document, end = _scan(text, len(text) - len(text.lstrip()))
        if text[end:].strip():
            raise ValueError("text after the document")
    except (ValueError, StopIteration, RecursionError):
        return Outcome(problem="the body is not JSON")
    if not isinstance(document, dict):
        return Outcome(problem="the body is not a JSON object")
    return (_read_v2 if protocol == "v2" else _read_seldon)(document, protocol)


def _read_seldon(document, protocol):
    status = document.get("status")
    if isinstance(status, dict) and status.get("status") == "FAILURE":
        return Outcome(problem="the answer's status is FAILURE")
    predictor, version = _request_path(document.get("meta"))
    data = document.get("data")
    problem = None
    values = ()
    if isinstance(data, dict):
        tensor = data.get("tensor")
        found = tensor.get("values") if isinstance(tensor, dict) else data.get("ndarray")
        values, problem = _numbers(found)
    elif protocol == "seldon" and not ({"jsonData", "strData", "binData"} & set(document)):
        problem = "the answer holds no data"
    return Outcome(predictor, version, values, problem)


def _request_path(meta):
    """Predictor and version out of Seldon's meta.requestPath, {unit: "image:version"}."""
    path = meta.get("requestPath") if isinstance(meta, dict) else None
    if isinstance(path, dict):
        for unit, image in path.items():
            version = image.rsplit(":", 1)[1] if isinstance(image, str) and ":" in image else ""
            # A registry's port is no version.
            return unit[:128], "" if "/" in version else version[:128]
    return "", ""


def _read_v2(document, _protocol):
    outputs = document.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        return Outcome(problem="the answer holds no outputs")
    data = [output.get("data") if isinstance(output, dict) else None for output in outputs]
    values, problem = _numbers(data)
    name, version = (document.get(key) for key in ("model_name", "model_version"))
    return Outcome(
        name[:128] if isinstance(name, str) else "",
        version[:128] if isinstance(version, str) else "",
        values,
        problem,
    )


def _numbers(found):
    """(predictions, problem) of a nested list; labels (text) are no numbers and no problem."""
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], float):
        values = found  # the usual answer, one row
    else:
        if not isinstance(found, list) or not found:
            return (), "the answer holds no predictions"
        values = []
        if not _collect(found, values, 0):
            return (), "a prediction is null, or nested too deeply"
    for value in values:
        if value - value != 0:
            return (), "a prediction is not finite"
    return tuple(values), None


def _collect(found, values, depth):
    if depth > _MAX_DEPTH:
        return False
    for item in found:
        if isinstance(item, list):
            if not _collect(item, values, depth + 1):
                return False
        elif item is None:
            return False
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            try:
                values.append(float(item))
            except OverflowError:
                values.append(float("inf"))
    return True
