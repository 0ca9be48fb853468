# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in for Slack and for a mail server, and answers as a test wants."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
OK = (200, "ok")
HANG = (0, "")


class StubSlack:
    """Answers every message alike until it is told otherwise; attempts are (when, payload, status)."""

    def __init__(self, answer=OK, port=0):
        self.attempts: list = []
        self.answer = answer
        self.retry_after = ""
        self.refuses = lambda payload: False
        self.port = port
        self.start()

    def start(self):
        stub = self
        self.ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.take(self, json.loads(body))

            def log_message(self, format, *args):
                pass

        self.server = ThreadingHTTPServer((HOST, self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, request, payload):
        status, text = (400, "invalid_payload") if self.refuses(payload) else self.answer
        self.attempts.append((time.time(), payload, status))
        if not status:
            self.ended.wait(60)
            return
        request.send_response(status)
        if self.retry_after and status == 429:
            request.send_header("Retry-After", self.retry_after)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    def stop(self):
        """From now on connections are refused."""
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def url(self, secret="secret"):
        return f"http://{HOST}:{self.port}/services/T0/B0/{secret}"

    @property
    def taken(self) -> list:
        """The payloads that were answered with success."""
        return [payload for _when, payload, status in self.attempts if status == 200]

    def titles(self) -> list:
        """The titles, or mere texts, of all that was taken."""
        return [
            part["title"] if "title" in part else part["text"]
            for payload in self.taken
            for part in payload.get("attachments") or [payload]
        ]

    def was_hurried(self) -> bool:
        """Whether it got more than a message a second, but for what a busy machine may put off."""
        times = [when for when, _payload, _status in self.attempts]
        return any(
            later - earlier < number - 0.5
            for place, earlier in enumerate(times)
            for number, later in enumerate(times[place:])
        )

    def gaps(self) -> list:
        """The seconds between attempts."""
        times = [when for when, _payload, _status in self.attempts]
        return [later - earlier for earlier, later in zip(times, times[1:])]


class StubMail:
    """A mail server without TLS that takes everything but a wrong password; mails are (when, text)."""

    def __init__(self, password=""):
        self.mails: list = []
        self.logins = 0
        stub = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 stub")
                while line := self.rfile.readline().decode().strip():
                    verb = line.upper().split()[0]
                    if verb == "EHLO":
                        self.say("250-stub")
                        self.say("250 AUTH PLAIN" if password else "250 OK")
                    elif verb == "AUTH":
                        stub.logins += 1
                        self.say("535 no")
                    elif verb == "DATA":
                        self.say("354 go on")
                        text = []
                        while (part := self.rfile.readline().decode()) not in (".\r\n", ""):
                            text.append(part)
                        stub.mails.append((time.time(), "".join(text)))
                        self.say("250 OK")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 OK")

        self.server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
