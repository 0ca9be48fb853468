# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The namespaces, the link and the control group in which everything of one cluster runs.

Whoever is in the control group can be ended without asking who it is, whether somebody remembers its
id or not; and what they mounted and routed goes with the namespaces when the last of them is gone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

# Programs have these written in, and two clusters must not share them.
_PRIVATE = ("run", "var/lib", "var/log")
_TRUST = Path("/etc/docker/certs.d")
# By sandbox: held, or Python would complain that they still run, and left as zombies when they do not.
_children: dict[str, list[subprocess.Popen]] = {}


def network_of(slot: int) -> ipaddress.IPv4Network:
    """The network between this machine and the node."""
    return ipaddress.IPv4Network(f"10.250.{slot}.0/24")


def is_free(network: ipaddress.IPv4Network) -> bool:
    """Whether no route of this machine leads into a network."""
    routes = subprocess.check_output(["ip", "-4", "route", "show"], text=True)
    words = [line.split()[0] for line in routes.splitlines()]
    taken = [ipaddress.ip_network(word, strict=False) for word in words if word[0].isdigit()]
    return not any(map(network.overlaps, taken))


def hierarchies() -> list[Path]:
    """Where control groups are mounted: one place with version 2, one for each controller with 1.

    A machine with version 1 may have 2 beside it, without controllers, and that is last.
    """
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [
        Path(place)
        for wanted in ("cgroup", "cgroup2")
        for _device, place, kind, *_rest in mounts
        if kind == wanted
    ]


class Sandbox:
    """Makes, enters and removes them.

    directory  what belongs to the cluster, its logs and process ids among them
    slot       a small number that no other cluster on this machine has
    """

    def __init__(self, directory: Path, slot: int) -> None:
        self.directory = directory
        self.name = f"monitml-{slot}"
        self._link = f"monitml{slot}"
        self._network = network_of(slot)
        self.node_address = str(self._network[1])
        self.host_address = str(self._network[254])
        self.trust = _TRUST / self.node_address

    def make(self) -> None:
        """Makes them."""
        for name in ("log", "pid", *(f"private/{one}" for one in _PRIVATE)):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self._make_groups()
        mounts = "".join(
            f"mount --bind {self.directory}/private/{one} /{one}\n" for one in _PRIVATE
        )
        ready = self.directory / "pid/ready"
        self._start(
            "holder",
            ["unshare", "--net", "--mount", "--propagation", "private"]
            + ["sh", "-ec", f"{mounts}: > {ready}\nexec sleep infinity"],
        )
        deadline = time.monotonic() + 20
        while not ready.exists():
            if time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log/holder.log").read_text())
            time.sleep(0.01)
        self._connect()

    def command(self, *words: str | Path) -> list[str]:
        """The words of a command that runs inside."""
        # "ip netns exec" would mount another /sys, and hide the control groups from the kubelet.
        holder = str(self.pid("holder"))
        return ["nsenter", "--target", holder, "--net", "--mount", *map(str, words)]

    def run(self, *words: str | Path, **options) -> subprocess.CompletedProcess:
        """Runs a command inside to its end; what it says on stderr is in the error where it fails."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, **options
        )
        if done.returncode:
            raise RuntimeError(f"{words[0]} {words[1:]} failed:\n{done.stderr}{done.stdout}")
        return done

    def start(self, name: str, words: Sequence[str]) -> None:
        """Starts a daemon inside, which outlives who starts it."""
        self._start(name, self.command(*words))

    def pid(self, name: str) -> int:
        """Process id of a daemon that was started."""
        return int((self.directory / "pid" / name).read_text())

    def runs(self, name: str) -> bool:
        """Whether a daemon is there, and is the one that was started."""
        with contextlib.suppress(OSError, ValueError):
            pid = self.pid(name)
            for child in _children.get(self.name, []):
                child.poll()
            return f"/{self.name}/" in Path(f"/proc/{pid}/cgroup").read_text()
        return False

    def end(self, name: str) -> None:
        """Ends a daemon at once. Nothing of a test has to end in good order."""
        if self.runs(name):
            os.kill(self.pid(name), signal.SIGKILL)
            while self.runs(name):
                time.sleep(0.01)

    def log(self, name: str, characters: int = 3000) -> str:
        """The end of what a daemon wrote."""
        return (self.directory / "log" / f"{name}.log").read_text(errors="replace")[-characters:]

    def processes(self, below: str = "") -> list[int]:
        """Ids of all processes inside; with a word, of those in groups whose path has it."""
        found: list[int] = []
        # A group that goes in the meantime has no processes.
        with contextlib.suppress(FileNotFoundError):
            for path in sorted((self._tree() / self.name).rglob("cgroup.procs")):
                with contextlib.suppress(OSError):
                    if below in str(path):
                        found += map(int, path.read_text().split())
        return found

    def remove(self) -> None:
        """Ends and removes all of it, whatever is there of it."""
        deadline = time.monotonic() + 60
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of {self.name} cannot be ended: {left}")
            time.sleep(0.02)
        for child in _children.pop(self.name, []):
            child.wait()
        subprocess.run(["ip", "link", "delete", self._link], capture_output=True, check=False)
        self._remove_groups()
        shutil.rmtree(self.trust, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def _start(self, name: str, words: Sequence[str]) -> None:
        group = self._tree() / self.name / "daemons/cgroup.procs"
        with (self.directory / "log" / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        _children.setdefault(self.name, []).append(process)
        (self.directory / "pid" / name).write_text(str(process.pid))
        while process.poll() is None and not self.runs(name):
            time.sleep(0.002)

    def _connect(self) -> None:
        inner, prefix = "node0", self._network.prefixlen
        holder = str(self.pid("holder"))
        for step in (
            f"link add {self._link} type veth peer name {inner} netns {holder}",
            f"addr add {self.host_address}/{prefix} dev {self._link}",
            f"link set {self._link} up",
        ):
            subprocess.run(["ip", *step.split()], check=True)
        for step in (
            f"addr add {self.node_address}/{prefix} dev {inner}",
            f"link set {inner} up",
            "link set lo up",
            f"route add default via {self.host_address}",
        ):
            self.run("ip", *step.split())
        for setting in ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"):
            self.run("sysctl", "-qw", f"{setting}=1")

    def _tree(self) -> Path:
        """The hierarchy by which processes are found."""
        return next((one for one in hierarchies() if one.name == "pids"), hierarchies()[0])

    def _make_groups(self) -> None:
        for place in hierarchies():
            group = place / self.name
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                # Version 1 lets nobody in before these are said.
                if (group / name).exists() and not (place / "cgroup.controllers").exists():
                    (group / name).write_text((place / name).read_text())
            controllers = place / "cgroup.controllers"
            names = controllers.read_text().split() if controllers.exists() else []
            if names:
                wanted = " ".join(f"+{name}" for name in names)
                for one in (place, group):
                    (one / "cgroup.subtree_control").write_text(wanted)
        (self._tree() / self.name / "daemons").mkdir(exist_ok=True)

    def _remove_groups(self) -> None:
        for place in hierarchies():
            group = place / self.name
            folders = [path for path in group.rglob("*") if path.is_dir()] if group.exists() else []
            for path in [*sorted(folders, reverse=True), group]:
                _remove_group(path)


def _remove_group(path: Path, seconds: float = 10) -> None:
    """Removes a group; the kernel may need a moment to see that its last process is gone."""
    deadline = time.monotonic() + seconds
    while path.exists():
        try:
            path.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
