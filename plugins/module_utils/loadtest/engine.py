# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine of the load test: one process, one epoll loop, non-blocking sockets.

Written by hand, on the standard library only, because every client library tried cost three
to a hundred times the processor time per request, and none hands out the kernel's packet
timestamps, which keep the generator's own scheduling out of the measured times.
All times are nanoseconds of time.monotonic_ns().
"""

from __future__ import annotations

import gc
import heapq
import select
import sys
import time
from collections import deque

from ..client.http import AnswerError, AnswerReader
from ..client.sockets import ANCILLARY_BYTES, error_kind, unpack_stamp
from .answers_seen import AnswersSeen
from .connections import BUSY, IDLE, Connection, Connections
from .record import Record

_READ_BYTES = 8192
_EVENTS = 256

# How long before a request is due the engine stops sleeping and polls, and then only looks at the
# clock: a sleep wakes up late, and a poll takes a moment.
_SPIN_NS = 200000
_STARE_NS = 12000
_TICK_NS = 100000000
_PROGRESS_NS = 1000000000


class Engine(Connections):
    """Does one Work and returns its Record.

    ``progress`` is called about once a second with (record, now) and must be quick.
    """

    def __init__(self, work, progress=None):
        super().__init__(work)
        self.stopped = False
        self._progress = progress
        self._free = []  # may hold some that were closed meanwhile
        self._backlog = deque()  # due times of requests that found every connection busy
        self._next = work.lead
        self._last = b"", -1, None, None  # an answer's head and empty line, size, Head and meaning

    def stop(self):
        """Ends the run at the next turn of the loop; safe in a signal handler."""
        self.stopped = True

    def run(self):
        collecting = gc.isenabled()
        gc.freeze()
        gc.disable()  # a collection is a pause in the middle of a measurement
        self._epoll = select.epoll()
        try:
            cpu = time.process_time()
            self._begin()
            while not self._finished():
                self._turn()
            self._end()
            self.record.cpu_seconds = time.process_time() - cpu
        finally:
            for conn in list(self._conns.values()):
                self._close(conn)
            self._epoll.close()
            gc.unfreeze()
            if collecting:
                gc.enable()
        return self.record

    def _begin(self):
        work = self.work
        now = self._start = work.begin or time.monotonic_ns()
        self._measure_from = now + work.warm_up
        self.record = Record(self._measure_from)
        self._offset = time.time_ns() - time.monotonic_ns()
        self.record.epoch = self._offset / 1e9
        self._seen = AnswersSeen(work.protocol, self.record)
        self._tick = min(_TICK_NS, max(1000000, work.timeout // 4))
        self._next_tick = now + self._tick
        self._next_progress = now + _PROGRESS_NS
        self._due = None
        self._left = self._until = sys.maxsize
        self._simple = work.due is None and not work.think and not work.transmit
        if work.due is not None:
            self._advance()
            return
        if work.count is not None:
            self._left = work.count
        if work.duration is not None:
            self._until = now + work.warm_up + work.duration
        users = work.connections if work.count is None else min(work.connections, work.count)
        for number in range(users):
            heapq.heappush(self._timers, (now, number, Connection()))

    def _advance(self):
        offset = next(self.work.due, None)
        self._due = None if offset is None else self._start + offset

    def _finished(self):
        if self.stopped:
            return True
        if self._in_flight or self._backlog:
            return False
        return self._due is None if self.work.due is not None else not self._timers

    def _end(self):
        record = self.record
        now = time.monotonic_ns()
        record.interrupted = self.stopped
        record.abandoned = self._in_flight
        record.missed += len(self._backlog)
        if now > record.started:
            record.flush(now)

    # The loop

    def _turn(self):
        now = time.monotonic_ns()
        wake = self._next_tick
        if self._timers and self._timers[0][0] < wake:
            wake = self._timers[0][0]
        if self._due is not None and self._due < wake:
            wake = self._due
        gap = wake - now
        if self._due is None:
            events = self._epoll.poll(max(0, gap) / 1e9, _EVENTS)
        else:
            if gap > _SPIN_NS:
                # epoll.poll() rounds up to milliseconds; select() on the epoll itself does not.
                select.select((self._epoll,), (), (), (gap - _SPIN_NS) / 1e9)
            events = self._epoll.poll(0, _EVENTS)
        if events:
            self._pump(events)
        now = time.monotonic_ns()
        if self._due is not None and 0 < self._due - now < _STARE_NS:
            while now < self._due:
                now = time.monotonic_ns()
        while self._due is not None and self._due <= now:
            self._arrive(self._due, now)
            self._advance()
            now = time.monotonic_ns()
        while self._timers and self._timers[0][0] <= now:
            self._user(heapq.heappop(self._timers)[2], now)
        if now >= self._next_tick:
            self._on_tick(now)

    def _pump(self, events):
        """Reads the answers that have come. Long, as calls would cost more than the work in it."""
        clock, conns, record = time.monotonic_ns, self._conns, self.record
        heads, meaning_of = self._seen.heads, self._seen.meaning
        offset, measure_from, readable = self._offset, self._measure_from, select.EPOLLIN
        requests, stride, until = self.work.requests, self.work.stride, self._until
        different, simple, raw = len(requests), self._simple, self.work.protocol == "raw"
        begins, size, head, meaning = self._last
        left, number = self._left, self._next
        received = clocked = sent = 0
        for fd, mask in events:
            conn = conns.get(fd)
            if conn is None:
                continue
            if mask != readable or conn.state != BUSY:
                if not self._unusual(conn, mask):
                    continue
            try:
                data, ancillary, _flags, _address = conn.recvmsg(_READ_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                continue
            except OSError as err:
                self._fail(conn, error_kind(err), clock())
                continue
            now = clock()
            if ancillary:
                seconds, nanoseconds = unpack_stamp(ancillary[0][2])
                came = seconds * 1000000000 + nanoseconds - offset
                # The wall clock may be set while we run; then the stamp lies outside the request.
                if conn.sent <= came <= now:
                    received += 1
                else:
                    came = now
                    clocked += 1
            else:
                came = now
                clocked += 1
            if len(data) == size and conn.reader is None and data.startswith(begins):
                # The head of the answer before, as most have; where no body is read, that is all.
                if not raw:
                    body = data[len(begins) :]
                    meaning = head.bodies.get(body)
            else:
                head, begins, size = None, b"", -1  # which no answer has, not even an empty one
                if conn.reader is None:
                    at = data.find(b"\r\n\r\n")
                    head = heads.get(data[:at])
                if head is not None and head.length == len(data) - at - 4:
                    begins, size = data[: at + 4], len(data)
                    body = data[at + 4 :]
                else:
                    answer = self._assemble(conn, data, now)
                    if answer is None:
                        continue
                    head, body = answer
                if raw:
                    body = b""
                meaning = head.bodies.get(body)
            if meaning is None:
                meaning = meaning_of(head, body)
            slot, values = meaning
            if conn.intended < measure_from:
                pass
            elif slot is None:
                self._count_error(head, values)
            else:
                if conn.intended == conn.sent:
                    slot.took.append(came - conn.sent)
                else:
                    slot.latency.append(came - conn.intended)
                    slot.service.append(came - conn.sent)
                slot.last = came
                if slot.first is None:
                    slot.first = came
                if values:
                    slot.values += values
            if simple and head.keep and left and now < until:
                # The next request of a user of the closed loop, without the calls of _next_of().
                left -= 1
                conn.request = request = requests[number % different]
                number += stride
                conn.intended = conn.begun = conn.sent = begun = clock()
                if begun >= measure_from:
                    sent += 1
                try:
                    count = conn.send(request)
                except BlockingIOError:
                    count = 0
                except OSError as err:
                    self._fail(conn, error_kind(err), clock())
                    continue
                if count != len(request):
                    self._partly_sent(conn, count)
                continue
            self._in_flight -= 1
            conn.failures = 0
            if head.keep:
                conn.state = IDLE
            else:
                self._close(conn)
            self._left, self._next = left, number
            self._next_of(conn, now)
            left, number = self._left, self._next
        self._last = begins, size, head, meaning
        self._left, self._next = left, number
        record.sent += sent
        record.stamps["receive"] += received
        record.stamps["clock"] += clocked

    def _assemble(self, conn, data, now):
        """Takes a piece of an answer; returns (Head, body) when it is whole."""
        reader = conn.reader
        if reader is None:
            reader = conn.reader = AnswerReader()
        try:
            if data:
                answer = reader.feed(data)
            else:
                answer = reader.finish()
        except AnswerError as err:
            self._fail(conn, err.kind, now, str(err))
            return None
        if answer is None:
            return None
        conn.reader = None
        head = answer[0]
        if reader.rest:
            head.keep = False  # more than was asked for: nothing after it can be trusted
            self.record.problems["bytes after the answer"] += 1
        elif head.length >= 0 and head.status >= 200:
            self._seen.keep(head, data)
        return answer

    def _count_error(self, head, problem):
        record = self.record
        if 200 <= head.status < 300:
            record.errors["bad_answer"] += 1
            record.problems[problem] += 1
        else:
            record.errors["http_%dxx" % (head.status // 100)] += 1
            record.statuses[head.status] += 1

    def _next_of(self, conn, now):
        """Gives a connection that has finished its request the next one, or puts it by."""
        if self.work.due is not None:
            if self._backlog:
                self._assign(conn, self._backlog.popleft(), now)
            elif conn.state == IDLE:
                self._free.append(conn)
        elif self.work.think:
            heapq.heappush(self._timers, (now + self.work.think, id(conn), conn))
        else:
            self._user(conn, now)

    def _user(self, conn, now):
        """Sends the next request of a closed loop, unless its end has come."""
        if self.work.due is not None:
            # A connection of the open loop failed; what waits for one gets it.
            if self._backlog:
                self._assign(conn, self._backlog.popleft(), now)
            return
        if now >= self._until or not self._left:
            self._close(conn)
            return
        self._left -= 1
        self._assign(conn, now, now)

    def _arrive(self, due, now):
        """A request of the open loop is due: on a free connection, a new one, or as soon as there is one."""
        free, lag = self._free, now - due
        while free:
            conn = free.pop()
            if conn.state == IDLE:
                self._assign(conn, due, now)
                lag = conn.left - due
                break
        else:
            if len(self._conns) < self.work.connections:
                self._assign(Connection(), due, now)
            else:
                self._backlog.append(due)
                if due >= self._measure_from:
                    self.record.queued += 1
        if due >= self._measure_from:
            self.record.lag.append(lag)

    def _assign(self, conn, due, now):
        conn.begun = now
        conn.intended = due
        requests = self.work.requests
        conn.request = requests[self._next % len(requests)]
        self._next += self.work.stride
        self._in_flight += 1
        if due >= self._measure_from:
            self.record.sent += 1
        if conn.state == IDLE:
            self._transmit(conn)
        else:
            self._connect(conn)

    def _on_tick(self, now):
        self._next_tick = now + self._tick
        self._offset = time.time_ns() - time.monotonic_ns()
        self._time_out(now)
        while self._backlog and self._backlog[0] < now - self.work.timeout:
            # Its user would have given up by now.
            if self._backlog.popleft() >= self._measure_from:
                self.record.missed += 1
        if now > self.record.started:
            self.record.flush(now)
        if self._progress and now >= self._next_progress:
            self._next_progress += _PROGRESS_NS
            self._progress(self.record, now)
