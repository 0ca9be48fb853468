# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Latencies: exact while they fit, then a histogram that can be merged.

All values are whole nanoseconds, 0 or above. Percentiles are order statistics by the
nearest-rank rule: the smallest value that at least q of all values do not exceed.
"""

from __future__ import annotations

import math
from array import array

# Bits kept of a value: a bucket is at most 1/1024 of its value wide, its middle at most 0.05 % off.
FINE_BITS = 10

# 2 MB of memory and 10 MB while sorting; beyond, values go into the histogram.
EXACT_LIMIT = 2**18


def bounds(number, bits=FINE_BITS):
    """(low, width) of the bucket ``number`` of a Histogram of ``bits``."""
    shift = (number >> bits) - 1
    if shift <= 0:
        return number, 1
    return (number - (shift << bits)) << shift, 1 << shift


class Histogram:
    """Counts of values in buckets of a relative width of at most 2 ** -bits, with exact ends and sum."""

    def __init__(self, bits=FINE_BITS):
        self.bits = bits
        self.counts = {}
        self.count = 0
        self.total = 0
        self.low = None
        self.high = None

    def add(self, values):
        """Records a sequence of values."""
        if not values:
            return
        counts, bits = self.counts, self.bits
        for value in values:
            # Values keep their first bits + 1 binary digits; numbers of buckets rise with values.
            shift = value.bit_length() - bits - 1
            key = value if shift <= 0 else (shift << bits) + (value >> shift)
            counts[key] = counts.get(key, 0) + 1
        self._widen(min(values), max(values), len(values), sum(values))

    def merge(self, other):
        """Adds everything recorded in ``other``, a Histogram of the same bits."""
        if not other.count:
            return
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        self._widen(other.low, other.high, other.count, other.total)

    def _widen(self, low, high, count, total):
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        self.count += count
        self.total += total

    def percentiles(self, ratios):
        """The values at ``ratios`` (0 to 1, in any order) as a list; None each without a value."""
        if not self.count:
            return [None for _each in ratios]
        ranks = sorted(
            (max(1, math.ceil(ratio * self.count - 1e-9)), at) for at, ratio in enumerate(ratios)
        )
        found = [None] * len(ranks)
        seen, pending = 0, 0
        for key in sorted(self.counts):
            seen += self.counts[key]
            while pending < len(ranks) and ranks[pending][0] <= seen:
                low, width = bounds(key, self.bits)
                middle = low + (width >> 1)
                found[ranks[pending][1]] = max(self.low, min(self.high, middle))
                pending += 1
        return found


class Samples:
    """Values recorded in chunks: kept each up to ``limit``, then as a Histogram."""

    def __init__(self, limit=EXACT_LIMIT):
        self._limit = limit
        self._values = array("q")
        self._histogram = None

    @property
    def exact(self):
        """Whether every value is still kept."""
        return self._histogram is None

    @property
    def count(self):
        return len(self._values) if self.exact else self._histogram.count

    def add(self, values):
        """Records a list of values."""
        if self.exact and len(self._values) + len(values) <= self._limit:
            self._values.extend(values)
        else:
            self._fold().add(values)

    def merge(self, other):
        """Adds everything recorded in ``other``."""
        if other.exact:
            self.add(other._values)
        else:
            self._fold().merge(other._histogram)

    def _fold(self):
        if self._histogram is None:
            self._histogram = Histogram()
            self._histogram.add(self._values)
            self._values = array("q")
        return self._histogram

    def summary(self, ratios):
        """{"count", "min", "mean", "max", "exact", "percentiles": [one per ratio]}, in nanoseconds."""
        if not self.count:
            return {
                "count": 0,
                "exact": True,
                "min": None,
                "mean": None,
                "max": None,
                "percentiles": [None for _each in ratios],
            }
        if not self.exact:
            histogram = self._histogram
            return {
                "count": histogram.count,
                "exact": False,
                "min": histogram.low,
                "mean": histogram.total / histogram.count,
                "max": histogram.high,
                "percentiles": histogram.percentiles(ratios),
            }
        ordered = sorted(self._values)
        return {
            "count": len(ordered),
            "exact": True,
            "min": ordered[0],
            "mean": sum(ordered) / len(ordered),
            "max": ordered[-1],
            "percentiles": [rank(ordered, ratio) for ratio in ratios],
        }


def together(parts):
    """The Samples of several; not a copy where only one has any, so nothing may be added to it."""
    parts = [samples for samples in parts if samples.count]
    if len(parts) == 1:
        return parts[0]
    whole = Samples()
    for samples in parts:
        whole.merge(samples)
    return whole


def rank(ordered, ratio):
    """The order statistic at ``ratio`` of a sorted, non-empty sequence."""
    return ordered[max(1, math.ceil(ratio * len(ordered) - 1e-9)) - 1]
