# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inputs that a contract does not allow, and whether a model deals with them as it should.

Pure functions. A contract may say that such inputs are to be answered or refused; where it does
not, a model may do either. It must never fail: no 5xx, no silence, and no answer of another shape.
"""

from __future__ import annotations

import json
import math

from ..contract.definition import is_finite, is_number, shown
from . import check

# Of a contract with more entries, this many at random: each brings half a dozen requests.
MAX_FEATURES = 20
_UNKNOWN = "no such category"


class Case:
    """One request outside the contract.

    ``what`` is the beginning of a sentence, ``text`` the body, ``sent`` what to show of it,
    ``rows`` how many rows it has, None where it is unreadable, and ``declared`` what the contract
    wants done: "answer", "refuse" or None.
    """

    def __init__(self, what, text, sent, rows, declared):
        self.what = what
        self.text = text
        self.sent = sent
        self.rows = rows
        self.declared = declared


def outside_cases(contract, rng):
    """The Cases of a contract, with the random.Random ``rng``."""
    cases = []
    for at in _chosen(contract.features, rng):
        column = contract.features[at]
        declared = contract.outside_of(column)
        for what, value in _bad_values(column):
            row = contract.row(rng)
            row[at] = _filled(column.inner, value)
            cases.append(_case(contract.names, [row], what, declared))
    return cases + list(_bad_requests(contract, rng))


def _chosen(columns, rng):
    """Places of the first columns of each entry of the contract, or of some of them."""
    firsts = {}
    for at, column in enumerate(columns):
        firsts.setdefault(column.feature, at)
    places = list(firsts.values())
    return sorted(rng.sample(places, MAX_FEATURES)) if len(places) > MAX_FEATURES else places


def _bad_values(column):
    """(sentence, value) for each kind of value that the column does not allow."""
    name = column.name or "a feature"
    if column.values is not None:
        value = _unknown(column)
        yield "An unknown category of %s (%s)" % (name, shown(value)), value
    for end, value in (("above", _beyond(column, 1)), ("below", _beyond(column, -1))):
        if value is not None:
            yield "%s %s its range (%s)" % (name, end, shown(value)), value
    if column.dtype == "STRING":
        yield "A number for %s, which is text" % name, 12.5
    else:
        yield "Text for %s, which is a number" % name, _UNKNOWN
        yield "NaN for %s" % name, math.nan
    yield "null for %s" % name, None


def _unknown(column):
    """A value of the right type that is no category."""
    if column.dtype == "STRING":
        value = _UNKNOWN
        while value in column.values:
            value += "!"
        return value
    numbers = [one for one in column.values if is_number(one) and is_finite(one)]
    value = math.floor(max(numbers, default=0)) + 1
    return value if column.fault(value) else 2 * value


def _beyond(column, sign):
    """A number outside one end of a range; None where that is open or as far as floats go."""
    end = column.high if sign > 0 else column.low
    if column.values is not None or end is None:
        return None
    other = column.low if sign > 0 else column.high
    try:
        value = end + sign * max(1, abs(end), 0 if other is None else abs(end - other))
        value = math.floor(value) if column.dtype == "INT" else value
    except OverflowError:
        return None
    return value if is_finite(value) and column.fault(value) else None


def _filled(shape, value):
    return [_filled(shape[1:], value) for _each in range(shape[0])] if shape else value


def _case(names, rows, what, declared):
    # NaN is no JSON, but Python writes and reads it, and so do models.
    text = json.dumps({"data": {"names": names, "ndarray": rows}})
    return Case(what, text, rows, len(rows), declared)


def _bad_requests(contract, rng):
    """Cases that are of no one feature."""
    names, row = contract.names, contract.row(rng)
    if len(names) > 1:
        yield _case(names[:-1], [row[:-1]], "A missing column", contract.outside)
    yield _case(names + ["extra"], [row + [1.0]], "An extra column", contract.outside)
    # There is nothing to answer, so an empty answer and a refusal are as good.
    declared = None if contract.outside == "answer" else contract.outside
    yield _case(names, [], "A request without rows", declared)
    text = _case(names, [row], "", None).text[:-2]
    yield Case("A request that is no JSON", text, text, None, "refuse")


def judge_case(case, answer, targets):
    """("answered", "refused" or "failed", Faults) of what a model did with a Case."""

    def failure(said):
        return "failed", [check.Fault("outside", "%s %s" % (case.what, said))]

    if answer.problem:
        return failure("got no answer: %s" % answer.problem)
    try:
        document = check.read_document(answer)
    except check.Fault as fault:
        if 400 <= answer.status < 500 or fault.check == "failure":
            if case.declared != "answer":
                return "refused", []
            said = "was refused, where the contract wants an answer: %s"
            return "refused", [check.Fault("outside", "%s %s" % (case.what, said % fault.message))]
        return failure("made it fail: %s" % fault.message)
    if case.declared == "refuse":
        wanted = "where the contract wants a refusal" if case.rows is not None else "nonetheless"
        said = "%s was answered %s." % (case.what, wanted)
        return "answered", [check.Fault("outside", said)]
    try:
        check.read_rows(document, targets, case.rows)
    except check.Fault as fault:
        said = "%s was answered wrongly: %s" % (case.what, fault.message)
        return "answered", [check.Fault("outside", said)]
    return "answered", []
