# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts on models that do not answer: that hang, are stopped, or are far too slow.

What is told of requests comes from the parent of a server's processes, which knows of them
whatever the model does. Pure functions.
"""

from __future__ import annotations

from ..serving import prediction_metrics as series
from . import queries
from .figures import figure_template

MEASURE = "unanswered_ratio"
STOPPED_SECONDS = 3
ENDED_WINDOW_SECONDS = 60
# Where too few ask for a share to mean much, one that waits as many times its limit does.
PATIENCE = 5
_BY = ",".join(queries.IDENTITY)
_WHO = "{{ $labels.deployment_name }}/{{ $labels.predictor_name }} {{ $labels.predictor_version }}"


def waits_too_long(monitor: dict, broken: str, scope: queries.Scope) -> str:
    """PromQL for a broken limit on unanswered requests that holds however few there are."""
    oldest = f"max by ({_BY}) ({series.OLDEST}{{{scope.deployment}}})"
    seconds = PATIENCE * monitor["answer_within_seconds"]
    return f"({broken}) and on ({_BY}) {oldest} >= {seconds}"


def annotations(monitor: dict) -> dict:
    """Summary and description of a monitor on unanswered requests."""
    matchers = ",".join(f"{label}=%q" for label in queries.IDENTITY)
    values = " ".join(f"$labels.{label}" for label in queries.IDENTITY)
    which = f'{{monitor="{monitor["name"]}",{matchers}}}'

    def count(query: str, given: str) -> str:
        figure = figure_template("count", "(. | first | value)")
        return f"{{{{ with printf `{query}` {given} | query }}}}{figure}{{{{ end }}}}"

    samples = queries.MONITOR_SAMPLES + which
    late = count(f"round({queries.MONITOR_VALUE}{which} * {samples})", f"{values} {values}")
    oldest = (
        f"{{{{ with printf `max({series.OLDEST}{{{matchers}}}) > 0` {values} | query }}}}; the oldest"
        f" waits for {figure_template('seconds', '(. | first | value)')}{{{{ end }}}}"
    )
    sentence = (
        f"{late} of {count(samples, values)} requests got no answer within {monitor['answer_within_seconds']} s"
    )
    return {
        "summary": f"{_WHO}: {sentence}.",
        "description": (
            f"Predictor {{{{ $labels.predictor_name }}}}, version {{{{ $labels.predictor_version }}}}, of"
            f" {{{{ $labels.deployment_name }}}}: {sentence}"
            f"{oldest}. The model hangs, is stopped, or is too slow for what is asked of it."
        ),
    }


def of_deployment(scope: queries.Scope) -> list[dict]:
    """What every deployment is told of beside its monitors."""
    of_it = f"{{{scope.deployment}}}"
    ended = f"{series.HUNG}{of_it}"
    return [
        {
            "alert": "ModelServerStopped",
            "expr": f"sum by ({_BY},instance) ({series.STOPPED}{of_it}) > 0",
            "for": f"{STOPPED_SECONDS}s",
            "labels": {"severity": "critical"},
            "annotations": {
                "summary": f"{_WHO}: processes of a model server are stopped.",
                "description": f"{figure_template('count')} of the processes of the model server at"
                " {{ $labels.instance }} were stopped by a signal, such as SIGSTOP. They answer nothing"
                " until they are continued (SIGCONT), or ended.",
            },
        },
        {
            "alert": "ModelHung",
            "expr": f"sum by ({_BY}) ({ended} - min_over_time({ended}[{ENDED_WINDOW_SECONDS}s])) > 0",
            "labels": {"severity": "warning"},
            "annotations": {
                "summary": f"{_WHO}: a process that hung was ended.",
                "description": f"{figure_template('count')} processes of predictor"
                " {{ $labels.predictor_name }}, version {{ $labels.predictor_version }}, hung in a request"
                " for longer than canary_timeout_seconds and were ended. Others were started in their"
                " place; the requests that they held got no answer.",
            },
        },
    ]
