# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Charts as inline SVG, so that a report needs neither network nor script.

Colours are classes of the report's style sheet: c0 to c5 for series, grid, axis, mark.
"""

from __future__ import annotations

import math
from html import escape

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 14, 36
COLOURS = 6

# Values beyond are drawn at the edge: a broken model may predict anything a float can hold.
_NEAR, _FAR = 1e-12, 1e300


class Axis:
    """Maps values to points between ``start`` and ``end``; ``ticks`` are (value, label)."""

    def __init__(self, low, high, start, end, ticks, logarithmic=False):
        self.low, self.high, self.start, self.end = low, high, start, end
        self.ticks = ticks
        self._log = logarithmic

    def at(self, value):
        if self._log:
            share = (math.log(max(value, _NEAR)) - math.log(self.low)) / (
                math.log(self.high) - math.log(self.low)
            )
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


def linear(low, high, start, end):
    """An axis from ``low`` to at least ``high`` with round ticks."""
    low, high = max(low, -_FAR), min(high, _FAR)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        # All the same: a bar or line in the middle.
        low, high = (
            (0.0, 2.0 * high) if high > 1e-9 else (2.0 * low, 0.0) if low < -1e-9 else (0.0, 1.0)
        )
    step = 10.0 ** math.floor(math.log10((high - low) / 4.0))
    for factor in (1, 2, 2.5, 5, 10):
        if (high - low) / (step * factor) <= 5.0:
            step *= factor
            break
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    ticks = [(number * step, figure(number * step)) for number in range(first, last + 1)]
    return Axis(first * step, last * step, start, end, ticks)


def logarithmic(low, high, start, end):
    """A logarithmic axis over the whole decades, or halves of them, around ``low`` to ``high``."""
    low, high = (min(max(value, _NEAR), _FAR) for value in (low, high))
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    while len(values) > 2 and values[1] <= low:
        values.pop(0)
    while len(values) > 2 and values[-2] >= high:
        values.pop()
    return Axis(
        values[0], values[-1], start, end, [(value, figure(value)) for value in values], True
    )


def figure(value):
    """A number as a person writes it on an axis."""
    if value == 0:
        return "0"
    size = abs(value)
    for limit, divisor, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= limit:
            return ("%.4g" % (value / divisor)) + suffix
    return "%.4g" % value


def _frame(axis_x, axis_y, title_x, title_y, content, width=WIDTH):
    parts = [
        '<svg viewBox="0 0 %d %d" role="img" aria-label="%s by %s">'
        % (width, HEIGHT, escape(title_y, True), escape(title_x, True))
    ]
    for value, label in axis_y.ticks:
        y = axis_y.at(value)
        parts.append(
            '<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>'
            % (_LEFT, width - _RIGHT, y, y)
        )
        parts.append(
            '<text class="tick end" x="%d" y="%.1f">%s</text>' % (_LEFT - 6, y + 4, escape(label))
        )
    for value, label in axis_x.ticks:
        x = axis_x.at(value)
        parts.append(
            '<text class="tick mid" x="%.1f" y="%d">%s</text>'
            % (x, HEIGHT - _BOTTOM + 16, escape(label))
        )
    parts.append(
        '<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>'
        % (_LEFT, width - _RIGHT, HEIGHT - _BOTTOM, HEIGHT - _BOTTOM)
    )
    parts.append(
        '<text class="title mid" x="%d" y="%d">%s</text>'
        % ((_LEFT + width - _RIGHT) // 2, HEIGHT - 4, escape(title_x))
    )
    parts.append(
        '<text class="title mid" transform="translate(12 %d) rotate(-90)">%s</text>'
        % ((_TOP + HEIGHT - _BOTTOM) // 2, escape(title_y))
    )
    return "".join(parts) + content + "</svg>"


def _legend(names, classes=None):
    items = [
        '<span><i class="b%s"></i>%s</span>' % (cls, escape(name))
        for name, cls in zip(names, classes or ["%d" % (at % COLOURS) for at in range(len(names))])
    ]
    return '<p class="legend">%s</p>' % "".join(items)


def _path(points, cls):
    """A line through the points (x, y); None breaks it, and a point alone is drawn as a dot."""
    runs, run = [], []
    for point in list(points) + [None]:
        if point is None:
            if run:
                runs.append(run)
            run = []
        else:
            run.append(point)
    parts = []
    for run in runs:
        if len(run) == 1:
            parts.append('<circle class="f%s" cx="%.1f" cy="%.1f" r="3"/>' % ((cls,) + run[0]))
        else:
            parts.append(
                '<polyline class="l%s" points="%s"/>'
                % (cls, " ".join("%.1f,%.1f" % point for point in run))
            )
    return "".join(parts)


def lines(series, title_x, title_y, log=False, whole=False):
    """Lines over x; ``series`` is [(name, [(x, y or None)])]. A logarithmic y leaves out what is not above 0.

    ``whole`` begins the y axis at 0.
    """
    shown = [
        (name, [(x, y if y is not None and (not log or y > 0) else None) for x, y in points])
        for name, points in series
    ]
    values = [y for _name, points in shown for _x, y in points if y is not None]
    xs = [x for _name, points in shown for x, _y in points]
    if not values:
        return '<p class="none">Nothing was measured.</p>'
    axis_x = linear(min(xs), max(xs), _LEFT, WIDTH - _RIGHT)
    if max(xs) > min(xs):
        # Time ends where the run ended, not at the next round figure.
        axis_x.high = max(xs)
        axis_x.ticks = [tick for tick in axis_x.ticks if tick[0] <= axis_x.high]
    scale = logarithmic if log else linear
    axis_y = scale(0.0 if whole and not log else min(values), max(values), HEIGHT - _BOTTOM, _TOP)
    content = "".join(
        _path(
            [None if y is None else (axis_x.at(x), axis_y.at(y)) for x, y in points],
            "%d" % (at % COLOURS),
        )
        for at, (_name, points) in enumerate(shown)
    )
    return _legend([name for name, _points in shown]) + _frame(
        axis_x, axis_y, title_x, title_y, content
    )


def nines(series, title_y, count):
    """Values by percentile, the tail stretched: x is 1 / (1 - percentile). ``series`` is [(name, [(percent, y)])].

    Of ``count`` samples, percentiles that none lies beyond are left out.
    """
    marks = [0, 50, 90, 99, 99.9, 99.99, 99.999]
    shown = [
        (
            name,
            [
                (percent, y)
                for percent, y in points
                if y is not None and y > 0 and (100.0 - percent) * count >= 99.99
            ],
        )
        for name, points in series
    ]
    values = [y for _name, points in shown for _x, y in points]
    if not values:
        return '<p class="none">Nothing was measured.</p>'
    top = max(1.0, max(percent for _name, points in shown for percent, _y in points))
    axis_x = Axis(
        1.0,
        1.0 / (1.0 - top / 100.0),
        _LEFT,
        WIDTH - _RIGHT,
        [(1.0 / (1.0 - mark / 100.0), "%g %%" % mark) for mark in marks if mark <= top],
        True,
    )
    axis_y = logarithmic(min(values), max(values), HEIGHT - _BOTTOM, _TOP)
    content = "".join(
        _path(
            [(axis_x.at(1.0 / (1.0 - percent / 100.0)), axis_y.at(y)) for percent, y in points],
            "%d" % (at % COLOURS),
        )
        for at, (_name, points) in enumerate(shown)
    )
    return _legend([name for name, _points in shown]) + _frame(
        axis_x, axis_y, "percentile", title_y, content
    )


def distribution(series, title_x, bins=40):
    """Shares of values in equal bins; ``series`` is [(name, [values])]."""
    values = [value for _name, sample in series for value in sample]
    if not values:
        return '<p class="none">The answers held no numbers.</p>'
    axis_x = linear(min(values), max(values), _LEFT, WIDTH - _RIGHT)
    # Divided before they are subtracted: the largest floats' distance is none.
    width = axis_x.high / bins - axis_x.low / bins
    shares = []
    for _name, sample in series:
        counts = [0] * bins
        for value in sample:
            counts[int(min(bins - 1, max(0, value / width - axis_x.low / width)))] += 1
        shares.append([100.0 * count / len(sample) if sample else 0.0 for count in counts])
    axis_y = linear(0.0, max(max(share) for share in shares), HEIGHT - _BOTTOM, _TOP)
    parts = []
    for at, share in enumerate(shares):
        for number, height in enumerate(share):
            if height:
                left, right = (axis_x.at(axis_x.low + (number + side) * width) for side in (0, 1))
                top = axis_y.at(height)
                parts.append(
                    '<rect class="a%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'
                    % (at % COLOURS, left, top, max(1.0, right - left - 1), HEIGHT - _BOTTOM - top)
                )
    return _legend([name for name, _sample in series]) + _frame(
        axis_x, axis_y, title_x, "% of predictions", "".join(parts)
    )


def split(rows):
    """Shares with their bounds; ``rows`` is [(name, share, low, high, declared or None)], all 0 to 1."""
    if not rows:
        return '<p class="none">Nothing was answered.</p>'
    height = 44 * len(rows) + 40
    left, right = 150, WIDTH - 20
    axis = Axis(0.0, 1.0, left, right, [(tick / 4.0, "%d %%" % (tick * 25)) for tick in range(5)])
    parts = [
        '<svg viewBox="0 0 %d %d" role="img" aria-label="share of the answers">' % (WIDTH, height)
    ]
    for value, label in axis.ticks:
        x = axis.at(value)
        parts.append(
            '<line class="grid" x1="%.1f" x2="%.1f" y1="8" y2="%d"/>' % (x, x, height - 28)
        )
        parts.append('<text class="tick mid" x="%.1f" y="%d">%s</text>' % (x, height - 12, label))
    for at, (name, share, low, high, declared) in enumerate(rows):
        y = 14 + 44 * at
        parts.append(
            '<text class="tick end" x="%d" y="%d">%s</text>' % (left - 8, y + 16, escape(name[:22]))
        )
        parts.append(
            '<rect class="a%d" x="%d" y="%d" width="%.1f" height="22"/>'
            % (at % COLOURS, left, y, axis.at(share) - left)
        )
        parts.append(
            '<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>'
            % (axis.at(low), axis.at(high), y + 11, y + 11)
        )
        for end in (low, high):
            parts.append(
                '<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>'
                % (axis.at(end), axis.at(end), y + 6, y + 16)
            )
        if declared is not None:
            x = axis.at(declared)
            parts.append(
                '<line class="mark" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>' % (x, x, y - 5, y + 27)
            )
    return (
        '<p class="legend"><span><i class="bmark"></i>declared</span><span><i class="baxis"></i>99.9 % bounds</span></p>'
        + "".join(parts)
        + "</svg>"
    )
