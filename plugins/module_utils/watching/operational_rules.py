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
_WHO = "{{ $labels.deployment_name }}/{{ $labels.predictor_name }} {{ $labels.predictor_version }}"
# A killed server is back within ten seconds; what takes longer needs a person.
DOWN_SECONDS = 10
# Long enough that a server which just started has been read.
MISSING_SECONDS = 10
IDLE_SECONDS = 300
# What a version left behind in the window when it was replaced has to pass before it counts.
WRONG_VERSION_WINDOW_SECONDS = 15
WRONG_VERSION_SECONDS = 20
DISK_RATIO_MIN = 0.1
# Nothing but a person ends these; what else there is may be over with the next attempt.
UNDELIVERED_AT_ONCE = ("revoked", "refused")
UNDELIVERED_SECONDS = 10
# The model that a predictor is to serve, by its digest.
MODEL_DESCRIBED = "monitml:model_described:info"
# Targets whose Prometheus is ours, and labels what it reads by the description.
_READ_BY_US = ("local", "deployments")
# Of a target, the labels that tell one server's series from another's.
_SERVER = {"local": "job,instance", "deployments": "job,instance", "kubernetes": "namespace,pod", "eks": "namespace,pod"}


def of_deployment(deployment: dict, scope: Scope, target: str) -> list[dict]:
    """The alerts on one deployment: servers, series, versions and traffic."""
    return [
        *_described(deployment, target),
        _server_down(scope, target),
        _series_missing(deployment, scope, target),
        _wrong_version(deployment, scope, target),
        _files_changed(scope),
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


def _alert(
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


def _servers(scope: Scope, target: str, *more: str) -> str:
    job = ['job="models"'] if target in WITH_GATEWAY else []
    return f"up{{{','.join([*job, scope.deployment, *more])}}}"


def _server_down(scope: Scope, target: str) -> dict:
    return _alert(
        "ModelServerDown",
        f"{_servers(scope, target)} == 0",
        DOWN_SECONDS,
        "critical",
        f"{_WHO}: a model server does not answer.",
        "The metrics of the model server at {{ $labels.instance }} cannot be read. Its predictions"
        " are not watched, and requests to it may fail.",
    )


def _series_missing(deployment: dict, scope: Scope, target: str) -> dict:
    """Servers that are read but report no predictions, and declared ones that nobody reads."""
    reported = f"{series.PREDICTION}_count{{{scope.deployment}}}"
    silent = f"({_servers(scope, target)} == 1) unless on ({_SERVER[target]}) {reported}"
    unread = " or ".join(
        "absent("
        + _servers(
            scope,
            target,
            f'predictor_name="{predictor["name"]}"',
            f'predictor_version="{predictor["version"]}"',
        )
        + ")"
        for predictor in deployment["predictors"]
    )
    return _alert(
        "SeriesMissing",
        f"{silent} or {unread}",
        MISSING_SECONDS,
        "critical",
        f"{_WHO}: its predictions are not measured.",
        "{{ if $labels.instance }}The model server at {{ $labels.instance }} answers, but reports no"
        " predictions{{ else }}No model server of this predictor is scraped{{ end }}. What it"
        " predicts is not watched.",
    )


def _described(deployment: dict, target: str) -> list[dict]:
    """The digest of the model that each predictor is to serve, as a series beside what servers report."""
    if target not in _READ_BY_US:
        return []
    return [
        {
            "record": MODEL_DESCRIBED,
            "expr": "vector(1)",
            "labels": {
                "namespace": deployment["namespace"],
                "deployment_name": deployment["name"],
                "predictor_name": predictor["name"],
                "predictor_version": predictor["version"],
                "digest": predictor["digest"],
            },
        }
        for predictor in deployment["predictors"]
        if predictor.get("digest")
    ]


def _wrong_version(deployment: dict, scope: Scope, target: str) -> dict:
    """What serves, as gateway and models tell it, and was never declared; per replica where we read them.

    Then a server's address has the labels that are described for it, so that what it says it is can
    be held against these, and its model against the model that is described.
    """
    names = {"deployment": scope.deployment}
    responses = Template(TARGETS[target]["responses_of_all"]).substitute(names)
    answered = f"sum by ({_BY}) (increase({responses}[{WRONG_VERSION_WINDOW_SECONDS}s])) > 0"
    reported = f"{series.MODEL_INFO}{{{scope.deployment}}}"
    declared = f"{TRAFFIC_DECLARED}{{{scope.deployment}}}"
    running, replicas = f"count by ({_BY}) ({reported})", ""
    if target in _READ_BY_US:
        other, model = _other_version(scope, target), _other_model(deployment, scope)
        running = f"count by ({_BY}) ({reported} unless on (instance) {other})"
        replicas = f" or {other} or {model}"
    return _alert(
        "WrongVersionServed",
        f"({answered} or {running}) unless on ({_BY}) {declared}{replicas}",
        WRONG_VERSION_SECONDS,
        "critical",
        f"{{{{ if $labels.instance }}}}{_of_replica()}.{{{{ else }}}}{_WHO} is served, but not declared.{{{{ end }}}}",
        f"{{{{ if $labels.instance }}}}{_of_replica()}. Its server is at {{{{ $labels.instance }}}}."
        "{{ else }}Predictor {{ $labels.predictor_name }} runs or answers as version"
        " {{ $labels.predictor_version }}, which the description of the deployment does not have.{{ end }}"
        " Its predictions may not be those of the model you mean to serve.",
    )


def _other_version(scope: Scope, target: str) -> str:
    """Servers that say they are another predictor or version than is described for their address."""
    reported = f"{series.MODEL_INFO}{{{scope.deployment}}}"
    return (
        f"max by ({_BY},instance,replica,pod) ({_servers(scope, target)} == 1 and on (instance) {reported}"
        f" unless on (instance,predictor_name,predictor_version) {reported})"
    )


def _other_model(deployment: dict, scope: Scope) -> str:
    """Servers of a described version with another model than is described.

    Not those that leave, which may serve the same version made of other files to their last answer.
    """
    leaving = deployment.get("leaving", ())
    ports = "|".join(str(server["metrics_port"]) for server in leaving if server.get("metrics_port"))
    # In a cluster they are known by name, as addresses come and go.
    names = "|".join(server["name"] for server in leaving if server.get("name") and not server.get("metrics_port"))
    stay = (f',instance!~".+:({ports})"' if ports else "") + (f',server!~"{names}"' if names else "")
    described = f"{MODEL_DESCRIBED}{{{scope.deployment}}}"
    return (
        f"max by ({_BY},instance,replica,pod,digest) ({series.MODEL_INFO}{{{scope.deployment}{stay}}}"
        f" and on ({_BY}) {described} unless on ({_BY},digest) {described})"
    )


def _of_replica() -> str:
    """A template: bad is to be v2 (digest ...), replica 1 runs v1 (digest ...)."""
    described = _first_of(MODEL_DESCRIBED, IDENTITY, " (digest {{ .Labels.digest }})")
    reported = _first_of(
        series.MODEL_INFO,
        ("instance",),
        "{{ if ne .Labels.predictor_name $labels.predictor_name }}{{ .Labels.predictor_name }} {{ end }}"
        "{{ .Labels.predictor_version }}{{ with .Labels.digest }} (digest {{ . }}){{ end }}",
    )
    return (
        "{{ $labels.predictor_name }} is to be {{ $labels.predictor_version }}"
        f"{described}, {{{{ with $labels.pod }}}}{{{{ . }}}}{{{{ else }}}}replica {{{{ $labels.replica }}}}{{{{ end }}}}"
        f" runs {reported}"
    )


def _first_of(name: str, labels: tuple[str, ...], template: str) -> str:
    """A template in which . is the first sample of a series that shares these labels with the alert."""
    matchers = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    query = f"printf `{name}{{{matchers}}}` {values} | query"
    return f"{{{{ with {query} }}}}{{{{ with first . }}}}{template}{{{{ end }}}}{{{{ end }}}}"


def _files_changed(scope: Scope) -> dict:
    changed = f"{series.MODEL_FILE_CHANGED}{{{scope.deployment}}}"
    matchers = ",".join(f"{label}=%q" for label in (*IDENTITY, "instance"))
    values = " ".join(f"$labels.{label}" for label in (*IDENTITY, "instance"))
    named = (
        f"{{{{ range printf `{series.MODEL_FILE_CHANGED}{{{matchers}}}` {values} | query }}}}"
        " {{ .Labels.file }}{{ end }}"
    )
    return _alert(
        "ModelFilesChanged",
        f"count by ({_BY},instance) ({changed})",
        0,
        "warning",
        f"{_WHO}: files of its model have changed on disk.",
        "Since the model server at {{ $labels.instance }} was started, these files of its model were changed,"
        f" added or removed:{named}. A worker that is started anew reads them as they are now, so what answers may"
        " be neither. Run site.yml, which serves what is described.",
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
    return _alert(
        "NoTraffic",
        f"({lately}) and ({before}) and on ({_BY}) ({declared})",
        0,
        "info",
        f"{_WHO} got no request for {IDLE_SECONDS // 60} minutes.",
        "It is declared to get a share of the requests, and had some within the last hour.",
    )


def _series_dropped(scope: Scope) -> dict:
    """On the board only: what is watched of the model's predictions is not touched by it."""
    return _alert(
        "ModelMetricsDropped",
        f"sum by ({_BY}) ({series.MODEL_METRIC_DROPPED}{{{scope.deployment}}}) > 0",
        0,
        "info",
        f"{_WHO}: series of its own metrics are left out.",
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
    missing = _alert(
        "MetricMissing",
        f"{declared} unless on ({_BY}) {given}",
        0,
        "info",
        f"{_WHO} has not given the metric {name} yet.",
        f"The monitor {monitor['name']} watches the metric {name}, which the model has not given since"
        " its servers started: nothing is watched by it. A model gives its metrics with its answers;"
        " if there were some, the name in metrics() is another.",
    )
    unfit = _alert(
        "MetricUnfit",
        f'max by ({_BY},kind) ({given[:-1]},kind!~"{"|".join(kinds)}"}})',
        0,
        "info",
        f"{_WHO} gives the metric {name} as a {{{{ $labels.kind }}}}.",
        f"The monitor {monitor['name']} asks for the statistic {statistic}, which is of a"
        f" {' or '.join(kinds)}: nothing is watched by it.",
    )
    for rule in (missing, unfit):
        # Not the label monitor: the limit of that one is not broken.
        rule["labels"]["watched_by"] = monitor["name"]
    return [missing, unfit]


def _gateway_down() -> dict:
    return _of_stack(
        _alert(
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
        _alert(
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
        _alert(
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
        _alert(
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
