# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the model's files are still those that the server was started from.

A worker that is started anew reads what lies there then: two workers of one server may differ, and
what answers is no more what was deployed. So each look compares the files with those of the start.
"""

from __future__ import annotations

import hashlib
import os
import time

import monitml_metrics

# How often it is looked, at most.
LOOK_SECONDS = 5
# Files that are larger are told by their size and times alone, as reading them would take seconds.
READ_BYTES = 16 * 1024 * 1024
# Each is a series; more say nothing more.
NAMED = 10
_IGNORED = {"__pycache__", ".git"}


class ModelFiles:
    """The files below DIRECTORIES, as they are when this is made, and which of them changed since."""

    def __init__(self, *directories):
        self._directories = sorted({os.path.abspath(path) for path in directories if path})
        self._seen = self._look()
        self._digests = {path: _digest(path, sign) for path, sign in self._seen.items()}
        self._started = set(self._seen)
        self._changed, self._next = [], 0.0

    def _look(self):
        """{path: what is seen of it without reading it}."""
        found = {}
        for directory in self._directories:
            for place, folders, names in os.walk(directory):
                folders[:] = [name for name in folders if name not in _IGNORED]
                for name in names:
                    path = os.path.join(place, name)
                    try:
                        stat = os.stat(path)
                    except OSError:
                        continue
                    if not name.endswith(".pyc"):
                        found[path] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        return found

    def changed(self, now=None):
        """Names of the files that were changed, added or removed, within their directory."""
        now = time.monotonic() if now is None else now
        if now >= self._next:
            self._next = now + LOOK_SECONDS
            seen = self._look()
            moved = {path for path in seen.keys() | self._started if seen.get(path) != self._seen.get(path)}
            self._changed = sorted(self._name(path) for path in moved if self._differs(path, seen.get(path)))
        return self._changed

    def _differs(self, path, sign):
        if path not in self._started:
            # What a model writes beside itself is no change of it, unless it is code.
            return path.endswith(".py")
        # A file that was only touched, or put back, is what it was.
        return sign is None or _digest(path, sign) != self._digests[path]

    def _name(self, path):
        for directory in self._directories:
            if path.startswith(directory + os.sep):
                return os.path.relpath(path, directory)
        return path

    def render(self, labels):
        """Prometheus text."""
        samples = [("", {"file": name}, 1) for name in self.changed()[:NAMED]]
        return monitml_metrics.exposition(monitml_metrics.MODEL_FILE_CHANGED, samples, labels)


def _digest(path, sign):
    """What tells the content of PATH, of which SIGN was seen; SIGN itself where it is large or unreadable."""
    if sign[0] > READ_BYTES:
        return sign
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return sign
