# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be measured, and the PromQL that measures it, per target.

The one table behind rules, board, dashboard and tests. A measure is written once, in terms of
named series; a target says which series those are. Pure functions.
It stays one file, though long: what a measure reads, counts and is called stands in one place.

Measures are per predictor and version: what happened in a window is counted per replica before the
replicas are summed. A measure without samples has no value at all, never NaN, so that no
comparison can be fooled by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

from ..serving import prediction_metrics as series
from . import drift, label_measures
from .counting import Count, counted, counted_bins, counted_by_others, less, not_shown, total

IDENTITY = ("namespace", "deployment_name", "predictor_name", "predictor_version")

# Recorded series: made by _rules, read by the measures, the board and the alerts.
TRAFFIC_DECLARED = "monitml:traffic_declared:ratio"
GATEWAY_RESPONSES = "monitml:gateway_responses:total"
MONITOR_VALUE = "monitml:monitor:value"
MONITOR_SAMPLES = "monitml:monitor:samples"
MONITOR_LIMIT = "monitml:monitor:limit"

# A changed split is held against the measured one only when the window, and the time it takes to
# reload rules and gateway one after the other, hold nothing from before it.
SETTLING_SECONDS = 10


@dataclass(frozen=True)
class Measure:
    """One measure: templates of its value and of the number of samples behind it.

    unit: value (of a prediction), ratio (0 to 1), seconds, per_second, cores, bytes or count.
    words: what a sentence calls it. seconds_min: it never looks back less than this, because
    each value of its gauge covers as much; over_time takes the gauge further back. within: the
    patience with an answer, as the label of that name has it. distance: by which two spreads are
    compared, one of drift.DISTANCES.
    """

    words: str
    unit: str
    value: str
    samples: str = ""
    seconds_min: int = 0
    gauge: str = ""
    over_time: str = ""
    within: str = ""
    distance: str = drift.DISTANCES[0]


@dataclass(frozen=True)
class Scope:
    """Which series are meant: two comma-separated lists of PromQL label matchers."""

    deployment: str
    predictors: str = 'predictor_name=~".+"'

    @classmethod
    def of(cls, deployment: dict, predictors: list[str] | None = None) -> Scope:
        """The scope of a completed description, or of some of its predictors (DNS labels)."""
        names = predictors or [predictor["name"] for predictor in deployment["predictors"]]
        return cls(
            f'namespace="{deployment["namespace"]}",deployment_name="{deployment["name"]}"',
            f'predictor_name=~"{"|".join(names)}"',
        )


_DISK = {
    "disk_available": "min by (instance) (node_filesystem_avail_bytes)",
    "disk_ratio": "min by (instance) (node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0))",
}
# Recorded with zeros: Envoy shows a class of status codes only after its first answer, and
# increase() cannot see what a series was born with.
_LOCAL = {
    "responses": GATEWAY_RESPONSES + "{$scope}",
    "responses_of_all": GATEWAY_RESPONSES + "{$deployment}",
    "responses_good": GATEWAY_RESPONSES + '{$scope,code_class="2"}',
    "responses_bad": GATEWAY_RESPONSES + '{$scope,code_class="5"}',
    "latency_bucket": "envoy_cluster_upstream_rq_time_bucket{$scope}",
    "latency_count": "envoy_cluster_upstream_rq_time_count{$scope}",
    "latency_per_second": "1000",
    # A gateway that was read before, or first soon after its start: what it did not show was zero.
    "gateway_known": "(envoy_server_uptime offset $window or min_over_time(envoy_server_uptime[$window]) < 30)",
    "cpu": f"sum by ($identity) (rate({series.PROCESS_CPU}{{$scope}}[$window]))",
    "memory": f"sum by ($identity) ({series.PROCESS_MEMORY}{{$scope}})",
    **_DISK,
}
_EXECUTOR = "seldon_api_executor_server_requests_seconds"
_SERVED = 'service="predictions"'


def _of_pods(what: str) -> str:
    """Container series, joined to the predictor whose model reports from the same pod."""
    pods = f"max by (pod,$identity) ({series.MODEL_INFO}{{$scope}})"
    return (
        f"sum by ($identity) ({what} * on (namespace,pod)"
        f" group_left(deployment_name,predictor_name,predictor_version) {pods})"
    )


_KUBERNETES = {
    "responses": f"{_EXECUTOR}_count{{$scope,{_SERVED}}}",
    "responses_of_all": f"{_EXECUTOR}_count{{$deployment,{_SERVED}}}",
    "responses_good": f'{_EXECUTOR}_count{{$scope,{_SERVED},code=~"2.."}}',
    "responses_bad": f'{_EXECUTOR}_count{{$scope,{_SERVED},code=~"5.."}}',
    "latency_bucket": f"{_EXECUTOR}_bucket{{$scope,{_SERVED}}}",
    "latency_count": f"{_EXECUTOR}_count{{$scope,{_SERVED}}}",
    "latency_per_second": "1",
    "gateway_known": "(up < 0)",
    "cpu": _of_pods('rate(container_cpu_usage_seconds_total{container!=""}[$window])'),
    "memory": _of_pods('container_memory_working_set_bytes{container!=""}'),
    **_DISK,
}
# deployments is a cluster without Seldon's operator, whose gateways are Envoys like the local one.
TARGETS = {"local": _LOCAL, "deployments": _LOCAL, "kubernetes": _KUBERNETES, "eks": _KUBERNETES}
# Those whose gateway is scraped, as the job gateway beside the job models.
WITH_GATEWAY = ("local", "deployments")


def _larger(one: str, other: str) -> str:
    """The larger of two, or the only one that is there."""
    return f"({one} >= {other} or {other} or {one})"


def _share(part: str, whole: str) -> str:
    """part / whole, 0 where the part has no series, nothing where the whole is zero."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def _quantile(quantile: str) -> Measure:
    bins, window = "$latency_bucket", "[$window]"
    base = f"{bins} offset $window or {not_shown(bins)} or min_over_time({bins}{window})"
    grown = f"{less(bins, base)} or increase({bins}{window})"
    value = f"histogram_quantile({quantile}, sum by ($identity,le) ({grown}))"
    percent = f"{float(quantile) * 100:g}"
    return Measure(
        f"time within which {percent} % of the requests are answered",
        "seconds",
        # Without requests a quantile is NaN, which no comparison lets through.
        f"{value} / $latency_per_second >= 0",
        "$latencies_counted",
    )


# In the queries of measures a count stands as $<its name>_counted.
COUNTS = {
    "rows": counted(f"{series.PREDICTION}_count", "$scope", "output"),
    **{
        f"sum_{sign}": counted(series.PREDICTION_SUM, f'$scope,sign="{sign}"', "output")
        for sign in series.SIGNS
    },
    "errors": counted(series.PREDICTION_ERRORS, "$scope"),
    "non_numeric": counted(series.PREDICTION_NON_NUMERIC, "$scope"),
    "asked": counted(series.REQUESTS, "$scope"),
    "unanswered": counted(series.UNANSWERED, "$scope$within", series.WITHIN_LABEL),
    "requests": counted_by_others("$responses"),
    "requests_bad": counted_by_others("$responses_bad"),
    "latencies": counted_by_others("$latency_count"),
}
_ROWS = "$rows_counted"
_ERRORS = "$errors_counted"
# A row has one value per output, and is one prediction.
_TRIES = (
    f"(max by ($identity) ({_ROWS}) + $non_numeric_counted + {_ERRORS})"
)
_REQUESTS = "$requests_counted"
# Those that became late in the window, and those that still wait since before it.
_LATE = _larger("sum by ($identity) ($unanswered_counted)", f"sum by ($identity) ({series.OVERDUE}{{$scope$within}})")
_ASKED = _larger("$asked_counted", _LATE)
_LIVE = f'max by ($identity) ({TRAFFIC_DECLARED}{{$deployment,shadow="false"}})'
_ALL_REQUESTS = f"sum by (namespace,deployment_name) ($requests_of_all_counted and on ($identity) {_LIVE})"
_DECLARED = f'max by ($identity) ({TRAFFIC_DECLARED}{{$deployment,$predictors,shadow="false"}})'
_MEASURED = (
    f"(({_REQUESTS} and on ($identity) {_LIVE})"
    f" / on (namespace,deployment_name) group_left () ({_ALL_REQUESTS} > 0))"
)

# Shares are of one whole: where one of them changed, came or went, all of them did.
_SPLIT = f"{TRAFFIC_DECLARED}{{$deployment}}"
_RESPLIT = (
    f"changes({_SPLIT}[$settled]) > 0"
    f" or {_SPLIT} unless on ($identity) {_SPLIT} offset $settled"
    f" or {_SPLIT} offset $settled unless on ($identity) {_SPLIT}"
)


def _extreme(words: str, function: str, name: str) -> Measure:
    # Drops NaN, which stands for "no prediction lately".
    return Measure(
        words,
        "value",
        f"{function} by ($identity,output) ($gauge) > -Inf",
        _ROWS,
        seconds_min=series.EXTREMES_SECONDS,
        gauge=f"{name}{{$scope}}",
        over_time=f"{function}_over_time",
    )


MEASURES = {
    "prediction_mean": Measure(
        "average prediction",
        "value",
        f"($sum_positive_counted - $sum_negative_counted) / ({_ROWS} > 0)",
        _ROWS,
    ),
    "prediction_min": _extreme("smallest prediction", "min", series.PREDICTION_MIN),
    "prediction_max": _extreme("largest prediction", "max", series.PREDICTION_MAX),
    "prediction_error_ratio": Measure(
        "share of failed predictions", "ratio", f"{_ERRORS} / ({_TRIES} > 0)", _TRIES
    ),
    "error_ratio": Measure(
        "share of failed requests",
        "ratio",
        _share("$requests_bad_counted", _REQUESTS),
        _REQUESTS,
    ),
    "unanswered_ratio": Measure(
        "share of requests without an answer in time",
        "ratio",
        f"{_LATE} / ({_ASKED} > 0)",
        _ASKED,
        within="2s",
    ),
    "latency_p50_seconds": _quantile("0.5"),
    "latency_p90_seconds": _quantile("0.9"),
    "latency_p95_seconds": _quantile("0.95"),
    "latency_p99_seconds": _quantile("0.99"),
    "requests_per_second": Measure(
        "rate of requests", "per_second", total("rate($responses[$window])"), _REQUESTS
    ),
    "traffic_deviation_ratio": Measure(
        "distance of the measured share of the requests from the declared one",
        "ratio",
        f"abs({_MEASURED} - on ($identity) {_DECLARED}) unless on (namespace,deployment_name) ({_RESPLIT})",
        # The requests of the whole deployment: it is their split that is judged.
        f"0 * {_DECLARED} + on (namespace,deployment_name) group_left () {_ALL_REQUESTS}",
    ),
    **{
        name: Measure(words, "value", drift.value(name), drift.samples(name))
        for name, words in (
            ("feature_drift", "drift of the features"),
            ("prediction_drift", "drift of the predictions"),
            ("prediction_drift_between", "distance of the predictions from the stable predictor's"),
        )
    },
    **{
        name: Measure(words, unit, label_measures.value(name), label_measures.samples(name))
        for name, (words, unit, _series, _samples) in label_measures.MEASURES.items()
    },
    # For the board only, from here on.
    "success_ratio": Measure(
        "share of answered requests",
        "ratio",
        _share(counted_by_others("$responses_good").expr, _REQUESTS),
        _REQUESTS,
    ),
    "predictions": Measure("predictions", "count", _ROWS, _ROWS),
    "prediction_distribution": Measure(
        "predictions by value",
        "count",
        counted_bins(series.PREDICTION, "$scope", "output", "le").expr,
        _ROWS,
    ),
    "traffic_ratio": Measure(
        "measured share of the requests",
        "ratio",
        f"{_MEASURED} and on ($identity) {_DECLARED}",
        _REQUESTS,
    ),
    "traffic_declared": Measure("declared share of the requests", "ratio", _DECLARED),
    "feature_drift_each": Measure(
        "drift of each feature",
        "value",
        f'max by ($identity,feature) (monitml:feature_drift:psi{{$scope,window="{drift.BOARD_SECONDS}s"}})',
    ),
    "feature_shares": Measure(
        "shares of the rows by bin of each feature",
        "ratio",
        f'monitml:feature_rows:share{{$scope,window="{drift.BOARD_SECONDS}s"}}',
    ),
    "feature_reference": Measure(
        "shares of the training data by bin of each feature",
        "ratio",
        "monitml:feature_reference:share{$scope}",
    ),
    "model_gauges": Measure(
        "gauges of the model's own",
        "value",
        f'max by ($identity,{series.METRIC_LABEL}) ({{{series.KIND_LABEL}="gauge",$scope}})',
    ),
    "model_counters": Measure(
        "counters of the model's own, per second",
        "per_second",
        f'sum by ($identity,{series.METRIC_LABEL}) (rate({{{series.KIND_LABEL}="counter",$scope}}[$window]))',
    ),
    "model_timers": Measure(
        "timers of the model's own, 95th percentile",
        "seconds",
        f"histogram_quantile(0.95, sum by ($identity,{series.METRIC_LABEL},le) (rate("
        f'{{__name__=~".+_bucket",{series.KIND_LABEL}="timer",$scope}}[$window]))) >= 0',
    ),
    "labelled_rows": Measure(
        "labels of a week",
        "count",
        f'max by ($identity) ({label_measures.ROWS}{{$scope,window="$label_window"}})',
    ),
    "label_age": Measure(
        "age of the answers that have labels",
        "seconds",
        f'max by ($identity) ({label_measures.ANSWER_AGE}{{$scope,window="$label_window"}})',
    ),
    "labels_unknown": Measure(
        "labels of answers that nobody knows",
        "count",
        f'sum ({label_measures.OUTCOMES}{{$deployment,outcome=~"unknown|refused"}}) > 0',
    ),
    "cpu_cores": Measure("CPU", "cores", "$cpu"),
    "memory_bytes": Measure("memory", "bytes", "$memory"),
    "disk_available_bytes": Measure("disk space available", "bytes", "$disk_available"),
    "disk_available_ratio": Measure("share of the disk available", "ratio", "$disk_ratio"),
    "firing_alerts": Measure(
        "firing alerts",
        "count",
        'ALERTS{alertstate="firing",$deployment} or'
        ' ALERTS{alertstate="firing",deployment_name=""}',
    ),
}
# What a monitor may watch: the choices of its measure in the argument spec.
MONITORED = tuple(MEASURES)[: tuple(MEASURES).index("success_ratio")]


def value_query(measure: str | Measure, target: str, scope: Scope, window: int | str) -> str:
    """PromQL for the value of a measure; window in seconds, or text such as a board's variable."""
    what = MEASURES[measure] if isinstance(measure, str) else measure
    return _render(what.value, what, target, scope, window)


def samples_query(measure: str | Measure, target: str, scope: Scope, window: int | str) -> str:
    """PromQL for the number of samples behind the value, with the same labels as the value."""
    what = MEASURES[measure] if isinstance(measure, str) else measure
    return _render(what.samples, what, target, scope, window)


def window_seconds(measure: str | Measure, seconds: int) -> int:
    """How far back a measure really looks when asked for this window."""
    what = MEASURES[measure] if isinstance(measure, str) else measure
    return max(seconds, what.seconds_min)


def counting_rules(target: str, scope: Scope, windows: Iterable[int]) -> list[dict]:
    """Recording rules of every count over each of the windows, in seconds, for the measures to read."""
    return [
        {
            "record": _record_of(name),
            "expr": _substitute(count.expr, target, scope, {"window": f"{seconds}s", "within": ""}),
            "labels": {"window": f"{seconds}s"},
        }
        for seconds in sorted(set(windows))
        for name, count in COUNTS.items()
    ]


def _record_of(count: str) -> str:
    return f"monitml:{count}:counted"


def _narrowed(count: Count) -> str:
    return "$within" if series.WITHIN_LABEL in count.by else ""


def _count_names(window: int | str) -> dict[str, str]:
    """What stands for each count in the query of a measure."""
    if not isinstance(window, int):
        found = {name: count.expr for name, count in COUNTS.items()}
        of_all = found["requests"].replace("$responses", "$responses_of_all")
        return {**found, "requests_of_all": of_all}
    found = {
        name: total(f'{_record_of(name)}{{$scope,window="{window}s"{_narrowed(count)}}}', *count.by)
        for name, count in COUNTS.items()
    }
    return {**found, "requests_of_all": found["requests"].replace("$scope", "$deployment")}


def _render(text: str, what: Measure, target: str, scope: Scope, window: int | str) -> str:
    names = {"window": window, "settled": window, "gauge": what.gauge, "within": ""}
    names["distance"] = what.distance
    # What is compared is recorded, for the windows of monitors and for one of the board's.
    names["drift_window"] = f"{window if isinstance(window, int) else drift.BOARD_SECONDS}s"
    # So are labels, where they come in.
    names["label_window"] = f"{window if isinstance(window, int) else label_measures.BOARD_SECONDS}s"
    if what.within:
        names["within"] = f',{series.WITHIN_LABEL}="{what.within}"'
    seconds = window_seconds(what, window) if isinstance(window, int) else window
    counts = {f"{name}_counted": text for name, text in _count_names(seconds).items()}
    text = Template(text).safe_substitute(counts)
    if isinstance(window, int):
        names["window"] = f"{seconds}s"
        names["settled"] = f"{seconds + SETTLING_SECONDS}s"
        if what.gauge and seconds > what.seconds_min:
            # Each value of the gauge covers seconds_min already; the rest is looked up.
            names["gauge"] = f"{what.over_time}({what.gauge}[{seconds - what.seconds_min}s])"
    return _substitute(text, target, scope, names)


def filled(text: str, target: str, scope: Scope, names: dict[str, str] | None = None) -> str:
    """PromQL of a template of counting or drift, over a scope."""
    return _substitute(text, target, scope, names or {})


def _substitute(text: str, target: str, scope: Scope, names: dict[str, str]) -> str:
    labels = {
        "identity": ",".join(IDENTITY),
        "deployment": scope.deployment,
        "predictors": scope.predictors,
        "scope": f"{scope.deployment},{scope.predictors}",
    }
    # From the outside in: the target's series and the window, then the labels in both.
    for values in (TARGETS[target], names, labels):
        text = Template(text).safe_substitute(values)
    return text
