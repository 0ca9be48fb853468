# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this machine can have a cluster."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

from .sandbox import hierarchies

_PACKAGED = {
    "busybox": "busybox-static",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ctr": "containerd",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "iptables": "iptables",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}


def what_is_missing() -> str:
    """Why this machine cannot have a cluster, in a line; nothing where it can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "no cluster here: it needs Linux on x86-64"
    if os.geteuid():
        return "no cluster here: it needs root, for namespaces, mounts and control groups"
    packages = sorted({package for name, package in _PACKAGED.items() if not shutil.which(name)})
    if packages:
        return f"no cluster here: install {', '.join(packages)} (tests/prepare.yml does)"
    if not hierarchies() or not all(os.access(place, os.W_OK) for place in hierarchies()):
        return "no cluster here: control groups cannot be written to"
    # All that a start does to the kernel, in namespaces that go at once.
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec"]
        + [
            "ip link add monitml type veth; ip link add monitml0 type bridge; mount --bind /run /run"
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"no cluster here: no namespaces with links and mounts of their own ({said})"
    return ""
