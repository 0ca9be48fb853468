# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry on loopback, without TLS, that answers what a test wants."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """An engine that hangs up is no matter; whatever else goes wrong in here is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Stub:
    """Answers in the order of what was put for a "METHOD /path", the last one for good.

    An answer is (status, headers, body); None closes the connection instead.
    """

    def __init__(self):
        self.answers = {}
        self.seen = []

    def put(self, what, *answers):
        self.answers[what] = list(answers)
        return self

    def take(self, what):
        known = self.answers.get(what) or self.answers.get(what.split()[0]) or [(404, {}, b"")]
        return known.pop(0) if len(known) > 1 else known[0]

    @property
    def requests(self):
        """What was asked, as "METHOD /path"."""
        return [what for what, _query, _headers, _body in self.seen]


def error(status, code, message, **headers):
    """An answer with an error as registries write it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return status, {"Content-Type": "application/json", **headers}, body


def held(digest=DIGEST):
    return 200, {"Docker-Content-Digest": digest}, b""


@contextlib.contextmanager
def serving():
    """(Stub, host and port)."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Engines that begin with TLS see by the status line that there is none.
        default_request_version = "HTTP/1.1"

        def _answer(self):
            path, _mark, query = self.path.partition("?")
            body = self._body()
            what = f"{self.command} {path}"
            stub.seen.append((what, query, dict(self.headers), body))
            answer = stub.take(what)
            if answer is None:
                # As one that is killed while it is asked.
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _body(self):
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _answer

        def log_message(self, *_arguments):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub, "127.0.0.1:%d" % server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
