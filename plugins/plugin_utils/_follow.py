# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells what a log that grows says, not every line of it but never nothing for long."""

from __future__ import annotations

import os
import threading
import time

# What a person can read, and how long one waits before one wonders.
_TELL_SECONDS = 1.0
_SILENT_SECONDS = 10.0
_LONGEST = 100
_NEWEST_BYTES = 4096


class Follow:
    """While it is entered, calls tell(str) with the newest line of the file at path.

    A line is told at most every second, and again every ten seconds where nothing is added. What
    stands in the file before does not count.
    """

    def __init__(self, path, what, tell):
        self._path, self._what, self._tell = path, what, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._before = self._size()
        self._began = time.monotonic()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._ended.set()
        self._thread.join()

    def _size(self):
        try:
            return os.path.getsize(self._path)
        except OSError:
            return 0

    def _run(self):
        size, told = self._before, time.monotonic()
        while not self._ended.wait(_TELL_SECONDS):
            grown = self._size()
            if grown == size and time.monotonic() - told < _SILENT_SECONDS:
                continue
            size, told = grown, time.monotonic()
            line = self._newest(size)
            if line:
                seconds = time.monotonic() - self._began
                self._tell("%s, %d s: %s" % (self._what, seconds, line))

    def _newest(self, size):
        try:
            with open(self._path, "rb") as stream:
                stream.seek(max(0, size - _NEWEST_BYTES))
                lines = stream.read(_NEWEST_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
