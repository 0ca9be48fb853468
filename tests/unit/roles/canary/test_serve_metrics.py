# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's own metrics, gathered from its workers."""

from __future__ import annotations

import os

import monitml_metrics
import pytest
import serve_metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITML_METRICS_DIR", str(tmp_path))
    return str(tmp_path)


def worker():
    """A worker's store with a slot of its own."""
    return serve_metrics.WorkerMetrics(monitml_metrics.Recorder())


def scrape(directory, shown=None):
    """Samples of the models' own metrics; their marks are checked and left out."""
    samples = {}
    shown = shown or serve_metrics.ModelMetrics(directory, 1000)
    for family in text_string_to_metric_families(shown.render({"model": "m"})):
        for sample in family.samples:
            assert sample.labels.pop("model") == "m"
            if sample.name in (monitml_metrics.MODEL_METRIC_UPDATES, monitml_metrics.MODEL_METRIC_DROPPED):
                continue
            name = sample.labels.pop("monitml_metric")
            assert sample.name in (name, name + "_bucket", name + "_sum", name + "_count")
            assert sample.labels.pop("monitml_kind") in ("counter", "gauge", "timer")
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            samples[key] = sample.value
    return samples


def metric(kind, key, value, **tags):
    return {"type": kind, "key": key, "value": value, "tags": tags}


PREDICT = (("method", "predict"),)


def test_counters_sum_over_workers_and_gauges_keep_the_last(directory):
    first, second = worker(), worker()
    first.update([metric("COUNTER", "hits", 2), metric("GAUGE", "depth", 5)], "predict")
    second.update([metric("COUNTER", "hits", 3), metric("GAUGE", "depth", 1)], "predict")
    second.update([metric("COUNTER", "hits", 1, sort="b")], "predict")
    samples = scrape(directory)
    assert samples["hits_total", PREDICT] == 5
    assert samples["hits_total", PREDICT + (("sort", "b"),)] == 1
    assert samples["depth", PREDICT] == 1
    first.update([metric("GAUGE", "depth", 7)], "predict")
    assert scrape(directory)["depth", PREDICT] == 7


@settings(max_examples=30, deadline=None)
@given(milliseconds=st.lists(st.floats(0, 60000), min_size=1, max_size=30))
def test_timers_are_histograms_in_seconds(tmp_path_factory, milliseconds):
    directory = str(tmp_path_factory.mktemp("metrics"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITML_METRICS_DIR", directory)
        stores = [worker(), worker()]
        for number, value in enumerate(milliseconds):
            stores[number % 2].update([metric("TIMER", "step", value)], "predict")
        samples = scrape(directory)
    seconds = [value / 1000 for value in milliseconds]
    assert samples["step_count", PREDICT] == len(seconds)
    assert samples["step_sum", PREDICT] == pytest.approx(sum(seconds), abs=1e-9)
    for bound in serve_metrics.TIMER_BOUNDS:
        counted = samples["step_bucket", (("le", repr(bound)),) + PREDICT]
        assert counted == sum(s <= bound for s in seconds)


def test_the_next_worker_goes_on_where_a_dead_one_ended(directory):
    used = set()
    for _worker in range(3):
        pid = os.fork()
        if not pid:
            worker().update([metric("COUNTER", "hits", 1)], "predict")
            os._exit(0)
        os.waitpid(pid, 0)
        with open(os.path.join(directory, "custom-000"), "rb") as stream:
            used.add(stream.read(8))
    assert scrape(directory)["hits_total", PREDICT] == 3
    assert sorted(os.listdir(directory)) == ["custom-000", "slot-000"]
    assert len(used) == 1, "series are not written anew by each worker"


def test_a_counter_does_not_fall(directory):
    store = worker()
    store.update([metric("COUNTER", "hits", 2), metric("COUNTER", "hits", -1)], "predict")
    assert scrape(directory)["hits_total", PREDICT] == 2


def test_the_probe_leaves_no_trace_but_feedback_does(directory, monkeypatch):
    here = monitml_metrics.Here()
    here.probe = True
    monkeypatch.setattr(monitml_metrics, "HERE", here)
    store = worker()
    store.update([metric("COUNTER", "hits", 1)], "predict")
    assert scrape(directory) == {}
    store.update([metric("COUNTER", "hits", 1)], "feedback")
    assert scrape(directory)["hits_total", (("method", "feedback"),)] == 1


def test_names_and_labels_are_made_valid_and_ours_are_kept(directory):
    store = worker()
    store.update(
        [
            metric("GAUGE", "my-gauge é", 1, **{"a-b": 'x"\n', "model": "theirs"}),
            metric("GAUGE", "up", 0, namespace="n", **{"__name__": "x", "1": "\ud800"}),
            metric("GAUGE", "9 lives", 9),
            metric("COUNTER", "monitml_prediction_errors", 1),
            metric("GAUGE", "both", 1),
            metric("TIMER", "both", 1),
            metric("SUMMARY", "unknown", 1),
        ],
        "predict",
    )
    samples = scrape(directory)
    assert samples["my_gauge__", (("a_b", 'x"\n'),) + PREDICT] == 1
    own = (("tag_1", "?"), ("tag___name__", "x"), ("tag_namespace", "n"))
    assert samples["model_up", PREDICT + own] == 0
    names = {"my_gauge__", "both", "model_up", "_9_lives", "model_monitml_prediction_errors_total"}
    assert {name for name, _labels in samples} == names


def test_a_full_file_drops_new_series_and_goes_on(directory):
    store = worker()
    for number in range(5000):
        store.update([metric("COUNTER", "c%d" % number, 1)], "predict")
    store.update([metric("COUNTER", "c0", 1)], "predict")
    shown = serve_metrics.ModelMetrics(directory, 10000)
    samples = scrape(directory, shown)
    assert 1000 < len(samples) < 5000
    assert samples["c0_total", PREDICT] == 2
    assert shown.dropped == 5000 - len(samples)


def test_what_comes_first_stays_when_there_are_too_many(directory):
    store, shown = worker(), serve_metrics.ModelMetrics(directory, 60)
    store.update([metric("TIMER", "z", 1), metric("GAUGE", "y", 1)], "predict")
    assert {name for name, _labels in scrape(directory, shown)} > {"z_sum", "y"}
    assert shown.dropped == 0
    for number in range(50):
        store.update([metric("GAUGE", "a", 1, user=number)], "predict")
    store.update([metric("GAUGE", "y", 2)], "predict")
    samples = scrape(directory, shown)
    assert len(samples) == 60 and shown.dropped == 50 - (60 - 53 - 1)
    assert samples["y", PREDICT] == 2
    assert "monitml_model_metric_series_dropped{} 44" in shown.render({})


def test_how_often_a_metric_was_given_is_counted_whatever_its_kind(directory):
    for store in (worker(), worker()):
        for number in range(3):
            given = [metric("GAUGE", "g", 1, n=number), metric("TIMER", "t", 1), metric("COUNTER", "c", 5)]
            store.update(given, "predict")
    text = serve_metrics.ModelMetrics(directory, 1000).render({})
    for name, kind in (("g", "gauge"), ("t", "timer"), ("c_total", "counter")):
        labels = 'metric="%s",kind="%s"' % (name, kind)
        assert "monitml_model_metric_updates_total{%s} 6\n" % labels in text


@pytest.mark.parametrize("keep", [0, 4, 8, 20, 60, 100])
def test_a_torn_file_does_not_break_the_reader(directory, keep):
    worker().update([metric("COUNTER", "hits", 1), metric("GAUGE", "g", 1)], "predict")
    path = os.path.join(directory, "custom-000")
    with open(path, "rb") as stream:
        data = stream.read()
    with open(os.path.join(directory, "custom-001"), "wb") as stream:
        stream.write(data[:keep])
    assert scrape(directory)["g", PREDICT] == 1
