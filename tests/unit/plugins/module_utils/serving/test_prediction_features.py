# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is counted of the rows that come equals the truth that numpy computes."""

from __future__ import annotations

import json
import math
import os
import signal
import time

import numpy as np
import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract import reference
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_features as features,
)
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as metrics,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

AREA = {
    "name": "area",
    "ftype": "continuous",
    "range": [0, 100],
    "reference": {"rows": 200, "bins": [10, 50], "shares": [0.2, 0.5, 0.29], "missing": 0.01},
}
KIND = {
    "name": "kind",
    "ftype": "categorical",
    "values": ["flat", "house", "boat"],
    "reference": {"rows": 200, "values": ["flat", "house"], "shares": [0.6, 0.35], "other": 0.05},
}
ROOMS = {
    "name": "rooms",
    "ftype": "categorical",
    "values": [1, 2],
    "reference": {"rows": 200, "values": [1, 2], "shares": [0.5, 0.5]},
}
PLAIN = {"name": "plain", "ftype": "continuous"}
AREA_BINS = ["below 0", "0 to 10", "10 to 50", "50 to 100", "beyond 100", "missing"]
NAN = math.nan


def contract(*entries):
    return {"features": list(entries), "targets": [{"name": "price", "bins": [0, 10]}]}


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_METRICS_DIR", str(tmp_path))
    monkeypatch.setenv("MONITML_CONTRACT", str(tmp_path / "contract.json"))
    monkeypatch.delenv("MONITML_ARTIFACT_DIR", raising=False)
    fresh = metrics.Recorder()
    monkeypatch.setattr(metrics, "RECORDER", fresh)
    monkeypatch.setattr(metrics, "HERE", metrics.Here())
    return fresh


def model(tmp_path, *entries):
    """A watched model of a contract with these features, which answers 1 to each row."""
    (tmp_path / "contract.json").write_text(json.dumps(contract(*entries)))

    class Model:
        def predict(self, X, names, meta=None):
            return np.ones(len(X) if getattr(X, "ndim", 0) > 1 else 1)

    return metrics.watch(Model)()


def shown(directory, *entries, family=features.FEATURE_ROWS):
    """{(feature, bin): value} of what a reader sees, by an independent parser; zeros left out."""
    layout = metrics.Layout.from_contract(contract(*entries))
    text = metrics.render(str(directory), layout)
    return {
        (sample.labels.get("feature") or sample.labels.get("output"), sample.labels.get("bin")): sample.value
        for parsed in text_string_to_metric_families(text)
        for sample in parsed.samples
        if sample.name == family and sample.value
    }


def counted(entry, values, **options):
    """{bin: number} of values of one feature that come in one request."""
    found = features.Features(contract(entry))
    cells = [0.0] * found.cells
    rows = np.array([[value] for value in values], dtype=options.get("dtype"))
    found.count(cells, 0, rows, [entry["name"]])
    return {name: int(n) for name, n in zip(found.named[0][1].names, cells[1:]) if n}


# -- into bins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [1, 20], ids=["a row", "many rows"])
@pytest.mark.parametrize(
    "value, wanted",
    [
        (-0.1, "below 0"),
        (-math.inf, "below 0"),
        (0, "0 to 10"),
        (10, "0 to 10"),
        (10.001, "10 to 50"),
        (50, "10 to 50"),
        (100, "50 to 100"),
        (100.5, "beyond 100"),
        (math.inf, "beyond 100"),
        (NAN, "missing"),
        (None, "missing"),
        ("", "missing"),
        ("none", "missing"),
        ("12.5", "10 to 50"),
        (True, "0 to 10"),
    ],
)
def test_a_number_lies_in_one_bin(value, wanted, many):
    assert counted(AREA, [value] * many, dtype=object) == {wanted: many}


@pytest.mark.parametrize("many", [1, 20], ids=["a row", "many rows"])
@pytest.mark.parametrize(
    "entry, value, wanted",
    [
        (KIND, "flat", '"flat"'),
        (KIND, "boat", "other"),
        (KIND, "tent", "unseen"),
        (KIND, "", "missing"),
        (KIND, None, "missing"),
        (KIND, NAN, "missing"),
        (ROOMS, 1, "1"),
        (ROOMS, 1.0, "1"),
        (ROOMS, "2", "2"),
        (ROOMS, "2.0", "2"),
        (ROOMS, 7, "unseen"),
        (ROOMS, NAN, "missing"),
    ],
)
def test_a_category_lies_in_one_bin(entry, value, wanted, many):
    assert counted(entry, [value] * many, dtype=object) == {wanted: many}


VALUES = st.lists(st.one_of(st.floats(-50, 150), st.just(NAN)), max_size=60)


@settings(max_examples=80, deadline=None)
@given(batches=st.lists(VALUES, min_size=1, max_size=5))
def test_counts_equal_numpys(tmp_path_factory, batches):
    layout = metrics.Layout.from_contract(contract(PLAIN, AREA))
    directory = tmp_path_factory.mktemp("slots")
    for batch in batches:  # each in a worker of its own
        slot = metrics.Slot(str(directory), layout)
        for rows in np.array_split(np.array([[0.0, value] for value in batch]).reshape(-1, 2), 2):
            if len(rows):
                slot.add_rows(rows, ["plain", "area"])
        slot.publish()
    flat = np.array([value for batch in batches for value in batch])
    real = flat[~np.isnan(flat)]
    inside = real[(real >= 0) & (real <= 100)]
    truth = {
        "below 0": (real < 0).sum(),
        "0 to 10": (inside <= 10).sum(),
        "10 to 50": ((inside > 10) & (inside <= 50)).sum(),
        "50 to 100": (inside > 50).sum(),
        "beyond 100": (real > 100).sum(),
        "missing": np.isnan(flat).sum(),
    }
    assert shown(directory, PLAIN, AREA) == {("area", b): n for b, n in truth.items() if n}


# -- which column is which ----------------------------------------------------------------------


def test_columns_are_known_by_their_names_in_whatever_order_and_else_by_place():
    found = features.Features(contract(AREA, PLAIN, KIND))
    for names, row in (
        (["area", "plain", "kind"], [5, 1, "flat"]),
        (["kind", "area", "plain"], ["flat", 5, 1]),
        (["t:0", "t:1", "t:2"], [5, 1, "flat"]),
        ([], [5, 1, "flat"]),
        (None, [5, 1, "flat"]),
    ):
        for rows in (np.array([row], dtype=object), np.array(row, dtype=object), [row], row):
            cells = [0.0] * found.cells
            found.count(cells, 0, rows, names)
            samples = found.samples(cells)[features.FEATURE_ROWS]
            assert [(own["feature"], own["bin"]) for _s, own, n in samples if n] == [
                ("area", "0 to 10"),
                ("kind", '"flat"'),
            ], (names, rows)


def test_repeated_features_before_it_move_its_column():
    found = features.Features(contract({"name": "x", "repeat": 2, "shape": [3]}, AREA))
    cells = [0.0] * found.cells
    found.count(cells, 0, np.array([[0, 0, 0, 0, 0, 0, 30]]), [])
    assert cells[found.named[0][3] + AREA_BINS.index("10 to 50")] == 1


@pytest.mark.parametrize(
    "data, rows",
    [(np.zeros((3, 5)), 3), ("text", 1), ({"a": 1}, 1), (np.array(4.0), 1), ([], 1), ([[1], [1, 2, 3]], 2)],
)
def test_rows_that_do_not_match_are_counted_as_such(data, rows):
    found = features.Features(contract(AREA, KIND))
    cells = [0.0] * found.cells
    found.count(cells, 0, data, None)
    assert cells[0] == rows and not any(cells[1:])


# -- beside a model -----------------------------------------------------------------------------


def test_rows_are_counted_whatever_becomes_of_them(recorder, tmp_path):
    watched = model(tmp_path, AREA)
    watched.predict(np.array([[5.0]]), ["area"])
    watched.predict(np.array([[60.0]]), names=["area"])

    class Failing(type(watched)):
        def predict(self, X, names, meta=None):
            X[0, 0] = 5.0
            raise RuntimeError("missing")

        def model_error_handler(self):
            """Seldon's own exception is not needed then."""

    with pytest.raises(RuntimeError):
        metrics.watch(Failing)().predict(np.array([[NAN]]), ["area"])
    assert shown(tmp_path, AREA) == {("area", b): 1 for b in ("0 to 10", "50 to 100", "missing")}


def test_a_probe_is_no_row(recorder, tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_PROBE_TOKEN", "secret")
    watched = model(tmp_path, AREA)
    watched.predict(np.array([[5.0]]), [], meta={"tags": {metrics.PROBE_TAG: "secret"}})
    watched.predict(np.array([[5.0]]), [], meta={"tags": {metrics.PROBE_TAG: "else"}})
    assert shown(tmp_path, AREA) == {("area", "0 to 10"): 1}


def test_a_raw_model_is_counted_once(recorder, tmp_path):
    (tmp_path / "contract.json").write_text(json.dumps(contract(KIND, AREA)))

    class Raw:
        def predict_raw(self, msg):
            self.predict(np.array(msg["data"]["ndarray"], dtype=object), msg["data"]["names"])
            return {"data": {"ndarray": [1.0]}}

        def predict(self, X, names):
            return [1.0]

    metrics.watch(Raw)().predict_raw({"data": {"names": ["area", "kind"], "ndarray": [[5, "boat"]]}})
    assert shown(tmp_path, KIND, AREA) == {("area", "0 to 10"): 1, ("kind", "other"): 1}


def test_what_a_client_sends_never_fails_the_request(recorder, tmp_path):
    watched = model(tmp_path, KIND, AREA)
    for odd in ([[[1], {}]], [[{}, 10**400]], [["flat"]], "text", {"a": 1}):
        watched.predict(odd, object() if odd == "text" else None)
    found = shown(tmp_path, KIND, AREA)
    assert found["kind", "unseen"] == 2 and found["area", "missing"] == 2


def test_workers_that_are_killed_lose_no_row(tmp_path):
    layout = metrics.Layout.from_contract(contract(AREA))
    for _life in range(3):
        child = os.fork()
        if not child:
            slot = metrics.Slot(str(tmp_path), layout)
            for _row in range(5):
                slot.add_rows(np.array([[30.0]]), None)
            slot.publish()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
    assert shown(tmp_path, AREA) == {("area", "10 to 50"): 15}
    assert len(list(tmp_path.glob("slot-*"))) == 1


def test_other_bins_begin_anew(tmp_path):
    slot = metrics.Slot(str(tmp_path), metrics.Layout.from_contract(contract(AREA)))
    slot.add_rows(np.array([[30.0]]), None)
    slot.publish()
    slot.close()
    other = {**AREA, "reference": {**AREA["reference"], "bins": [10, 51]}}
    assert not shown(tmp_path, other)
    metrics.Slot(str(tmp_path), metrics.Layout.from_contract(contract(other)))
    assert not shown(tmp_path, other)


def test_a_row_of_twenty_features_costs_little():
    entries = [{**AREA, "name": "f%d" % n} for n in range(20)]
    found = features.Features(contract(*entries))
    cells, row = [0.0] * found.cells, np.full((1, 20), 30.0)
    start = time.process_time()
    for _request in range(500):
        found.count(cells, 0, row, found.columns)
    # A tenth of a millisecond is allowed; three, as this machine may be busy and slow.
    assert (time.process_time() - start) / 500 < 0.0003


# -- the reference ------------------------------------------------------------------------------


def test_the_reference_is_shown_in_rows(tmp_path):
    found = shown(tmp_path, AREA, KIND, family=features.FEATURE_REFERENCE)
    assert found == {
        ("area", "0 to 10"): 40,
        ("area", "10 to 50"): 100,
        ("area", "50 to 100"): pytest.approx(58),
        ("area", "missing"): 2,
        ("kind", '"flat"'): 120,
        ("kind", '"house"'): 70,
        ("kind", "other"): 10,
    }


def test_predictions_are_shown_by_bin_and_with_their_reference(tmp_path):
    given = contract()
    given["targets"][0]["reference"] = {"rows": 10, "shares": [0.1, 0.6, 0.3]}
    layout = metrics.Layout.from_contract(given)
    slot = metrics.Slot(str(tmp_path), layout)
    for value in (-5, 0, 3, 10, 11):
        slot.add_value(0, value, 1)
    slot.publish()
    text = metrics.render(str(tmp_path), layout)
    found = {
        (sample.name, sample.labels["bin"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "bin" in sample.labels
    }
    bins = ("up to 0", "0 to 10", "above 10")
    assert [found[features.PREDICTION_ROWS, b] for b in bins] == [2, 2, 1]
    assert [found[features.PREDICTION_REFERENCE, b] for b in bins] == [1, 6, 3]


def test_what_training_left_stands_above_the_contract(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_ARTIFACT_DIR", str(tmp_path))
    trained = {"rows": 50, "range": [-5, 9000], "bins": [1000], "shares": [0.5, 0.5]}
    (tmp_path / "reference.json").write_text(json.dumps({"features": {"area": trained}}))
    assert shown(tmp_path, AREA, KIND, family=features.FEATURE_REFERENCE) == {
        ("area", "-5 to 1000"): 25,
        ("area", "1000 to 9000"): 25,
        ("kind", '"flat"'): 120,
        ("kind", '"house"'): 70,
        ("kind", "other"): 10,
    }


@pytest.mark.parametrize(
    "change, says",
    [
        ({"reference": 5}, "feature 1 (area): its reference must be a mapping"),
        ({"repeat": 2}, "is of one column, not of 2"),
        ({"reference": {**AREA["reference"], "bins": [50, 10]}}, "must ascend"),
        ({"reference": {**AREA["reference"], "bins": "x"}}, "'bins' of its reference must be a list of numbers"),
        ({"reference": {**AREA["reference"], "bins": [10, 500]}}, "must lie within its range"),
        ({"reference": {**AREA["reference"], "shares": [1]}}, "must be a list of 3 numbers"),
        ({"reference": {**AREA["reference"], "shares": [0.1, 0.1, 0.1]}}, "must sum to 1"),
        ({"reference": {**AREA["reference"], "rows": 0}}, "must be a whole number above 0"),
        ({**KIND, "reference": {**KIND["reference"], "values": ["tent"]}}, "must be some of its values"),
    ],
)
def test_a_wrong_reference_is_refused_in_words(change, says):
    with pytest.raises(ValueError) as error:
        features.Features(contract({**AREA, **change}))
    assert says in str(error.value)


def test_too_many_series_are_refused_with_their_number():
    entries = [{**AREA, "name": "f%d" % n} for n in range(167)]
    with pytest.raises(ValueError) as error:
        features.Features(contract(*entries))
    assert "have 1002 bins" in str(error.value) and "at most 1000" in str(error.value)
    assert len(features.Features(contract(*entries[:166])).named) == 166


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(st.one_of(st.integers(-9, 9), st.floats(-1e9, 1e9)), min_size=1, max_size=200),
    texts=st.lists(st.text(max_size=3), min_size=1, max_size=60),
)
def test_data_counted_against_its_own_reference_is_that_reference(numbers, texts):
    number = {
        "name": "x",
        "ftype": "continuous",
        "range": [min(numbers), max(numbers)],
        "reference": reference.of_numbers(numbers),
    }
    counts = {text: texts.count(text) for text in texts}
    text = {"name": "x", "ftype": "categorical", "values": sorted(counts)}
    text["reference"] = reference.of_categories(counts)
    for entry, values in ((number, numbers), (text, texts)):
        if not entry["reference"]["shares"]:
            continue  # nothing but missing values
        found = features.Features(contract(entry))
        cells = [0.0] * found.cells
        for value in values:
            found.count(cells, 0, [[value]], None)
        bins = found.named[0][1]
        assert len(set(bins.names)) == len(bins.names)
        if "" not in counts or entry is number:  # a text of nothing is a value of the contract, too
            assert cells[1:] == pytest.approx(bins.rows, abs=0.01)
