# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What services look like to systemd. Pure: dicts of complete_service() in, text of units out."""

from __future__ import annotations

import re

_HEADER = re.compile(r"# Managed by monitml\.stack\.local_service: instance=(\S+) group=(\S+)")


def quoted(text, command=False):
    """One word for Environment= or, with command, for ExecStart=, which also expands variables."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\t", "\\t")
    if command:
        text = text.replace("$", "$$")
    return '"%s"' % text


def header(instance, group):
    return "# Managed by monitml.stack.local_service: instance=%s group=%s\n" % (
        instance.name,
        group,
    )


def owner(text):
    """(instance, group) of a unit file that the module wrote, None of any other."""
    match = _HEADER.match(text)
    return match.groups() if match else None


def target(instance):
    """Text of the unit that starts and stops all services of the instance."""
    return (
        header(instance, "-")
        + "[Unit]\nDescription=All services of %s\n\n[Install]\nWantedBy=multi-user.target\n"
        % instance.name
    )


def unit(instance, service):
    """Text of the unit of one service."""
    writable = sorted({instance.home, instance.log_directory})
    environment = dict({"LANG": "C.UTF-8"}, **service["environment"])
    lines = [
        header(instance, service["group"])
        + "# Started again when this changes: "
        + service["restart_digest"],
        "[Unit]",
        "Description=%s of %s" % (service["name"], instance.name),
        "PartOf=" + instance.target,
        "After=network.target",
        "# Never give up: the next attempt may find its port or its file again.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        "User=" + instance.user,
        "WorkingDirectory=" + service["directory"],
    ]
    lines += ["Environment=" + quoted("%s=%s" % item) for item in sorted(environment.items())]
    lines += [
        "ExecStart=" + " ".join(quoted(word, command=True) for word in service["command"]),
        "Restart=always",
        "RestartSec=1",
        "KillMode=control-group",
        "KillSignal=SIG" + service["stop_signal"],
        "TimeoutStopSec=%d" % service["stop_seconds"],
        "UMask=0027",
        "SyslogIdentifier=%s-%s" % (instance.name, service["name"]),
    ]
    if service["open_files_max"]:
        lines.append("LimitNOFILE=%d" % service["open_files_max"])
    if service["memory_max_bytes"]:
        lines.append("MemoryMax=%d" % service["memory_max_bytes"])
    lines += [
        "CapabilityBoundingSet=",
        "LockPersonality=yes",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
        "ProtectControlGroups=yes",
        "# Not yes: the home may lie under /home, and a virtual environment may link there.",
        "ProtectHome=read-only",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectSystem=strict",
        "ReadWritePaths=" + " ".join(writable),
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "",
        "[Install]",
        "WantedBy=" + instance.target,
    ]
    return "\n".join(lines) + "\n"
