# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The messages of the inbox, on disk and in memory. Standard library only; Python 3.8 or later."""

from __future__ import annotations

import collections
import errno
import json
import os
import sys
import threading

# What waits for Slack is among them: what an outage of days leaves room for.
MESSAGES_MAX = 2000
FILE_BYTES_MAX = 8 * 1024 * 1024


class Store:
    """The last messages, in memory and in one file of JSON lines. Safe to call from threads.

    A line is written by one call, so that a kill leaves at most a torn last line, which the next
    start drops. The file is rewritten, by a rename, when it has grown past its bound. Messages are
    numbered without a gap, so that what a receiver was told is one number.
    """

    def __init__(self, directory, messages_max=MESSAGES_MAX, bytes_max=FILE_BYTES_MAX):
        self.path = os.path.join(directory, "messages.jsonl")
        self.bytes_max = bytes_max
        self.changed = threading.Condition()
        self.messages = collections.deque(maxlen=messages_max)
        self.version = 0
        self.received = 0
        self.last = 0
        self.bytes = 0
        self._load()

    def _load(self):
        try:
            with open(self.path, "rb") as stream:
                lines = stream.read().splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        for line in lines:
            message = _message(line)
            if message is not None:
                self.messages.append((message, len(line)))
        self.last = self.messages[-1][0]["id"] if self.messages else 0
        self._rewrite()

    def add(self, payload, now, disk_matters=True):
        """Keeps one message that came at NOW (epoch seconds).

        Where the disk does not take it: OSError if the disk matters, else it is kept in memory alone.
        """
        with self.changed:
            message = {"id": self.last + 1, "received_at": now, "payload": payload}
            line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
            try:
                if self.bytes > self.bytes_max:
                    self._rewrite()
                self._append(line)
            except OSError as error:
                if disk_matters:
                    raise
                print(f"A message is in memory alone: {error}", file=sys.stderr, flush=True)
            self.messages.append((message, len(line)))
            self.last += 1
            self.received += 1
            self.touch()

    def _append(self, line):
        # Until the line is known to be whole, the file counts as overgrown: what a full disk cut
        # off is taken away by the next rewrite, before another line is put after it.
        before, self.bytes = self.bytes, self.bytes_max + 1
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        finally:
            os.close(handle)
        self.bytes = before + len(line)

    def _rewrite(self):
        """Writes what is still kept, the oldest dropped until it fills half the bound."""
        while self.messages and sum(size for _message, size in self.messages) > self.bytes_max / 2:
            self.messages.popleft()
        lines = [
            json.dumps(message, separators=(",", ":")) + "\n" for message, _size in self.messages
        ]
        replace(self.path, "".join(lines))
        self.bytes = sum(len(line) for line in lines)

    def since(self, seconds=0.0):
        """The messages received after that moment, oldest first."""
        with self.changed:
            return [message for message, _size in self.messages if message["received_at"] > seconds]

    def after(self, number):
        """The messages with a higher number, oldest first."""
        with self.changed:
            return [message for message, _size in self.messages if message["id"] > number]

    def touch(self):
        """Wakes who waits, as something changed."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def wait(self, version, seconds):
        """Waits until something is other than at that version; seconds: how long at most, None for ever."""
        with self.changed:
            self.changed.wait_for(lambda: self.version != version, seconds)


def replace(path, text):
    """Writes a file whole, by a rename. OSError where it cannot."""
    fresh = path + ".new"
    with open(fresh, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(fresh, 0o640)
    os.replace(fresh, path)


def _message(line):
    """A kept line as a message; None if it is torn or not one of ours."""
    try:
        message = json.loads(line)
        sound = line.endswith(b"\n") and isinstance(message["payload"], dict)
        message = {
            "id": int(message["id"]),
            "received_at": float(message["received_at"]),
            "payload": message["payload"],
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return message if sound else None
