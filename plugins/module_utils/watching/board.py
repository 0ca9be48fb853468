# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The board's definition, rendered for our own page.

Pure functions. The definition is files/dashboards/canary.yml; the same one makes the dashboard
of Grafana (dashboard). Queries hold the variables $namespace, $deployment, $predictor, $window
and $range, which page and Grafana fill in alike.
"""

from __future__ import annotations

import re

from . import load_test_series as load_test
from ..serving import prediction_metrics as series
from . import queries
from .model_metrics import METRIC
from .queries import Measure, Scope

KINDS = ("figures", "lines", "distribution", "split", "shares", "alerts")
LOOKS = ("solid", "dashed", "dotted", "faint")
UNITS = ("value", "ratio", "seconds", "per_second", "cores", "bytes", "count")
VARIABLES = Scope(
    'namespace="$namespace",deployment_name="$deployment"', 'predictor_name=~"$predictor"'
)
# How a monitor of it is written depends on its statistic, which the page knows.
_OF_THE_MODEL = Measure("metric of the model's own", "value", "")
# Every deployment and predictor that there is to choose from.
CHOICES = f"max by (namespace,deployment_name,predictor_name,predictor_version,shadow) ({queries.TRAFFIC_DECLARED})"


def problems(definition: dict) -> list[str]:
    """What is wrong with a definition, in sentences; empty when nothing is."""
    found = []
    identifiers = [panel["id"] for panel in definition["panels"]]
    for panel in definition["panels"]:
        who = f"panel '{panel['id']}'"
        if identifiers.count(panel["id"]) > 1:
            found.append(f"{who} is there more than once.")
        if not re.fullmatch(r"[a-z_]+", panel["id"]):
            found.append(f"{who}: the id must be of lower-case letters and '_'.")
        if panel.get("optional") and panel["kind"] not in ("lines", "shares"):
            found.append(f"{who}: only lines and shares can be optional.")
        for key, allowed in (("kind", KINDS), ("unit", UNITS)):
            if panel[key] not in allowed:
                found.append(f"{who}: {key} '{panel[key]}' is not one of {', '.join(allowed)}.")
        if not 1 <= panel["width"] <= 24:
            found.append(f"{who}: width {panel['width']} is not between 1 and 24 columns.")
        for entry in panel["series"]:
            if entry["measure"] not in queries.MEASURES:
                found.append(f"{who}: there is no measure '{entry['measure']}'.")
            if entry.get("look", "solid") not in LOOKS:
                found.append(f"{who}: look '{entry['look']}' is not one of {', '.join(LOOKS)}.")
    return found


def query(entry: dict, target: str) -> str:
    """PromQL of one series of a panel, with the board's variables in it."""
    window = "$range" if entry.get("range") else "$window"
    return queries.value_query(entry["measure"], target, VARIABLES, window)


def limits_query(panel: dict) -> str:
    """PromQL for the limits of the monitors drawn into a panel; empty where there are none."""
    measure = panel.get("limits")
    if not measure:
        return ""
    return f'{queries.MONITOR_LIMIT}{{{VARIABLES.deployment},measure="{measure}"}}'


def board(
    definition: dict, target: str = "local", gateway_url: str = "", inbox_url: str = ""
) -> dict:
    """The content of board.json, which the page reads.

    gateway_url: the whole address that takes predictions, shown to someone whose board is still empty.
    inbox_url: of the local inbox, linked where there is one. Raises ValueError on a bad definition.
    """
    found = problems(definition)
    if found:
        raise ValueError("The board's definition is wrong: " + " ".join(found))
    return {
        "title": definition["title"],
        "gateway_url": gateway_url,
        "inbox_url": inbox_url,
        "choices": CHOICES,
        "measures": {
            name: {"words": measure.words, "unit": measure.unit}
            for name, measure in [*queries.MEASURES.items(), (METRIC, _OF_THE_MODEL)]
        },
        "monitors": {
            "value": f"{queries.MONITOR_VALUE}{{{VARIABLES.deployment}}}",
            "samples": f"{queries.MONITOR_SAMPLES}{{{VARIABLES.deployment}}}",
            "limit": f"{queries.MONITOR_LIMIT}{{{VARIABLES.deployment}}}",
        },
        # What the start of a version warned of, beside it.
        "warnings": f"{series.MODEL_WARNING}{{{VARIABLES.deployment}}}",
        "load_tests": {
            "query": f'{{__name__=~"{load_test.PREFIX}.+",{VARIABLES.deployment}}}',
            "start": load_test.START,
            "end": load_test.END,
            "requests": load_test.REQUESTS,
            "errors": load_test.ERRORS,
            "latency_p95": load_test.LATENCY_P95,
            "passed": load_test.PASSED,
        },
        "panels": [
            {
                **{
                    key: panel[key]
                    for key in ("id", "title", "description", "kind", "unit", "width")
                },
                # Of the first series; the limits drawn are those of the monitors on "limits".
                "measure": panel.get("limits", panel["series"][0]["measure"]),
                "limits": limits_query(panel),
                # Not there as long as there is nothing to show.
                "optional": bool(panel.get("optional")),
                "series": [
                    {
                        "name": entry.get("name", ""),
                        "look": entry.get("look", "solid"),
                        "query": query(entry, target),
                    }
                    for entry in panel["series"]
                ],
            }
            for panel in definition["panels"]
        ],
    }
