# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Monitors on metrics of a model's own: COUNTER, GAUGE and TIMER of Seldon's metrics().

A description names such a metric; whether a model gives it, and of which kind it is, only turns
out when it does. So a query takes whichever kind its statistic fits, and two alerts on the board
say where there is none or another. Pure functions.
"""

from __future__ import annotations

from dataclasses import replace

from ..serving import prediction_metrics as series
from . import drift
from .counting import counted_once_known
from .queries import MEASURES, Measure, Scope

METRIC = "metric"
# statistic -> (what a sentence calls it, the kinds that it is of)
STATISTICS = {
    "last": ("last value of the metric {}", ("gauge",)),
    "mean": ("average of the metric {}", ("gauge", "timer")),
    "rate": ("rate of the metric {}", ("counter", "timer")),
    "p95": ("95th percentile of the metric {}", ("gauge", "timer")),
}


def measure_of(monitor: dict) -> Measure:
    """What a completed monitor watches: a row of the table of measures, or a metric of the model's own."""
    if monitor["measure"] == METRIC:
        return _measure(monitor)
    measure = MEASURES[monitor["measure"]]
    if monitor["measure"] in drift.MEASURES:
        return replace(measure, distance=monitor.get("distance") or measure.distance)
    return replace(measure, within=f"{monitor['answer_within_seconds']}s") if measure.within else measure


def labels_of(monitor: dict) -> dict:
    """What the recorded series of a monitor carry besides its name."""
    labels = {"measure": monitor["measure"]}
    if monitor["measure"] == METRIC:
        labels.update({"metric": monitor["metric"], "statistic": monitor["statistic"]})
    return labels


def _measure(monitor: dict) -> Measure:
    words, _kinds = STATISTICS[monitor["statistic"]]
    unit = "per_second" if monitor["statistic"] == "rate" else "value"
    given = f"{series.MODEL_METRIC_UPDATES}{{{_named(monitor, 'metric')},$scope}}"
    return Measure(
        words.format(monitor["metric"]),
        unit,
        _VALUES[monitor["statistic"]](monitor),
        counted_once_known(given),
    )


def _named(monitor: dict, label: str) -> str:
    """A matcher of a metric as a model calls it; a counter is shown with _total at its end."""
    return f'{label}=~"{monitor["metric"].removesuffix("_total")}(_total)?"'


def _of_kind(monitor: dict, kind: str, part: str = "") -> str:
    name = f'__name__=~".+{part}",' if part else ""
    return f'{{{name}{series.KIND_LABEL}="{kind}",{_named(monitor, series.METRIC_LABEL)},$scope}}'


def _worst(monitor: dict, gauges: str) -> str:
    """Of several servers or tags the one that is nearest to its limit, or furthest beyond; never NaN."""
    function = "min" if monitor.get("max") is None else "max"
    return f"{function} by ($identity) ({gauges} > -Inf)"


def _last(monitor: dict) -> str:
    return _worst(monitor, _of_kind(monitor, "gauge"))


def _mean(monitor: dict) -> str:
    gauge = _worst(monitor, f"avg_over_time({_of_kind(monitor, 'gauge')}[$window])")
    total, count = (
        counted_once_known(_of_kind(monitor, "timer", part)) for part in ("_sum", "_count")
    )
    return f"{gauge} or {total} / ({count} > 0)"


def _rate(monitor: dict) -> str:
    counter = counted_once_known(_of_kind(monitor, "counter"))
    timer = counted_once_known(_of_kind(monitor, "timer", "_count"))
    return f"({counter} or {timer}) / {monitor['window_seconds']}"


def _p95(monitor: dict) -> str:
    gauge = _worst(monitor, f"quantile_over_time(0.95, {_of_kind(monitor, 'gauge')}[$window])")
    buckets = f"rate({_of_kind(monitor, 'timer', '_bucket')}[$window])"
    # Without a sample a quantile is NaN, which no comparison lets through.
    return f"{gauge} or histogram_quantile(0.95, sum by ($identity,le) ({buckets})) > -Inf"


_VALUES = {"last": _last, "mean": _mean, "rate": _rate, "p95": _p95}


def given(monitor: dict, scope: Scope) -> str:
    """PromQL for how often predictors gave the metric of a monitor, by its kind."""
    return f"{series.MODEL_METRIC_UPDATES}{{{_named(monitor, 'metric')},{scope.deployment},{scope.predictors}}}"
