# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When requests are due: constant and Poisson arrivals, at one rate or along stages.

An open loop sends on this schedule whether or not answers have come, as users do; a
generator that waits for answers sends less exactly when the server is slow, and hides it.
"""

from __future__ import annotations

import math
import random


class Stage:
    """``seconds`` during which the rate (requests/s) goes in a straight line from ``first`` to ``last``."""

    def __init__(self, seconds, first, last):
        self.seconds = seconds
        self.first = first
        self.last = last

    @property
    def requests(self):
        """Expected number of requests in the stage."""
        return (self.first + self.last) / 2.0 * self.seconds

    def when(self, requests):
        """Seconds into the stage at which the expected number has grown to ``requests``."""
        if requests <= 0:
            return 0.0
        slope = (self.last - self.first) / self.seconds
        # The stable root of first * t + slope * t^2 / 2 = requests; also right for slope 0.
        root = math.sqrt(max(0.0, self.first * self.first + 2.0 * slope * requests))
        return min(self.seconds, 2.0 * requests / (self.first + root))


def stages_of(rates):
    """Stages out of (seconds, rate, first) tuples; first is None where a stage starts at the last rate."""
    stages, rate_before = [], None
    for seconds, rate, first in rates:
        if first is None:
            first = rate if rate_before is None else rate_before
        stages.append(Stage(seconds, first, rate))
        rate_before = rate
    return stages


def arrivals(stages, poisson=False, seed=None, count=None):
    """Yields the due times in nanoseconds from the start, rising, at most ``count``.

    The last of ``stages`` may have infinite seconds at a constant rate. Poisson arrivals are those
    of rate 1, stretched by the stages; ``seed`` makes them repeatable.
    """
    expovariate = random.Random(seed).expovariate
    sent, target = 0, expovariate(1.0) if poisson else 0.0
    before, start = 0.0, 0.0
    for stage in stages:
        end = before + stage.requests if stage.requests else before
        while target < end:
            if count is not None and sent >= count:
                return
            yield int((start + _when(stage, target - before)) * 1e9)
            sent += 1
            target = target + expovariate(1.0) if poisson else float(sent)
        before, start = end, start + stage.seconds


def _when(stage, requests):
    if stage.first == stage.last:
        return requests / stage.first
    return stage.when(requests)


def expected(stages, count=None):
    """(requests, seconds) that the schedule should come to; seconds is None where only count ends it."""
    requests = sum(stage.requests for stage in stages)
    seconds = sum(stage.seconds for stage in stages)
    if count is not None and count <= requests:
        return count, None if math.isinf(seconds) else seconds
    return requests, seconds
