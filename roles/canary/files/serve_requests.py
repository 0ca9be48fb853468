# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which requests have no answer yet, and since when: known to the server's parent, whatever its
workers do.

Each process at work writes down when it takes a request and when it is done, in a file of its
own that survives it. What waits before that, in the listening socket's queue, the kernel counts;
when each of them came is known by looking ten times a second. So a request is overdue on time,
also where the worker is stopped, hangs in C or is killed, and whoever gave up waiting for it.

Looking is all that is done: no byte of a request passes through here, so a hanging parent stops
no prediction.
"""

from __future__ import annotations

import collections
import mmap
import os
import socket
import struct
import threading
import time

import monitml_metrics

# What a monitor may call late, in seconds.
WITHIN = monitml_metrics.WITHIN_SECONDS
INTERVAL_SECONDS = 0.1
# Somebody waits this long while nothing is answered: others had better be asked.
STILL_SECONDS = 5
# What a server that ends its own hanging workers is given before all of it is ended.
GRACE_SECONDS = 10
PREFIX = "at-work-"
TOTALS = "requests"
PROBE_HEADER = "X-MONITML-PROBE"
_PLACES = 64
# Of a file: taken, predictions among them, answered. Of each place: serial (0: free), since, prediction.
_HEAD, _PLACE = struct.Struct("=3d"), struct.Struct("=3d")
_BYTES = _HEAD.size + _PLACES * _PLACE.size
# struct tcp_info: of a listening socket tcpi_unacked is what nobody accepted yet.
_TCP_INFO = struct.Struct("=B23xI")
_LISTEN = 10


class AtWork:
    """What this process is at, for its parent to read. Safe to call from threads.

    accepts: whether its requests come from the listening socket that the parent knows.
    """

    def __init__(self, directory, accepts):
        path = os.path.join(directory, "%s%s-%d" % (PREFIX, "rest" if accepts else "grpc", os.getpid()))
        # A number that was used before has a file that the parent may be reading.
        if os.path.exists(path):
            os.unlink(path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(handle, 0, _BYTES)
            self._map = mmap.mmap(handle, _BYTES)
        finally:
            os.close(handle)
        self._lock = threading.Lock()
        self._taken = self._predictions = self._answered = 0
        self._free = list(range(_PLACES))

    def begin(self):
        """A request came; returns its place, or None where there are too many to tell apart."""
        with self._lock:
            self._taken += 1
            place = self._free.pop(0) if self._free else None
            if place is not None:
                start = _HEAD.size + place * _PLACE.size
                _PLACE.pack_into(self._map, start, self._taken, time.monotonic(), 0)
            self._tell()
            return place

    def mark_prediction(self, place):
        """It is a prediction, or feedback, of a client's."""
        with self._lock:
            self._predictions += 1
            if place is not None:
                end = _HEAD.size + (place + 1) * _PLACE.size
                struct.pack_into("=d", self._map, end - 8, 1)
            self._tell()

    def end(self, place):
        """It was answered, or came to nothing."""
        with self._lock:
            self._answered += 1
            if place is not None:
                _PLACE.pack_into(self._map, _HEAD.size + place * _PLACE.size, 0, 0, 0)
                self._free.insert(0, place)
            self._tell()

    def _tell(self):
        _HEAD.pack_into(self._map, 0, self._taken, self._predictions, self._answered)


class _Waiting:
    """A request without an answer. since: seconds of time.monotonic()."""

    def __init__(self, since, own=False):
        self.since, self.own = since, own
        self.late = 0  # how many of WITHIN it has passed


class _Worker:
    """What the parent knows of one process."""

    def __init__(self, path):
        self.path, self.pid = path, int(path.rpartition("-")[2])
        self.accepts = "rest" in os.path.basename(path)
        with open(path, "rb") as stream:
            self._map = mmap.mmap(stream.fileno(), _BYTES, prot=mmap.PROT_READ)
        self.taken = self.predictions = self.answered = 0
        self.busy = {}  # serial -> _Waiting

    def read(self):
        """(taken, predictions, answered), {serial: (since, whether a prediction)}."""
        data = self._map[:]
        while data != self._map[:]:
            data = self._map[:]
        places = _PLACE.iter_unpack(data[_HEAD.size :])
        return _HEAD.unpack_from(data), {int(n): (since, bool(p)) for n, since, p in places if n}

    def state(self):
        """The kernel's letter for the process; None where it is gone."""
        try:
            with open("/proc/%d/stat" % self.pid, encoding="ascii", errors="replace") as stream:
                letter = stream.read().rpartition(")")[2].split()[0]
        except OSError:
            return None
        return None if letter in "ZX" else letter

    def close(self):
        self._map.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass


class Requests:
    """The requests of a server. listener: its listening socket, which the workers accept from.

    timeout: seconds after which whoever is below ends a worker that hangs. Safe to call from
    threads. OSError where DIRECTORY cannot be used.
    """

    def __init__(self, directory, listener, timeout):
        self._directory, self._listener, self._timeout = directory, listener, timeout
        self._lock = threading.Lock()
        self._queue = collections.deque()
        self._workers = {}
        self._expected = self._prepaid = self._surplus = 0
        self._answered_at = time.monotonic()
        self._listening = self._given_up = False
        self._stopped = 0
        # requests, processes that hung, and per limit those that passed it
        self._totals = struct.Struct("=%dd" % (2 + len(WITHIN)))
        handle = os.open(
            os.path.join(directory, TOTALS), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
        )
        try:
            os.posix_fallocate(handle, 0, self._totals.size)
            self._map = mmap.mmap(handle, self._totals.size)
        finally:
            os.close(handle)
        self._came, self._hung, *self._late = self._totals.unpack_from(self._map)

    # -- looking

    def expect_own(self):
        """The next request to come is the server's own, to see how it is: nobody waits for it."""
        with self._lock:
            self._expected += 1

    def look(self):
        """Brings all numbers up to date. OSError where the files cannot be read."""
        with self._lock:
            now = time.monotonic()
            self._find_workers()
            seen = [(worker, *worker.read(), worker.state()) for worker in self._workers.values()]
            taken = sum(int(h[0]) - worker.taken for worker, h, _b, _s in seen if worker.accepts)
            # The queue last: one that is taken meanwhile is in neither, not in both.
            accepted, states = self._queue_up(self._queued(), taken, now), []
            for worker, head, busy, state in seen:
                self._take(worker, head, busy, accepted, now)
                states.append(state)
                if state is None:
                    self._bury(worker, now)
            if not self._queue and not self._held():
                self._prepaid = 0
            self._stopped = sum(state in ("T", "t") for state in states)
            for waiting in self._queue:
                if not waiting.own:
                    # Whatever it will turn out to be, somebody waits for it.
                    self._came += not waiting.late and now - waiting.since >= WITHIN[0]
                    self._pass_limits(waiting, now - waiting.since)
            for waiting in self._held():
                if not waiting.own:
                    self._pass_limits(waiting, now - waiting.since)
            self._totals.pack_into(self._map, 0, self._came, self._hung, *self._late)

    def watch(self):
        """Looks for ever; run it in a thread of its own."""
        while True:
            try:
                self.look()
            except OSError:
                pass  # told by whoever asks for the metrics
            time.sleep(INTERVAL_SECONDS)

    def _queue_up(self, queued, taken, now):
        """Brings the queue to QUEUED, of which TAKEN were accepted since the last look; gives those."""
        for _new in range(queued + taken - len(self._queue)):
            self._queue.append(_Waiting(now, own=self._expected > 0))
            self._expected -= self._expected > 0
        accepted = [self._queue.popleft() for _one in range(min(taken, len(self._queue)))]
        # One is on its way from the kernel's queue into a worker's file; if it stays so, its worker
        # died in between.
        surplus = len(self._queue) - queued
        for _lost in range(min(surplus, self._surplus)):
            accepted.append(self._queue.popleft())
        self._surplus = max(0, len(self._queue) - queued)
        # They were counted when they became late, before anybody knew what they were.
        self._prepaid += sum(waiting.late > 0 for waiting in accepted)
        return accepted

    def _find_workers(self):
        for name in os.listdir(self._directory):
            if name.startswith(PREFIX) and name not in self._workers:
                path = os.path.join(self._directory, name)
                if os.path.getsize(path) == _BYTES:
                    self._workers[name] = _Worker(path)

    def _queued(self):
        if self._listener.fileno() < 0:
            self._listening = False
            return 0
        info = self._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        state, unaccepted = _TCP_INFO.unpack(info)
        self._listening = state == _LISTEN
        return unaccepted if self._listening else 0

    def _take(self, worker, head, busy, accepted, now):
        taken, predictions, answered = (int(cell) for cell in head)
        began = predictions - worker.predictions
        paid = min(self._prepaid, began)
        self._prepaid -= paid
        self._came += began - paid
        if answered > worker.answered:
            self._answered_at = now
        worker.taken, worker.predictions, worker.answered = taken, predictions, answered
        for serial in [serial for serial in worker.busy if serial not in busy]:
            del worker.busy[serial]
        for serial, (since, prediction) in sorted(busy.items()):
            if serial not in worker.busy:
                # It has waited since it came, which was before it was taken.
                waiting = accepted.pop() if accepted and worker.accepts else _Waiting(since)
                worker.busy[serial] = waiting
            worker.busy[serial].own = not prediction

    def _bury(self, worker, now):
        lost = [waiting for waiting in worker.busy.values() if not waiting.own]
        hung = any(now - waiting.since >= self._timeout for waiting in lost)
        self._hung += hung and not self._given_up
        for waiting in lost:
            # It ended with the process: no patience brings that answer.
            self._pass_limits(waiting, float("inf"))
        worker.close()
        del self._workers[os.path.basename(worker.path)]

    def _held(self):
        return [waiting for worker in self._workers.values() for waiting in worker.busy.values()]

    def _waiting(self):
        return [waiting for waiting in [*self._queue, *self._held()] if not waiting.own]

    def _pass_limits(self, waiting, seconds):
        while waiting.late < len(WITHIN) and seconds >= WITHIN[waiting.late]:
            self._late[waiting.late] += 1
            waiting.late += 1

    # -- telling

    def counted(self):
        """What only grows: [(name of the series, own labels, value)], always in one order."""
        return [
            (monitml_metrics.REQUESTS, {}, self._came),
            *(
                (monitml_metrics.UNANSWERED, {"within": "%ds" % seconds}, late)
                for seconds, late in zip(WITHIN, self._late)
            ),
        ]

    def render(self, labels):
        """Prometheus text."""
        with self._lock:
            now, late = time.monotonic(), self._waiting()
            oldest = max((now - waiting.since for waiting in late), default=0)
            overdue = [
                ("", {"within": "%ds" % limit}, sum(now - w.since >= limit for w in late))
                for limit in WITHIN
            ]
            unanswered = [("", own, value) for _name, own, value in self.counted()[1:]]
            families = (
                (monitml_metrics.REQUESTS, [("", {}, self._came)]),
                (monitml_metrics.UNANSWERED, unanswered),
                (monitml_metrics.OVERDUE, overdue),
                (monitml_metrics.OLDEST, [("", {}, oldest)]),
                (monitml_metrics.HUNG, [("", {}, self._hung)]),
                (monitml_metrics.STOPPED, [("", {}, self._stopped)]),
            )
        return "".join(monitml_metrics.exposition(name, values, labels) for name, values in families)

    def problem(self):
        """A sentence where the server answers nobody, else None. Asking costs no prediction."""
        with self._lock:
            if not self._listening:
                return "The model does not listen yet."
            if self._workers and self._stopped == len(self._workers):
                return "All %d processes of the model are stopped." % self._stopped
            now = time.monotonic()
            oldest = max((now - waiting.since for waiting in self._waiting()), default=0)
            # Those who wait for others that are being answered wait for good reason.
            if min(oldest, now - self._answered_at) < STILL_SECONDS:
                return None
            return "A request has waited for an answer for %.0f s, and none is given." % oldest

    def verdict(self):
        """A sentence where the server hangs and nothing below ended that; then all of it has to end."""
        with self._lock:
            now, allowed = time.monotonic(), self._timeout + GRACE_SECONDS
            held = [waiting.since for waiting in self._held()]
            if not held or min(now - min(held), now - self._answered_at) < allowed:
                return None
            self._hung += not self._given_up
            self._given_up = True
            self._totals.pack_into(self._map, 0, self._came, self._hung, *self._late)
            text = "The server has answered nothing for %.0f s, and holds %d requests; all of it ends, to be started anew."
            return text % (now - self._answered_at, len(held))
