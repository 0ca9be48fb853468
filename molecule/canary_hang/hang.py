# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stops the worker of a model under requests whose clients give up, and tells as JSON what came of it.

    hang.py PROCESSES.PY SETTINGS

SETTINGS is JSON: user, gateway (the URL that takes predictions), request (what to send there),
predictor, inbox and alertmanager (URLs), and seconds (the patience with the message).
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import signal
import sys
import threading
import time
import urllib.request

CLIENT_SECONDS = 1
REQUESTS_PER_SECOND = 5


def load(path):
    """A module from its file."""
    spec = importlib.util.spec_from_file_location("processes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def get(url):
    """What an URL answers, as JSON."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def serves(pid, predictor):
    """Whether a process is of that predictor's servers."""
    with open("/proc/%d/environ" % pid, encoding="utf-8") as stream:
        return "PREDICTOR_ID=%s" % predictor in stream.read().split("\0")


class Clients:
    """Clients that ask a predictor and give up."""

    def __init__(self, settings):
        self.settings, self.sent, self.answered = settings, 0, 0
        self.first_sent_at = None
        self.done = threading.Event()

    def ask(self):
        request = urllib.request.Request(
            self.settings["gateway"],
            json.dumps(self.settings["request"]).encode(),
            {"Content-Type": "application/json", "x-monitml-predictor": self.settings["predictor"]},
        )
        try:
            urllib.request.urlopen(request, timeout=CLIENT_SECONDS).close()
            self.answered += 1
        except OSError:
            pass

    def run(self):
        self.first_sent_at = time.time()
        while not self.done.wait(1 / REQUESTS_PER_SECOND):
            self.sent += 1
            threading.Thread(target=self.ask, daemon=True).start()


def messages(settings, since):
    """Attachments of the messages since a moment, with the moment each came."""
    found = get("%s/api/messages?since=%f" % (settings["inbox"], since))["messages"]
    return [
        dict(attachment, received_at=message["received_at"])
        for message in found
        for attachment in message["payload"]["attachments"]
    ]


def wait_for(condition, seconds):
    until = time.time() + seconds
    while time.time() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    return None


def main():
    settings = json.loads(sys.argv[2])
    uid = pwd.getpwnam(settings["user"]).pw_uid
    workers = [
        process["pid"]
        for process in load(sys.argv[1]).processes(uid)
        if process["kind"] == "model worker" and serves(process["pid"], settings["predictor"])
    ]
    told, clients = {}, Clients(settings)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    started = time.time()
    try:
        threading.Thread(target=clients.run, daemon=True).start()
        message = wait_for(
            lambda: [m for m in messages(settings, started) if "RequestsUnanswered" in m["title"]],
            settings["seconds"],
        )
        told["message"], told["answered"] = message and message[0], clients.answered
        told["seconds"] = message and message[0]["received_at"] - clients.first_sent_at
        told["alerts"] = sorted(
            {
                alert["labels"]["alertname"]
                for alert in get(settings["alertmanager"] + "/api/v2/alerts?active=true")
                if alert["labels"].get("predictor_name") == settings["predictor"]
            }
        )
    finally:
        clients.done.set()
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    told["resolved"] = bool(
        wait_for(
            lambda: [m for m in messages(settings, started) if m["title"].startswith("Resolved: RequestsUnanswered")],
            60,
        )
    )
    print(json.dumps(dict(told, workers=len(workers), sent=clients.sent)))


if __name__ == "__main__":
    main()
