# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alert and recording rules that follow from a deployment's description.

Pure functions of the completed description (see the module deployment_info). Each monitor
becomes three recorded series - its value, its limit and the number of samples - and one alert
that compares them, so that board, message and verdict read the same numbers. The rules of a group
are evaluated one after the other, so recording first delays no alert.
"""

from __future__ import annotations

from . import (
    drift,
    drift_rules,
    hanging_rules,
    label_measures,
    operational_rules,
    pod_rules,
    queries,
    version_rules,
)
from .figures import figure_template, limits, promql_number
from .model_metrics import labels_of, measure_of
from .queries import Scope

# Where an alert leads: the page that Prometheus itself serves.
BOARD_URL = "{{ $externalURL }}/user/"


def alert_rules(deployment: dict, target: str = "local", board_url: str = BOARD_URL) -> dict:
    """The content of a Prometheus rule file for a completed description.

    board_url: the address of the board; may be a template of Prometheus'.
    Raises KeyError for a target or a measure that is not known.
    """
    scope = Scope.of(deployment)
    rules = [
        *_declared(deployment),
        *_gateway_responses(scope, target),
        *queries.counting_rules(target, Scope(scope.deployment), windows(deployment)),
        *_monitors(deployment, target, of_drift=False),
        *operational_rules.of_deployment(deployment, scope, target),
        *version_rules.of_deployment(deployment, scope, target),
        *hanging_rules.of_deployment(scope),
        *pod_rules.of_deployment(deployment, scope, target),
    ]
    name = f"monitml/{deployment['namespace']}/{deployment['name']}"
    groups = [
        {"name": name, "rules": rules},
        {
            "name": f"{name}/drift",
            "interval": f"{drift.INTERVAL_SECONDS}s",
            "rules": [
                *drift_rules.recorded(deployment, target),
                *_monitors(deployment, target, of_drift=True),
            ],
        },
        {"name": "monitml", "rules": operational_rules.of_stack(target)},
    ]
    for rule in [rule for group in groups for rule in group["rules"] if "alert" in rule]:
        rule["annotations"]["link"] = _link(board_url, rule)
    return {"groups": [group for group in groups if group["rules"]]}


def windows(deployment: dict) -> list[int]:
    """The windows that the monitors of a completed description look back, in seconds.

    But for those on drift and labels, which count by themselves.
    """
    return sorted(
        {
            queries.window_seconds(measure_of(monitor), monitor["window_seconds"])
            for monitor in deployment["monitors"]
            if monitor["measure"] not in drift.MEASURES and monitor["measure"] not in label_measures.MEASURES
        }
    )


def _link(board_url: str, rule: dict) -> str:
    names = ("namespace", "deployment_name", "predictor_name")
    query = "&".join(f"{name.split('_', maxsplit=1)[0]}={{{{ $labels.{name} }}}}" for name in names)
    return board_url if rule["labels"].get("scope") == "stack" else f"{board_url}?{query}"


def _identity(deployment: dict, predictor: dict | None = None) -> dict:
    labels = {"namespace": deployment["namespace"], "deployment_name": deployment["name"]}
    if predictor:
        labels["predictor_name"] = predictor["name"]
        labels["predictor_version"] = predictor["version"]
    return labels


def _declared(deployment: dict) -> list[dict]:
    """The declared split, as a series beside the measured one.

    Versions that serve until the traffic has moved are declared too, to get none of it.
    """
    here = {(predictor["name"], predictor["version"]) for predictor in deployment["predictors"]}
    served = {(server["predictor"], server["version"]) for server in deployment.get("leaving", ())}
    leaving = [
        {"name": name, "version": version, "traffic": 0, "shadow": False}
        for name, version in sorted(served - here)
    ]
    return [
        {
            "record": queries.TRAFFIC_DECLARED,
            "expr": f"vector({promql_number(predictor['traffic'] / 100)})",
            "labels": {
                **_identity(deployment, predictor),
                "shadow": "true" if predictor["shadow"] else "false",
            },
        }
        for predictor in [*deployment["predictors"], *leaving]
    ]


def _gateway_responses(scope: Scope, target: str) -> list[dict]:
    """The gateway's answers by class of status code, with zeros where there was none yet.

    Only while the gateway is read: a zero put in for a failed scrape would look like a restart,
    and all its answers so far like new ones.
    """
    if target not in queries.WITH_GATEWAY:
        return []
    by = f"{','.join(queries.IDENTITY)},code_class"
    seen = (
        f'label_replace(envoy_cluster_upstream_rq_xx{{{scope.deployment}}}, "code_class", "$1",'
        ' "envoy_response_code_class", "(.*)")'
    )
    declared = f"max by ({','.join(queries.IDENTITY)}) ({queries.TRAFFIC_DECLARED}{{{scope.deployment}}})"
    zeros = " or ".join(
        f'label_replace(0 * {declared}, "code_class", "{code}", "", "")' for code in "245"
    )
    return [
        {
            "record": queries.GATEWAY_RESPONSES,
            "expr": f'sum by ({by}) ({seen}) or (({zeros}) and on () (up{{job="gateway"}} == 1))',
        }
    ]


def _monitors(deployment: dict, target: str, of_drift: bool) -> list[dict]:
    return [
        rule
        for monitor in deployment["monitors"]
        if (monitor["measure"] in drift.MEASURES) == of_drift
        for rule in _monitor(deployment, monitor, target)
    ]


def _monitor(deployment: dict, monitor: dict, target: str) -> list[dict]:
    scope = Scope.of(deployment, monitor["predictors"])
    labels = {"monitor": monitor["name"], **labels_of(monitor)}
    bounds = {
        bound: monitor.get(bound) for bound in ("min", "max") if monitor.get(bound) is not None
    }
    arguments = (measure_of(monitor), target, scope, monitor["window_seconds"])
    return [
        _record(queries.MONITOR_VALUE, queries.value_query(*arguments), labels),
        _record(queries.MONITOR_SAMPLES, queries.samples_query(*arguments), labels),
        *(
            _record(
                queries.MONITOR_LIMIT,
                f"vector({promql_number(value)})",
                {**_identity(deployment), **labels, "bound": bound},
            )
            for bound, value in bounds.items()
        ),
        _alert(monitor, target, scope, bounds),
    ]


def _record(name: str, expr: str, labels: dict) -> dict:
    return {"record": name, "expr": expr, "labels": dict(labels)}


def _alert(monitor: dict, target: str, scope: Scope, bounds: dict) -> dict:
    which = f'{{monitor="{monitor["name"]}",{scope.deployment}}}'
    signs = {"min": "<", "max": ">"}
    broken = " or ".join(
        f"{queries.MONITOR_VALUE}{which} {signs[bound]} {promql_number(value)}"
        for bound, value in bounds.items()
    )
    expr = f"({broken}) and {queries.MONITOR_SAMPLES}{which} >= {max(monitor['min_samples'], 1)}"
    if monitor["measure"] in label_measures.MEASURES:
        # Of a version that is gone, labels are on the board: nobody can do anything about it.
        expr = f"{expr} and on ({','.join(queries.IDENTITY)}) {queries.TRAFFIC_DECLARED}{{{scope.deployment}}}"
    if monitor["measure"] == hanging_rules.MEASURE:
        expr = f"{expr} or {hanging_rules.waits_too_long(monitor, broken, scope)}"
    if monitor["measure"] in drift.MEASURES and "max" in bounds:
        expr = f"{expr} {drift_rules.unless_by_chance(monitor, target, scope)}"
    rule = {
        "alert": monitor["name"],
        "expr": expr,
        "labels": {"severity": monitor["severity"]},
        "annotations": _annotations(monitor, bounds),
    }
    if monitor["for_seconds"]:
        rule["for"] = f"{monitor['for_seconds']}s"
    return rule


def _annotations(monitor: dict, bounds: dict) -> dict:
    measure = measure_of(monitor)
    window = queries.window_seconds(measure, monitor["window_seconds"])
    value = figure_template(measure.unit)
    allowed = limits(bounds.get("min"), bounds.get("max"), measure.unit)
    samples = _samples_template(monitor["name"])
    who = (
        "{{ $labels.deployment_name }}/{{ $labels.predictor_name }} {{ $labels.predictor_version }}"
    )
    output = '{{ with $labels.output }}{{ if ne . "prediction" }} ({{ . }}){{ end }}{{ end }}'
    words = measure.words
    if monitor["measure"] in label_measures.MEASURES:
        output = f"{output}{{{{ with $labels.class }}}} (class {{{{ . }}}}){{{{ end }}}}"
    own = hanging_rules.annotations(monitor) if monitor["measure"] == hanging_rules.MEASURE else {}
    moved = drift_rules.moved(monitor) if monitor["measure"] in drift.MEASURES else ""
    noun = "Samples"
    if monitor["measure"] in label_measures.MEASURES:
        noun, moved = "Labels", label_measures.age(monitor, queries.IDENTITY)
    return {
        "summary": f"{who}: the {words}{output} is {value}, allowed is {allowed}.",
        "description": (
            f"Predictor {{{{ $labels.predictor_name }}}}, version {{{{ $labels.predictor_version }}}}, of"
            f" {{{{ $labels.deployment_name }}}}: the {words}{output} is {value} over the last"
            f" {window} s; allowed is {allowed}. {noun}: {samples}.{moved}"
        ),
        "value": value,
        "limit": allowed,
        "samples": samples,
        **own,
    }


def _samples_template(monitor: str) -> str:
    labels = (*queries.IDENTITY, "output", "class")
    matchers = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    query = (
        f'printf `{queries.MONITOR_SAMPLES}{{monitor="{monitor}",{matchers}}}` {values} | query'
    )
    count = figure_template("count", "(. | first | value)")
    return f"{{{{ with {query} }}}}{count}{{{{ end }}}}"
