# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inbox as a process, and what a client may do to it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time

from stub_slack import StubSlack
from watching_stack import HOST, ROOT, deploy_inbox, free_port

PROGRAM = ROOT / "roles/analytics/files/inbox.py"
HOOK = "/services/T0/B0/local"
SECRET = "wYsECREToNLY"
# What a busy machine may take beyond what is measured.
PATIENCE = 2.5


class Inbox:
    """An inbox in a directory of its own; receivers as in the content of receivers.json."""

    def __init__(self, directory, receivers=None):
        self.directory = directory
        self.port = free_port()
        self.command = [sys.executable, str(PROGRAM)]
        if receivers is not None:
            (directory / "receivers.json").write_text(json.dumps({"receivers": receivers}))
            program = deploy_inbox(directory / "program")
            self.command = [sys.executable, str(program), f"--receivers={directory}/receivers.json"]
        self.command += ["--port", str(self.port), "--directory", str(directory)]
        self.start()

    def start(self):
        with (self.directory / "log").open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                assert self.ask("GET", "/healthz") == (200, "ok\n")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        self.process.wait(timeout=10)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def send(self, text):
        return self.ask(
            "POST", HOOK, json.dumps({"text": text}), {"Content-Type": "application/json"}
        )

    def messages(self, since=0):
        return json.loads(self.ask("GET", f"/api/messages?since={since}")[1])["messages"]

    def raw(self, *chunks, wait=0.0):
        with socket.create_connection((HOST, self.port), timeout=15) as sock:
            for chunk in chunks:
                sock.sendall(chunk)
            time.sleep(wait)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
            return answer


class Passing:
    """An inbox that passes on to a stub of Slack."""

    def __init__(self, directory, fallbacks=()):
        self.slack = StubSlack()
        self.url_file = directory / "slack_url"
        self.url_file.write_text(self.slack.url(SECRET) + "\n")
        receivers = [{"name": "Slack", "kind": "webhook", "url_file": str(self.url_file)}]
        self.inbox = Inbox(directory, [*receivers, *fallbacks])

    def send(self, *titles):
        for title in titles:
            body = {"username": "MonitML", "attachments": [{"title": title, "color": "danger"}]}
            answer = self.inbox.ask("POST", HOOK, json.dumps(body))
            assert answer == (200, "ok")

    def receiver(self, name="Slack"):
        content = json.loads(self.inbox.ask("GET", "/api/messages")[1])
        return next(one for one in content["receivers"] if one["name"] == name)

    def stop(self):
        self.inbox.stop()
        self.slack.stop()


def wait(condition, seconds):
    """The seconds until a condition was true; AssertionError where it was not in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began
