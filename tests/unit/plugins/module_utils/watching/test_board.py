# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The board's definition and what becomes of it, for our page and for Grafana."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import board as board_page
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    dashboard as watching_dashboard,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    load_test_series as load_test,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import queries

ROOT = Path(__file__).resolve().parents[5]
DEFINITION = yaml.safe_load((ROOT / "files/dashboards/canary.yml").read_text())
TARGETS = sorted(queries.TARGETS)


@pytest.fixture
def definition():
    return copy.deepcopy(DEFINITION)


def queries_of(board: dict) -> list[str]:
    return [entry["query"] for panel in board["panels"] for entry in panel["series"]]


def test_the_definition_is_sound(definition):
    assert board_page.problems(definition) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda panel: panel.update(kind="pie"), "kind 'pie' is not one of"),
        (lambda panel: panel.update(unit="miles"), "unit 'miles' is not one of"),
        (lambda panel: panel.update(optional=True), "only lines and shares can be optional"),
        (lambda panel: panel.update(width=30), "width 30 is not between"),
        (lambda panel: panel.update(id="Big one"), "the id must be of lower-case"),
        (lambda panel: panel["series"][0].update(measure="mood"), "there is no measure 'mood'"),
        (lambda panel: panel["series"][0].update(look="pink"), "look 'pink' is not one of"),
    ],
)
def test_a_wrong_definition_is_named(definition, change, sentence):
    change(definition["panels"][1])
    for render in (board_page.board, watching_dashboard.dashboard):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            render(definition)


def test_a_panel_is_there_once(definition):
    definition["panels"].append(definition["panels"][0])
    assert any("more than once" in sentence for sentence in board_page.problems(definition))


def test_everything_a_person_must_see_is_on_it(definition):
    shown = {entry["measure"] for panel in definition["panels"] for entry in panel["series"]}
    assert shown >= {
        "prediction_mean", "prediction_min", "prediction_max", "prediction_distribution",
        "requests_per_second", "success_ratio", "error_ratio", "traffic_ratio", "traffic_declared",
        "latency_p50_seconds", "latency_p90_seconds", "latency_p95_seconds", "latency_p99_seconds",
        "cpu_cores", "memory_bytes", "disk_available_bytes", "firing_alerts",
    }  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_queries_hold_only_the_boards_variables(definition, target):
    for query in queries_of(board_page.board(definition, target)):
        assert set(re.findall(r"\$(\w+)", query)) <= {
            "namespace",
            "deployment",
            "predictor",
            "window",
            "range",
        }


def test_the_page_is_told_where_things_are(definition):
    board = board_page.board(definition, "local", "http://127.0.0.1:8004", "http://127.0.0.1:3006/")
    assert board["gateway_url"] == "http://127.0.0.1:8004"
    assert board["inbox_url"] == "http://127.0.0.1:3006/"
    assert set(board["measures"]) == {*queries.MEASURES, "metric"}


def test_the_page_knows_the_series_of_a_load_test_by_the_boards_names(definition):
    names = dict(board_page.board(definition)["load_tests"])
    del names["query"]
    assert set(names.values()) <= set(load_test.FAMILIES)
    page = (ROOT / "files/board/load_tests.js").read_text()
    read = set(re.findall(r'value\("(\w+)"\)', page)) | set(re.findall(r"names\.(\w+)", page))
    assert read == set(names)


def test_the_page_draws_every_kind_and_unit():
    """Our page's own switch statements must know what a definition may say."""
    page = (ROOT / "files/board/board.js").read_text()
    drawn = set(re.findall(r"^  (\w+): async \(plot", page, re.MULTILINE)) | {"figures", "alerts"}
    assert drawn == set(board_page.KINDS)
    known = set(re.findall(r'case "(\w+)":', (ROOT / "files/board/format.js").read_text()))
    assert known | {"value"} == set(board_page.UNITS)


def test_the_page_fetches_nothing_from_elsewhere():
    for file in (ROOT / "files/board").iterdir():
        addresses = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", file.read_text())
        # Names, not places: the XML namespace of SVG and the licence.
        assert set(addresses) <= {"http://www.w3.org", "https://www.gnu.org"}


# -- Grafana --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_grafanas_dashboard_is_plain_json_with_a_fixed_uid(definition, target):
    dashboard = watching_dashboard.dashboard(definition, target)
    assert json.loads(json.dumps(dashboard)) == dashboard
    assert dashboard["uid"] == DEFINITION["uid"]
    assert "id" not in dashboard
    assert dashboard == watching_dashboard.dashboard(definition, target)


def test_grafanas_panels_are_core_panels_on_the_chosen_data_source(definition):
    panels = watching_dashboard.dashboard(definition)["panels"]
    assert {panel["type"] for panel in panels} <= {"stat", "timeseries", "heatmap", "bargauge", "table"}
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels) == len(definition["panels"])


def test_grafanas_variables_choose_deployment_and_predictor(definition):
    names = [
        variable["name"] for variable in watching_dashboard.dashboard(definition)["templating"]["list"]
    ]
    assert names == ["datasource", "namespace", "deployment", "predictor", "window"]
    for panel in watching_dashboard.dashboard(definition)["panels"]:
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"]))
            assert used <= {*names, "__range"}


def test_grafanas_panels_do_not_overlap(definition):
    taken = set()
    for panel in watching_dashboard.dashboard(definition)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_limits_are_drawn_where_a_monitor_may_have_them(definition):
    panels = {panel["title"]: panel for panel in watching_dashboard.dashboard(definition)["panels"]}
    limits = [
        target["expr"] for target in panels["Latency"]["targets"] if target["refId"] == "LIMIT"
    ]
    assert limits and 'measure="latency_p95_seconds"' in limits[0]
    assert not any(target["refId"] == "LIMIT" for target in panels["CPU"]["targets"])
