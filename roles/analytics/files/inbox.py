# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A local inbox that takes what Slack's incoming webhooks take, keeps it and shows it.

Standard library only; Python 3.8 or later. POST /services/... takes a message and answers as
Slack does; GET / shows the messages, newest first; GET /api/messages?since=SECONDS gives them as
JSON; GET /healthz says that it runs; GET /metrics counts.
"""

from __future__ import annotations

import argparse
import collections
import errno
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

from inbox_page import render_page

BODY_BYTES_MAX = 256 * 1024
MESSAGES_MAX = 500
FILE_BYTES_MAX = 4 * 1024 * 1024
ATTACHMENTS_MAX = 100
DEPTH_MAX = 20
TIMEOUT_SECONDS = 10
CONNECTIONS_MAX = 32
# As Slack's documentation of incoming webhooks lists them.
INVALID_PAYLOAD = (400, "invalid_payload")
NO_TEXT = (400, "no_text")
TOO_MANY_ATTACHMENTS = (400, "too_many_attachments")
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


class Store:
    """The last messages, in memory and in one file of JSON lines. Safe to call from threads.

    A line is written by one call, so that a kill leaves at most a torn last line, which the next
    start drops. The file is rewritten, by a rename, when it has grown past its bound.
    """

    def __init__(self, directory, messages_max=MESSAGES_MAX, bytes_max=FILE_BYTES_MAX):
        self.path = os.path.join(directory, "messages.jsonl")
        self.bytes_max = bytes_max
        self.lock = threading.Lock()
        self.messages = collections.deque(maxlen=messages_max)
        self.received = 0
        self.bytes = 0
        self._load()

    def _load(self):
        try:
            with open(self.path, "rb") as stream:
                lines = stream.read().splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        for line in lines:
            message = _message(line)
            if message is not None:
                self.messages.append((message, len(line)))
        self._rewrite()

    def add(self, payload, now):
        """Keeps one message that came at NOW (epoch seconds). OSError where it cannot."""
        with self.lock:
            last = self.messages[-1][0]["id"] if self.messages else 0
            message = {"id": last + 1, "received_at": now, "payload": payload}
            line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
            if self.bytes > self.bytes_max:
                self._rewrite()
            self._append(line)
            self.messages.append((message, len(line)))
            self.received += 1

    def _append(self, line):
        # Until the line is known to be whole, the file counts as overgrown: what a full disk cut
        # off is taken away by the next rewrite, before another line is put after it.
        before, self.bytes = self.bytes, self.bytes_max + 1
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        finally:
            os.close(handle)
        self.bytes = before + len(line)

    def _rewrite(self):
        """Writes what is still kept, the oldest dropped until it fills half the bound."""
        while self.messages and sum(size for _message, size in self.messages) > self.bytes_max / 2:
            self.messages.popleft()
        lines = [
            json.dumps(message, separators=(",", ":")) + "\n" for message, _size in self.messages
        ]
        fresh = self.path + ".new"
        with open(fresh, "w", encoding="utf-8") as stream:
            stream.writelines(lines)
        os.chmod(fresh, 0o640)
        os.replace(fresh, self.path)
        self.bytes = sum(len(line) for line in lines)

    def since(self, seconds=0.0):
        """The messages received after that moment, oldest first."""
        with self.lock:
            return [message for message, _size in self.messages if message["received_at"] > seconds]


def _message(line):
    """A kept line as a message; None if it is torn or not one of ours."""
    try:
        message = json.loads(line)
        sound = line.endswith(b"\n") and isinstance(message["payload"], dict)
        message = {
            "id": int(message["id"]),
            "received_at": float(message["received_at"]),
            "payload": message["payload"],
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return message if sound else None


# -- the server ---------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """One connection; self.server.store keeps the messages."""

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
            if not re.match(r"/services/[\w./-]+$", urllib.parse.urlsplit(self.path).path):
                raise Refused(NO_SERVICE)
            payload = parse_payload(body, self.headers.get("Content-Type") or "")
            self.server.store.add(payload, time.time())
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
        return "text/html", render_page(self.server.store.since(), time.time())

    def _messages(self, query):
        messages = self.server.store.since(float(query.get("since", ["0"])[0]))
        return "application/json", json.dumps({"messages": messages})

    def _metrics(self, _query):
        store = self.server.store
        with open("/proc/self/statm", encoding="ascii") as stream:
            resident = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        families = (
            ("monitml_inbox_messages_total", "counter", "Messages received.", store.received),
            ("monitml_inbox_kept_messages", "gauge", "Messages kept.", len(store.messages)),
            ("process_cpu_seconds_total", "counter", "CPU time.", time.process_time()),
            ("process_resident_memory_bytes", "gauge", "Memory.", resident),
        )
        return "text/plain; version=0.0.4", "".join(
            f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n"
            for name, kind, text, value in families
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

    def __init__(self, address, store):
        self.store = store
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


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--directory", required=True, help="where the messages are kept")
    options = parser.parse_args(arguments)
    try:
        os.makedirs(options.directory, mode=0o750, exist_ok=True)
        store = Store(options.directory)
        server = Server((options.listen, options.port), store)
    except OSError as error:
        print(f"The inbox cannot start: {error}", file=sys.stderr)
        return 1
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
