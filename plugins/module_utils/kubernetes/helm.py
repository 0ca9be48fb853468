# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program helm: the only place that runs it. Its releases are known by the secrets that it keeps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from . import kinds
from .errors import KubernetesError

GROUP = "charts"
_SECRETS = kinds.named("Secret")
# Of a chart that does not come up, the last word is what tells.
_LINES = 3


@dataclass(frozen=True)
class Chart:
    """Where a chart is: a folder, a package or an oci:// address, or a name in a repository."""

    ref: str
    repository: str = ""
    version: str = ""

    @property
    def words(self) -> list[str]:
        """What helm is told of it."""
        named = self.repository and not self.is_here and not self.ref.startswith("oci://")
        version = ["--version", self.version] if self.version and not self.is_here else []
        return [self.ref, *(["--repo", self.repository] if named else []), *version]

    @property
    def is_here(self) -> bool:
        """Whether it is a file or a folder of this machine, and no name that happens to be one, too."""
        return ("/" in self.ref or self.ref.endswith(".tgz")) and os.path.exists(self.ref)


class Helm:
    """helm against one cluster."""

    def __init__(self, program: str = "helm", kubeconfig: str = "", context: str = ""):
        self._program, self._kubeconfig, self._context = program, kubeconfig, context

    def run(self, *words: str, given: str = "", cluster: bool = True) -> str:
        """What it prints; raises KubernetesError with what it says where it fails."""
        program = shutil.which(self._program)
        if not program:
            raise KubernetesError(
                f"{self._program} is not on the controller, and charts are installed with it: install Helm 3.13 or newer"
                " from https://helm.sh, name it with seldon_helm, or have somebody else install what the charts bring."
            )
        reach = []
        if cluster and self._kubeconfig:
            reach += ["--kubeconfig", self._kubeconfig]
        if cluster and self._context:
            reach += ["--kube-context", self._context]
        done = subprocess.run(
            [program, *words, *reach], input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it says nothing"]
            raise KubernetesError(f"helm {words[0]} {_who(words)}: {' '.join(lines[-_LINES:])}")
        return done.stdout

    def about(self, chart: Chart) -> str:
        """Name and version of a chart, such as istiod-1.27.3; of one elsewhere, as it is asked for."""
        if chart.ref.startswith(("/", ".", "~")) and not chart.is_here:
            raise KubernetesError(f"There is no chart at {chart.ref} on the controller: correct that path.")
        if not chart.is_here and chart.version:
            return f"{chart.ref.rstrip('/').rpartition('/')[2]}-{chart.version}"
        # A chart says little of itself, in plain lines.
        told = self.run("show", "chart", *chart.words, cluster=False)
        found = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line and line[0].isalpha())
        return f"{found.get('name', '').strip()}-{found.get('version', '').strip()}"

    def values(self, release: str, namespace: str) -> dict:
        """Those that a release was given."""
        told = self.run("get", "values", release, "--namespace", namespace, "--output", "json")
        return json.loads(told) or {}

    def chart_of(self, release: str, namespace: str) -> str:
        """Name and version of the chart of a release."""
        told = json.loads(self.run("get", "metadata", release, "--namespace", namespace, "--output", "json"))
        return f"{told['chart']}-{told['version']}"

    def install(self, release: str, namespace: str, chart: Chart, values: dict, labels: dict, seconds: int) -> None:
        """Installs a chart or brings a release to it, and waits until what it brings is up."""
        told = ",".join(f"{name}={value}" for name, value in labels.items())
        # A release whose first install was cut off cannot be upgraded, only made anew.
        words = ["upgrade", "--install", release, *chart.words, "--namespace", namespace, "--labels", told]
        words += ["--values", "-", "--wait", "--timeout", f"{seconds}s", "--history-max", "2"]
        self.run(*words, given=json.dumps(values))

    def uninstall(self, release: str, namespace: str, seconds: int = 120) -> None:
        """Takes a release away with what it brought."""
        self.run("uninstall", release, "--namespace", namespace, "--wait", "--timeout", f"{seconds}s")


def _who(words: tuple[str, ...]) -> str:
    return next((word for word in words[1:] if not word.startswith("-")), "")


def release_of(api, release: str, namespace: str) -> dict:
    """The labels of the latest secret of a release: status, and ours where it is ours; {} for none."""
    found = api.list(_SECRETS, namespace, f"owner=helm,name={release}")
    found.sort(key=lambda one: int(one["metadata"]["labels"].get("version", 0)))
    return found[-1]["metadata"]["labels"] if found else {}
