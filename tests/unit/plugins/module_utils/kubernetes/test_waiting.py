# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import models, routes, waiting
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes.arrival import Arrival

from .described import SETTINGS, FakeApi, FakeClock, served


def pod(name="p-1", **status):
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "seldon"}, "status": status}


def container(ready=False, last=None, **state):
    found = {"name": "model", "image": "registry.test/m@sha256:0", "ready": ready, "state": state}
    return {"containerStatuses": [{**found, **({"lastState": {"terminated": last}} if last else {})}]}


@pytest.mark.parametrize(
    ("status", "words", "final"),
    [
        (
            container(waiting={"reason": "ImagePullBackOff", "message": "not found"}),
            "image registry.test/m@sha256:0 cannot be pulled: not found",
            True,
        ),
        (container(waiting={"reason": "CreateContainerConfigError", "message": "no user"}), "cannot be started: no user", True),
        (container(terminated={"exitCode": 2}), "ended with status 2", True),
        (container(waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1}), "ended with status 1", True),
        (container(last={"exitCode": 137, "reason": "OOMKilled"}), "more memory than its limit", True),
        (container(terminated={"exitCode": 0, "signal": 9}), "killed by signal 9", True),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available."}]},
            "finds no node: 0/1 nodes are available.",
            False,
        ),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, "not ready to serve", False),
    ],
)
def test_a_pod_says_what_keeps_it_from_serving(status, words, final):
    trouble = waiting.pod_trouble(pod(**status))
    assert words in trouble.sentence
    assert trouble.final is final


@pytest.mark.parametrize("status", [{}, container(ready=True, last={"exitCode": 1}), container(running={})])
def test_who_serves_or_has_just_begun_is_no_trouble(status):
    assert waiting.pod_trouble(pod(**status)) is None


def test_a_quota_is_named_with_its_cure():
    message = 'pods "x" is forbidden: exceeded quota: full, requested: pods=1'
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    trouble = waiting.deployment_trouble({"status": {"conditions": [condition]}})
    assert trouble.final and "exceeded quota: full" in trouble.sentence and "Raise the quota" in trouble.sentence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n2026 ERROR No model.\nb\n", ("No model.", True)),
        ("a\n\nlast\n", ("last", False)),
        ("", ("", False)),
        ("unable to retrieve container logs for containerd://1", ("", False)),
    ],
)
def test_of_a_log_the_line_that_tells(text, line):
    assert waiting.log_line(text) == line


def deployed(given, replicas=1):
    things = models.model_objects(given, SETTINGS)
    for thing in things:
        if thing["kind"] == "Deployment":
            counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
            thing["metadata"]["generation"] = 2
            thing["status"] = {"observedGeneration": 2, **counts}
    return things


def test_what_is_there_is_not_waited_for():
    things = deployed(served())
    clock = FakeClock()
    assert Arrival(FakeApi(*things), things, clock).wait(60) == []
    assert clock.now == 0


def test_what_never_comes_is_told_soon_with_the_servers_own_sentence():
    given = served()
    things = deployed(given, replicas=0)
    broken = pod(**container(terminated={"exitCode": 2}))
    broken["metadata"]["labels"] = {models.SERVER_LABEL: given["predictors"][1]["server"]}
    clock = FakeClock()
    api = FakeApi(*things, broken)
    # Its Deployment puts another in its place, which fares no better.
    api.end_pod = lambda pod, grace_seconds: None
    (sentence,) = Arrival(api, things, clock).wait(60)
    assert f"Deployment seldon/{given['predictors'][1]['server']} is not there" in sentence
    assert sentence.endswith("Pod p-1: it ended with status 2. There is no model.")
    assert clock.now < 10


def test_what_failed_in_an_earlier_run_is_tried_anew_at_once():
    given = served()
    things = deployed(given, replicas=0)
    stuck = pod(**container(waiting={"reason": "ImagePullBackOff", "message": "not found"}))
    stuck["metadata"]["labels"] = {models.SERVER_LABEL: given["predictors"][1]["server"]}
    api = FakeApi(*things, stuck)
    Arrival(api, things, FakeClock()).wait(1)
    assert api.calls == ["end p-1 in 0 s"]


def test_what_only_takes_long_is_waited_for():
    given = served()
    things = deployed(given, replicas=0)
    clock = FakeClock()
    sentences = Arrival(FakeApi(*things), things, clock).wait(60)
    assert len(sentences) == 2 and clock.now >= 60


def condition(kind, status="True", generation=1, message=""):
    return {"type": kind, "status": status, "observedGeneration": generation, "message": message}


def test_a_route_is_taken_when_its_present_form_is():
    (route, *_others) = routes.route_objects(served(), SETTINGS)
    route["metadata"]["generation"] = 2
    assert not waiting.route_ready(route)
    taken = [condition("Accepted", generation=2), condition("ResolvedRefs", generation=2)]
    route["status"] = {"parents": [{"conditions": taken}]}
    assert waiting.route_ready(route)
    taken[0]["observedGeneration"] = 1
    assert not waiting.route_ready(route)
    taken[0].update(status="False", message="no such listener")
    assert waiting.taken_trouble(route).sentence == "no such listener."


def test_a_gateway_that_nobody_serves_is_told():
    gateway = {"kind": "Gateway", "metadata": {"generation": 1}, "status": {}}
    assert not waiting.gateway_ready(gateway)
    assert "is the implementation" in waiting.taken_trouble(gateway).sentence
    gateway["status"]["conditions"] = [condition("Programmed")]
    assert waiting.gateway_ready(gateway)
