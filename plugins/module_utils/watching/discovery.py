# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus' configuration in a cluster: that of one machine, with pods that it finds in place of addresses.

Pure functions.
"""

from __future__ import annotations

import re

from .queries import IDENTITY
from .scraping import prometheus_config

# Istio's gateways show their Envoy's statistics there.
_GATEWAY_PORT = "http-envoy-prom"
_METRICS_PORT = "metrics"
# There are thousands; asked for are those that lead to models, and since when it counts.
_STATISTICS = r"^(cluster\.outbound.{port}.*\.(upstream_rq|membership_|upstream_cx_connect_fail)|server\.uptime)"
# Istio has Envoy write the class of an answer's status otherwise than Envoy itself does.
_AS_STOCK = [
    {
        "source_labels": ["__name__", "response_code_class"],
        "regex": "envoy_cluster_upstream_rq;(.)xx",
        "target_label": "__name__",
        "replacement": "envoy_cluster_upstream_rq_xx",
    },
    {
        "source_labels": ["response_code_class"],
        "regex": "(.)xx",
        "target_label": "envoy_response_code_class",
        "replacement": "${1}",
    },
    {"regex": "response_code_class", "action": "labeldrop"},
]


def cluster_prometheus_config(deployment: dict, settings: dict) -> dict:
    """The content of prometheus.yml for a completed description whose predictors have servers by name.

    settings: what scraping.prometheus_config() takes; model_pods and gateway_pods, each {namespace,
    selector} as the API takes them; labels, {label of a series: meta label of a pod}, of the model
    servers; metrics_path, where they tell; predictions_port, of the services before them; pods_port, of
    what tells of the pods.
    """
    # Who leaves is found as long as its pods are there, and has no address.
    config = prometheus_config({**deployment, "leaving": []}, settings)
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    # Of how a machine's gateway is read, what is kept is of use here, too.
    kept = jobs["gateway"]["metric_relabel_configs"][0]
    jobs["pods"] = {
        "job_name": "pods",
        # Of which pod it tells, it says itself.
        "honor_labels": True,
        "static_configs": [{"targets": [f"{settings['listen_address']}:{settings['pods_port']}"]}],
        "metric_relabel_configs": [{**kept, "regex": "monitml_pod.+"}],
    }
    found = {"models": _models(deployment, settings), "gateway": _gateway(deployment, kept, settings)}
    for name, discovered in found.items():
        del jobs[name]["static_configs"]
        jobs[name].update(discovered)
    return {**config, "scrape_configs": list(jobs.values())}


def _pods(where: dict, port: str) -> dict:
    """Running pods: one whose image is still being pulled is not there yet, and one that failed is no more."""
    return {
        "kubernetes_sd_configs": [
            {
                "role": "pod",
                "namespaces": {"names": [where["namespace"]]},
                "selectors": [{"role": "pod", "label": where["selector"]}],
            }
        ],
        "relabel_configs": [
            _keep("__meta_kubernetes_pod_container_port_name", port),
            _keep("__meta_kubernetes_pod_phase", "Running"),
            _take("__meta_kubernetes_pod_name", "pod"),
        ],
    }


def _servers(deployment: dict) -> dict[str, tuple[str, str]]:
    """{name: (predictor, version)} of those that serve, or do until the traffic has moved."""
    found = {one["server"]: (one["name"], one["version"]) for one in deployment["predictors"]}
    return {**found, **{one["name"]: (one["predictor"], one["version"]) for one in deployment["leaving"]}}


def _models(deployment: dict, settings: dict) -> dict:
    found = {"metrics_path": settings["metrics_path"], **_pods(settings["model_pods"], _METRICS_PORT)}
    # Who has left may still answer what it holds; its end is no alarm.
    names = "|".join(sorted(_servers(deployment)))
    found["relabel_configs"] += [
        _keep(settings["labels"]["server"], names),
        *(_take(source, label) for label, source in settings["labels"].items()),
    ]
    return found


def _gateway(deployment: dict, kept: dict, settings: dict) -> dict:
    """The gateway's own series, and those of the services before our predictors."""
    servers = _servers(deployment)
    port, namespace = settings["predictions_port"], re.escape(deployment["namespace"])

    def cluster(names: str) -> str:
        """Istio's name of a service's cluster."""
        # Of a subset, too, where whoever routes makes some.
        return rf"outbound\|{port}\|[^|]*\|{names}\.{namespace}\.svc\..*"

    every = cluster(f"({'|'.join(map(re.escape, servers))})")
    relabelled = [
        # Without a name: what is of the gateway as a whole.
        {"source_labels": ["cluster_name"], "regex": f"|{every}", "action": "keep"},
        *(
            _name("cluster_name", every, label, deployment[key])
            for label, key in zip(IDENTITY[:2], ("namespace", "name"))
        ),
        *(
            _name("cluster_name", cluster(re.escape(server)), label, value)
            for server, identity in sorted(servers.items())
            for label, value in zip(IDENTITY[2:], identity)
        ),
    ]
    found = _pods(settings["gateway_pods"], _GATEWAY_PORT)
    parameters = {"usedonly": [""], "filter": [_STATISTICS.format(port=port)]}
    return {**found, "params": parameters, "metric_relabel_configs": [*_AS_STOCK, kept, *relabelled]}


def _keep(label: str, value: str) -> dict:
    return {"source_labels": [label], "regex": value, "action": "keep"}


def _take(source: str, label: str) -> dict:
    return {"source_labels": [source], "target_label": label}


def _name(source: str, regex: str, label: str, value: str) -> dict:
    value = value.replace("$", "$$")
    return {"source_labels": [source], "regex": regex, "target_label": label, "replacement": value}
