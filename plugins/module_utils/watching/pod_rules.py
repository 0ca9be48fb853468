# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts on the pods of a cluster that serve models, from what the role's pods.py tells of them.

Pure functions of the completed description.
"""

from __future__ import annotations

from .figures import figure_template
from .queries import Scope

# The run that brings a pod up tells of it by itself, for as long as a model may take to start.
WAITING_SECONDS = 240
# One restart may be chance, and is over when it is read.
RESTARTS, RESTARTS_SECONDS = 3, 600
KILLED_SECONDS = 300
IMAGE_SECONDS = 20
IMAGE_DESCRIBED = "monitml:image_described:info"
_WHO = "{{ $labels.deployment_name }}/{{ $labels.predictor_name }} {{ $labels.predictor_version }}"
_POD = "{{ $labels.pod }}"


def of_deployment(deployment: dict, scope: Scope, target: str) -> list[dict]:
    """The rules, where the models are in pods; none elsewhere."""
    if target != "deployments":
        return []
    which = scope.deployment
    return [
        *_described(deployment),
        _alert(
            "PodWaiting",
            f"max by (namespace,deployment_name,predictor_name,predictor_version,pod,reason)"
            f" (monitml_pod_waiting_seconds{{{which}}}) > {WAITING_SECONDS}",
            0,
            "critical",
            f"{_WHO}: a pod does not come up.",
            f"Pod {_POD} is not ready since {figure_template('count')} s: {{{{ $labels.reason }}}}. What serves has to do"
            f" without it. kubectl describe pod -n {{{{ $labels.namespace }}}} {_POD} tells more.",
        ),
        _alert(
            "PodRestarting",
            f"increase(monitml_pod_restarts_total{{{which}}}[{RESTARTS_SECONDS}s]) > {RESTARTS - 0.5}",
            0,
            "critical",
            f"{_WHO}: a pod is restarted again and again.",
            f"The container of pod {_POD} ended {figure_template('count')} times in {RESTARTS_SECONDS // 60} minutes. Its log says why:"
            f" kubectl logs --previous -n {{{{ $labels.namespace }}}} {_POD}.",
        ),
        _alert(
            "PodKilledForMemory",
            f'time() - monitml_pod_ended_timestamp_seconds{{{which},reason="OOMKilled"}} < {KILLED_SECONDS}',
            0,
            "critical",
            f"{_WHO}: a pod was killed for its memory.",
            f"The container of pod {_POD} needed more memory than its limit and was killed {figure_template('count')} s ago, with the"
            " requests that it held. Raise the limit (canary_resources), or give it fewer workers.",
        ),
        _alert(
            "WrongImageRuns",
            _other_image(deployment, which),
            IMAGE_SECONDS,
            "critical",
            f"{_WHO}: a pod runs another image than is described.",
            f"Pod {_POD} runs {{{{ $labels.image }}}}, which is not what is described for it: somebody changed it past the"
            " description. Run site.yml, which sets it right.",
        ),
    ]


def _described(deployment: dict) -> list[dict]:
    """The image that each server is to run, as a series beside what pods run."""
    return [
        {
            "record": IMAGE_DESCRIBED,
            "expr": "vector(1)",
            "labels": {
                "namespace": deployment["namespace"],
                "deployment_name": deployment["name"],
                "server": one["server"],
                "image": one["container_image"],
            },
        }
        for one in deployment["predictors"]
        if one.get("container_image") and one.get("server")
    ]


def _other_image(deployment: dict, which: str) -> str:
    """Of servers that are described: those that leave run what they were described to run before."""
    names = "|".join(sorted(one["server"] for one in deployment["predictors"] if one.get("server")))
    running = f'monitml_pod_image_info{{{which},server=~"{names}",container="model"}}'
    return f"{running} unless on (server,image) {IMAGE_DESCRIBED}{{{which}}}"


def _alert(name: str, expr: str, seconds: int, severity: str, summary: str, description: str) -> dict:
    rule = {
        "alert": name,
        "expr": expr,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    }
    return {**rule, "for": f"{seconds}s"} if seconds else rule
