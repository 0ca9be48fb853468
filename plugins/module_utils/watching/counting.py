# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How often something happened in a window, as templates of PromQL for the tables of measures.

Counts are what happened, where increase() would estimate: it stretches what it saw over the
window, and sees nothing of what a counter held when it was first read. So a count is a counter's
last value less the one before the window. Our servers tell that one themselves (X_past), as they
know it also where Prometheus has just begun to read, was away or lost its disk; of a server that
is gone Prometheus remembers it. Where a counter has fallen, increase() it is.
Pure functions; $window, $identity and $scope are filled in by queries.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..serving import prediction_metrics as series

# The window of which every server tells the past, asked or not.
FIRST_WINDOW = "30s"


@dataclass(frozen=True)
class Count:
    """What is counted in windows: PromQL, and the labels it has besides the identity.

    Several measures count the same, and counting is what rules spend their time with: so for the
    windows of the monitors each count is recorded once, with the label window.
    """

    expr: str
    by: tuple[str, ...] = ()


def total(what: str, *more: str) -> str:
    return f"sum by ({','.join(('$identity', *more))}) ({what})"


def less(what: str, base: str) -> str:
    """What a counter grew by above its base, as long as it has not fallen."""
    last = f"last_over_time({what}[$window])"
    return f"(({last} - ({base})) >= 0 unless resets({what}[$window]) > 0)"


def _past(name: str, matchers: str) -> str:
    """What a counter of ours was before the window, by its own word."""
    return f'sum without ({series.PAST_LABEL}) ({name}{series.PAST}{{{matchers},{series.PAST_LABEL}="$window"}})'


def _before_the_first(name: str, matchers: str) -> str:
    """What a counter of ours was before Prometheus first read it: 0 of a server that is new."""
    known = f'{name}{series.PAST}{{{matchers},{series.PAST_LABEL}="{FIRST_WINDOW}"}}'
    return f"sum without ({series.PAST_LABEL}) (min_over_time({known}[$window]))"


def counted(name: str, matchers: str, *more: str) -> Count:
    """How often a counter of ours counted in the window."""
    what = f"{name}{{{matchers}}}"
    base = (
        f"{_past(name, matchers)} or {what} offset $window or {_before_the_first(name, matchers)}"
        f" or 0 * last_over_time({what}[$window])"
    )
    return Count(total(f"{less(what, base)} or increase({what}[$window])", *more), more)


def counted_by_others(what: str) -> Count:
    """The same of a counter that does not know its past, and that was read before it counted.

    One that fell has begun anew once, as a rule: then it had come to its highest value before.
    """
    last, highest = f"last_over_time({what}[$window])", f"max_over_time({what}[$window])"
    base = f"({what} offset $window or {not_shown(what)} or min_over_time({what}[$window]))"
    fallen = f"({highest} > {last}) + {last} - {base}"
    return Count(total(f"{less(what, base)} or {fallen} or increase({what}[$window])"))


def not_shown(what: str) -> str:
    """Zero for a series of the gateway's that was not there before it counted."""
    return f"(0 * last_over_time({what}[$window]) and on (instance) $gateway_known)"


def counted_bins(name: str, matchers: str, *more: str) -> Count:
    """The same of the bins of a counter of ours, of which only the number of all tells its past."""
    what, rows = f"{name}_bucket{{{matchers}}}", _before_the_first(f"{name}_count", matchers)
    zero = f"(0 * last_over_time({what}[$window]) and on (instance,output) {rows} == 0)"
    base = f"{what} offset $window or {zero} or min_over_time({what}[$window])"
    return Count(total(f"{less(what, base)} or increase({what}[$window])", *more), more)


def counted_once_known(what: str, *more: str) -> str:
    """The same of a counter of ours that is not there before it counts, at a server that is known."""
    rows = f"{series.PREDICTION}_count"
    known = (
        f"(sum by (instance) ({rows}{{$scope}} offset $window)"
        f" or sum by (instance) ({_before_the_first(rows, '$scope')}) == 0)"
    )
    zero = f"(0 * last_over_time({what}[$window]) and on (instance) {known})"
    base = f"{what} offset $window or {zero} or min_over_time({what}[$window])"
    return total(f"{less(what, base)} or increase({what}[$window])", *more)
