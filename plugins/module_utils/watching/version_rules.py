# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what answers is what is described: version, model and files of each server, and who it is.

Pure functions of the completed description.
"""

from __future__ import annotations

from string import Template

from ..serving import prediction_metrics as series
from .figures import figure_template
from .operational_rules import WHO, alert, servers
from .queries import IDENTITY, TARGETS, TRAFFIC_DECLARED, Scope

_BY = ",".join(IDENTITY)
# What a version left behind in the window when it was replaced is no answer of a wrong one.
WRONG_VERSION_WINDOW_SECONDS = 15
WRONG_VERSION_MEMORY_SECONDS = 20
# A server that is no longer read stays in sight for a second or two; where others read, for longer.
WRONG_VERSION_SECONDS = 5
WRONG_VERSION_SECONDS_OF_OTHERS = 20
# Answers that the gateway counted and no server of ours gave: beyond what is counted a moment apart.
ELSEWHERE_WINDOW_SECONDS = 30
ELSEWHERE_RATIO, ELSEWHERE_ANSWERS = 0.2, 5
ELSEWHERE_SECONDS = 10
# The model that a predictor is to serve, by its digest.
MODEL_DESCRIBED = "monitml:model_described:info"
# Targets whose Prometheus is ours, and labels what it reads by the description.
_READ_BY_US = ("local", "deployments")


def of_deployment(deployment: dict, scope: Scope, target: str) -> list[dict]:
    """What every deployment is told of its versions."""
    return [
        *_described(deployment, target),
        _wrong_version(deployment, scope, target),
        _files_changed(scope),
        *([_from_elsewhere(scope, target)] if target == "local" else []),
    ]


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
    declared = f"({declared} or max_over_time({declared}[{WRONG_VERSION_MEMORY_SECONDS}s]))"
    running, replicas = f"count by ({_BY}) ({reported})", ""
    if target in _READ_BY_US:
        other, model = _other_version(scope, target), _other_model(deployment, scope)
        running = f"count by ({_BY}) ({reported} unless on (instance) {other})"
        replicas = f" or {other} or {model}"
    return alert(
        "WrongVersionServed",
        f"({answered} or {running}) unless on ({_BY}) {declared}{replicas}",
        WRONG_VERSION_SECONDS if target in _READ_BY_US else WRONG_VERSION_SECONDS_OF_OTHERS,
        "critical",
        f"{{{{ if $labels.instance }}}}{_of_replica()}.{{{{ else }}}}{WHO} is served, but not declared.{{{{ end }}}}",
        f"{{{{ if $labels.instance }}}}{_of_replica()}. Its server is at {{{{ $labels.instance }}}}."
        "{{ else }}Predictor {{ $labels.predictor_name }} runs or answers as version"
        " {{ $labels.predictor_version }}, which the description of the deployment does not have.{{ end }}"
        " Its predictions may not be those of the model you mean to serve.",
    )


def _other_version(scope: Scope, target: str) -> str:
    """Servers that say they are another predictor or version than is described for their address."""
    reported = f"{series.MODEL_INFO}{{{scope.deployment}}}"
    return (
        f"max by ({_BY},instance,replica,pod) ({servers(scope, target)} == 1 and on (instance) {reported}"
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
    return alert(
        "ModelFilesChanged",
        f"count by ({_BY},instance) ({changed})",
        0,
        "warning",
        f"{WHO}: files of its model have changed on disk.",
        "Since the model server at {{ $labels.instance }} was started, these files of its model were changed,"
        f" added or removed:{named}. A worker that is started anew reads them as they are now, so what answers may"
        " be neither. Run site.yml, which serves what is described.",
    )


def _from_elsewhere(scope: Scope, target: str) -> dict:
    """More answers at the gateway than the described servers gave; silent while one of them is not read."""
    window = f"{ELSEWHERE_WINDOW_SECONDS}s"
    names = {"scope": f"{scope.deployment},{scope.predictors}"}
    responses = Template(TARGETS[target]["responses_good"]).substitute(names)
    answered = f"sum by ({_BY}) (increase({responses}[{window}]))"
    came = f"sum by ({_BY}) (increase({series.REQUESTS}{{{names['scope']}}}[{window}]))"
    more = f"({answered} - {came})"
    unread = f"min_over_time({servers(scope, target)}[{window}]) == 0"
    return alert(
        "AnsweredFromElsewhere",
        f"({more} > {ELSEWHERE_ANSWERS} and {more} > {ELSEWHERE_RATIO} * {answered}) unless on ({_BY}) ({unread})",
        ELSEWHERE_SECONDS,
        "critical",
        f"{WHO}: answers come from a server that nobody described.",
        f"{figure_template('count')} of the answers that the gateway counted for predictor"
        " {{ $labels.predictor_name }}, version {{ $labels.predictor_version }}, in the last"
        f" {ELSEWHERE_WINDOW_SECONDS} s were given by none of the servers that are described. Somebody else listens"
        " where the gateway sends its requests, and what that predicts is not watched. Run site.yml, which sends them to"
        " what is described.",
    )
