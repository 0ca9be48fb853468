# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a column of training data is spread, as a contract says it in ``reference``: pure functions.

What a model server counts is held against it. serving/prediction_features.py reads it.
"""

from __future__ import annotations

import bisect
from collections import Counter

# Ten, so that each holds enough rows of a short window to mean something.
QUANTILES = 10
# Each is a series of every server; the rarer ones are one.
MAX_VALUES = 20
# Of a column of text, what stands for no value.
NOTHING = ""


def quantile_bounds(values, quantiles=QUANTILES):
    """Ascending upper bounds within ``values`` (ascending), so that about as many lie under each.

    Fewer where many values are the same. The largest value is none, as nothing lies above it.
    """
    count = len(values)
    bounds = {values[-(-count * part // quantiles) - 1] for part in range(1, quantiles)}
    return sorted(bounds - {values[-1]}) or [values[0]]


def spread(values, bounds):
    """The reference of numbers: their shares up to each of the bounds, and above."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect.bisect_left(bounds, value)] += 1
    return {"rows": len(values), "shares": [_share(count, len(values)) for count in counts]}


def of_numbers(values):
    """The reference of a continuous feature."""
    bounds = quantile_bounds(sorted(values))
    return {**spread(values, bounds), "bins": [_plain(bound) for bound in bounds]}


def of_categories(counts):
    """The reference of a categorical feature, of how often it has each value: {value: times}."""
    counts = Counter(counts)
    rows, missing = sum(counts.values()), counts.pop(NOTHING, 0)
    listed = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))[:MAX_VALUES]
    other = rows - missing - sum(times for _value, times in listed)
    found = {
        "rows": rows,
        "values": [value for value, _times in listed],
        "shares": [_share(times, rows) for _value, times in listed],
    }
    for key, times in (("other", other), ("missing", missing)):
        if times:
            found[key] = _share(times, rows)
    return found


def _share(count, rows):
    return round(count / rows, 6)


def _plain(number):
    return int(number) if number == int(number) and abs(number) < 1e15 else number
