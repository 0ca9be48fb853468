# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import json
import re

from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import analytics, kinds, monitoring
from ansible_collections.monitml.stack.plugins.module_utils.watching import discovery, messages, rules

from .described import deployment, served
from .test_objects import ANALYTICS, FILES

SETTINGS = {
    **ANALYTICS,
    "watched_by": "monitoring",
    "labels": {"release": "stack"},
    "dashboard_namespace": "",
    "dashboard_labels": {"grafana_dashboard": "1"},
}
ALERTMANAGER = messages.alertmanager_config(
    {
        "inbox_url": "http://nobody",
        "group_wait": "0s",
        "group_interval": "200ms",
        "repeat_interval": "4h",
        "severities": ["critical", "warning"],
    }
)


def made(given=None, **settings):
    given = given or served()
    prometheus = discovery.cluster_prometheus_config(given, analytics.prometheus_settings(given, SETTINGS))
    files = {
        **FILES,
        "rules": rules.alert_rules(given, "deployments"),
        "prometheus": prometheus,
        "alertmanager": ALERTMANAGER,
        "dashboard": {"uid": "x"},
    }
    things = monitoring.monitoring_objects(given, files, {**SETTINGS, **settings})
    return {f"{thing['kind']} {thing['metadata']['name']}": thing for thing in things}, prometheus


def test_all_is_ours_and_the_operator_finds_what_is_for_it():
    things, _prometheus = made()
    assert all(kinds.is_ours(thing, "monitml") for thing in things.values())
    for thing in things.values():
        if "monitoring.coreos.com" in thing["apiVersion"]:
            assert thing["metadata"]["labels"]["release"] == "stack"
    assert things["ConfigMap monitml-dashboard"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    moved, _prometheus = made(dashboard_namespace="grafana")
    assert moved["ConfigMap monitml-dashboard"]["metadata"]["namespace"] == "grafana"


def snake(name):
    return re.sub("([A-Z])", lambda match: "_" + match[1].lower(), name)


def test_pods_are_read_as_our_own_prometheus_reads_them():
    things, prometheus = made()
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    for name in ("models", "gateway"):
        spec = things[f"PodMonitor monitml-{name}"]["spec"]
        (endpoint,) = spec["podMetricsEndpoints"]
        (discovered,) = jobs[name]["kubernetes_sd_configs"]
        assert spec["namespaceSelector"]["matchNames"] == discovered["namespaces"]["names"]
        selected = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
        assert selected == discovered["selectors"][0]["label"]
        told = [{snake(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]]
        # All of ours, and then the name of the job in place of the operator's.
        assert told[:-2] == jobs[name]["relabel_configs"]
        assert told[-2] == {"target_label": "job", "replacement": f"monitml/{name}"}
        kept = [{snake(key): value for key, value in rule.items()} for rule in endpoint["metricRelabelings"]]
        assert kept == jobs[name]["metric_relabel_configs"]
        assert endpoint["interval"] == "500ms" and endpoint.get("params") == jobs[name].get("params")
    assert things["PodMonitor monitml-models"]["spec"]["podMetricsEndpoints"][0]["honorLabels"]


def test_rules_are_the_same_but_for_what_is_of_others():
    things, _prometheus = made()
    ours = rules.alert_rules(served(), "deployments")["groups"]
    theirs = things["PrometheusRule monitml"]["spec"]["groups"]
    assert [group["name"] for group in theirs] == [group["name"] for group in ours]
    by_name = {rule.get("alert"): rule for group in theirs for rule in group["rules"]}
    assert 'up{job="monitml/gateway"} == 0' in by_name["GatewayDown"]["expr"]
    assert by_name["TargetDown"]["expr"] == 'up{job=~"monitml/(inbox|pods)"} == 0'
    assert by_name["TargetDown"]["labels"]["namespace"] == "seldon"
    text = json.dumps(theirs)
    assert not re.search(r'job[!=~]+\\"(models|gateway)', text)
    for group, other in zip(ours, theirs):
        for rule, same in zip(group["rules"], other["rules"]):
            told = {key: value for key, value in same.get("annotations", {}).items() if key != "link"}
            assert told == {key: value for key, value in rule.get("annotations", {}).items() if key != "link"}
            assert set(same) == set(rule) and same.get("for") == rule.get("for")
    assert by_name["GatewayDown"]["annotations"]["link"] == "{{ $externalURL }}/alerts"


def test_the_message_is_the_same_and_its_address_in_a_secret():
    things, _prometheus = made()
    config = things["AlertmanagerConfig monitml"]
    assert config["metadata"]["namespace"] == "seldon"
    (route,) = config["spec"]["route"]["routes"]
    assert route == {"receiver": "inbox", "matchers": [{"name": "severity", "matchType": "=~", "value": "critical|warning"}]}
    assert config["spec"]["route"]["groupWait"] == "0s"
    (slack,) = config["spec"]["receivers"][1]["slackConfigs"]
    ours = ALERTMANAGER["receivers"][1]["slack_configs"][0]
    assert {key: slack[key] for key in ("text", "title", "fields")} == {key: ours[key] for key in ("text", "title", "fields")}
    assert slack["titleLink"] == ours["title_link"] and "http" not in json.dumps(slack)
    secret = things[f"Secret {slack['apiURL']['name']}"]
    assert secret["metadata"]["namespace"] == "seldon"
    url = base64.b64decode(secret["data"][slack["apiURL"]["key"]]).decode()
    assert url == "http://monitml-analytics.monitml.svc:3006/services/local"


def test_of_our_own_pod_the_inbox_alone_is_brought():
    things, _prometheus = made()
    pod = things["Deployment monitml-analytics"]["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == ["inbox", "pods"]
    assert [port["name"] for port in things["Service monitml-analytics"]["spec"]["ports"]] == ["http-inbox"]
    allowed = things["NetworkPolicy monitml-analytics"]["spec"]["ingress"][0]["from"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in allowed
    whole = analytics.analytics_objects(served(deployment()), FILES, ANALYTICS)
    assert len([one for one in whole if one["kind"] == "Deployment"][0]["spec"]["template"]["spec"]["containers"]) == 4
