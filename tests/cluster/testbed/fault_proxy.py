# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An API server that fails when it is told to: a proxy on loopback, in front of the real one."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import threading
import time
from pathlib import Path

_HEAD_END = b"\r\n\r\n"
_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class FaultProxy:
    """Passes requests on, one a connection, and answers itself while a fault lasts.

    kubeconfig  for clients that are to go through it
    seen        "METHOD path" of all requests, in the order in which they came
    refused     those of them that a fault answered
    """

    def __init__(self, upstream: tuple[str, int], certificate: Path, key: Path, ca: Path) -> None:
        self.kubeconfig = Path()
        self.seen: list[str] = []
        self.refused: list[str] = []
        self._upstream = upstream
        self._inwards = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._inwards.load_cert_chain(certificate, key)
        # Every request has to be seen, which HTTP/2 would send through one connection.
        self._inwards.set_alpn_protocols(["http/1.1"])
        self._outwards = ssl.create_default_context(cafile=str(ca))
        self._outwards.set_alpn_protocols(["http/1.1"])
        self._lock = threading.Lock()
        self._fault: _Fault | None = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(
        self,
        status: int,
        *,
        times: int | None = None,
        seconds: float | None = None,
        only: str = "",
        retry_after: int | None = None,
    ) -> None:
        """Answers with a status from now on.

        times, seconds  until so many were answered, or for so long; else until recover()
        only            a regular expression: other requests, "METHOD path", are passed on
        retry_after     seconds, which a client may be told to wait
        """
        end = time.monotonic() + seconds if seconds is not None else None
        with self._lock:
            self._fault = _Fault(status, times, end, re.compile(only), retry_after)

    def recover(self) -> None:
        """Passes everything on again."""
        with self._lock:
            self._fault = None

    def close(self) -> None:
        """Takes no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Clients come and go as they like; a broken connection is theirs to notice.
        with contextlib.suppress(OSError):
            connection.settimeout(60)
            with self._inwards.wrap_socket(connection, server_side=True) as client:
                head, rest = _read_head(client)
                if not head:
                    return
                method, path, _version = head.split("\r\n")[0].split(" ", 2)
                answer = self._answer(f"{method} {path}")
                if answer:
                    client.sendall(answer)
                    # What it may still send is taken first, or it would see a reset and no answer.
                    client.settimeout(2)
                    _drain(client, head, rest)
                    return
                raw = socket.create_connection(self._upstream, timeout=10)
                with self._outwards.wrap_socket(raw, server_hostname=self._upstream[0]) as server:
                    server.sendall(_alone(head).encode("latin-1") + rest)
                    _pass_on(client, server)

    def _answer(self, request: str) -> bytes:
        with self._lock:
            self.seen.append(request)
            fault = self._fault
            if not fault or not fault.applies(request):
                return b""
            self.refused.append(request)
            return fault.answer()


class _Fault:
    """What is answered, and how long."""

    def __init__(
        self,
        status: int,
        times: int | None,
        end: float | None,
        only: re.Pattern[str],
        retry_after: int | None,
    ) -> None:
        self._status, self._times, self._end, self._only = status, times, end, only
        self._retry_after = retry_after

    def applies(self, request: str) -> bool:
        """Whether it is this one's to answer, which it then counts."""
        if self._end is not None and time.monotonic() > self._end:
            return False
        if self._times == 0 or not self._only.search(request):
            return False
        if self._times is not None:
            self._times -= 1
        return True

    def answer(self) -> bytes:
        """The answer, as an API server words it."""
        reason = _REASONS.get(self._status, "")
        body = json.dumps(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": f"a test has the API answer {self._status}",
                "reason": reason,
                "code": self._status,
            }
        )
        wait = f"Retry-After: {self._retry_after}\r\n" if self._retry_after is not None else ""
        return (
            f"HTTP/1.1 {self._status} {reason or 'Fault'}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{wait}Connection: close\r\n\r\n{body}"
        ).encode()


def _read_head(client: ssl.SSLSocket) -> tuple[str, bytes]:
    """(request up to its empty line, what came after it)."""
    data = b""
    while _HEAD_END not in data:
        block = client.recv(65536)
        if not block:
            return "", b""
        data += block
    head, rest = data.split(_HEAD_END, 1)
    return head.decode("latin-1"), rest


def _alone(head: str) -> str:
    """The head of a request after which the connection ends, unless it becomes something else."""
    if re.search(r"^upgrade:", head, re.I | re.M):
        return head + "\r\n\r\n"
    lines = [line for line in head.split("\r\n") if not line.lower().startswith("connection:")]
    return "\r\n".join([*lines, "Connection: close", "", ""])


def _drain(client: ssl.SSLSocket, head: str, rest: bytes) -> None:
    told = re.search(r"^content-length: *(\d+)", head, re.I | re.M)
    left = int(told[1]) - len(rest) if told else 0
    while left > 0:
        block = client.recv(min(left, 65536))
        if not block:
            return
        left -= len(block)


def _pass_on(client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
    """Passes bytes in both directions until either end is gone."""
    other = {client: server, server: client}
    while True:
        # What TLS has read already is not the system's to report.
        ready = [one for one in other if one.pending()]
        for one in ready or select.select(list(other), [], [])[0]:
            one.settimeout(0)
            try:
                block = one.recv(65536)
            except ssl.SSLWantReadError:
                # A message of TLS itself, or half of one: waiting for the rest would hold up the other.
                continue
            if not block:
                return
            other[one].settimeout(60)
            other[one].sendall(block)
