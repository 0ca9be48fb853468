# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connections of the load test's engine: opening, sending, failing, closing.

All times are nanoseconds of time.monotonic_ns().
"""

from __future__ import annotations

import errno
import heapq
import select
import socket
import time

from ..client.sockets import TlsSocket, error_kind, timestamping, transmit_stamp

IDLE, BUSY, CONNECTING, SHAKING, CLOSED = range(5)

# A user of a closed loop whose connection fails waits this long, doubled up to the second,
# or a dead server would use up the whole count within a moment.
_BACKOFF_NS = (10000000, 1000000000)


class Connection:
    """One connection, and in a closed loop the user behind it.

    ``begun`` is when its request was taken up, ``intended`` when it was due, ``left`` when it was handed to the
    kernel and ``sent`` when it went out, which is the same unless the kernel stamped it.
    """

    __slots__ = (
        "sock",
        "fd",
        "send",
        "recvmsg",
        "state",
        "begun",
        "intended",
        "left",
        "sent",
        "request",
        "unsent",
        "reader",
        "failures",
    )

    def __init__(self):
        self.state = CLOSED
        self.failures = 0
        self.reader = None
        self.unsent = None


class Connections:
    """What the engine does to single connections; see Engine for the loop around it."""

    def __init__(self, work):
        self.work = work
        self.record = None
        self._conns = {}  # descriptor: Connection
        self._timers = []  # heap of (when, id, Connection)
        self._in_flight = 0
        self._epoll = None
        self._offset = 0  # wall clock less monotonic clock
        self._measure_from = 0

    def _connect(self, conn):
        work = self.work
        try:
            sock = socket.socket(work.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as err:
            self._fail(conn, error_kind(err), time.monotonic_ns())
            return
        conn.sock, conn.fd, conn.reader, conn.unsent = sock, sock.fileno(), None, None
        conn.state = CONNECTING
        self._conns[conn.fd] = conn
        self._epoll.register(conn.fd, select.EPOLLOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        timestamping(sock, work.transmit)
        code = sock.connect_ex(work.address)
        if code not in (0, errno.EINPROGRESS):
            self._fail(conn, error_kind(OSError(code, "connect")), time.monotonic_ns())
            return
        if conn.intended >= self._measure_from:
            self.record.connects += 1

    def _connected(self, conn):
        if self.work.context is not None:
            conn.sock = TlsSocket(conn.sock, self.work.context, self.work.server_name)
            conn.state = SHAKING
            self._shake(conn)
        else:
            self._ready(conn)

    def _shake(self, conn):
        try:
            done, writing = conn.sock.handshake()
        except OSError as err:
            self._fail(conn, error_kind(err), time.monotonic_ns())
            return
        if done and not writing:
            self._ready(conn)
        else:
            self._epoll.modify(conn.fd, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def _ready(self, conn):
        conn.send, conn.recvmsg = conn.sock.send, conn.sock.recvmsg
        self._epoll.modify(conn.fd, select.EPOLLIN)
        self._transmit(conn)

    def _transmit(self, conn):
        """Sends the request of a connection that is open and free."""
        request = conn.request
        conn.state = BUSY
        conn.left = conn.sent = time.monotonic_ns()
        try:
            sent = conn.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as err:
            self._fail(conn, error_kind(err), time.monotonic_ns())
            return
        if sent != len(request):
            self._partly_sent(conn, sent)
        elif self.work.transmit:
            self._take_stamp(conn)

    def _partly_sent(self, conn, count):
        # -1 is TLS, which keeps the rest itself and is called again with nothing.
        conn.unsent = b"" if count < 0 else conn.request[count:]
        self._epoll.modify(conn.fd, select.EPOLLIN | select.EPOLLOUT)

    def _take_stamp(self, conn):
        """Puts the kernel's time of sending in place of ours, if it has one that can be right."""
        stamp = transmit_stamp(conn.sock)
        if stamp is not None and conn.sent <= stamp - self._offset <= time.monotonic_ns():
            conn.sent = stamp - self._offset
            self.record.stamps["transmit"] += 1

    def _unusual(self, conn, mask):
        """Handles an event that is not an answer to read; returns whether there may be one as well."""
        if conn.state == CONNECTING:
            code = conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._fail(conn, error_kind(OSError(code, "connect")), time.monotonic_ns())
            else:
                self._connected(conn)
            return False
        if conn.state == SHAKING:
            self._shake(conn)
            return False
        if mask & select.EPOLLERR and self.work.transmit:
            # Stamps arrive as errors; one that comes late still belongs to the request in flight.
            self._take_stamp(conn)
        if conn.state == IDLE:
            self._idle_event(conn, mask)
            return False
        if mask & select.EPOLLOUT and conn.unsent is not None:
            self._send_rest(conn)
        return conn.state == BUSY and bool(mask & (select.EPOLLIN | select.EPOLLHUP))

    def _idle_event(self, conn, mask):
        """The server closed a free connection, as it may, or says what nobody asked."""
        if not mask & (select.EPOLLIN | select.EPOLLHUP):
            return
        try:
            if conn.recvmsg(4096, 0)[0]:
                self.record.problems["bytes nobody asked for"] += 1
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(conn)

    def _send_rest(self, conn):
        try:
            sent = conn.send(conn.unsent)
        except BlockingIOError:
            return
        except OSError as err:
            self._fail(conn, error_kind(err), time.monotonic_ns())
            return
        if sent == len(conn.unsent):
            conn.unsent = None
            self._epoll.modify(conn.fd, select.EPOLLIN)
        elif sent > 0:
            conn.unsent = conn.unsent[sent:]

    def _fail(self, conn, kind, now, detail=None):
        """Counts the request in flight as an error of ``kind`` and drops the connection."""
        if conn.intended >= self._measure_from:
            self.record.errors[kind] += 1
            if detail:
                self.record.problems[detail] += 1
            if kind == "timeout":
                # It took at least so long; leaving it out would make a slow server look fast.
                self.record.waited.append(now - conn.intended)
        self._in_flight -= 1
        self._close(conn)
        wait = min(_BACKOFF_NS[0] << min(conn.failures, 10), _BACKOFF_NS[1])
        conn.failures += 1
        heapq.heappush(
            self._timers, (now if self.work.due is not None else now + wait, id(conn), conn)
        )

    def _close(self, conn):
        # A connection may fail before it has a socket.
        if conn.state != CLOSED:
            del self._conns[conn.fd]
            conn.sock.close()
            conn.state = CLOSED
        conn.reader = conn.unsent = None

    def _time_out(self, now):
        """Fails every request that has waited for longer than the timeout."""
        oldest = now - self.work.timeout
        for conn in list(self._conns.values()):
            if conn.begun < oldest and conn.state in (BUSY, CONNECTING, SHAKING):
                self._fail(conn, "timeout" if conn.state == BUSY else "connect_timeout", now)
