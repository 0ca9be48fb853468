# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alerts on pods that serve models in a cluster, run by promtool over made-up series."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import pod_rules, rules
from rule_cases import BAD, deployment_with, promtool

POD = f'{BAD},pod="bad-1"'
IMAGE = "registry.test/bad@sha256:1"


def runs(server: str, image: str) -> str:
    return f'monitml_pod_image_info{{{POD},container="model",server="{server}",image="{image}"}}'


# {series: values, one a second}, and the alerts that are to fire by then, in seconds.
CASES = {
    "a pod that comes up": (
        {f'monitml_pod_waiting_seconds{{{POD},reason="Pending"}}': "0+1x100 stale"},
        {90: set(), 300: set()},
    ),
    "a pod that finds no node, for another reason by and by": (
        {
            f'monitml_pod_waiting_seconds{{{POD},reason="Pending"}}': "0+1x100 stale",
            f'monitml_pod_waiting_seconds{{{POD},reason="Unschedulable"}}': "_x101 101+1x300",
        },
        {230: set(), 250: {"PodWaiting"}},
    ),
    "one restart": ({f'monitml_pod_restarts_total{{{POD},container="model"}}': "0+0x100 1+0x300"}, {300: set()}),
    "restarts without end": (
        {f'monitml_pod_restarts_total{{{POD},container="model"}}': "0+0x100 1+0x20 2+0x20 3+0x20 4+0x300"},
        {100: set(), 300: {"PodRestarting"}},
    ),
    "killed for its memory": (
        {f'monitml_pod_ended_timestamp_seconds{{{POD},container="model",reason="OOMKilled"}}': "_x100 100+0x600"},
        {90: set(), 120: {"PodKilledForMemory"}, 390: {"PodKilledForMemory"}, 410: set()},
    ),
    "ended for another reason": (
        {f'monitml_pod_ended_timestamp_seconds{{{POD},container="model",reason="Error"}}': "_x100 100+0x600"},
        {120: set()},
    ),
    "runs what is described": ({runs("housing-bad-1", IMAGE): "1+0x400"}, {300: set()}),
    "runs another image": (
        {runs("housing-bad-1", "registry.test/bad:latest"): "1+0x400"},
        {10: set(), 60: {"WrongImageRuns"}},
    ),
    "runs what it was described to run before it was to leave": (
        {runs("housing-bad-0", "registry.test/bad@sha256:0"): "1+0x400"},
        {300: set()},
    ),
}


def described():
    deployment = deployment_with()
    for one in deployment["predictors"]:
        one.update(server=f"housing-{one['name']}-1", container_image=f"registry.test/{one['name']}@sha256:1")
    return deployment


@pytest.mark.parametrize("case", CASES)
def test_alerts_on_pods(tmp_path, case):
    series, moments = CASES[case]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules.alert_rules(described(), "deployments"), width=10000))
    names = "|".join(sorted(_alerts()))
    query = f'count by (alertname) (ALERTS{{alertname=~"{names}",alertstate="firing"}})'
    expected = [
        {
            "expr": query,
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)],
        }
        for at, alerts in moments.items()
    ]
    promtool(tmp_path, series, promql_expr_test=expected)


def _alerts():
    found = pod_rules.of_deployment(described(), rules.Scope.of(described()), "deployments")
    return {rule["alert"] for rule in found if "alert" in rule}


def test_every_alert_has_a_case():
    assert {alert for _series, moments in CASES.values() for at in moments.values() for alert in at} == _alerts()
