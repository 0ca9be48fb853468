# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What watches, by a Prometheus operator that is there: its kinds, made of what our own Prometheus would be given.

The same series, rules, board and messages, in its words. The inbox stays ours: it keeps the messages, and
passes them on at the pace that a receiver bears. Pure functions.
"""

from __future__ import annotations

import base64
import json

from ..watching.rules import BOARD_URL
from . import kinds
from .analytics import GROUP, inbox_objects

# Targets of others in the same Prometheus may have jobs of any name.
_JOBS = ("models", "gateway", "inbox", "pods")
_RELABELLING = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
_ROUTE = {
    "group_by": "groupBy",
    "group_wait": "groupWait",
    "group_interval": "groupInterval",
    "repeat_interval": "repeatInterval",
}
_SLACK = {"send_resolved": "sendResolved", "title_link": "titleLink", "mrkdwn_in": "mrkdwnIn"}
_URL_KEY = "url"


def job_name(instance: str, job: str) -> str:
    """Of a job of ours among those of others."""
    return f"{instance}/{job}"


def monitoring_objects(deployment: dict, files: dict, settings: dict) -> list[dict]:
    """Everything that the operator is given, and the inbox.

    files: rules and prometheus and alertmanager, what our own would read; dashboard, Grafana's; and what
    analytics.inbox_objects() wants. settings: instance, stack_namespace, labels (by which the operator
    finds its objects), dashboard_labels, dashboard_namespace, and what analytics.inbox_objects() wants.
    """
    instance, space = settings["instance"], settings["stack_namespace"]
    about = kinds.labels(instance, GROUP)
    found = {**about, **settings["labels"]}
    jobs = {job["job_name"]: job for job in files["prometheus"]["scrape_configs"]}
    url = f"http://{instance}-analytics.{space}.svc:3006/services/local"
    name = f"{instance}-inbox"
    return [
        *inbox_objects(deployment, files, settings),
        *(_pod_monitor(job, jobs[job], found, settings) for job in _JOBS[:2]),
        *(_own_monitor(job, jobs[job], found, settings) for job in _JOBS[2:]),
        kinds.made("PrometheusRule", instance, space, found, spec=rules_of_operator(files["rules"], deployment, instance)),
        kinds.made("Secret", name, deployment["namespace"], about, type="Opaque", data={_URL_KEY: _base64(url)}),
        kinds.made(
            "AlertmanagerConfig",
            instance,
            # It is told of alerts of its own namespace.
            deployment["namespace"],
            found,
            spec=alertmanager_spec(files["alertmanager"], name),
        ),
        kinds.made(
            "ConfigMap",
            f"{instance}-dashboard",
            settings["dashboard_namespace"] or space,
            {**about, **settings["dashboard_labels"]},
            data={f"{instance}.json": json.dumps(files["dashboard"])},
        ),
    ]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pod_monitor(job: str, config: dict, found: dict, settings: dict) -> dict:
    """A job of our Prometheus as a PodMonitor, whose series have the same labels."""
    (discovered,) = config["kubernetes_sd_configs"]
    (selector,) = discovered["selectors"]
    port = next(
        rule["regex"] for rule in config["relabel_configs"] if "port_name" in str(rule.get("source_labels", ""))
    )
    endpoint = {
        "port": port,
        "path": config.get("metrics_path", "/metrics"),
        "interval": config["scrape_interval"],
        "scrapeTimeout": config["scrape_timeout"],
        "honorLabels": config.get("honor_labels", False),
        "relabelings": [*map(_relabelling, config["relabel_configs"]), *_of_job(job, settings)],
        "metricRelabelings": [_relabelling(rule) for rule in config["metric_relabel_configs"]],
    }
    if config.get("params"):
        endpoint["params"] = config["params"]
    return _made(job, found, settings, endpoint, discovered["namespaces"]["names"], _matched(selector["label"]))


def _own_monitor(job: str, config: dict, found: dict, settings: dict) -> dict:
    """Of what we bring beside the models."""
    endpoint = {
        "port": job,
        # Not at its own pace, which is a minute or half of one.
        "interval": settings["stack_scrape_interval"],
        "honorLabels": config.get("honor_labels", False),
        "relabelings": _of_job(job, settings),
        "metricRelabelings": [_relabelling(rule) for rule in config["metric_relabel_configs"]],
    }
    name = {"app.kubernetes.io/name": f"{settings['instance']}-analytics"}
    return _made(job, found, settings, endpoint, [settings["stack_namespace"]], name)


def _made(job: str, found: dict, settings: dict, endpoint: dict, namespaces: list[str], selected: dict) -> dict:
    return kinds.made(
        "PodMonitor",
        f"{settings['instance']}-{job}",
        settings["stack_namespace"],
        found,
        spec={
            "namespaceSelector": {"matchNames": namespaces},
            "selector": {"matchLabels": selected},
            "podMetricsEndpoints": [endpoint],
        },
    )


def _matched(selector: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in selector.split(","))


def _of_job(job: str, settings: dict) -> list[dict]:
    return [
        {"targetLabel": "job", "replacement": job_name(settings["instance"], job)},
        # What the operator adds, and ours does not have.
        {"action": "labeldrop", "regex": "container|endpoint"},
    ]


def _relabelling(rule: dict) -> dict:
    return {_RELABELLING.get(key, key): value for key, value in rule.items()}


def rules_of_operator(rules: dict, deployment: dict, instance: str) -> dict:
    """Rules of a Prometheus of our own, for one that has series of others too."""
    groups = [
        {**group, "rules": [_rule(rule, deployment, instance) for rule in group["rules"]]} for group in rules["groups"]
    ]
    return {"groups": groups}


def _rule(rule: dict, deployment: dict, instance: str) -> dict:
    expr = rule["expr"].replace('job!~"models|gateway|load_test"', f'job=~"{instance}/(inbox|pods)"')
    for job in _JOBS:
        expr = expr.replace(f'job="{job}"', f'job="{job_name(instance, job)}"')
    # Other receivers are others' care.
    expr = expr.replace("notifications_failed_total[", 'notifications_failed_total{integration="slack"}[')
    changed = {**rule, "expr": expr}
    if "link" in rule.get("annotations", {}):
        # There is no board of ours.
        link = rule["annotations"]["link"].replace(BOARD_URL, "{{ $externalURL }}/alerts")
        changed["annotations"] = {**rule["annotations"], "link": link}
    if rule.get("labels", {}).get("scope") == "stack":
        # Else its Alertmanager would not tell them: it goes by the namespace.
        changed["labels"] = {**rule["labels"], "namespace": deployment["namespace"]}
    return changed


def alertmanager_spec(config: dict, secret: str) -> dict:
    """The spec of an AlertmanagerConfig, from what an Alertmanager of our own is given."""
    return {
        "route": _route(config["route"]),
        "receivers": [
            {
                "name": one["name"],
                **({"slackConfigs": [_slack(each, secret) for each in one["slack_configs"]]} if "slack_configs" in one else {}),
            }
            for one in config["receivers"]
        ],
    }


def _route(route: dict) -> dict:
    found = {_ROUTE.get(key, key): value for key, value in route.items() if key not in ("routes", "matchers")}
    if "matchers" in route:
        found["matchers"] = [_matcher(text) for text in route["matchers"]]
    if "routes" in route:
        found["routes"] = [_route(one) for one in route["routes"]]
    return found


def _matcher(text: str) -> dict:
    name, sign, value = text.partition("=~")
    return {"name": name, "matchType": sign, "value": value.strip('"')}


def _slack(config: dict, secret: str) -> dict:
    kept = {_SLACK.get(key, key): value for key, value in config.items() if key != "api_url" and value != ""}
    return {"apiURL": {"name": secret, "key": _URL_KEY}, **kept}
