# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An inbox that takes what Slack's incoming webhooks take, keeps it, shows it and passes it on.

Standard library only; Python 3.8 or later. POST /services/... takes a message and answers as
Slack does; GET / shows the messages, newest first; GET /api/messages?since=SECONDS gives them as
JSON, and how their receivers fare; GET /healthz says that it runs; GET /metrics counts.
Whom they are passed on to is in a file of JSON, which names the files that hold secrets.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

from inbox_page import render_page
from inbox_store import Store

BODY_BYTES_MAX = 256 * 1024
ATTACHMENTS_MAX = 100
DEPTH_MAX = 20
TIMEOUT_SECONDS = 10
CONNECTIONS_MAX = 32
PAGE_MESSAGES_MAX = 200
# As Slack's documentation of incoming webhooks lists them.
INVALID_PAYLOAD = (400, "invalid_payload")
NO_TEXT = (400, "no_text")
TOO_MANY_ATTACHMENTS = (400, "too_many_attachments")
ACTION_PROHIBITED = (403, "action_prohibited")
NO_SERVICE = (404, "no_service")


class Refused(Exception):
    """A request that is not taken. code: the HTTP status; text: the body, as Slack words it."""

    def __init__(self, refusal):
        super().__init__(refusal[1])
        self.code, self.text = refusal


# -- payloads -----------------------------------------------------------------------------------


def parse_payload(body: bytes, content_type: str) -> dict:
    """The message in a request's body: JSON, or a form whose field payload is JSON."""
    try:
        text = body.decode("utf-8")
        if content_type.split(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            text = urllib.parse.parse_qs(text, max_num_fields=20).get("payload", [""])[0] or text
        payload = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(INVALID_PAYLOAD) from None
    if not isinstance(payload, dict) or _is_deep(payload):
        raise Refused(INVALID_PAYLOAD)
    attachments = payload.get("attachments") or []
    blocks = payload.get("blocks") or []
    for part in (attachments, blocks):
        if not isinstance(part, list) or not all(isinstance(item, dict) for item in part):
            raise Refused(INVALID_PAYLOAD)
    if len(attachments) > ATTACHMENTS_MAX:
        raise Refused(TOO_MANY_ATTACHMENTS)
    text = payload.get("text")
    if text is not None and not isinstance(text, str):
        raise Refused(INVALID_PAYLOAD)
    if not (text or attachments or blocks):
        raise Refused(NO_TEXT)
    return payload


def _is_deep(payload) -> bool:
    """Whether it is nested beyond what any message needs, and what can be shown without harm."""
    level = [payload]
    for _depth in range(DEPTH_MAX):
        level = [
            item
            for part in level
            if isinstance(part, (dict, list))
            for item in (part.values() if isinstance(part, dict) else part)
        ]
    return bool(level)


def _no_constant(name):
    raise ValueError("JSON has no " + name)


# -- the server ---------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """One connection; self.server.store keeps the messages, self.server.senders pass them on."""

    protocol_version = "HTTP/1.1"
    server_version = "monitml-inbox"
    sys_version = ""
    timeout = TIMEOUT_SECONDS
    # Header and body of an answer leave in one packet.
    wbufsize = -1

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        page = {
            "/": self._page,
            "/api/messages": self._messages,
            "/healthz": lambda _query: ("text/plain", "ok\n"),
            "/metrics": self._metrics,
        }.get(url.path)
        if page is None:
            return self._answer(404, "text/plain", "There is no such page.\n")
        try:
            return self._answer(200, *page(urllib.parse.parse_qs(url.query)))
        except ValueError:
            return self._answer(400, "text/plain", "since must be a number of seconds.\n")

    do_HEAD = do_GET

    def do_POST(self):
        try:
            body = self._body()
            # Only a browser says so: a page from elsewhere that has this one post in its place.
            if self.headers.get("Origin"):
                raise Refused(ACTION_PROHIBITED)
            if not re.match(r"/services/[\w./-]+$", urllib.parse.urlsplit(self.path).path):
                raise Refused(NO_SERVICE)
            payload = parse_payload(body, self.headers.get("Content-Type") or "")
            # With nobody to pass it on to, a message that is not on disk is as good as none.
            self.server.store.add(payload, time.time(), disk_matters=not self.server.senders)
        except Refused as refusal:
            return self._answer(refusal.code, "text/html", refusal.text)
        except OSError as error:
            print(f"A message could not be kept: {error}", file=sys.stderr, flush=True)
            self.close_connection = True
            return self._answer(500, "text/html", "rollup_error")
        return self._answer(200, "text/html", "ok")

    def _body(self) -> bytes:
        """The request's body; Refused, and the connection closed, where its end is not known."""
        try:
            length = int(self.headers.get("Content-Length") or "")
        except ValueError:
            length = -1
        if not 0 <= length <= BODY_BYTES_MAX:
            self.close_connection = True
            # Closing on unread data would take the answer away from the client.
            self.rfile.read(min(max(length, 0), 4 * BODY_BYTES_MAX))
            raise Refused((413, "payload_too_large") if length > 0 else (411, "length_required"))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            raise Refused(INVALID_PAYLOAD)
        return body

    def _page(self, _query):
        messages, receivers = (
            self._told(self.server.store.since()[-PAGE_MESSAGES_MAX:]),
            self._receivers(),
        )
        return "text/html", render_page(messages, receivers, time.time())

    def _messages(self, query):
        messages = self._told(self.server.store.since(float(query.get("since", ["0"])[0])))
        content = {"messages": messages, "receivers": self._receivers()}
        return "application/json", json.dumps(content)

    def _told(self, messages) -> list:
        """The messages, and of each when receivers were told, in epoch seconds."""
        moments = {sender.name: sender.told_at for sender in self.server.senders}
        return [
            {
                **message,
                "told": {
                    name: told[message["id"]]
                    for name, told in moments.items()
                    if message["id"] in told
                },
            }
            for message in messages
        ]

    def _receivers(self) -> list:
        """How each receiver fares: its name, what it is still to be told, and why it takes nothing."""
        return [
            {
                "name": sender.name,
                "waiting": len(sender.waiting()),
                "failure": sender.failure and sender.failure._asdict(),
                "next_attempt": sender.next_attempt(),
            }
            for sender in self.server.senders
        ]

    def _metrics(self, _query):
        store, senders = self.server.store, self.server.senders
        with open("/proc/self/statm", encoding="ascii") as stream:
            resident = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        now = time.time()
        failures = [(sender.name, sender.failure) for sender in senders]
        families = [
            ("messages_total", "counter", "Messages received.", {"": store.received}),
            ("kept_messages", "gauge", "Messages kept.", {"": len(store.messages)}),
            (
                "attempts_total",
                "counter",
                "Attempts to tell a receiver, by what came of them; taken, or why not.",
                {
                    f'{{receiver="{sender.name}",result="{result or "taken"}"}}': count
                    for sender in senders
                    for result, count in dict(sender.attempts).items()
                },
            ),
            (
                "waiting_messages",
                "gauge",
                "Messages that a receiver is still to be told.",
                {f'{{receiver="{sender.name}"}}': len(sender.waiting()) for sender in senders},
            ),
            (
                "lost_messages_total",
                "counter",
                "Messages that a receiver will never be told, as others took their room.",
                {f'{{receiver="{sender.name}"}}': sender.lost for sender in senders},
            ),
            (
                "failing_seconds",
                "gauge",
                "How long a receiver has not taken messages; no series while it does.",
                {
                    f'{{receiver="{name}",reason="{failure.reason}"}}': max(now - failure.since, 0)
                    for name, failure in failures
                    if failure
                },
            ),
        ]
        families = [(f"monitml_inbox_{family}", *rest) for family, *rest in families] + [
            ("process_cpu_seconds_total", "counter", "CPU time.", {"": time.process_time()}),
            ("process_resident_memory_bytes", "gauge", "Memory.", {"": resident}),
        ]
        return "text/plain; version=0.0.4", "".join(
            f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
            + "".join(f"{name}{labels} {value}\n" for labels, value in samples.items())
            for name, kind, text, samples in families
            if samples
        )

    def _answer(self, code, content_type, text):
        body = text.encode("utf-8", "replace")
        self.send_response(code)
        charset = "" if content_type == "application/json" else "; charset=utf-8"
        self.send_header("Content-Type", content_type + charset)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        )
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        """Silent: the messages are the log."""


class Server(socketserver.ThreadingTCPServer):
    """Threads, but not without bound; a client that goes away is no error."""

    daemon_threads = True
    allow_reuse_address = True
    # Alertmanager sends each alert of a burst on a connection of its own, all at once.
    request_queue_size = 128

    def __init__(self, address, store, senders):
        self.store, self.senders = store, senders
        self.places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def process_request(self, request, client_address):
        if not self.places.acquire(timeout=TIMEOUT_SECONDS):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address):
        print(f"A request ended early: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


def _senders(path, store, directory) -> list:
    """The senders that the file of receivers describes. OSError, ValueError, KeyError, TypeError where it is none."""
    if not path:
        return []
    with open(path, encoding="utf-8") as stream:
        configuration = json.load(stream)
    # Late, so that an inbox which passes nothing on needs neither the other file nor TLS and mail.
    from inbox_sender import senders_of  # pylint: disable=import-outside-toplevel

    return senders_of(configuration, store, directory)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--directory", required=True, help="where the messages are kept")
    parser.add_argument("--receivers", help="JSON file that says whom they are passed on to")
    options = parser.parse_args(arguments)
    try:
        os.makedirs(options.directory, mode=0o750, exist_ok=True)
        store = Store(options.directory)
        senders = _senders(options.receivers, store, options.directory)
        server = Server((options.listen, options.port), store, senders)
    except OSError as error:
        print(f"The inbox cannot start: {error}", file=sys.stderr)
        return 1
    except (ValueError, KeyError, TypeError) as error:
        print(
            f"The inbox cannot start: {options.receivers} is no configuration: {error}",
            file=sys.stderr,
        )
        return 1
    for sender in senders:
        sender.start()
    # In a container it is the first process, which no signal ends that nobody handles.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
