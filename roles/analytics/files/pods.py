# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells Prometheus of the pods of the models: which do not come up, were restarted or killed, and what they run.

    pods.py --namespace seldon --selector monitml.stack/instance=monitml --port 3008

Standard library only; Python 3.8 or later. It runs in a pod whose account may list pods, and asks the
cluster's API every few seconds. GET /metrics has what it knows, GET /healthz says that it runs. What it
cannot ask, it does not tell: the time of the last answer is a series of its own.
"""

from __future__ import annotations

import argparse
import calendar
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import environ

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PAUSE_SECONDS = 2
_TIMEOUT_SECONDS = 10
# Label of a series: where a pod has it.
LABELS = {
    "deployment_name": ("labels", "monitml.stack/deployment"),
    "predictor_name": ("labels", "monitml.stack/predictor"),
    "predictor_version": ("annotations", "monitml.stack/version"),
    "server": ("labels", "monitml.stack/server"),
}
TYPES = {
    "monitml_pod_waiting_seconds": "gauge",
    "monitml_pod_restarts_total": "counter",
    "monitml_pod_ended_timestamp_seconds": "gauge",
    "monitml_pod_image_info": "gauge",
    "monitml_pods_read_timestamp_seconds": "gauge",
}


def series_of(pod, now):
    """(name, labels, value) of everything that is told of a pod as the API has it; NOW in seconds since 1970."""
    about, status = pod["metadata"], pod.get("status", {})
    labels = {"namespace": about["namespace"], "pod": about["name"]}
    for name, (where, key) in LABELS.items():
        labels[name] = (about.get(where) or {}).get(key, "")
    found = []
    going = bool(about.get("deletionTimestamp"))
    if not going and not _is_ready(status):
        reason = _reason(status)
        found.append(("monitml_pod_waiting_seconds", dict(labels, reason=reason), now - _seconds(_since(pod))))
    for container in status.get("containerStatuses", []):
        found.append(("monitml_pod_restarts_total", dict(labels, container=container["name"]), container["restartCount"]))
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated")
        if ended and ended.get("finishedAt") and not going:
            told = dict(labels, container=container["name"], reason=ended.get("reason", ""))
            found.append(("monitml_pod_ended_timestamp_seconds", told, _seconds(ended["finishedAt"])))
    if not going:
        for container in pod["spec"]["containers"]:
            found.append(("monitml_pod_image_info", dict(labels, container=container["name"], image=container["image"]), 1))
    return found


def _is_ready(status):
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))


def _since(pod):
    """When it was last ready, or was made."""
    for one in pod.get("status", {}).get("conditions", []):
        if one["type"] == "Ready" and one.get("lastTransitionTime"):
            return one["lastTransitionTime"]
    return pod["metadata"]["creationTimestamp"]


def _reason(status):
    """Why a pod is not ready, in the cluster's own word."""
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason"):
            return waiting["reason"]
    for one in status.get("conditions", []):
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return one.get("reason", "Unschedulable")
    return "NotReady" if status.get("containerStatuses") else status.get("phase", "Pending")


def _seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def exposition(series):
    """SERIES in Prometheus' text format, those of a name together."""
    lines = []
    for name, kind in TYPES.items():
        mine = [(labels, value) for other, labels, value in series if other == name]
        if mine:
            lines.append("# TYPE %s %s" % (name, kind))
        for labels, value in mine:
            told = ",".join('%s="%s"' % (key, _escaped(text)) for key, text in labels.items())
            lines.append("%s{%s} %s" % (name, told, value) if told else "%s %s" % (name, value))
    return "\n".join([*lines, ""])


def _escaped(text):
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Pods:
    """What is known of the pods; refresh() asks the API."""

    def __init__(self, namespace, selector, server="", account=ACCOUNT):
        host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
        host = "[%s]" % host if ":" in host else host
        path = "/api/v1/namespaces/%s/pods?" % urllib.parse.quote(namespace)
        self._url = (server or "https://%s:%s" % (host, port)) + path + urllib.parse.urlencode({"labelSelector": selector})
        self._account = account
        self.text = exposition([])

    def refresh(self):
        """Raises OSError or ValueError where there is no answer that can be read."""
        handlers = [urllib.request.ProxyHandler({})]
        if self._url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self._account + "/ca.crt")))
        # The token is renewed meanwhile.
        with open(self._account + "/token", encoding="ascii") as stream:
            request = urllib.request.Request(self._url, headers={"Authorization": "Bearer " + stream.read().strip()})
        with urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_SECONDS) as answer:
            items = json.load(answer)["items"]
        now = time.time()
        series = [one for pod in items for one in series_of(pod, now)]
        self.text = exposition([*series, ("monitml_pods_read_timestamp_seconds", {}, now)])

    def keep_up(self):
        """Goes on asking, whatever the answers are; of those that are none, one line each."""
        while True:
            try:
                self.refresh()
            except (OSError, ValueError, KeyError) as error:
                print("The cluster's API does not tell of the pods: %s" % error, flush=True)
            time.sleep(PAUSE_SECONDS)


def make_handler(pods):
    """What answers requests."""

    class Handler(BaseHTTPRequestHandler):
        """GET /metrics and /healthz."""

        def do_GET(self):  # noqa: N802
            path = self.path.partition("?")[0]
            known = {"/metrics": pods.text, "/healthz": "ok\n"}
            body = known.get(path, "There is /metrics and /healthz.\n").encode()
            self.send_response(200 if path in known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            """Nothing: there is a scrape every few seconds."""

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--selector", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    pods = Pods(options.namespace, options.selector)
    threading.Thread(target=pods.keep_up, daemon=True).start()
    ThreadingHTTPServer(("", options.port), make_handler(pods)).serve_forever()


if __name__ == "__main__":
    main()
