# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts that every deployment and every stack gets, whatever its monitors.

They tell that the watching itself can be trusted: that servers, gateway and series are there,
that what is served is what was declared, and that messages get out. Pure functions.
"""

from __future__ import annotations

from string import Template

from ..receivers.delivery import REASONS
from ..serving import prediction_metrics as series
from . import model_metrics
from .figures import figure_template
from .queries import IDENTITY, TARGETS, TRAFFIC_DECLARED, WITH_GATEWAY, Scope

_BY = ",".join(IDENTITY)
WHO = "{{ $labels.deployment_name }}/{{ $labels.predictor_name }} {{ $labels.predictor_version }}"
# A killed server is back within ten seconds; what takes longer needs a person.
DOWN_SECONDS = 10
# Long enough that a server which just started has been read.
MISSING_SECONDS = 10
IDLE_SECONDS = 300
DISK_RATIO_MIN = 0.1
# Nothing but a person ends these; what else there is may be over with the next attempt.
UNDELIVERED_AT_ONCE = ("revoked", "refused")
UNDELIVERED_SECONDS = 10
# Of a target, the labels that tell one server's series from another's.
_SERVER = {"local": "job,instance", "deployments": "job,instance", "kubernetes": "namespace,pod", "eks": "namespace,pod"}


def of_deployment(deployment: dict, scope: Scope, target: str) -> list[dict]:
    """The alerts on one deployment: servers, series, versions and traffic."""
    return [
        _server_down(scope, target),
        _series_missing(deployment, scope, target),
        _no_traffic(scope, target),
        _series_dropped(scope),
        *(
            rule
            for monitor in deployment["monitors"]
            if monitor["measure"] == model_metrics.METRIC
            for rule in _watched_metric(deployment, monitor)
        ),
    ]


def of_stack(target: str) -> list[dict]:
    """The alerts on the stack around the deployments; in a cluster others watch most of that."""
    rules = [_disk_full()]
    if target in WITH_GATEWAY:
        rules += [_gateway_down(), _watcher_down(), _undelivered()]
    return rules


def alert(
    name: str, expr: str, seconds: int, severity: str, summary: str, description: str
) -> dict:
    rule = {
        "alert": name,
        "expr": expr,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    }
    if seconds:
        rule["for"] = f"{seconds}s"
    return rule


def _of_stack(rule: dict) -> dict:
    rule["labels"]["scope"] = "stack"
    return rule


def servers(scope: Scope, target: str, *more: str) -> str:
    job = ['job="models"'] if target in WITH_GATEWAY else []
    return f"up{{{','.join([*job, scope.deployment, *more])}}}"


def _server_down(scope: Scope, target: str) -> dict:
    return alert(
        "ModelServerDown",
        f"{servers(scope, target)} == 0",
        DOWN_SECONDS,
        "critical",
        f"{WHO}: a model server does not answer.",
        "The metrics of the model server at {{ $labels.instance }} cannot be read. Its predictions"
        " are not watched, and requests to it may fail.",
    )


def _series_missing(deployment: dict, scope: Scope, target: str) -> dict:
    """Servers that are read but report no predictions, and declared ones that nobody reads."""
    reported = f"{series.PREDICTION}_count{{{scope.deployment}}}"
    silent = f"({servers(scope, target)} == 1) unless on ({_SERVER[target]}) {reported}"
    unread = " or ".join(
        "absent("
        + servers(
            scope,
            target,
            f'predictor_name="{predictor["name"]}"',
            f'predictor_version="{predictor["version"]}"',
        )
        + ")"
        for predictor in deployment["predictors"]
    )
    return alert(
        "SeriesMissing",
        f"{silent} or {unread}",
        MISSING_SECONDS,
        "critical",
        f"{WHO}: its predictions are not measured.",
        "{{ if $labels.instance }}The model server at {{ $labels.instance }} answers, but reports no"
        " predictions{{ else }}No model server of this predictor is scraped{{ end }}. What it"
        " predicts is not watched.",
    )


def _no_traffic(scope: Scope, target: str) -> dict:
    """A declared share of the traffic, and none of it lately; silent where there never was any."""
    names = {"scope": f"{scope.deployment},{scope.predictors}"}
    responses = Template(TARGETS[target]["responses"]).substitute(names)
    # What came to a server and was not answered is traffic all the same.
    came = f"{series.REQUESTS}{{{names['scope']}}}"
    asked = f"sum by ({_BY}) (increase({came}[{IDLE_SECONDS}s])) > 0"
    lately = f"sum by ({_BY}) (increase({responses}[{IDLE_SECONDS}s])) == 0 unless on ({_BY}) {asked}"
    before = f"sum by ({_BY}) (increase({responses}[1h])) > 0"
    declared = f'{TRAFFIC_DECLARED}{{{scope.deployment},shadow="false"}} > 0'
    return alert(
        "NoTraffic",
        f"({lately}) and ({before}) and on ({_BY}) ({declared})",
        0,
        "info",
        f"{WHO} got no request for {IDLE_SECONDS // 60} minutes.",
        "It is declared to get a share of the requests, and had some within the last hour.",
    )


def _series_dropped(scope: Scope) -> dict:
    """On the board only: what is watched of the model's predictions is not touched by it."""
    return alert(
        "ModelMetricsDropped",
        f"sum by ({_BY}) ({series.MODEL_METRIC_DROPPED}{{{scope.deployment}}}) > 0",
        0,
        "info",
        f"{WHO}: series of its own metrics are left out.",
        f"{figure_template('count')} series of metrics of the model's own found no room on its"
        " servers and are not measured. A tag that is different with each request makes series without"
        " end; canary_series_max says how many there may be.",
    )


def _watched_metric(deployment: dict, monitor: dict) -> list[dict]:
    """Told on the board while a monitor watches what is not there, or what it cannot be asked for."""
    scope = Scope.of(deployment, monitor["predictors"])
    given, name, statistic = model_metrics.given(monitor, scope), monitor["metric"], monitor["statistic"]
    declared = f"max by ({_BY}) ({TRAFFIC_DECLARED}{{{scope.deployment},{scope.predictors}}})"
    kinds = model_metrics.STATISTICS[statistic][1]
    missing = alert(
        "MetricMissing",
        f"{declared} unless on ({_BY}) {given}",
        0,
        "info",
        f"{WHO} has not given the metric {name} yet.",
        f"The monitor {monitor['name']} watches the metric {name}, which the model has not given since"
        " its servers started: nothing is watched by it. A model gives its metrics with its answers;"
        " if there were some, the name in metrics() is another.",
    )
    unfit = alert(
        "MetricUnfit",
        f'max by ({_BY},kind) ({given[:-1]},kind!~"{"|".join(kinds)}"}})',
        0,
        "info",
        f"{WHO} gives the metric {name} as a {{{{ $labels.kind }}}}.",
        f"The monitor {monitor['name']} asks for the statistic {statistic}, which is of a"
        f" {' or '.join(kinds)}: nothing is watched by it.",
    )
    for rule in (missing, unfit):
        # Not the label monitor: the limit of that one is not broken.
        rule["labels"]["watched_by"] = monitor["name"]
    return [missing, unfit]


def _gateway_down() -> dict:
    return _of_stack(
        alert(
            "GatewayDown",
            'up{job="gateway"} == 0 or absent(up{job="gateway"})',
            DOWN_SECONDS,
            "critical",
            "The gateway does not answer.",
            "The gateway's statistics cannot be read{{ with $labels.instance }} at {{ . }}{{ end }}."
            " Clients probably get no predictions.",
        )
    )


def _watcher_down() -> dict:
    return _of_stack(
        alert(
            "TargetDown",
            # The job load_test asks what the job node asks, for other series.
            'up{job!~"models|gateway|load_test"} == 0',
            DOWN_SECONDS,
            "warning",
            "{{ $labels.job }} does not answer.",
            "The metrics of {{ $labels.job }} at {{ $labels.instance }} cannot be read.",
        )
    )


def _undelivered() -> dict:
    """Messages that the inbox does not get, or that it cannot pass on."""
    failing = "monitml_inbox_failing_seconds"
    return _of_stack(
        alert(
            "AlertsNotDelivered",
            # The reason is no label: an alert whose reason changes is still the same.
            f'max by (receiver) ({failing}{{reason=~"{"|".join(UNDELIVERED_AT_ONCE)}"}} >= 0'
            f" or {failing} >= {UNDELIVERED_SECONDS})"
            " or sum by (integration) (increase(alertmanager_notifications_failed_total[5m])) > 0",
            0,
            "critical",
            "Messages about alerts do not get through.",
            "{{ if $labels.receiver }}{{ $labels.receiver }} does not take messages"
            f"{_of_receiver(failing, _reason())}."
            f"{_of_receiver('monitml_inbox_waiting_messages', _waiting())}"
            " They are in the inbox."
            f"{{{{ else }}}}{figure_template('count')} attempts to hand a message to the inbox failed"
            " in the last five minutes. The log of Alertmanager tells why.{{ end }}",
        )
    )


def _of_receiver(name: str, template: str) -> str:
    """A template for the alert's receiver, in which . is the first sample of the series name."""
    query = f"printf `{name}{{receiver=%q}}` $labels.receiver | query"
    return f"{{{{ with {query} }}}}{{{{ with first . }}}}{template}{{{{ end }}}}{{{{ end }}}}"


def _reason() -> str:
    cases = "{{ else }}".join(
        f'{{{{ if eq $reason "{reason}" }}}}: {words}' for reason, words in REASONS.items()
    )
    return f'{{{{ $reason := label "reason" . }}}}{cases}{"{{ end }}" * len(REASONS)}'


def _waiting() -> str:
    count = figure_template("count", "(value .)")
    return f" Messages that wait: {count}."


def _disk_full() -> dict:
    ratio = "node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0)"
    return _of_stack(
        alert(
            "DiskFull",
            # One alert per disk, however often it is mounted.
            f"min by (instance,device) ({ratio}) < {DISK_RATIO_MIN}",
            60,
            "warning",
            "{{ $labels.device }} is almost full.",
            f"{figure_template('ratio')} of {{{{ $labels.device }}}} on {{{{ $labels.instance }}}} is"
            " left. Without space, measurements and logs stop.",
        )
    )
