# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of pods, and that it is asked for as a pod's account may."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import models

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/analytics/files"))
import pods  # noqa: E402

NOW = 1_800_000_000.0


def pod(status=None, **about):
    metadata = {
        "name": "bad-1",
        "namespace": "seldon",
        "creationTimestamp": "2027-01-15T07:58:20Z",
        "labels": {models.DEPLOYMENT_LABEL: "housing", models.PREDICTOR_LABEL: "bad", models.SERVER_LABEL: "housing-bad-1"},
        "annotations": {models.VERSION_ANNOTATION: 'v"2'},
        **about,
    }
    return {"metadata": metadata, "spec": {"containers": [{"name": "model", "image": "x@sha256:1"}]}, "status": status or {}}


def container(restarts=0, state=None, last=None):
    return {"name": "model", "restartCount": restarts, "state": state or {}, "lastState": last or {}}


def told(given):
    return {name: (labels, value) for name, labels, value in pods.series_of(given, NOW)}


READY = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container()]}


def test_a_pod_that_serves_waits_for_nothing_and_says_what_it_runs():
    found = told(pod(READY))
    assert "monitml_pod_waiting_seconds" not in found and found["monitml_pod_restarts_total"][1] == 0
    labels, _one = found["monitml_pod_image_info"]
    assert labels["image"] == "x@sha256:1" and labels["predictor_name"] == "bad" and labels["server"] == "housing-bad-1"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({"containerStatuses": [container(state={"waiting": {"reason": "ImagePullBackOff"}})]}, "ImagePullBackOff"),
        ({"containerStatuses": [container()]}, "NotReady"),
    ],
)
def test_what_a_pod_waits_for_is_in_the_clusters_own_word(status, reason):
    labels, seconds = told(pod(status))["monitml_pod_waiting_seconds"]
    assert labels["reason"] == reason and seconds == 100


def test_since_when_it_is_not_ready_counts_and_not_since_when_it_is_there():
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": "2027-01-15T07:59:50Z"}
    assert told(pod({"conditions": [condition]}))["monitml_pod_waiting_seconds"][1] == 10


def test_what_was_killed_is_told_with_its_time():
    ended = {"terminated": {"reason": "OOMKilled", "finishedAt": "2027-01-15T07:59:00Z"}}
    found = told(pod({**READY, "containerStatuses": [container(3, last=ended)]}))
    assert found["monitml_pod_restarts_total"][1] == 3
    assert found["monitml_pod_ended_timestamp_seconds"] == (
        {**found["monitml_pod_restarts_total"][0], "reason": "OOMKilled"},
        NOW - 60,
    )


def test_a_pod_that_goes_is_no_alarm():
    going = pod({"containerStatuses": [container(1)]}, deletionTimestamp="2027-01-15T08:00:00Z")
    assert set(told(going)) == {"monitml_pod_restarts_total"}


@pytest.fixture
def api(tmp_path):
    """An API that has a pod, and the token that it was asked with."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append((self.path, self.headers["Authorization"]))
            body = json.dumps({"items": [pod(READY)]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "token").write_text("secret\n")
    yield pods.Pods("seldon", "a=b,c=d", f"http://127.0.0.1:{server.server_port}", str(tmp_path)), asked
    server.shutdown()


def test_the_api_is_asked_and_its_answer_is_what_prometheus_reads(api):
    known, asked = api
    assert not known.text.strip()
    known.refresh()
    assert asked == [("/api/v1/namespaces/seldon/pods?labelSelector=a%3Db%2Cc%3Dd", "Bearer secret")]
    assert "# TYPE monitml_pod_restarts_total counter" in known.text
    assert 'predictor_version="v\\"2"' in known.text and "monitml_pods_read_timestamp_seconds 1" in known.text
