# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is counted of predictions equals the truth that numpy computes."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as metrics,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

FINITE = st.floats(-1e12, 1e12, allow_nan=False)
BATCHES = st.lists(st.lists(FINITE, max_size=40), max_size=6)


class SeldonMicroserviceException(Exception):
    """Stands in for Seldon's, which the tests' own environment does not have."""

    def __init__(self, message, status_code=400, reason="MICROSERVICE_BAD_DATA"):
        super().__init__()
        self.message, self.status_code, self.reason = message, status_code, reason


class SeldonResponse:
    """Stands in for Seldon's."""

    def __init__(self, data):
        self.data, self.tags, self.metrics = data, {}, []


@pytest.fixture(autouse=True)
def seldon_core(monkeypatch):
    module = types.ModuleType("seldon_core.flask_utils")
    module.SeldonMicroserviceException = SeldonMicroserviceException
    monkeypatch.setitem(sys.modules, "seldon_core", types.ModuleType("seldon_core"))
    monkeypatch.setitem(sys.modules, "seldon_core.flask_utils", module)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """A fresh recorder that watched models count with, in an empty directory."""
    monkeypatch.setenv("MONITML_METRICS_DIR", str(tmp_path))
    monkeypatch.delenv("MONITML_CONTRACT", raising=False)
    monkeypatch.chdir(tmp_path)
    recorder = metrics.Recorder()
    monkeypatch.setattr(metrics, "RECORDER", recorder)
    monkeypatch.setattr(metrics, "HERE", metrics.Here())
    return recorder


def scrape(directory, layout=None, now=None):
    """{(sample name, its own labels): value} of what a reader sees, by an independent parser."""
    text = metrics.render(str(directory), layout or metrics.Layout(), now=now)
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = {k: v for k, v in sample.labels.items() if k not in metrics.IDENTITY_LABELS}
            key = (sample.name, tuple(sorted(own.items())))
            assert key not in samples, "a series appears twice"
            samples[key] = sample.value
    return samples


def value(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def model(answer):
    """A watched model object whose predict() gives ANSWER(X)."""

    class Model:
        def predict(self, X, names, meta=None):
            return answer(X)

    return metrics.watch(Model)()


def rows(count):
    return np.zeros((count, 3))


def check_truth(samples, values, bounds, output="prediction"):
    """SAMPLES hold what numpy computes of VALUES."""
    values = np.asarray(values, dtype=float)
    assert value(samples, "monitml_prediction_count", output=output) == len(values)
    for bound in bounds:
        counted = value(samples, "monitml_prediction_bucket", output=output, le=repr(float(bound)))
        assert counted == (values <= bound).sum()
    positive, negative = values[values > 0].sum(), -values[values < 0].sum()
    name = "monitml_prediction_sum_total"
    assert value(samples, name, output=output, sign="positive") == pytest.approx(positive, rel=1e-9)
    assert value(samples, name, output=output, sign="negative") == pytest.approx(negative, rel=1e-9)


# -- counting -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(batches=BATCHES, bounds=st.lists(FINITE, min_size=1, max_size=12, unique=True))
def test_counts_sums_and_bins_equal_the_truth(tmp_path_factory, batches, bounds):
    layout = metrics.Layout([("prediction", tuple(sorted(bounds)))])
    directory = tmp_path_factory.mktemp("slots")
    slot = metrics.Slot(str(directory), layout)
    for batch in batches:
        if len(batch) == 1:
            slot.add_value(0, batch[0], 100)
        else:
            slot.add_values(0, np.array(batch, dtype=float), 100)
    slot.publish()
    flat = [v for batch in batches for v in batch]
    samples = scrape(directory, layout, now=100.0)
    check_truth(samples, flat, layout.outputs[0][1])
    low = value(samples, metrics.PREDICTION_MIN, output="prediction")
    high = value(samples, metrics.PREDICTION_MAX, output="prediction")
    if flat:
        assert (low, high) == (min(flat), max(flat))
    else:
        assert math.isnan(low) and math.isnan(high)
    slot.close()


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_every_row_of_a_request_counts(recorder, tmp_path, count):
    answered = model(lambda X: np.arange(len(X)) * 1000.0).predict(rows(count), [])
    assert len(answered) == count
    check_truth(scrape(tmp_path), np.arange(count) * 1000.0, metrics.DEFAULT_BINS)


@pytest.mark.parametrize(
    "answer",
    [
        [5.0, 7.0],
        [[5.0], [7.0]],
        np.array([[5.0], [7.0]]),
        np.array([5, 7]),
        np.array([5, 7], dtype=object),
        SeldonResponse([5.0, 7.0]),
        SeldonResponse(np.array([5.0, 7.0])),
    ],
)
def test_every_form_of_an_answer_counts(recorder, tmp_path, answer):
    assert model(lambda X: answer).predict(rows(2), []) is answer
    check_truth(scrape(tmp_path), [5, 7], metrics.DEFAULT_BINS)


def test_each_target_of_the_contract_is_an_output(recorder, tmp_path):
    contract = {"targets": [{"name": "price", "bins": [10, 20]}, {"name": "rent", "range": [0, 1]}]}
    recorder.layout = metrics.Layout.from_contract(contract)
    answers = np.array([[5.0, 0.5], [15.0, 0.25], [25.0, 2.0]])
    model(lambda X: answers).predict(rows(3), [])
    samples = scrape(tmp_path, recorder.layout)
    check_truth(samples, answers[:, 0], (10, 20), "price")
    check_truth(samples, answers[:, 1], recorder.layout.outputs[1][1], "rent")


def test_one_flat_row_of_several_outputs_counts_once_each(recorder, tmp_path):
    recorder.layout = metrics.Layout.from_contract({"targets": [{"name": "a"}, {"name": "b"}]})
    model(lambda X: np.array([1.0, 2.0])).predict(rows(1), [])
    samples = scrape(tmp_path, recorder.layout)
    assert value(samples, "monitml_prediction_sum", output="b") == 2


def test_zeros_are_shown_before_the_first_prediction(tmp_path):
    samples = scrape(tmp_path)
    assert value(samples, "monitml_prediction_count", output="prediction") == 0
    assert value(samples, "monitml_prediction_bucket", output="prediction", le="+Inf") == 0
    for reason in metrics.REASONS:
        assert value(samples, metrics.PREDICTION_ERRORS, reason=reason) == 0
    assert value(samples, metrics.FEEDBACK) == 0
    assert math.isnan(value(samples, metrics.PREDICTION_MIN, output="prediction"))


def test_every_family_has_its_type_and_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("PREDICTOR_ID", 'a "quoted" \\ name\n')
    monkeypatch.setenv("PREDICTIVE_UNIT_IMAGE", "host:5000/housing:v1")
    monkeypatch.setenv("PREDICTOR_LABELS", '{"version": "v1"}')
    found = {}
    for family in text_string_to_metric_families(metrics.render(str(tmp_path), metrics.Layout())):
        found[family.name] = family.type
        for sample in family.samples:
            own = set(sample.labels) - set(metrics.IDENTITY_LABELS) - {"le"}
            name = family.name + ("_total" if family.type == "counter" else "")
            assert own == set(metrics.FAMILIES[name][1])
            assert sample.labels["predictor_name"] == 'a "quoted" \\ name\n'
            assert sample.labels["model_image"] == "host:5000/housing"
            assert sample.labels["model_version"] == sample.labels["predictor_version"] == "v1"
    # The rest is shown by others: of processes and requests, of the model's own metrics, of its start.
    others = ("process_", "monitml_model_metric_", "monitml_request", metrics.MODEL_WARNING)
    others += (metrics.HUNG, metrics.STOPPED, metrics.MODEL_FILE_CHANGED)
    # Of features and references: test_prediction_features.py.
    others += ("monitml_feature_", "monitml_prediction_reference_")
    expected = {n for n in metrics.FAMILIES if not n.startswith(others)}
    names = {n + ("_total" if t == "counter" else "") for n, t in found.items()}
    assert {n for n in names if not n.startswith(others)} == expected


def test_extremes_are_of_the_last_30_seconds(tmp_path):
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    for second, number in ((100, 1.0), (110, 9.0), (129, 5.0)):
        slot.add_value(0, number, second)
    slot.publish()

    def extremes(now):
        samples = scrape(tmp_path, now=now)
        return [
            value(samples, name, output="prediction")
            for name in (metrics.PREDICTION_MIN, metrics.PREDICTION_MAX)
        ]

    assert extremes(129.9) == [1, 9]
    assert extremes(130.0) == [5, 9]
    assert extremes(140.5) == [5, 5]
    assert all(math.isnan(v) for v in extremes(160.0))
    slot.add_value(0, 3.0, 161)  # takes the place of second 129 in the ring
    slot.publish()
    assert extremes(161.0) == [3, 3]
    slot.close()


# -- failures -----------------------------------------------------------------------------------


def fail(error):
    def answer(_X):
        raise error

    return answer


@pytest.mark.parametrize(
    "answer, reason, sentence",
    [
        (fail(ValueError("no such house\nmore")), "exception", "no such house"),
        (fail(TypeError("unsupported")), "exception", "unsupported"),
        (lambda X: np.array([1.0, math.nan]), "not_finite", "1 values that are not finite"),
        (lambda X: [math.inf, 1.0], "not_finite", "not finite"),
        (lambda X: [None, 1.0], "not_finite", "not finite"),
        (lambda X: [10**400, 1], "not_finite", "beyond"),
        (lambda X: np.ones(3), "shape", "3 rows for 2"),
        (lambda X: np.ones((2, 2)), "shape", "2 columns"),
        (lambda X: [[1.0], [1.0, 2.0]], "shape", "unequal"),
        (lambda X: None, "shape", "NoneType"),
        (lambda X: 100.0, "shape", "float"),
    ],
)
def test_a_failure_is_counted_once_and_answered_with_500(
    recorder, tmp_path, answer, reason, sentence
):
    recorder.layout = metrics.Layout.from_contract({"targets": [{"name": "price"}]})
    with pytest.raises(SeldonMicroserviceException) as raised:
        model(answer).predict(rows(2), [], meta={})
    assert raised.value.status_code == 500
    assert raised.value.reason == "MODEL_" + reason.upper()
    assert sentence in raised.value.message and "\n" not in raised.value.message
    assert "Traceback" not in raised.value.message
    samples = scrape(tmp_path, recorder.layout)
    counted = {r: value(samples, metrics.PREDICTION_ERRORS, reason=r) for r in metrics.REASONS}
    assert counted == {r: float(r == reason) for r in metrics.REASONS}
    assert value(samples, "monitml_prediction_count", output="price") == 0


def test_a_single_nan_is_refused(recorder, tmp_path):
    with pytest.raises(SeldonMicroserviceException):
        model(lambda X: [math.nan]).predict(rows(1), [])
    assert value(scrape(tmp_path), metrics.PREDICTION_ERRORS, reason="not_finite") == 1


@pytest.mark.parametrize("status, counted", [(400, 0), (503, 1)])
def test_an_exception_of_seldons_own_passes_as_it_is(recorder, tmp_path, status, counted):
    error = SeldonMicroserviceException("say it so", status_code=status)
    with pytest.raises(SeldonMicroserviceException) as raised:
        model(fail(error)).predict(rows(1), [])
    assert raised.value is error
    assert value(scrape(tmp_path), metrics.PREDICTION_ERRORS, reason="exception") == counted


def test_a_model_with_its_own_error_handler_keeps_its_exceptions(recorder, tmp_path):
    class Model:
        model_error_handler = object()

        def predict(self, X, names):
            raise KeyError("mine")

    with pytest.raises(KeyError):
        metrics.watch(Model)().predict(rows(1), [])
    assert value(scrape(tmp_path), metrics.PREDICTION_ERRORS, reason="exception") == 1


@pytest.mark.parametrize(
    "answer, count",
    [(["cat", "dog"], 2), (np.array(["cat", "dog"]), 2), ({"label": "cat"}, 1), ("cat", 1), (b"", 1)],
)
def test_answers_that_are_no_numbers_pass_and_count_apart(recorder, tmp_path, answer, count):
    assert model(lambda X: answer).predict(rows(2), []) is answer
    samples = scrape(tmp_path)
    assert value(samples, metrics.PREDICTION_NON_NUMERIC) == count
    assert value(samples, "monitml_prediction_count", output="prediction") == 0


@pytest.mark.parametrize("features", ["text", b"bytes", {"a": 1}, [1, 2], np.array([1, 2, 3])])
def test_rows_are_not_checked_where_the_request_has_none(recorder, tmp_path, features):
    model(lambda X: [1.0, 2.0]).predict(features, [])
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 2


def test_counting_that_fails_does_not_fail_the_prediction(recorder, tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_METRICS_DIR", str(tmp_path / "missing"))
    assert model(lambda X: [1.0]).predict(rows(1), []) == [1.0]


# -- the wrapper --------------------------------------------------------------------------------


def test_a_model_gets_only_the_keywords_it_takes(recorder, tmp_path):
    calls = []

    class Plain:
        def predict(self, X, names):
            calls.append(names)
            return [1.0]

    class Open:
        def predict(self, X, names=None, **kwargs):
            calls.append(kwargs)
            return [1.0]

    metrics.watch(Plain)().predict(rows(1), ["a"], meta={"tags": {}})
    metrics.watch(Open)().predict(rows(1), ["a"], meta={"tags": {}})
    assert calls == [["a"], {"meta": {"tags": {}}}]


def test_watching_twice_and_calling_the_parent_count_once(recorder, tmp_path):
    class Base:
        def predict(self, X, names, meta=None):
            return [1.0]

    class Model(Base):
        def predict(self, X, names, meta=None):
            return super().predict(X, names, meta=meta)

    metrics.watch(Base)
    assert metrics.watch(Model) is Model
    predict = Model.predict
    assert metrics.watch(Model).predict is predict
    Model().predict(rows(1), [])
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1


def test_an_inherited_predict_is_watched_without_changing_its_class(recorder, tmp_path):
    class Base:
        def predict(self, X, names):
            return [1.0]

    class Model(Base):
        pass

    metrics.watch(Model)
    Model().predict(rows(1), [])
    Base().predict(rows(1), [])
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1


def test_a_raw_model_counts_its_answer(recorder, tmp_path):
    class Model:
        def predict_raw(self, msg):
            self.predict(np.array(msg["data"]["ndarray"]), [])
            return {"data": {"tensor": {"shape": [2, 1], "values": [5.0, 7.0]}}}

        def predict(self, X, names):
            return [5.0, 7.0]

    metrics.watch(Model)().predict_raw({"data": {"ndarray": [[1], [2]]}})
    check_truth(scrape(tmp_path), [5, 7], metrics.DEFAULT_BINS)


def test_only_the_probes_own_token_keeps_a_prediction_out(recorder, tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_PROBE_TOKEN", "secret")
    watched = model(lambda X: [1.0])
    for token in ("secret", "guess", None, {}):
        watched.predict(rows(1), [], meta={"tags": {metrics.PROBE_TAG: token}})
    watched.predict(rows(1), [], meta={"tags": None})
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 4
    with pytest.raises(SeldonMicroserviceException):
        model(lambda X: [math.nan]).predict(
            rows(1), [], meta={"tags": {metrics.PROBE_TAG: "secret"}}
        )
    assert value(scrape(tmp_path), metrics.PREDICTION_ERRORS, reason="not_finite") == 0


# -- several workers ----------------------------------------------------------------------------


def in_worker(work):
    """Runs WORK in a forked process; returns its pid. WORK ends it by returning."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_workers_that_fork_count_in_their_own_slots(recorder, tmp_path):
    watched = model(lambda X: np.full(len(X), 10.0))
    watched.predict(rows(1), [])  # the parent takes a slot before it forks

    def work():
        for _request in range(100):
            watched.predict(rows(3), [])

    pids = [in_worker(work) for _worker in range(3)]
    for pid in pids:
        os.waitpid(pid, 0)
    watched.predict(rows(1), [])
    samples = scrape(tmp_path)
    assert value(samples, "monitml_prediction_count", output="prediction") == 902
    assert value(samples, "monitml_prediction_sum", output="prediction") == 9020


def test_a_killed_workers_counts_stay_and_its_slot_is_used_again(recorder, tmp_path):
    watched = model(lambda X: [1.0])
    for round_ in range(1, 4):
        ready_out, ready_in = os.pipe()

        def work():
            for _request in range(50):
                watched.predict(rows(1), [])
            os.write(ready_in, b"x")
            signal.pause()

        pid = in_worker(work)
        os.read(ready_out, 1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        samples = scrape(tmp_path)
        assert value(samples, "monitml_prediction_count", output="prediction") == 50 * round_
    assert sorted(os.listdir(tmp_path)) == ["slot-000"]


def test_a_worker_killed_while_it_counts_leaves_sound_numbers(recorder, tmp_path):
    watched = model(lambda X: np.full(len(X), 2.0))
    ready_out, ready_in = os.pipe()

    def work():
        while True:
            watched.predict(rows(7), [])
            os.write(ready_in, b"x")

    for _worker in range(5):
        pid = in_worker(work)
        os.read(ready_out, 65536)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    samples = scrape(tmp_path)
    count = value(samples, "monitml_prediction_count", output="prediction")
    assert count % 7 == 0 and count > 0
    assert value(samples, "monitml_prediction_sum", output="prediction") == 2 * count


def test_threads_of_one_worker_lose_nothing_and_share_its_slot(recorder, tmp_path, monkeypatch):
    def add_slowly(slot, index, amount):
        old = slot.cells[index]
        time.sleep(0)  # where another thread may come in between
        slot.cells[index] = old + amount

    monkeypatch.setattr(metrics.Slot, "_add", add_slowly)
    watched = model(lambda X: [1.0])
    together = threading.Barrier(4)

    def work():
        together.wait()
        for _request in range(200):
            watched.predict(rows(1), [])

    threads = [threading.Thread(target=work) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 800
    assert os.listdir(tmp_path) == ["slot-000"]


def test_a_reader_never_sees_half_of_an_update(recorder, tmp_path):
    watched = model(lambda X: np.full(len(X), 3.0))

    def work():
        for _request in range(3000):
            watched.predict(rows(2), [])

    pid = in_worker(work)
    seen = 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        samples = scrape(tmp_path)
        count = value(samples, "monitml_prediction_count", output="prediction")
        assert value(samples, "monitml_prediction_sum", output="prediction") == 3 * count
        assert count >= seen
        seen = count
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 6000


def test_the_sequence_is_odd_while_the_cells_are_copied(tmp_path, monkeypatch):
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    written, pack_into = [], metrics.struct.pack_into

    def spy(form, buffer, place, *values):
        written.append((place, values[0]))
        pack_into(form, buffer, place, *values)

    monkeypatch.setattr(metrics.struct, "pack_into", spy)
    slot.publish()
    assert [place for place, _sequence in written] == [16, 16]
    assert [sequence % 2 for _place, sequence in written] == [1, 0]
    slot.close()


def test_a_reader_waits_for_a_copy_to_end(tmp_path, monkeypatch):
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    slot.add_value(0, 1.0, 5)
    slot.publish()
    path = tmp_path / "slot-000"
    whole = path.read_bytes()
    half = bytearray(whole)
    half[16:24] = np.float64(7.0).tobytes()
    half[24:] = b"\0" * len(half[24:])
    path.write_bytes(half)
    monkeypatch.setattr(metrics.time, "sleep", lambda _seconds: path.write_bytes(whole))
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1


def test_torn_and_foreign_files_are_passed_over(recorder, tmp_path):
    model(lambda X: [1.0]).predict(rows(1), [])
    whole = (tmp_path / "slot-000").read_bytes()
    for number, data in enumerate((b"", whole[:100], b"\0" * len(whole), whole + b"more"), 5):
        (tmp_path / ("slot-%03d" % number)).write_bytes(data)
    (tmp_path / "custom-000").write_bytes(b"else")
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1


def test_a_torn_slot_is_taken_over_from_zero(tmp_path):
    (tmp_path / "slot-000").write_bytes(b"torn")
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    slot.add_value(0, 1.0, 5)
    slot.publish()
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1
    slot.close()


def test_a_slot_left_in_the_middle_of_a_copy_is_readable_and_goes_on(tmp_path):
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    slot.add_value(0, 1.0, 5)
    slot.publish()
    slot.close()
    path = tmp_path / "slot-000"
    data = bytearray(path.read_bytes())
    data[16:24] = np.float64(7.0).tobytes()  # an odd sequence: its writer died while copying
    path.write_bytes(data)
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    slot.add_value(0, 1.0, 5)
    slot.publish()
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 2
    slot.close()


@pytest.mark.parametrize("reward, positive, negative", [(0, 0, 0), (2.5, 2.5, 0), (-1, 0, 1)])
def test_feedback_counts_whatever_the_reward(tmp_path, reward, positive, negative):
    slot = metrics.Slot(str(tmp_path), metrics.Layout())
    slot.add_feedback(reward)
    slot.add_feedback(math.nan)
    slot.publish()
    samples = scrape(tmp_path)
    assert value(samples, metrics.FEEDBACK) == 2
    assert value(samples, metrics.FEEDBACK_REWARD, sign="positive") == positive
    assert value(samples, metrics.FEEDBACK_REWARD, sign="negative") == negative
    slot.close()


# -- contracts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, bins",
    [
        ({"bins": [3, 1, 2, 2]}, (1, 2, 3)),
        ({"bins": [], "values": [1, 0]}, (0, 1)),
        ({"values": ["cat", "dog"]}, metrics.DEFAULT_BINS),
        ({"range": [0, "inf"]}, metrics.DEFAULT_BINS),
        ({"range": [5]}, metrics.DEFAULT_BINS),
        ({}, metrics.DEFAULT_BINS),
    ],
)
def test_bins_of_a_target(target, bins):
    assert metrics.target_bins(target) == bins


def test_bins_over_a_range():
    assert metrics.target_bins({"range": [0, 20]}) == tuple(range(21))
    wide = metrics.target_bins({"range": [1, 1000000]})
    assert len(wide) == 21 and wide[0] == 1 and wide[-1] == 1000000
    ratios = np.diff(np.log(wide))
    assert np.allclose(ratios, ratios[0], rtol=0.02)


@pytest.mark.parametrize("bins", [["a"], [1, math.inf], [None]])
def test_bins_that_are_no_numbers_are_refused(bins):
    with pytest.raises(ValueError, match="price"):
        metrics.target_bins({"name": "price", "bins": bins})


def test_repeated_targets_are_named_as_seldons_tester_does():
    layout = metrics.Layout.from_contract({"targets": [{"name": "t", "repeat": 2}, {"name": "u"}]})
    assert [name for name, _bins in layout.outputs] == ["t:0", "t:1", "u"]


def test_the_contract_beside_the_model_counts_where_none_is_named(recorder, tmp_path, monkeypatch):
    source = tmp_path / "model" / "TheModel.py"
    source.parent.mkdir()
    (source.parent / "contract.json").write_text('{"targets": [{"name": "price"}]}')
    module = types.ModuleType("TheModel")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, "TheModel", module)
    metrics.watch(type("TheModel", (), {"__module__": "TheModel", "predict": lambda s, X, n: [1]}))
    assert recorder.get_layout().outputs[0][0] == "price"


def test_a_contract_that_cannot_be_read_does_not_stop_the_model(recorder, tmp_path):
    (tmp_path / "contract.json").write_text("{")
    model(lambda X: [1.0]).predict(rows(1), [])
    assert value(scrape(tmp_path), "monitml_prediction_count", output="prediction") == 1


def test_what_is_counted_is_what_is_shown(tmp_path):
    layout = metrics.Layout([("price", (1.0, 10.0)), ("tax", (5.0,))], declared=True)
    for number in range(2):
        slot = metrics.Slot(str(tmp_path), layout)
        slot.add_value(0, 3.0 + number, 1)
        slot.add_value(1, -7.0, 1)
        slot.add_error("shape")
        slot.add_non_numeric(2)
        slot.add_feedback(-0.5)
        slot.publish()
    found = metrics.counted(metrics.read_slots(str(tmp_path), layout), layout)
    shown = scrape(tmp_path, layout)
    assert [value(shown, name, **own) for name, own, _count in found] == [n for *_who, n in found]
    # All that only grows, but for the bins.
    grows = [n for n, own in shown if n.endswith(("_total", "_count")) and "bin" not in dict(own)]
    assert len(found) == len(grows)
    past = metrics.render_past(found, {30: range(len(found)), 60: [0] * len(found)}, labels={})
    lines = [line for line in past.splitlines() if not line.startswith("#")]
    assert len(lines) == 2 * len(found)
    assert 'monitml_prediction_count_past{output="price",window="30s"} 0' in lines
    assert 'monitml_prediction_sum_total_past{output="price",sign="positive",window="30s"} 1' in lines
