# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine shows of a cluster, wherever it may show it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from testbed.cluster import Cluster
from testbed.sandbox import hierarchies


class Traces:
    """Looks for what a cluster has on this machine, also when it is long gone.

    processes, links, groups, files are what a running one must show, or looking proves nothing.
    """

    def __init__(self, cluster: Cluster) -> None:
        sandbox = cluster.sandbox
        self._directory, self._trust = cluster.directory, sandbox.trust
        self._group = sandbox.name
        self._network = sandbox.node_address.rsplit(".", 1)[0] + "."
        containers = cluster.node.ctr("containers", "list", "--quiet").split()
        assert containers
        self._words = [f"{cluster.directory}/", f"/{self._group}/", *containers]

    def found(self) -> dict[str, list[str]]:
        """{kind: what there is of it}, without the kinds of which there is nothing."""
        kinds = {
            "processes": self._processes(),
            "links": self._lines("ip", "-o", "addr"),
            "routes": self._lines("ip", "route"),
            "namespaces": self._lines("ip", "netns"),
            "rules": self._lines("iptables-save"),
            "mounts": self._with_words(Path("/proc/mounts").read_text()),
            "groups": [
                str(place / self._group)
                for place in hierarchies()
                if (place / self._group).exists()
            ],
            "files": [str(one) for one in (self._directory, self._trust) if one.exists()],
            "files of containers": self._elsewhere(),
        }
        return {kind: there for kind, there in kinds.items() if there}

    def _processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                state = (path / "stat").read_text().rpartition(") ")[2][0]
                told = (path / "cmdline").read_text() + (path / "cgroup").read_text()
            except OSError:
                # It ended in the meantime.
                continue
            # One that has ended only waits for whoever inherited it, the machine's first process.
            found += [path.name] if state != "Z" and self._with_words(told) else []
        return found

    def _lines(self, *words: str) -> list[str]:
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return self._with_words(text) + [
            line for line in text.splitlines() if self._network in line
        ]

    def _with_words(self, text: str) -> list[str]:
        return [line for line in text.splitlines() if any(word in line for word in self._words)]

    def _elsewhere(self) -> list[str]:
        """Files that are named after containers, where programs put such unless told otherwise."""
        places = ("/run/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers")
        return [
            str(path)
            for place in places
            for path in Path(place).rglob("*")
            if any(word in path.name for word in self._words)
        ]
