# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel says of the processes of one user, as JSON: processes.py USER

{"processes": [{pid, parent, kind, command}], "listeners": [{protocol, address, port}],
"pss_bytes": N}. Asks /proc alone, so that it owes nothing to what it tests. PSS needs root.
"""

from __future__ import annotations

import ipaddress
import json
import os
import pwd
import sys

# Of a command line, what tells one kind of process from another; the first that fits.
KINDS = (
    ("supervisord", "/supervisord "),
    ("watchdog", "agent.py watch"),
    ("gateway", "/envoy "),
    ("prometheus", "/prometheus "),
    ("alertmanager", "/prometheus-alertmanager "),
    ("node-exporter", "/prometheus-node-exporter "),
    ("inbox", "/inbox.py "),
    ("model parent", "/serve.py "),
    ("model server", "/serve_app.py "),
)
_LISTENING = {"tcp": "0A", "udp": "07"}


def _read(path):
    """Content of a file as text; empty where it is gone or secret."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _kind(command, parent_command):
    for kind, mark in KINDS:
        if mark in command:
            if kind == "model server":
                # What an arbiter forks looks like it.
                return "model worker" if mark in parent_command else "model arbiter"
            return kind
    return "other"


def processes(uid):
    """[{pid, parent, kind, command}] of a user's living processes, by pid."""
    commands, parents = {}, {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if os.stat("/proc/%d" % pid).st_uid != uid:
                continue
        except OSError:
            continue
        stat = _read("/proc/%d/stat" % pid).rpartition(")")[2].split()
        if stat and stat[0] != "Z":
            parents[pid] = int(stat[1])
            commands[pid] = _read("/proc/%d/cmdline" % pid).replace("\0", " ")
    return [
        {
            "pid": pid,
            "parent": parents[pid],
            "kind": _kind(command, commands.get(parents[pid], "")),
            "command": command.strip(),
        }
        for pid, command in commands.items()
    ]


def _address(text):
    """An address of /proc/net as people write it: each 32-bit word is little-endian there."""
    words = (bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(words)))


def listeners(uid):
    """[{protocol, address, port}] of the sockets on which a user waits for others."""
    found = []
    for protocol, state in _LISTENING.items():
        for table in (protocol, protocol + "6"):
            for line in _read("/proc/net/" + table).splitlines()[1:]:
                fields = line.split()
                if fields[3] == state and int(fields[7]) == uid:
                    address, port = fields[1].split(":")
                    address = _address(address)
                    found.append({"protocol": protocol, "address": address, "port": int(port, 16)})
    return found


def pss_bytes(pid):
    """Memory of a process, pages shared with others by share; 0 where it is gone."""
    for line in _read("/proc/%d/smaps_rollup" % pid).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    uid = pwd.getpwnam(sys.argv[1]).pw_uid
    found = processes(uid)
    report = {
        "processes": found,
        "listeners": listeners(uid),
        "pss_bytes": sum(pss_bytes(process["pid"]) for process in found),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
