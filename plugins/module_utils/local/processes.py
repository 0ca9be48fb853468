# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel tells about processes and listening sockets, read from /proc.

The root of /proc is passed in, so tests can hand over a made-up one. Whatever is gone or not
ours to read counts as unknown, never as an error.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

_LISTEN, _ESTABLISHED = "0A", "01"


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket. uid is its creator's; inode names it among open files."""

    address: str
    port: int
    uid: int
    inode: int


@dataclass(frozen=True)
class Process:
    """A process. places are its program, its directory and its arguments, as far as readable."""

    pid: int
    name: str
    uid: int
    places: tuple = ()


def decode_address(text):
    """An address of /proc/net/tcp or tcp6, such as 0100007F, as people write it."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    # The kernel prints each 32-bit word in the byte order of the machine.
    raw = b"".join(struct.pack("<I" if sys.byteorder == "little" else ">I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)


def parse_listeners(text):
    """Listeners in the text of /proc/net/tcp or /proc/net/tcp6."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, port = fields[1].split(":")
            found.append(
                Listener(decode_address(address), int(port, 16), int(fields[7]), int(fields[9]))
            )
    return found


def parse_connections(text):
    """Local ports of the open connections in the text of /proc/net/tcp or tcp6, one per connection.

    Those that wait to be accepted are among them; those whose other side hung up are not.
    """
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _ESTABLISHED:
            found.append(int(fields[1].rpartition(":")[2], 16))
    return found


def _text(path):
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "replace")
    except OSError:
        return ""


def listeners(proc="/proc"):
    """All listening TCP sockets of this network namespace."""
    return [
        listener
        for table in ("tcp", "tcp6")
        for listener in parse_listeners(_text("%s/net/%s" % (proc, table)))
    ]


def connections(ports, proc="/proc"):
    """How many connections are open to these ports of this network namespace."""
    return sum(
        port in ports
        for table in ("tcp", "tcp6")
        for port in parse_connections(_text("%s/net/%s" % (proc, table)))
    )


def _pids(proc):
    return sorted(int(name) for name in os.listdir(proc) if name.isdigit())


def _inodes(proc, pid):
    """Inodes of the sockets that a process holds."""
    directory = "%s/%d/fd" % (proc, pid)
    found = set()
    try:
        for name in os.listdir(directory):
            try:
                target = os.readlink(directory + "/" + name)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        pass
    return found


def holders(inodes, proc="/proc"):
    """inode -> id of the oldest process that holds it, for as many as we may see.

    A server's workers hold its socket too; the oldest is the one a person has to stop.
    """
    found = {}
    for pid in sorted(_pids(proc), key=lambda pid: started_ticks(pid, proc)):
        for inode in _inodes(proc, pid) & set(inodes):
            found.setdefault(inode, pid)
    return found


def _stat(pid, proc):
    # The name stands in parentheses and may hold both spaces and parentheses.
    return _text("%s/%d/stat" % (proc, pid)).rpartition(")")[2].split()


def started_ticks(pid, proc="/proc"):
    """When a process started, in clock ticks since boot; 0 where it is gone."""
    fields = _stat(pid, proc)
    return int(fields[19]) if len(fields) > 19 else 0


def alive_seconds(pid, proc="/proc"):
    """How long a process has been there, 0 where it is gone."""
    ticks, uptime = started_ticks(pid, proc), _text(proc + "/uptime").split()
    if not ticks or not uptime:
        return 0.0
    return max(0.0, float(uptime[0]) - ticks / os.sysconf("SC_CLK_TCK"))


def memory_kills(proc="/proc"):
    """How many processes of the machine the kernel has killed for want of memory; 0 where it does not say."""
    for line in _text(proc + "/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def process(pid, proc="/proc"):
    """The process with this id, None where it is gone."""
    base = "%s/%d" % (proc, pid)
    name = _text(base + "/comm").strip()
    try:
        uid = os.stat(base).st_uid
    except OSError:
        return None
    places = [part for part in _text(base + "/cmdline").split("\0") if part]
    for link in ("exe", "cwd"):
        try:
            places.append(os.readlink(base + "/" + link))
        except OSError:
            pass
    return Process(pid, name, uid, tuple(places))
