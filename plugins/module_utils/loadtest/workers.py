# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several processes that share one Work, where one processor is not enough."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import selectors
import signal
import struct
import time

from ..client.error import LoadTestError
from .engine import Engine
from .status import Status

# All begin together once all are there.
_START_NS = 50000000
_LENGTH = struct.Struct("!I")


def shares(work, processes):
    """The Works of ``processes`` processes; together they send what ``work`` says."""
    parts = []
    begin = time.monotonic_ns() + _START_NS
    for number in range(processes):
        part = copy.copy(work)
        part.lead, part.stride, part.begin = number, processes, begin
        part.connections = work.connections // processes + (number < work.connections % processes)
        if work.due is not None:
            # Every process walks its own copy of the schedule, as they are forked before the first
            # step, and sends each processes-th request of it.
            part.due = itertools.islice(work.due, number, None, processes)
        elif work.count is not None:
            part.count = work.count // processes + (number < work.count % processes)
        parts.append(part)
    return [part for part in parts if part.count != 0]


class Workers:
    """Has the interface of an Engine, for one Work done by several."""

    def __init__(self, work, processes, progress=None):
        self._parts = shares(work, processes)
        self._progress = progress
        self._children = []

    def stop(self):
        """Ends the run as soon as the processes see it; safe in a signal handler."""
        for pid in self._children:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass

    def run(self):
        pipes = []
        try:
            for part in self._parts:
                pipes.append(self._start(part))
            return self._collect(pipes)
        finally:
            for pipe in pipes:
                os.close(pipe)
            for pid in self._children:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                os.waitpid(pid, 0)

    def _start(self, part):
        """Forks a process for one part and returns the pipe that it reports on."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            self._children.append(pid)
            os.close(writing)
            return reading
        # Whatever happens, the child must not go on as its parent.
        code = 1
        try:
            os.close(reading)
            tell = self._progress and (lambda record, now: _send(writing, Status(record, now)))
            engine = Engine(part, tell)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda _number, _frame: engine.stop())
            _send(writing, engine.run())
            code = 0
        finally:
            os._exit(code)

    def _collect(self, pipes):
        """Reads statuses and records until every process has sent its record; returns the merged one."""
        buffers, records, statuses = dict.fromkeys(pipes, b""), {}, {}
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while len(records) < len(pipes):
                for key, _mask in selector.select():
                    data = os.read(key.fd, 1 << 20)
                    if not data:
                        selector.unregister(key.fd)
                        if key.fd not in records:
                            raise LoadTestError(
                                "a process of the load test died; use fewer processes, or see why "
                                "in the kernel's log."
                            )
                        continue
                    buffers[key.fd] += data
                    for item in _messages(buffers, key.fd):
                        if isinstance(item, Status):
                            self._tell(statuses, key.fd, item, len(pipes))
                        else:
                            records[key.fd] = item
        merged = records[pipes[0]]
        for pipe in pipes[1:]:
            merged.merge(records[pipe])
        return merged

    def _tell(self, statuses, pipe, status, wanted):
        """One line of progress per round of statuses."""
        statuses[pipe] = status
        if len(statuses) == wanted:
            first, *others = statuses.values()
            for other in others:
                first.merge(other)
            statuses.clear()
            self._progress(first)


def _send(pipe, item):
    data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
    view = memoryview(_LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(pipe, view) :]


def _messages(buffers, pipe):
    """Takes the whole messages out of a pipe's buffer."""
    while len(buffers[pipe]) >= _LENGTH.size:
        length = _LENGTH.unpack_from(buffers[pipe])[0]
        end = _LENGTH.size + length
        if len(buffers[pipe]) < end:
            return
        data, buffers[pipe] = buffers[pipe][_LENGTH.size : end], buffers[pipe][end:]
        yield pickle.loads(data)
