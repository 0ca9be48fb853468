# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what a model answered, and what its metrics say of that, keeps its contract.

Pure functions. Seldon's own tester calls an answer that says FAILURE a success and never looks at
the targets; here each of them is a Fault with its own name.
"""

from __future__ import annotations

import json
import math
import re

from ..contract.definition import is_finite, shown
from ..serving import prediction_metrics as metrics

# All that can be wrong, in the order of asking; each is the ``check`` of a violation.
CHECKS = (
    "answer",  # there is one, in time and in HTTP
    "status",  # HTTP
    "json",
    "failure",  # status.status of Seldon's protocol
    "data",
    "rows",
    "columns",
    "names",
    "dtype",
    "range",
    "values",
    "same",  # the same input, the same answer
    "forms",  # and in every form
    "metrics",
    "outside",
    "feedback",
)
_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')
# What Seldon's wrapper calls the columns of a model that does not name them.
_SELDON_NAME = re.compile(r"t:\d+")


class Answer:
    """What came back: an HTTP ``status`` and a ``text``, or the ``problem`` why nothing did."""

    __slots__ = ("status", "text", "problem")

    def __init__(self, status=0, text="", problem=None):
        self.status = status
        self.text = text
        self.problem = problem


class Fault(Exception):
    """One thing that is wrong: the ``check`` it breaks, a sentence, and the row that shows it."""

    def __init__(self, check, message, row=None):
        super().__init__(message)
        self.check = check
        self.message = message
        self.row = row


# -- answers -------------------------------------------------------------------------------------


def read_document(answer):
    """The parsed body of an answer that is none of an error. Raises Fault."""
    if answer.problem:
        raise Fault("answer", answer.problem)
    if not 200 <= answer.status < 300:
        raise Fault("status", "The model answered HTTP %d%s." % (answer.status, _reason(answer)))
    try:
        document = json.loads(answer.text)
    except (ValueError, RecursionError):
        raise Fault("json", "The model's answer is no JSON.") from None
    if not isinstance(document, dict):
        raise Fault("json", "The model's answer is no JSON object.")
    if failed(document):
        raise Fault("failure", "The model's answer says FAILURE%s." % _reason(answer))
    return document


def failed(document):
    """Whether a body says that the request failed; Seldon writes the enum by name or number."""
    status = document.get("status") if isinstance(document, dict) else None
    return isinstance(status, dict) and status.get("status") in ("FAILURE", 1)


def is_answered(answer):
    """Whether the model took the request, as its metrics should say too."""
    try:
        read_document(answer)
    except Fault as fault:
        return fault.check == "json"
    return True


def _reason(answer):
    """What the body says about an error, to be put behind a sentence."""
    try:
        status = json.loads(answer.text)["status"]
        text = status.get("info") or status.get("reason") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        text = answer.text
    text = " ".join(str(text).split())[:200].rstrip(".")
    return " (%s)" % text if text else ""


def read_rows(document, targets, sent):
    """The predictions as a list of rows, for ``sent`` rows of input. Raises Fault."""
    found = _array(document)
    width = len(targets)
    lists = sum(isinstance(row, list) for row in found)
    if lists == 0:
        # One row of several outputs may come flat; otherwise each value is a row.
        found = [found] if sent == 1 and len(found) == width > 1 else [[value] for value in found]
    elif lists < len(found):
        raise Fault("columns", "The model's answer mixes rows and single values.")
    if len(found) != sent:
        sentence = "The model answered %s for %d."
        raise Fault("rows", sentence % (amount(len(found), "row"), sent))
    for number, row in enumerate(found):
        if len(row) != width:
            sentence = "The model answered %s; its contract has %s."
            said = amount(len(row), "column"), amount(width, "target")
            raise Fault("columns", sentence % said, number)
    return found


def _array(document):
    """The nested list of data.ndarray or data.tensor. Raises Fault."""
    data = document.get("data")
    if not isinstance(data, dict):
        other = [key for key in ("strData", "jsonData", "binData", "customData") if key in document]
        held = other[0] if other else "nothing"
        raise Fault("data", "The answer holds %s where data.ndarray or data.tensor belongs." % held)
    tensor = data.get("tensor")
    if isinstance(tensor, dict):
        return _reshaped(tensor.get("values", []), tensor.get("shape"))
    if not isinstance(data.get("ndarray"), list):
        raise Fault("data", "The answer's data holds neither a tensor nor a list ndarray.")
    return data["ndarray"]


def _reshaped(values, shape):
    whole = isinstance(shape, list) and all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape
    )
    if not isinstance(values, list) or not whole or math.prod(shape) != len(values):
        sentence = "The answer's tensor has the shape %s for %s values."
        count = len(values) if isinstance(values, list) else "no list of"
        raise Fault("data", sentence % (shown(shape), count))
    for size in reversed(shape[1:]):
        if size:
            values = [values[at : at + size] for at in range(0, len(values), size)]
        else:
            values = [[] for _each in range(shape[0])]
    return values


def name_faults(document, targets):
    """Faults of the names that an answer gives its columns; it need not give any."""
    names = document["data"].get("names") or []
    if not isinstance(names, list) or len(names) != len(targets):
        sentence = "The answer names its columns %s; the contract has %s."
        return [Fault("names", sentence % (shown(names), amount(len(targets), "target")))]
    wanted = [target.name for target in targets]
    made_up = all(isinstance(name, str) and _SELDON_NAME.fullmatch(name) for name in names)
    if made_up or not any(wanted) or names == wanted:
        return []
    sentence = "The answer names its columns %s; the contract names them %s."
    return [Fault("names", sentence % (shown(names), shown(wanted)))]


def value_faults(rows, targets):
    """Faults of the values in ``rows``, one for each target and check, with the first row of it."""
    found, more = {}, {}
    for number, row in enumerate(rows):
        for at, target in enumerate(targets):
            fault = target.fault(row[at])
            if fault is None:
                continue
            key = at, fault[0]
            more[key] = more.get(key, -1) + 1
            if key not in found:
                found[key] = number, "%s %s" % (target.name or "target %d" % (at + 1), fault[1])
    return [
        Fault(
            key[1],
            "%s%s." % (said, ", as in %s" % amount(more[key], "more row") if more[key] else ""),
            number,
        )
        for key, (number, said) in found.items()
    ]


def judge(answer, targets, sent):
    """(rows of the answer or None, Faults) of what came back for ``sent`` rows of the contract."""
    try:
        document = read_document(answer)
        rows = read_rows(document, targets, sent)
    except Fault as fault:
        return None, [fault]
    faults = value_faults(rows, targets)
    if document["data"].get("names"):
        faults = name_faults(document, targets) + faults
    return rows, faults


def differing(first, second):
    """Number of the first row in which two answers differ, None where they are the same."""
    for number, (one, other) in enumerate(zip(first, second)):
        # NaN, which is no answer in itself, is at least the same each time.
        if one != other and json.dumps(one) != json.dumps(other):
            return number
    return None if len(first) == len(second) else min(len(first), len(second))


def judge_feedback(answer):
    """Faults of the answer to a feedback."""
    try:
        read_document(answer)
    except Fault as fault:
        return [Fault("feedback", "Feedback was not accepted: %s" % fault.message)]
    return []


# -- metrics -------------------------------------------------------------------------------------


def read_counters(answer):
    """{(name, labels as a tuple of pairs): value} of a Prometheus text. Raises Fault."""
    if answer.problem or answer.status != 200:
        said = answer.problem or "It answered HTTP %d." % answer.status
        raise Fault("metrics", "The metrics cannot be read. %s" % said)
    samples = {}
    for line in answer.text.splitlines():
        match = None if line.startswith("#") else _SAMPLE.match(line)
        if match:
            labels = tuple(_LABEL.findall(match.group(2) or ""))
            try:
                samples[match.group(1), labels] = float(match.group(3))
            except ValueError:
                continue
    return samples


def total(samples, name, **labels):
    """Sum of the samples of a name that carry these labels; None where there is none."""
    wanted = set(labels.items())
    found = [v for (other, own), v in samples.items() if other == name and wanted <= set(own)]
    return sum(found) if found else None


def expected_counts(targets, rows):
    """[(series, labels, increase)] of the metrics of a model that answered ``rows`` rows."""
    if any(target.dtype == "STRING" for target in targets):
        return [(metrics.PREDICTION_NON_NUMERIC, {}, rows)]
    names = [target.name or metrics.DEFAULT_OUTPUT for target in targets]
    return [(metrics.PREDICTION + "_count", {"output": name}, rows) for name in names]


def expected_feedback(rewards):
    """[(series, labels, increase)] of a model that was told ``rewards``, none below 0."""
    return [
        (metrics.FEEDBACK, {}, len(rewards)),
        (metrics.FEEDBACK_REWARD, {}, sum(rewards)),
    ]


def count_faults(before, after, expected, what):
    """Faults of metrics that were ``before`` and are ``after``, held against ``expected``."""
    faults = []
    for name, labels, wanted in expected:
        series = name + "".join('{%s="%s"}' % pair for pair in labels.items())
        end = total(after, name, **labels)
        if end is None:
            faults.append(
                Fault("metrics", "There is no series %s, so %s are not counted." % (series, what))
            )
            continue
        grown = end - (total(before, name, **labels) or 0)
        if is_finite(grown) and abs(grown - wanted) < 1e-6:
            continue
        if grown > wanted:
            reason = "it counts twice, or somebody else asks this model too"
        else:
            reason = "not every one counts" if grown >= 0 else "the server started anew"
        sentence = "%s grew by %s for %s of %s: %s."
        faults.append(
            Fault("metrics", sentence % (series, shown(grown), shown(wanted), what, reason))
        )
    return faults


# -- reporting -----------------------------------------------------------------------------------


def amount(number, noun):
    """A number of things in words, such as "1 row"."""
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def clipped(value, limit=600):
    """A value as it is, or its text cut off where that is long."""
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= limit else text[: limit - 3] + "..."


def violation(fault, sent, answer=None):
    """A Fault as the module returns it. ``sent`` is the rows or the text that caused it."""
    if fault.row is not None and isinstance(sent, list) and fault.row < len(sent):
        sent = [sent[fault.row]]
    got = (answer.problem or answer.text) if answer else ""
    return {
        "check": fault.check,
        "message": fault.message,
        "input": clipped(sent) if sent is not None else None,
        "answer": clipped(got),
    }
