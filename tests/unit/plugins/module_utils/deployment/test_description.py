# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.deployment import (
    description as deployment_description,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[5]


def predictor(name, traffic, **other):
    return {
        "name": name,
        "version": "v1",
        "model": "housing",
        "image": None,
        "traffic": traffic,
        "replicas": 1,
        "shadow": False,
        "parameters": {},
        **other,
    }


def monitor(**other):
    return {
        "name": "MeanTooLow",
        "measure": "prediction_mean",
        "window_seconds": 30,
        "min": 1.0,
        "max": None,
        "min_samples": 5,
        "for_seconds": 0,
        "severity": "critical",
        "predictors": [],
        **other,
    }


def description(*predictors, monitors=(), **other):
    return {
        "name": "housing",
        "namespace": "seldon",
        "predictors": list(predictors) or [predictor("good", 75), predictor("bad", 25)],
        "monitors": list(monitors),
        **other,
    }


ANSWERS = {"enabled": True, "max_bytes": 1000000, "keep_days": 1, "features": "public"}


def test_answers_as_they_are_by_default_are_no_problem():
    given_ = description(monitors=[monitor(measure="prediction_mae")], answers=ANSWERS)
    assert deployment_description.problems(given_) == []


def test_the_housing_canary_has_no_problem():
    assert deployment_description.problems(description(monitors=[monitor()])) == []


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        (description(name="Housing"), "name 'Housing' is no DNS label"),
        (description(namespace="a b"), "namespace 'a b' is no DNS label"),
        (description(predictors=[]), "predictors is empty"),
        (description(predictor("a", 50), predictor("a", 50)), "'a' more than once"),
        (description(predictor("A_", 100)), "predictor 'A_': the name is no DNS label"),
        (description(predictor("a", 100, version='v"1')), "version 'v\"1'"),
        (description(predictor("a", 100, image="untagged")), "image 'untagged' is not of the form"),
        (description(predictor("a", 70), predictor("b", 20)), "sums to 90, not 100: 70 (a) + 20 (b)"),
        (description(predictor("a", 150), predictor("b", -50)), "traffic 150 is not between"),
        (description(predictor("a", 100, replicas=0)), "at least 1 must serve"),
        (description(predictor("a", 100, shadow=True)), "a shadow needs one that answers"),
        (
            description(
                predictor("a", 100), predictor("b", 0, shadow=True), predictor("c", 0, shadow=True)
            ),
            "2 predictors are shadows",
        ),
        (description(monitors=[monitor(min=None)]), "'MeanTooLow' has no limit"),
        (description(monitors=[monitor(min=3.0, max=2.0)]), "min 3 is not below max 2"),
        (description(monitors=[monitor(min=float("nan"))]), "finite"),
        (description(monitors=[monitor(), monitor()]), "'MeanTooLow' more than once"),
        (description(monitors=[monitor(name="mean-low")]), "CamelCase"),
        (description(monitors=[monitor(window_seconds=1)]), "use 5 or more"),
        (description(monitors=[monitor(min_samples=0)]), "use 1 or more"),
        (description(monitors=[monitor(for_seconds=-1)]), "negative"),
        (description(monitors=[monitor(measure="metric")]), "has the measure metric and names none"),
        (description(monitors=[monitor(metric="queue")]), "names the metric 'queue', which"),
        (description(monitors=[monitor(measure="metric", metric="a b")]), "the metric 'a b': write '_'"),
        (description(monitors=[monitor(measure="metric", metric="q", max=9e9)]), "has both min and max"),
        (description(monitors=[monitor(predictors=["x"])]), "watches predictor 'x'"),
        (description(answers={**ANSWERS, "max_bytes": 5}), "max_bytes is 5: use 1000000 or more"),
        (description(answers={**ANSWERS, "keep_days": 0}), "keep_days is 0: use 1 or more"),
        (
            description(monitors=[monitor(measure="prediction_mae")], answers={**ANSWERS, "enabled": False}),
            "watches prediction_mae, and without answers no label is joined: set answers.enabled",
        ),
    ],
)
def test_each_problem_is_one_sentence_that_names_the_input(given_, told):
    found = deployment_description.problems(given_)
    assert any(told in sentence for sentence in found), found


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6))
def test_traffic_is_right_exactly_when_it_sums_to_100(shares):
    predictors = [predictor(f"p{i}", share) for i, share in enumerate(shares)]
    assert (deployment_description.problems(description(*predictors)) == []) == (sum(shares) == 100)


def test_a_lone_predictor_gets_all_the_traffic():
    for share in (0, 100):
        given_ = description(predictor("a", share))
        assert deployment_description.problems(given_) == []
        assert deployment_description.complete(given_, 9000)["predictors"][0]["traffic"] == 100


def test_completing_gives_every_server_two_ports_of_its_own():
    given_ = description(predictor("a", 60, replicas=2), predictor("b", 40, model="/x/m/"))
    before = copy.deepcopy(given_)
    done = deployment_description.complete(given_, 9100)
    ports = [
        server[key]
        for one in done["predictors"]
        for server in one["servers"]
        for key in ("http_port", "metrics_port")
    ]
    assert ports == [9100, 9101, 9102, 9103, 9104, 9105]
    assert [one["image"] for one in done["predictors"]] == ["housing:v1", "m:v1"]
    assert given_ == before


def test_predictions_go_where_seldons_ingress_takes_them():
    done = deployment_description.complete(description(), 9000)
    assert done["prediction_path"] == "/seldon/seldon/housing/api/v1.0/predictions"


def test_monitors_watch_every_predictor_unless_told():
    done = deployment_description.complete(
        description(monitors=[monitor(), monitor(name="Other", predictors=["bad"])]), 9000
    )
    assert [one["predictors"] for one in done["monitors"][:2]] == [["good", "bad"], ["bad"]]


def test_unanswered_requests_are_watched_unless_a_monitor_says_how():
    def watched(*monitors):
        given = description(monitors=list(monitors))
        return [one["name"] for one in deployment_description.complete(given, 9000)["monitors"]]

    assert watched() == ["RequestsUnanswered"]
    assert watched(monitor(name="A")) == ["A", "RequestsUnanswered"]
    assert watched(monitor(name="A", measure="unanswered_ratio")) == ["A"]
    (problem,) = deployment_description.problems(description(monitors=[monitor(name="RequestsUnanswered")]))
    assert "'RequestsUnanswered' more than once" in problem


def test_that_monitor_has_all_that_a_monitor_has():
    spec = yaml.safe_load((ROOT / "roles/monitml/meta/argument_specs.yml").read_text())
    deployment = spec["argument_specs"]["main"]["options"]["monitml_deployment"]["options"]
    options = deployment["monitors"]["options"]
    own = deployment_description.UNANSWERED
    assert set(own) == set(options)
    assert own["measure"] in options["measure"]["choices"]
    for name in ("answer_within_seconds", "window_seconds", "min_samples", "severity", "statistic"):
        assert own[name] == options[name]["default"]


def test_traffic_can_be_overridden():
    moved, found = deployment_description.with_traffic(description(), {"good": "100", "bad": 0})
    assert [one["traffic"] for one in moved["predictors"]] == [100, 0]
    assert found == []


@pytest.mark.parametrize("traffic", [{"ugly": 1}, {"good": "most"}, {"good": 1.5}, {"good": None}])
def test_an_override_that_makes_no_sense_is_told(traffic):
    _moved, (sentence,) = deployment_description.with_traffic(description(), traffic)
    assert next(iter(traffic)) in sentence


def test_environment_files_are_read_as_s2i_reads_them():
    text = "# note\n// note\n MODEL_NAME = Housing \nnot a pair\nA=b=c\n\n"
    assert deployment_description.parse_environment(text) == {"MODEL_NAME": "Housing", "A": "b=c"}


CONTRACT = {
    "features": [
        {"name": "grade", "dtype": "INT", "ftype": "continuous", "range": [1, 13]},
        {"name": "waterfront", "dtype": "INT", "ftype": "categorical", "values": [0, 1]},
    ],
    "targets": [{"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}],
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("grade,price\n1,2\n", "lacks the columns waterfront; it has grade, price"),
        ("grade,waterfront,price\n", "no rows"),
        ("grade,waterfront,price\n1,0\n", "row 1 has 2 columns"),
        ("grade,waterfront,price\n1,0,2\nx,0,2\n", "row 2, column grade: 'x'"),
        ("grade,waterfront,price\n1,0,nan\n", "row 1, column price: 'nan'"),
        ("grade;waterfront;price\n1;0;2\n", "separated by semicolons: save it as CSV that is separated by commas"),
        ('"grade";"waterfront";"price"\n1;0;2,5\n', "separated by semicolons"),
        ("grade;price\n1;2\n", "lacks the columns"),
    ],
)
def test_training_data_is_held_against_the_contract(text, told):
    assert told in deployment_description.data_problems(text.splitlines(True), CONTRACT)[0]


def test_training_data_has_the_rows_that_training_needs():
    needs = {**CONTRACT, "training": {"min_rows": 3}}
    lines = ["grade,waterfront,price\n", "1,0,2\n", "1,0,2\n", "1,0,2\n"]
    assert deployment_description.data_problems(lines[:2], needs) == [
        "it has 1 row; training this model needs 3: give more."
    ]
    assert deployment_description.data_problems(lines[:3], needs)[0].startswith("it has 2 rows")
    assert deployment_description.data_problems(lines, needs) == []
    assert deployment_description.data_problems(lines[:2], CONTRACT) == []


def test_training_data_may_have_more_columns_in_any_order():
    text = "id,price,grade,waterfront\nx,1.5,3,yes\n"
    assert deployment_description.data_problems(text.splitlines(True), CONTRACT) == []


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=4))
def test_the_digest_depends_on_names_and_contents_alone(files):
    assert deployment_description.digest(files) == deployment_description.digest(dict(reversed(files.items())))
    assert deployment_description.digest(files) != deployment_description.digest({**files, "another name": b""})


def test_the_digest_does_not_run_names_and_contents_together():
    assert deployment_description.digest({"a": b"bc"}) != deployment_description.digest({"ab": b"c"})


def test_images_are_written_down_and_taken_again():
    predictors = [{"name": "good", "version": "v1", "digest": "d1", "image": "x:v1"}]
    images = [{"name": "registry:5000/a/housing:v1", "predictor": predictors[0]}]
    pushed = [{"digest": "sha256:ab"}]
    record = deployment_description.image_record(images, [{"id": "sha256:cd"}], pushed)
    assert deployment_description.take_images(predictors, record) == []
    assert predictors[0]["container_image"] == "registry:5000/a/housing@sha256:ab"
    assert predictors[0]["image"] == "registry:5000/a/housing:v1"
    record = deployment_description.image_record(images, [{"id": "sha256:cd"}], [])
    assert deployment_description.take_images(predictors, record) == []
    assert predictors[0]["container_image"] == "sha256:cd"
    record["good"]["model_digest"] = "another"
    assert "built from another model" in deployment_description.take_images(predictors, record)[0]
    assert "'good' has no image" in deployment_description.take_images(predictors, {})[0]
