# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server's counters were a while ago, so that it can say itself what happened since.

A Prometheus that has just begun to read a counter cannot know how much of it is new: it missed
what came before its first scrape, and what came while it was away. The server knows, and says so
beside each counter. Snapshots are kept in a file, two a second, so that a server that was killed
goes on counting where it was.
"""

from __future__ import annotations

import bisect
import json
import mmap
import os
import struct
import zlib

INTERVAL_SECONDS = 0.5
# The longest window that a server can answer for; Prometheus remembers longer ones well enough.
LONGEST_SECONDS = 3600
_ENTRIES = int(LONGEST_SECONDS / INTERVAL_SECONDS) + 4
# Magic, digest of the names, number of snapshots ever taken.
_HEAD = struct.Struct("=3d")
_MAGIC = 2.99792458e8


class History:
    """Snapshots of counters in a file. Times are seconds of time.monotonic(), which a process
    that is started again goes on with until the machine boots.

    names: what identifies each counter, as JSON can hold it; a file of other names begins anew.
    One process writes; whatever moment it is killed at, the file holds whole snapshots.
    OSError where the file cannot be had.
    """

    def __init__(self, path, names, now):
        self._entry = struct.Struct("=%dd" % (1 + len(names)))
        digest = float(zlib.crc32(json.dumps(names, sort_keys=True).encode()))
        size = _HEAD.size + _ENTRIES * self._entry.size
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fresh = os.fstat(handle).st_size != size
            if fresh:
                os.ftruncate(handle, 0)
            os.posix_fallocate(handle, 0, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        magic, known, self._taken = _HEAD.unpack_from(self._map)
        if fresh or (magic, known) != (_MAGIC, digest) or self._time(int(self._taken) - 1) > now:
            self._taken = 0
            _HEAD.pack_into(self._map, 0, _MAGIC, digest, 0)
            # Nothing had happened before it began to count.
            self.note(now, [0.0] * len(names))
        self._taken = int(self._taken)

    def _place(self, number):
        return _HEAD.size + number % _ENTRIES * self._entry.size

    def _time(self, number):
        return struct.unpack_from("=d", self._map, self._place(number))[0]

    def note(self, now, values):
        """Takes a snapshot, unless there is one of less than an interval ago."""
        if self._taken and now - self._time(self._taken - 1) < INTERVAL_SECONDS:
            return
        self._entry.pack_into(self._map, self._place(self._taken), now, *values)
        self._taken += 1
        struct.pack_into("=d", self._map, _HEAD.size - 8, self._taken)

    def before(self, now, seconds):
        """The values SECONDS ago: zeros from before it began; None where that is forgotten."""
        first, wanted = max(0, self._taken - _ENTRIES + 1), now - seconds
        numbers = range(first, self._taken)
        place = bisect.bisect_right(numbers, wanted, key=self._time) - 1
        if place < 0 and first:
            return None
        return self._entry.unpack_from(self._map, self._place(numbers[max(0, place)]))[1:]

    def close(self):
        """Gives the file free."""
        self._map.close()
