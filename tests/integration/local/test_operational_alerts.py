# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alerts that every deployment and every stack gets, run by promtool over made-up series."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules
from rule_cases import BAD, GOOD, ID, SECONDS, UP_GATEWAY, deployment_with, flat, gateway, healthy, promtool, run, steps


def changed(changes: dict) -> dict:
    series = {**healthy(), **changes}
    return {name: text for name, text in series.items() if text is not None}


def of(series: dict, *parts: str) -> str:
    return next(name for name in series if all(part in name for part in parts))


UP_BAD = of(healthy(), "up{", "bad")
COUNT_BAD = of(healthy(), "monitml_prediction_count", "bad")
RQ_BAD = of(healthy(), "rq_xx", "bad")
INFO_BAD = of(healthy(), "monitml_model_info", "bad")
AT_BAD = 'job="models",instance="v2:1"'
FAILING = 'monitml_inbox_failing_seconds{{receiver="Slack",reason="{0}"}}'
WRONG = ID.format("bad", "v9")
DECLARED_WRONG = f'monitml:traffic_declared:ratio{{{WRONG},shadow="false"}}'
# What the parent of a server says of the requests to it.
CAME = f'monitml_requests_total{{instance="a:1",{BAD}}}'
LATE = f'monitml_requests_unanswered_total{{instance="a:1",within="2s",{BAD}}}'
WAITING = f'monitml_requests_overdue{{instance="a:1",within="2s",{BAD}}}'
OLDEST = f'monitml_request_oldest_seconds{{instance="a:1",{BAD}}}'
QUIET = {CAME: flat(0), LATE: flat(0), WAITING: flat(0), OLDEST: flat(0)}
OPERATIONAL = {
    "server down": ({UP_BAD: "1+0x30 0+0x300"}, {35: set(), 60: {"ModelServerDown/bad"}}),
    "server without series": (
        {COUNT_BAD: "0+1x20 stale"},
        {25: set(), 60: {"SeriesMissing/bad"}},
    ),
    "server not scraped": (
        {UP_BAD: None, COUNT_BAD: None},
        {5: set(), 30: {"SeriesMissing/bad"}},
    ),
    "wrong version at the gateway": (
        gateway(WRONG, ((1, SECONDS),)),
        {4: set(), 10: {"WrongVersionServed/bad"}, 60: {"WrongVersionServed/bad"}},
    ),
    "wrong version in the model": (
        {f"monitml_model_info{{{WRONG}}}": flat(1)},
        {4: set(), 10: {"WrongVersionServed/bad"}, 60: {"WrongVersionServed/bad"}},
    ),
    "a replica of another version": (
        {UP_BAD: flat(1), INFO_BAD: None, f'monitml_model_info{{{AT_BAD},{ID.format("bad", "v1")}}}': flat(1)},
        {4: set(), 10: {"WrongVersionServed/bad"}, 60: {"WrongVersionServed/bad"}},
    ),
    "a replica that is another predictor": (
        {INFO_BAD: None, f"monitml_model_info{{{AT_BAD},{GOOD}}}": flat(1)},
        {4: set(), 10: {"WrongVersionServed/bad"}, 60: {"WrongVersionServed/bad"}},
    ),
    "files of a model changed": (
        {f'monitml_model_file_changed{{{AT_BAD},{BAD},file="Model.py"}}': "_x20 1x20 stale"},
        {19: set(), 25: {"ModelFilesChanged/bad"}, 50: set()},
    ),
    "replaced version": (
        {**gateway(WRONG, ((1, 15), (0, SECONDS))), DECLARED_WRONG: "0x15 stale"},
        {10: set(), 16: set(), 24: set(), 30: set(), 60: set()},
    ),
    "replaced version that goes on": (
        {**gateway(WRONG, ((1, SECONDS),)), DECLARED_WRONG: "0x15 stale"},
        {10: set(), 30: set(), 45: {"WrongVersionServed/bad"}, 60: {"WrongVersionServed/bad"}},
    ),
    "replaced version that answered wrongly for long": (
        gateway(WRONG, ((1, 15), (0, SECONDS))),
        {10: {"WrongVersionServed/bad"}, 25: {"WrongVersionServed/bad"}, 35: set()},
    ),
    "a server that nobody described": (
        {CAME: steps((1, 60), (0, SECONDS))},
        {59: set(), 65: set(), 90: {"AnsweredFromElsewhere/bad"}, 300: {"AnsweredFromElsewhere/bad"}},
    ),
    "a server that nobody described beside one that is": (
        {CAME: steps((1, 60), (0.5, SECONDS))},
        {59: set(), 110: {"AnsweredFromElsewhere/bad"}, 300: {"AnsweredFromElsewhere/bad"}},
    ),
    "a server that is asked past the gateway": ({CAME: steps((5, SECONDS))}, {30: set(), 300: set()}),
    "a server that is not read for a while": (
        {CAME: steps((1, 60)) + " _x30 " + "90+1x600", UP_BAD: "1x59 0x30 1x600"},
        {59: set(), 69: set(), 80: {"ModelServerDown/bad"}, 100: set(), 120: set()},
    ),
    "no traffic": (
        {RQ_BAD: steps((1, 30), (0, SECONDS))},
        {200: set(), 360: {"NoTraffic/bad"}},
    ),
    "no traffic is answered": (
        {**QUIET, RQ_BAD: steps((1, 30), (0, SECONDS)), CAME: steps((1, SECONDS))},
        {200: set(), 360: set(), 690: set()},
    ),
    "a model hangs": (
        {
            **QUIET,
            CAME: steps((1, SECONDS)),
            LATE: steps((0, 60), (1, 20), (0, SECONDS)),
            WAITING: flat(0, 61) + " 1+1x19 0x700",
            OLDEST: flat(0, 61) + " 2+1x19 0x700",
        },
        {50: set(), 62: set(), 66: {"RequestsUnanswered/bad"}, 80: {"RequestsUnanswered/bad"}, 112: set()},
    ),
    "one of many is slow": (
        {**QUIET, CAME: steps((1, SECONDS)), LATE: flat(0, 60) + " 2x700"},
        {59: set(), 70: set(), 100: set()},
    ),
    "one that nobody else keeps company hangs for long": (
        {
            **QUIET,
            CAME: flat(0, 20) + " 1x700",
            LATE: flat(0, 22) + " 1x700",
            WAITING: flat(0, 22) + " 1x100 0x600",
            OLDEST: flat(0, 20) + " 0+1x100 0x600",
            RQ_BAD: flat(0),
        },
        {25: set(), 31: {"RequestsUnanswered/bad"}, 90: {"RequestsUnanswered/bad"}, 125: set()},
    ),
    "a server is stopped": (
        {f'monitml_stopped_processes{{instance="a:1",{BAD}}}': "0x20 1x30 0x700"},
        {20: set(), 30: {"ModelServerStopped/bad"}, 60: set()},
    ),
    "a process that hung was ended": (
        {f'monitml_hung_processes_total{{instance="a:1",{BAD}}}': "3x20 4x700"},
        {19: set(), 25: {"ModelHung/bad"}, 100: set()},
    ),
    "never any traffic": ({RQ_BAD: flat(0)}, {690: set()}),
    "gateway down": ({UP_GATEWAY: "1+0x30 0+0x300"}, {35: set(), 60: {"GatewayDown"}}),
    "gateway not scraped": ({UP_GATEWAY: None}, {30: {"GatewayDown"}}),
    "exporter down": ({'up{job="node",instance="n"}': flat(0)}, {5: set(), 30: {"TargetDown"}}),
    "exporter told of by its other job": (
        {'up{job="load_test",instance="n"}': flat(0)},
        {30: set()},
    ),
    "disk full": (
        {'node_filesystem_avail_bytes{instance="n",device="/dev/a",mountpoint="/"}': flat(5)},
        {30: set(), 100: {"DiskFull"}},
    ),
    "series of a model's own metrics find no room": (
        {f"monitml_model_metric_series_dropped{{{BAD}}}": "_x20 7x20 0x700"},
        {19: set(), 30: {"ModelMetricsDropped/bad"}, 60: set()},
    ),
    "messages fail": (
        {
            'alertmanager_notifications_failed_total{integration="slack"}': steps(
                (0, 20), (1, 5), (0, SECONDS)
            )
        },
        {10: set(), 30: {"AlertsNotDelivered"}, 400: set()},
    ),
    "a webhook is revoked": (
        {FAILING.format("revoked"): "_x20 0+1x20 stale"},
        {19: set(), 21: {"AlertsNotDelivered"}, 50: set()},
    ),
    "slack fails for a moment": (
        {FAILING.format("failing"): "_x20 0+1x8 stale"},
        {19: set(), 25: set(), 29: set(), 50: set()},
    ),
    "slack fails for longer": (
        {FAILING.format("unreachable"): "_x20 0+1x40 stale"},
        {25: set(), 35: {"AlertsNotDelivered"}, 80: set()},
    ),
}


@pytest.mark.parametrize("case", OPERATIONAL)
def test_operational_alerts(tmp_path, case):
    changes, expected = OPERATIONAL[case]
    quiet = deployment_with()
    run(tmp_path, changed(changes), expected, quiet)


def test_every_alert_has_a_case():
    alerts = {
        rule["alert"]
        for group in rules.alert_rules(deployment_with())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tried = {
        alert.split("/")[0]
        for _changes, moments in OPERATIONAL.values()
        for at in moments.values()
        for alert in at
    }
    assert alerts == tried


# -- which model each replica serves --------------------------------------------------------------


def described(leaving=()):
    """A deployment whose models have digests, with servers that leave at some ports."""
    deployment = deployment_with()
    for predictor, digest in zip(deployment["predictors"], ("aaa", "bbb")):
        predictor["digest"] = digest
    deployment["leaving"] = [
        {"predictor": "bad", "version": "v2", "index": 0, "metrics_port": port} for port in leaving
    ]
    return deployment


def reporting(*digests, version="v2", replicas=(0, 1)):
    """Two servers of bad that report these digests."""
    found = changed({UP_BAD: None, INFO_BAD: None})
    found[of(found, "model_info", "good")] = None
    found[f'monitml_model_info{{job="models",instance="v1:1",replica="0",{GOOD},digest="aaa"}}'] = flat(1)
    for index, digest in zip(replicas, digests):
        at = f'job="models",instance="h:90{index}1",replica="{index}"'
        own = ID.format("bad", version if index else "v2")
        found[f"up{{{at},{BAD}}}"] = flat(1)
        found[f'monitml_model_info{{{at},{own},digest="{digest}"}}'] = flat(1)
        found[f'monitml_prediction_count{{{at},{BAD},output="price"}}'] = flat(0)
    return {name: text for name, text in found.items() if text is not None}


@pytest.mark.parametrize(
    ("series", "leaving", "fires"),
    [
        (reporting("bbb", "bbb"), (), False),
        (reporting("bbb", "ccc"), (), True),
        (reporting("bbb", "ccc"), (9011,), False),
        (reporting("bbb", "ccc"), (9001,), True),
        (reporting("bbb", "bbb", version="v1"), (), True),
    ],
    ids=["as described", "another model", "one that leaves", "another that leaves", "another version"],
)
def test_each_replica_is_held_against_what_is_described(tmp_path, series, leaving, fires):
    expected = {"WrongVersionServed/bad"} if fires else set()
    run(tmp_path, series, {4: set(), 60: expected, 300: expected}, described(leaving))


def test_in_a_cluster_who_leaves_is_known_by_name_and_who_is_wrong_by_its_pod(tmp_path):
    deployment = described()
    deployment["leaving"] = [{"name": "housing-bad-1", "predictor": "bad", "version": "v2"}]
    series = {}
    for name, text in reporting("bbb", "ccc").items():
        series[name.replace('replica="0"', 'pod="bad-0"').replace('replica="1"', 'server="housing-bad-1",pod="bad-1"')] = text
    rules_of = rules.alert_rules(deployment, "deployments")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules_of, width=10000))
    query = 'count by (pod) (ALERTS{alertname="WrongVersionServed",alertstate="firing"})'
    quiet = [{"expr": query, "eval_time": "60s", "exp_samples": []}]
    promtool(tmp_path, series, promql_expr_test=quiet)
    deployment["leaving"] = []
    rules_of = rules.alert_rules(deployment, "deployments")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules_of, width=10000))
    told = [{"expr": query, "eval_time": "60s", "exp_samples": [{"labels": '{pod="bad-1"}', "value": 1}]}]
    promtool(tmp_path, series, promql_expr_test=told)


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        (reporting("bbb", "ccc"), "bad is to be v2 (digest bbb), replica 1 runs v2 (digest ccc)"),
        (reporting("bbb", "eee", version="v1"), "bad is to be v2 (digest bbb), replica 1 runs v1 (digest eee)"),
    ],
)
def test_the_message_says_what_is_to_be_and_what_is(tmp_path, series, sentence):
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules.alert_rules(described()), width=10000))
    digest = {"digest": "ccc"} if "ccc" in sentence else {}
    labels = {
        "namespace": "seldon",
        "deployment_name": "housing",
        "predictor_name": "bad",
        "predictor_version": "v2",
        "instance": "h:9011",
        "replica": "1",
        "severity": "critical",
        **digest,
    }
    annotations = {
        "summary": f"{sentence}.",
        "description": f"{sentence}. Its server is at h:9011."
        " Its predictions may not be those of the model you mean to serve.",
        "link": "/user/?namespace=seldon&deployment=housing&predictor=bad",
    }
    fired = {"exp_labels": labels, "exp_annotations": annotations}
    tests = [{"eval_time": "60s", "alertname": "WrongVersionServed", "exp_alerts": [fired]}]
    promtool(tmp_path, series, alert_rule_test=tests)
