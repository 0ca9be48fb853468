# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus' configuration on one machine: what is scraped, and how its labels come about.

Pure functions. The syntax is what Prometheus 2.31 to 3 have in common.
"""

from __future__ import annotations

import re

from ..serving.prediction_metrics import KIND_LABEL
from . import label_measures
from .load_test_series import PREFIX
from .queries import IDENTITY
from .rules import windows

# Of the hundreds of series that gateway, exporter and tools show, those that something here reads.
GATEWAY_SERIES = (
    "envoy_cluster_upstream_rq_total",
    "envoy_cluster_upstream_rq_xx",
    "envoy_cluster_upstream_rq_time_(bucket|sum|count)",
    "envoy_cluster_membership_(healthy|total)",
    "envoy_cluster_upstream_cx_connect_fail",
    "envoy_http_downstream_rq_(total|xx|time_bucket|time_sum|time_count)",
    "envoy_server_(live|uptime|memory_physical_size)",
)
NODE_SERIES = (
    "node_cpu_seconds_total",
    "node_filesystem_(avail|size)_bytes",
    "node_load1",
    "node_memory_(MemAvailable|MemTotal)_bytes",
)
LOAD_TEST_SERIES = (PREFIX + ".+",)
LABEL_SERIES = (label_measures.SERIES, "process_(cpu_seconds_total|resident_memory_bytes)")
# Where what takes labels listens, whatever the others do.
LABELS_HOST = "127.0.0.1"
TOOL_SERIES = (
    "alertmanager_alerts",
    "alertmanager_notifications(_failed)?_total",
    "monitml_inbox_.+",
    "process_(cpu_seconds_total|resident_memory_bytes|start_time_seconds)",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_dropped_total",
    "prometheus_rule_evaluation_(failures_total|duration_seconds_sum|duration_seconds_count)",
    "prometheus_rule_group_(iterations_missed_total|last_duration_seconds)",
    "prometheus_tsdb_head_series",
)
# The gateway calls a predictor <namespace>/<deployment>/<predictor>/<version>.
_CLUSTER_NAME = "/".join(["([^/]+)"] * len(IDENTITY))


def prometheus_config(deployment: dict, settings: dict) -> dict:
    """The content of prometheus.yml for a completed description.

    settings: listen_address; prometheus_port, alertmanager_port, gateway_admin_port, inbox_port;
    node_exporter_port and labels_port, where 0 means that there is none; scrape_interval (models and gateway),
    stack_scrape_interval (everything else) and evaluation_interval, as Prometheus writes
    durations; rule_files, a list of absolute paths.
    """
    host = settings["listen_address"]
    tools = {
        "prometheus": settings["prometheus_port"],
        "alertmanager": settings["alertmanager_port"],
        "inbox": settings["inbox_port"],
    }
    return {
        "global": {
            "scrape_interval": settings["stack_scrape_interval"],
            "scrape_timeout": settings["stack_scrape_interval"],
            "evaluation_interval": settings["evaluation_interval"],
        },
        "rule_files": list(settings["rule_files"]),
        "alerting": {
            "alertmanagers": [
                {
                    "api_version": "v2",
                    "static_configs": [
                        {"targets": [_address(host, settings["alertmanager_port"])]}
                    ],
                }
            ]
        },
        "scrape_configs": [
            _models(deployment, settings),
            _gateway(settings),
            *(
                _job(name, [_address(host, port)], keep=TOOL_SERIES)
                for name, port in tools.items()
            ),
            *(_of_node_exporter(settings) if settings["node_exporter_port"] else []),
            *([_labels(deployment, settings)] if settings.get("labels_port") else []),
        ],
    }


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _job(name: str, targets: list[str], keep: tuple[str, ...]) -> dict:
    return {
        "job_name": name,
        "static_configs": [{"targets": targets}],
        "metric_relabel_configs": [_keep(keep)],
    }


def _keep(names: tuple[str, ...]) -> dict:
    return {"source_labels": ["__name__"], "regex": "|".join(names), "action": "keep"}


def _often(settings: dict) -> dict:
    return {
        "scrape_interval": settings["scrape_interval"],
        "scrape_timeout": settings["scrape_interval"],
    }


def _of_node_exporter(settings: dict) -> list[dict]:
    targets = [_address(settings["listen_address"], settings["node_exporter_port"])]
    return [
        _job("node", targets, keep=NODE_SERIES),
        {
            **_job("load_test", targets, keep=LOAD_TEST_SERIES),
            # A load test may take less than a second, and the next one replaces what it left.
            **_often(settings),
            "params": {"collect[]": ["textfile"]},
        },
    ]


def _labels(deployment: dict, settings: dict) -> dict:
    """What takes labels, which names predictor and version of whoever gave each answer."""
    own = {"namespace": deployment["namespace"], "deployment_name": deployment["name"]}
    targets = [_address(LABELS_HOST, settings["labels_port"])]
    return {
        **_job("labels", targets, keep=LABEL_SERIES),
        **_often(settings),
        "honor_labels": True,
        "params": {"window": [str(seconds) for seconds in label_measures.windows(deployment)]},
        "static_configs": [{"targets": targets, "labels": own}],
    }


def _models(deployment: dict, settings: dict) -> dict:
    return {
        "job_name": "models",
        **_often(settings),
        # What a server says of itself stands; were it overruled by what it should be, a wrong
        # version would go unseen.
        "honor_labels": True,
        # Of which a server is to tell what its counters were before them.
        "params": {"window": [str(seconds) for seconds in windows(deployment)]},
        "static_configs": [
            *(
                _server(deployment, predictor["name"], predictor["version"], server, settings)
                for predictor in deployment["predictors"]
                for server in predictor["servers"]
            ),
            # They are read to their last answer.
            *(
                _server(deployment, server["predictor"], server["version"], server, settings)
                for server in deployment.get("leaving", ())
            ),
        ],
        # And what the model itself tells, which our server marks. Python's and the wrapper's own
        # series: every scrape would carry them, nobody reads them.
        "metric_relabel_configs": [
            {
                "source_labels": ["__name__", KIND_LABEL],
                "regex": "(monitml_.+|seldon_api_model_.+|process_.+);.*|.+;.+",
                "action": "keep",
            }
        ],
    }


def model_reports(deployment: dict, listen_address: str) -> list[dict]:
    """Labels of the monitml_model_info that each model server reports once it has been read."""
    return [
        {
            "instance": _address(listen_address, server["metrics_port"]),
            "predictor_name": predictor["name"],
            "predictor_version": predictor["version"],
        }
        for predictor in deployment["predictors"]
        for server in predictor["servers"]
    ]


def _server(deployment: dict, name: str, version: str, server: dict, settings: dict) -> dict:
    return {
        "targets": [_address(settings["listen_address"], server["metrics_port"])],
        "labels": {
            "namespace": deployment["namespace"],
            "deployment_name": deployment["name"],
            "predictor_name": name,
            "predictor_version": version,
            "replica": str(server["index"]),
        },
    }


def _gateway(settings: dict) -> dict:
    labels = [
        {
            "source_labels": ["envoy_cluster_name"],
            "regex": _CLUSTER_NAME,
            "target_label": label,
            "replacement": f"${{{group}}}",
        }
        for group, label in enumerate(IDENTITY, start=1)
    ]
    return {
        "job_name": "gateway",
        **_often(settings),
        "metrics_path": "/stats/prometheus",
        "static_configs": [
            {"targets": [_address(settings["listen_address"], settings["gateway_admin_port"])]}
        ],
        "metric_relabel_configs": [
            _keep(GATEWAY_SERIES),
            *labels,
            {"regex": "envoy_cluster_name", "action": "labeldrop"},
        ],
    }


def keeps(job: dict, name: str, **labels: str) -> bool:
    """Whether a scrape job of prometheus_config keeps the series of this name, with these labels."""
    rule = job["metric_relabel_configs"][0]
    values = {"__name__": name, **labels}
    text = ";".join(values.get(label, "") for label in rule["source_labels"])
    return re.fullmatch(rule["regex"], text) is not None
