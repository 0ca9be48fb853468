# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The board's definition, rendered as a dashboard of Grafana 10 and later.

Pure functions. Core panels only (no Angular, no plugin), a fixed uid, and the data source as a
variable, so that the same JSON can be provisioned anywhere and again.
"""

from __future__ import annotations

from ..serving import prediction_metrics as series
from . import board
from . import load_test_series as load_test
from . import queries

SCHEMA_VERSION = 39
_TYPES = {
    "figures": "stat",
    "lines": "timeseries",
    "distribution": "heatmap",
    "split": "timeseries",
    "shares": "bargauge",
    "alerts": "table",
}
_UNITS = {
    "value": "locale",
    "count": "locale",
    "ratio": "percentunit",
    "seconds": "s",
    "per_second": "reqps",
    "cores": "short",
    "bytes": "bytes",
}
_INSTANT = ("figures", "shares", "alerts")
_DASHES = {"dashed": [10, 6], "dotted": [2, 4]}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24


def dashboard(definition: dict, target: str = "local") -> dict:
    """Grafana's JSON of a definition. Raises ValueError on a bad definition."""
    found = board.problems(definition)
    if found:
        raise ValueError("The board's definition is wrong: " + " ".join(found))
    return {
        "uid": definition["uid"],
        "title": f"MonitML {definition['title'].lower()}",
        "tags": ["monitml"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timepicker": {"refresh_intervals": ["1s", "5s", "10s", "30s", "1m"]},
        "templating": {"list": _variables()},
        "annotations": {"list": _load_tests()},
        "links": [],
        "panels": _panels(definition["panels"], target),
    }


def _load_tests() -> list[dict]:
    """A mark where a load test began and one where it ended: their times are the values of series."""
    return [
        {
            "name": f"Load test {what}",
            "datasource": _SOURCE,
            "enable": True,
            "iconColor": "blue",
            # In milliseconds.
            "expr": f"1000 * {name}{{{board.VARIABLES.deployment}}}",
            "useValueForTime": True,
            # Marks that are no further apart become one; the default is a minute.
            "step": "1s",
            "titleFormat": f"Load test {what}",
            "textFormat": "{{name}}, {{url}}",
        }
        for what, name in (("began", load_test.START), ("ended", load_test.END))
    ]


def _variables() -> list[dict]:
    declared = queries.TRAFFIC_DECLARED
    in_namespace = f'{declared}{{namespace="$namespace"}}'
    in_deployment = f"{declared}{{{board.VARIABLES.deployment}}}"
    windows = ("30s", "1m", "5m", "15m")
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {},
            "hide": 0,
        },
        _choice("namespace", "Namespace", f"label_values({declared}, namespace)"),
        _choice("deployment", "Deployment", f"label_values({in_namespace}, deployment_name)"),
        {
            **_choice("predictor", "Predictor", f"label_values({in_deployment}, predictor_name)"),
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        },
        {
            "name": "window",
            "label": "Window",
            "type": "custom",
            "query": ",".join(windows),
            "current": {"selected": True, "text": windows[0], "value": windows[0]},
            "options": [
                {"selected": window == windows[0], "text": window, "value": window}
                for window in windows
            ],
            "hide": 0,
        },
    ]


def _choice(name: str, label: str, query: str) -> dict:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "current": {},
        "multi": False,
        "includeAll": False,
    }


def _panels(panels: list[dict], target: str) -> list[dict]:
    """The panels from left to right and top to bottom, as wide and high as they say."""
    rendered, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel["width"] > _COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": panel["width"], "h": panel["height"]}
        rendered.append(_panel(number, panel, place, target))
        x, tallest = x + panel["width"], max(tallest, panel["height"])
    return rendered


def _panel(number: int, panel: dict, place: dict, target: str) -> dict:
    kind = panel["kind"]
    rendered = {
        "id": number,
        "type": _TYPES[kind],
        "title": panel["title"],
        "description": panel["description"],
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": _targets(panel, target),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[kind],
    }
    if kind == "distribution":
        rendered.update({"repeat": "predictor", "repeatDirection": "h", "maxPerRow": 4})
    if kind == "alerts":
        rendered["transformations"] = [_ALERT_COLUMNS]
    return rendered


def _targets(panel: dict, target: str) -> list[dict]:
    kind = panel["kind"]
    targets = []
    for index, entry in enumerate(panel["series"]):
        # Grafana's heatmap draws time itself, and its $__range is the time shown.
        query = board.query(
            {**entry, "range": entry.get("range") and kind != "distribution"}, target
        )
        if kind == "distribution":
            query = f"sum by (le) ({query})"
        targets.append(
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.replace("$range", "$__range"),
                "legendFormat": _legend(panel, entry),
                "instant": kind in _INSTANT,
                "range": kind not in _INSTANT,
                "format": {"distribution": "heatmap", "alerts": "table"}.get(kind, "time_series"),
            }
        )
    if board.limits_query(panel) and kind == "lines":
        targets.append(
            {
                "refId": "LIMIT",
                "datasource": _SOURCE,
                "expr": board.limits_query(panel),
                "legendFormat": "{{monitor}} {{bound}}",
                "instant": False,
                "range": True,
                "format": "time_series",
            }
        )
    return targets


def _legend(panel: dict, entry: dict) -> str:
    if panel["kind"] == "distribution":
        return "{{le}}"
    name = f" {entry['name']}" if entry.get("name") else ""
    # Of a panel of a model's own metrics, which are called what the model calls them.
    labels = (series.METRIC_LABEL, "feature", "class", "bin") if panel.get("optional") else ()
    own = "".join(f" {{{{{label}}}}}" for label in labels)
    return f"{{{{predictor_name}}}} {{{{predictor_version}}}}{own}{name}"


def _defaults(panel: dict) -> dict:
    defaults: dict = {"unit": _UNITS[panel["unit"]], "color": {"mode": "palette-classic-by-name"}}
    if panel["unit"] == "ratio":
        defaults["min"] = 0
        # An error may be larger than the truth that it is a share of.
        if panel["id"] != "label_error_share":
            defaults["max"] = 1
    if panel["kind"] in ("lines", "split"):
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 2,
            "fillOpacity": 0,
            "showPoints": "auto",
            "spanNulls": False,
        }
    return defaults


def _overrides(panel: dict) -> list[dict]:
    """Dashes for the series that have them, and for limits."""
    if panel["kind"] not in ("lines", "split"):
        return []
    styles = {
        chr(ord("A") + index): _style(entry["look"])
        for index, entry in enumerate(panel["series"])
        if entry.get("look", "solid") != "solid"
    }
    if board.limits_query(panel):
        red = {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}}
        styles["LIMIT"] = [*_style("dashed"), red]
    return [
        {"matcher": {"id": "byFrameRefID", "options": reference}, "properties": properties}
        for reference, properties in styles.items()
    ]


def _style(look: str) -> list[dict]:
    if look == "faint":
        return [{"id": "custom.lineWidth", "value": 1}]
    return [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": _DASHES[look]}}]


_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}
_OPTIONS = {
    "figures": {
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "value_and_name",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "lines": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
    "split": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
    "shares": {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "distribution": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Viridis", "steps": 64, "exponent": 0.5},
        "yAxis": {"axisPlacement": "left", "unit": "locale"},
        "tooltip": {"mode": "single", "yHistogram": True},
        "legend": {"show": True},
    },
    "alerts": {"showHeader": True, "cellHeight": "sm"},
}
_ALERT_COLUMNS = {
    "id": "organize",
    "options": {
        "excludeByName": {
            name: True
            for name in (
                "Time",
                "Value",
                "__name__",
                "alertstate",
                "instance",
                "job",
                "monitor",
                "watched_by",
                "measure",
            )
        },
        "indexByName": {},
        "renameByName": {
            "alertname": "Alert",
            "severity": "Severity",
            "deployment_name": "Deployment",
            "predictor_name": "Predictor",
            "predictor_version": "Version",
        },
    },
}
