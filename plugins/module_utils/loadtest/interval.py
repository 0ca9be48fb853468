# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exact confidence intervals of a share (Clopper and Pearson), on the standard library."""

from __future__ import annotations

import functools
import math

# Of every thousand splits that are as declared, one is called wrong.
CONFIDENCE = 0.999


# Table and verdict ask for the same ones.
@functools.lru_cache(maxsize=64)
def share_interval(count, total, confidence=CONFIDENCE):
    """(low, high) of the true share behind ``count`` of ``total``; (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = (
        0.0
        if count == 0
        else _solve(lambda share: _beta_below(share, count, total - count + 1), tail)
    )
    high = (
        1.0
        if count == total
        else _solve(lambda share: _beta_below(share, count + 1, total - count), 1.0 - tail)
    )
    return low, high


def _solve(rising, wanted):
    """Where the rising function reaches ``wanted`` between 0 and 1."""
    low, high = 0.0, 1.0
    for _each in range(60):
        middle = (low + high) / 2.0
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _beta_below(x, a, b):
    """P(Beta(a, b) <= x), the regularised incomplete beta function."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        # The fraction converges fast on the lower side only.
        return 1.0 - _beta_below(1.0 - x, b, a)
    front = (
        math.exp(
            math.lgamma(a + b)
            - math.lgamma(a)
            - math.lgamma(b)
            + a * math.log(x)
            + b * math.log1p(-x)
        )
        / a
    )
    return min(1.0, front / _fraction(x, a, b))


def _fraction(x, a, b):
    """1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22, by the modified Lentz method."""
    value = upper = 1.0
    lower = 0.0
    for step in range(1, 200000):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / ((1.0 + term * lower) or 1e-300)
        upper = (1.0 + term / upper) or 1e-300
        value *= upper * lower
        if abs(upper * lower - 1.0) < 1e-14:
            break
    return value
