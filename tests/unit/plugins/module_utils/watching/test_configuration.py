# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations of Prometheus and Alertmanager; that they load, the integration tests show."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as series,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import (
    load_test_series as load_test,
)
from ansible_collections.monitml.stack.plugins.module_utils.watching import messages, scraping
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[5] / "roles/analytics/files"))
import labels_figures  # noqa: E402

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
VERSION = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SETTINGS = {
    "listen_address": "127.0.0.1",
    "prometheus_port": 3001,
    "alertmanager_port": 3005,
    "gateway_admin_port": 8005,
    "inbox_port": 3006,
    "node_exporter_port": 3007,
    "scrape_interval": "500ms",
    "stack_scrape_interval": "5s",
    "evaluation_interval": "500ms",
    "rule_files": ["/opt/monitml/etc/prometheus/rules.yml"],
}
DEPLOYMENT = {
    "name": "housing",
    "namespace": "seldon",
    "predictors": [
        {
            "name": "good",
            "version": "v1",
            "servers": [{"index": 0, "metrics_port": 9001}, {"index": 1, "metrics_port": 9003}],
        },
        {"name": "bad", "version": "v2", "servers": [{"index": 0, "metrics_port": 9005}]},
    ],
    "monitors": [
        {"measure": "prediction_mean", "window_seconds": 60},
        {"measure": "prediction_min", "window_seconds": 5},
        {"measure": "error_ratio", "window_seconds": 60},
    ],
}
MESSAGES = {
    "inbox_url": "http://127.0.0.1:3006/services/local",
    "group_wait": "0s",
    "group_interval": "1s",
    "repeat_interval": "4h",
    "severities": ["critical", "warning"],
}


def test_models_are_asked_for_their_past_over_the_windows_of_the_monitors():
    assert job("models")["params"] == {"window": ["30", "60"]}


def job(name, **changes):
    content = scraping.prometheus_config(DEPLOYMENT, {**SETTINGS, **changes})
    return next((job for job in content["scrape_configs"] if job["job_name"] == name), None)


def test_what_takes_labels_is_asked_for_the_windows_of_its_monitors_and_names_who_answered():
    monitors = [*DEPLOYMENT["monitors"], {"measure": "prediction_mae", "window_seconds": 86400}]
    content = scraping.prometheus_config({**DEPLOYMENT, "monitors": monitors}, {**SETTINGS, "labels_port": 3008})
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert jobs["models"]["params"] == {"window": ["30", "60"]}
    assert jobs["labels"]["params"] == {"window": ["86400"]}
    assert jobs["labels"]["static_configs"] == [
        {"targets": ["127.0.0.1:3008"], "labels": {"namespace": "seldon", "deployment_name": "housing"}}
    ]
    assert jobs["labels"]["honor_labels"]
    for name in (*labels_figures.FIGURES, labels_figures.OUTCOMES, labels_figures.ANSWERS, labels_figures.BYTES):
        assert scraping.keeps(jobs["labels"], name)
    assert job("labels", labels_port=0) is None and job("labels") is None


def test_every_server_is_scraped_under_its_identity():
    targets = {group["targets"][0]: group["labels"] for group in job("models")["static_configs"]}
    assert sorted(targets) == ["127.0.0.1:9001", "127.0.0.1:9003", "127.0.0.1:9005"]
    assert targets["127.0.0.1:9003"] == {
        "namespace": "seldon",
        "deployment_name": "housing",
        "predictor_name": "good",
        "predictor_version": "v1",
        "replica": "1",
    }


def test_models_and_gateway_are_read_more_often_than_the_rest():
    intervals = {
        name: job(name).get("scrape_interval") for name in ("models", "gateway", "load_test", "node")
    }
    assert intervals == {"models": "500ms", "gateway": "500ms", "load_test": "500ms", "node": None}


@pytest.mark.parametrize(
    ("setting", "name"),
    [("node_exporter_port", "node"), ("node_exporter_port", "load_test")],
)
def test_what_is_not_there_is_not_scraped(setting, name):
    assert job(name) is not None
    assert job(name, **{setting: 0}) is None


@given(LABEL, LABEL, LABEL, VERSION)
def test_the_gateways_labels_come_from_its_names(namespace, deployment, predictor, version):
    """Namer and reader are two files; whatever one may write, the other must read back."""
    name = gateway.cluster_name(
        {"namespace": namespace, "name": deployment}, {"name": predictor, "version": version}
    )
    labels = {}
    for rule in job("gateway")["metric_relabel_configs"]:
        if rule.get("source_labels") == ["envoy_cluster_name"]:
            match = re.fullmatch(rule["regex"], name)
            labels[rule["target_label"]] = match.group(int(rule["replacement"].strip("${}")))
    assert labels == {
        "namespace": namespace,
        "deployment_name": deployment,
        "predictor_name": predictor,
        "predictor_version": version,
    }


@pytest.mark.parametrize(
    ("name", "kept", "dropped"),
    [
        (
            "gateway",
            ["envoy_cluster_upstream_rq_xx", "envoy_cluster_upstream_rq_time_bucket"],
            ["envoy_cluster_upstream_rq_retry"],
        ),
        (
            "node",
            ["node_filesystem_avail_bytes", "node_load1"],
            ["node_netstat_Tcp_InErrs", *load_test.FAMILIES],
        ),
        ("load_test", load_test.FAMILIES, ["node_textfile_scrape_error", "node_load1"]),
        (
            "models",
            [*series.FAMILIES, f"{series.PREDICTION}_bucket"],
            ["python_gc_objects_collected_total"],
        ),
        ("alertmanager", ["alertmanager_notifications_failed_total"], ["go_goroutines"]),
        ("inbox", ["monitml_inbox_messages_total", "monitml_inbox_failing_seconds"], []),
    ],
)
def test_only_what_is_read_is_kept(name, kept, dropped):
    assert all(scraping.keeps(job(name), series_name) for series_name in kept)
    assert not any(scraping.keeps(job(name), series_name) for series_name in dropped)


def test_what_a_model_tells_itself_is_kept_by_its_mark():
    models = job("models")
    assert scraping.keeps(models, "queue_length", **{series.KIND_LABEL: "gauge"})
    assert not scraping.keeps(models, "queue_length")


def test_an_ipv6_address_is_bracketed():
    assert job("gateway", listen_address="::1")["static_configs"][0]["targets"] == ["[::1]:8005"]


def test_messages_go_to_the_inbox_and_say_when_it_is_over():
    content = messages.alertmanager_config(MESSAGES)
    (slack,) = [r["slack_configs"][0] for r in content["receivers"] if r["name"] == "inbox"]
    assert slack["api_url"] == MESSAGES["inbox_url"]
    assert slack["send_resolved"] is True
    assert {field["title"] for field in slack["fields"]} == {
        "Deployment",
        "Predictor",
        "Version",
        "Severity",
        "Value",
        "Limit",
        "Samples",
    }


def test_only_the_named_severities_are_told():
    route = messages.alertmanager_config(MESSAGES)["route"]
    assert route["receiver"] == "board"
    assert [child["matchers"] for child in route["routes"]] == [['severity=~"critical|warning"']]
    assert {"deployment_name", "predictor_name", "predictor_version"} <= set(route["group_by"])


def test_what_serves_until_the_traffic_has_moved_is_read_under_its_own_identity():
    leaving = {"predictor": "good", "version": "v0", "index": 0, "metrics_port": 9007}
    deployment = {**DEPLOYMENT, "leaving": [leaving]}
    (config,) = [
        config
        for config in scraping.prometheus_config(deployment, SETTINGS)["scrape_configs"]
        if config["job_name"] == "models"
    ]
    assert len(config["static_configs"]) == 4
    last = config["static_configs"][-1]
    assert last["targets"] == ["127.0.0.1:9007"] and last["labels"]["predictor_version"] == "v0"
