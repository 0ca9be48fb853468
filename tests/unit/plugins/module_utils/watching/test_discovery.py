# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import re

from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import analytics
from ansible_collections.monitml.stack.plugins.module_utils.watching import discovery, queries, rules

SETTINGS = {
    "instance": "monitml",
    "stack_namespace": "monitml",
    "scrape_interval": "500ms",
    "stack_scrape_interval": "5s",
    "evaluation_interval": "500ms",
    "engine": "deployments",
    "gateway": {"namespace": "monitml", "selector": "gateway.networking.k8s.io/gateway-name=monitml", "port": 80},
}
DEPLOYMENT = {
    "name": "housing",
    "namespace": "seldon",
    "monitors": [],
    "predictors": [
        {"name": "good", "version": "v1", "traffic": 75, "shadow": False, "server": "housing-good-1", "servers": []},
        {"name": "bad", "version": "v$2", "traffic": 25, "shadow": False, "server": "housing-bad-2", "servers": []},
    ],
    "leaving": [{"name": "housing-bad-1", "predictor": "bad", "version": "v1"}],
}


def jobs():
    settings = analytics.prometheus_settings(DEPLOYMENT, SETTINGS)
    config = discovery.cluster_prometheus_config(DEPLOYMENT, settings)
    return {job["job_name"]: job for job in config["scrape_configs"]}


def relabelled(rules_of_job, labels):
    """What Prometheus makes of a series by these rules, as far as they go; None where it drops it."""
    labels = dict(labels)
    for rule in rules_of_job:
        if rule.get("action") == "labeldrop":
            labels = {name: value for name, value in labels.items() if not re.fullmatch(rule["regex"], name)}
            continue
        text = ";".join(labels.get(name, "") for name in rule["source_labels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), text)
        if rule.get("action") == "keep":
            if not match:
                return None
        elif match:
            value = rule.get("replacement", "$1").replace("$$", "\0").replace("${1}", "\\1").replace("$1", "\\1")
            labels[rule["target_label"]] = match.expand(value).replace("\0", "$")
    return labels


def of_gateway(server, name="envoy_cluster_upstream_rq", namespace="seldon", port=8000, **labels):
    cluster = f"outbound|{port}||{server}.{namespace}.svc.cluster.local;"
    return relabelled(
        jobs()["gateway"]["metric_relabel_configs"], {"__name__": name, "cluster_name": cluster, **labels}
    )


def test_an_answer_of_the_gateway_is_its_predictors_and_has_the_names_of_a_machines_gateway():
    found = of_gateway("housing-bad-2", response_code_class="5xx")
    assert found["__name__"] == "envoy_cluster_upstream_rq_xx"
    assert found["envoy_response_code_class"] == "5"
    assert [found[label] for label in queries.IDENTITY] == ["seldon", "housing", "bad", "v$2"]


def test_who_leaves_is_counted_as_what_it_is():
    found = of_gateway("housing-bad-1", "envoy_cluster_upstream_rq_time_count")
    assert (found["predictor_name"], found["predictor_version"]) == ("bad", "v1")


def test_what_leads_elsewhere_is_not_kept():
    series = "envoy_cluster_upstream_rq_time_count"
    assert of_gateway("housing-good-1", series)
    assert of_gateway("other", series) is None
    assert of_gateway("housing-good-1", series, namespace="other") is None
    # What only asks how things are is no request.
    assert of_gateway("housing-good-1", series, port=8001) is None
    assert of_gateway("housing-good-1", "envoy_cluster_lb_healthy_panic") is None
    assert relabelled(jobs()["gateway"]["metric_relabel_configs"], {"__name__": "envoy_server_uptime"})


def test_pods_are_found_by_their_labels_and_named_by_them():
    job = jobs()["models"]
    assert "static_configs" not in job
    (found,) = job["kubernetes_sd_configs"]
    assert found["namespaces"] == {"names": ["seldon"]}
    assert "monitml.stack/group=models" in found["selectors"][0]["label"]
    pod = {
        "__meta_kubernetes_pod_container_port_name": "metrics",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_name": "p-1",
        "__meta_kubernetes_namespace": "seldon",
        "__meta_kubernetes_pod_label_monitml_stack_deployment": "housing",
        "__meta_kubernetes_pod_label_monitml_stack_predictor": "bad",
        "__meta_kubernetes_pod_label_monitml_stack_server": "housing-bad-2",
        "__meta_kubernetes_pod_annotation_monitml_stack_version": "v$2",
    }
    labels = relabelled(job["relabel_configs"], pod)
    assert [labels[label] for label in queries.IDENTITY] == ["seldon", "housing", "bad", "v$2"]
    for other in ({"phase": "Pending"}, {"container_port_name": "http"}, {"label_monitml_stack_server": "gone"}):
        changed = {f"__meta_kubernetes_pod_{name}": value for name, value in other.items()}
        assert relabelled(job["relabel_configs"], {**pod, **changed}) is None


def test_the_rest_is_as_on_one_machine():
    found = jobs()
    assert {"prometheus", "alertmanager", "inbox"} <= set(found)
    assert found["models"]["scrape_interval"] == found["gateway"]["scrape_interval"] == "500ms"
    assert "node" not in found


def test_the_rules_are_those_of_one_machine_and_of_pods():
    here, there = (rules.alert_rules(DEPLOYMENT, target) for target in ("local", "deployments"))

    def alerts(of):
        return [rule["alert"] for group in of["groups"] for rule in group["rules"] if "alert" in rule]

    of_pods = ["PodWaiting", "PodRestarting", "PodKilledForMemory", "WrongImageRuns"]
    # Who else may answer behind the gateway of a cluster is not watched yet.
    of_gateways = ["AnsweredFromElsewhere"]
    shared = [name for name in alerts(here) if name not in of_gateways]
    assert [name for name in alerts(there) if name not in of_pods] == shared
    assert set(of_pods) <= set(alerts(there))
