# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits on a run: their grammar, and a verdict with its reason for each.

A limit is ``MEASURE OPERATOR VALUE[UNIT]``, where MEASURE may name a predictor in brackets:
``p95 < 300ms``, ``error_ratio <= 0.1%``, ``prediction_mean(good) >= 100000``.
Outcomes are pass, fail, inconclusive (too little data) and error (nothing to measure); only pass is one.
"""

from __future__ import annotations

import math
import operator
import re

from ..client.error import LoadTestError

_LIMIT = re.compile(
    r"\s*(?P<measure>[a-z][a-z0-9_.]*)\s*(?:\(\s*(?P<predictor>[^()]*?)\s*\))?"
    r"\s*(?P<operator><=|>=|==|<|>)\s*(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[a-z%]*)\s*"
)
_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_TIMES = {"": 1.0, "us": 0.001, "ms": 1.0, "s": 1000.0}
_RATIOS = {"": 1.0, "%": 0.01}
_PLAIN = {"": 1.0}
_PERCENTILE = re.compile(r"(?:service_)?p(\d{1,2}(?:\.\d+)?)")

# measure: (units, whether it can be asked of one predictor, whether it must be)
_MEASURES = {
    "mean": (_TIMES, True, False),
    "max": (_TIMES, True, False),
    "min": (_TIMES, True, False),
    "service_mean": (_TIMES, False, False),
    "service_max": (_TIMES, False, False),
    "error_ratio": (_RATIOS, False, False),
    "errors": (_PLAIN, False, False),
    "requests": (_PLAIN, False, False),
    "throughput": (_PLAIN, False, False),
    "count": (_PLAIN, True, True),
    "share": (_RATIOS, True, True),
    "prediction_mean": (_PLAIN, True, True),
    "prediction_min": (_PLAIN, True, True),
    "prediction_max": (_PLAIN, True, True),
}


class Limit:
    """One threshold: ``text`` as given, ``measure``, ``predictor`` or None, ``symbol`` and ``value``.

    Times are in ms, ratios between 0 and 1. ``ratio`` is a percentile's, else None.
    """

    def __init__(self, text, measure, predictor, symbol, value, ratio):
        self.text = text
        self.measure = measure
        self.predictor = predictor
        self.symbol = symbol
        self.value = value
        self.ratio = ratio

    def holds(self, observed):
        return _OPERATORS[self.symbol](observed, self.value)


def parse_limit(text):
    """Returns the Limit that ``text`` says."""
    match = _LIMIT.fullmatch(str(text))
    if not match:
        raise LoadTestError(
            "threshold %r cannot be read; write it like 'p95 < 300ms', 'error_ratio <= 0.1%%' or "
            "'prediction_mean(good) >= 100000'." % (text,)
        )
    measure, predictor = match.group("measure"), match.group("predictor")
    percentile = _PERCENTILE.fullmatch(measure)
    ratio = float(percentile.group(1)) / 100.0 if percentile else None
    if not percentile and measure not in _MEASURES:
        raise LoadTestError(
            "threshold %r measures %s, which is not known; use a percentile (p95, service_p99.9) or one of %s."
            % (text, measure, ", ".join(sorted(_MEASURES)))
        )
    default = (_TIMES, not measure.startswith("service"), False)
    units, of_predictor, only = default if percentile else _MEASURES[measure]
    if predictor is not None and not of_predictor:
        raise LoadTestError(
            "threshold %r: %s is of the whole run; leave the brackets out." % (text, measure)
        )
    if not predictor and (only or predictor is not None):
        raise LoadTestError("threshold %r: name the predictor, like %s(good)." % (text, measure))
    unit = match.group("unit")
    if unit not in units:
        raise LoadTestError(
            "threshold %r: %s has the unit %r; give %s."
            % (text, measure, unit, " or ".join(filter(None, units)) or "none")
        )
    return Limit(
        str(text),
        measure,
        predictor,
        match.group("operator"),
        float(match.group("value")) * units[unit],
        ratio,
    )


def verdict(name, outcome, message, value=None, limit=None, samples=0):
    """One judgement as it is returned to the user."""
    return {
        "name": name,
        "outcome": outcome,
        "value": value,
        "limit": limit,
        "samples": samples,
        "message": message,
    }


def judge(limit, observed, samples):
    """The verdict on a Limit, given the observed value (None where there is none) and its samples."""
    if observed is None or samples == 0:
        of = " of predictor %s" % limit.predictor if limit.predictor else ""
        return verdict(
            limit.text,
            "error",
            "%s: nothing%s was measured" % (limit.text, of),
            None,
            limit.value,
            samples,
        )
    # A percentile that no sample lies beyond is only the largest sample.
    needed = math.ceil(1.0 / (1.0 - limit.ratio) - 1e-9) if limit.ratio is not None else 1
    shown = "%s: measured %s of %d samples" % (limit.text, _shown(limit, observed), samples)
    if samples < needed:
        message = "%s, which needs at least %d samples" % (shown, needed)
        return verdict(limit.text, "inconclusive", message, observed, limit.value, samples)
    outcome = "pass" if limit.holds(observed) else "fail"
    return verdict(limit.text, outcome, shown, observed, limit.value, samples)


def judge_split(expected, counts, interval, unnamed, unanswered=0):
    """The verdict on the split.

    ``expected`` maps predictors to shares (0 to 1), ``counts`` to answers; ``interval`` gives (low, high)
    of a share for a count of a total. ``unnamed`` answers told no predictor. Whose the ``unanswered``
    requests were nobody knows: where they could turn the verdict round, there is none.
    """
    total = sum(counts.values())
    if total == 0:
        return verdict("split", "error", "split: no answer named its predictor")
    if unnamed:
        return verdict(
            "split",
            "error",
            "split: %d of %d answers named no predictor, so the shares are not known"
            % (unnamed, total + unnamed),
            samples=total,
        )
    wrong, open_, shown = [], [], []
    for name in sorted(set(expected) | set(counts)):
        share, declared = counts.get(name, 0) / total, expected.get(name, 0.0)
        count, all_sent = counts.get(name, 0), total + unanswered
        low, high = interval(count, total)
        part = "%s %.1f %% (declared %.1f %%, 99.9 %% bounds %.1f to %.1f %%)" % (
            name,
            share * 100,
            declared * 100,
            low * 100,
            high * 100,
        )
        shown.append(part)
        # Its share where none of the unanswered was for it, and where all of them were.
        least, most = interval(count, all_sent), interval(count + unanswered, all_sent)
        if not least[0] <= declared <= most[1] or (declared == 0.0 and count):
            wrong.append(part)
        elif not most[0] <= declared <= least[1]:
            open_.append(part)
    smallest = min((share for share in expected.values() if share > 0), default=1.0)
    needed = math.ceil(5.0 / smallest - 1e-9) if smallest < 1.0 else 1
    if wrong:
        return verdict(
            "split", "fail", "split: %s of %d answers" % ("; ".join(wrong), total), samples=total
        )
    if open_:
        message = "split: %d requests have no answer that tells whose they were, which could turn it round: %s of %d answers"
        shares = "; ".join(open_)
        return verdict(
            "split", "inconclusive", message % (unanswered, shares, total), samples=total
        )
    if total < needed:
        message = "split: %d answers are too few to tell, %d are needed: %s" % (
            total,
            needed,
            "; ".join(shown),
        )
        return verdict("split", "inconclusive", message, samples=total)
    return verdict(
        "split", "pass", "split: %s of %d answers" % ("; ".join(shown), total), samples=total
    )


def overall(verdicts):
    """The outcome of all: the worst one."""
    outcomes = {item["outcome"] for item in verdicts}
    for outcome in ("error", "fail", "inconclusive"):
        if outcome in outcomes:
            return outcome
    return "pass"


def _shown(limit, value):
    """A measured value with the unit a person expects."""
    if limit.measure in ("error_ratio", "share"):
        return "%.4g %%" % (value * 100)
    number = "%.6g" % value if abs(value) < 1e6 else "%.0f" % value
    times = limit.ratio is not None or _MEASURES[limit.measure][0] is _TIMES
    return number + " ms" if times else number
