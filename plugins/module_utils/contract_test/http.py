# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a model over HTTP, so that whatever it does comes back as an Answer within a time."""

from __future__ import annotations

import socket
import time

from ..client.http import AnswerError, AnswerReader
from ..client.payload import header_lines, parse_url, render
from ..client.sockets import find_address, tls_context
from .check import Answer


class Endpoint:
    """One url of a model. Raises LoadTestError for one that cannot be sent to."""

    def __init__(self, url, timeout, headers=None, token=None):
        self.target = parse_url(url)
        self._timeout = timeout
        own = {"User-Agent": "monitml.stack/contract_test"}
        self._head = header_lines(self.target, {**own, **(headers or {})}, token)
        self._family = self._address = self._context = self._name = None

    def reach(self, ca_file=None, validate_certs=True, tls_server_name=None):
        """Finds the server and connects once. LoadTestError says what is in the way."""
        if self.target.tls:
            self._context = tls_context(ca_file, validate_certs)
        self._name = tls_server_name or self.target.host
        self._family, self._address = find_address(
            self.target, self._timeout, self._context, self._name
        )

    def ask(self, method, text=""):
        """The Answer to one request on a connection of its own."""
        until = time.monotonic() + self._timeout
        try:
            with self._connect() as sock:
                sock.sendall(render(self.target, method, self._head, text))
                return self._receive(sock, until)
        except socket.timeout:
            return Answer(problem="The model did not answer within %g s." % self._timeout)
        except AnswerError as err:
            return Answer(problem="The answer is no sound HTTP: %s." % err)
        except OSError as err:
            said = err.strerror or str(err)
            return Answer(problem="The connection to the model broke: %s." % said)

    def _connect(self):
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.settimeout(self._timeout)
            sock.connect(self._address)
            if self._context is None:
                return sock
            return self._context.wrap_socket(sock, server_hostname=self._name)
        except BaseException:
            sock.close()
            raise

    def _receive(self, sock, until):
        reader = AnswerReader()
        while True:
            # A server that sends a byte now and then must not hold us for ever.
            left = until - time.monotonic()
            if left <= 0:
                raise socket.timeout()
            sock.settimeout(left)
            data = sock.recv(65536)
            whole = reader.feed(data) if data else reader.finish()
            if whole:
                head, body = whole
                return Answer(head.status, body.decode("utf-8", "replace"))
