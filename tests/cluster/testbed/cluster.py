# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster as a test sees it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from . import istio
from .node import Node
from .program_images import ProgramImage, of_cluster, of_istio
from .programs import KUBERNETES, Programs, build
from .sandbox import Sandbox

_MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
_FACTS = "facts.json"


@dataclasses.dataclass(frozen=True)
class Registry:
    """The cluster's registry, which this machine and the node reach; it lets everybody in.

    address  what names of images start with
    ca_file  who vouches for it
    """

    address: str
    ca_file: Path

    def name(self, repository: str, tag: str = "1") -> str:
        """Name of an image in it."""
        return f"{self.address}/{repository}:{tag}"


class Cluster:
    """One cluster, made by start() or found where another process has made it."""

    def __init__(self, directory: Path, slot: int, programs: Programs | None = None) -> None:
        self.directory = directory
        self.slot = slot
        self._programs = programs
        self.sandbox = Sandbox(directory, slot)

    @functools.cached_property
    def programs(self) -> Programs:
        """What it is made of."""
        return self._programs or build()

    @functools.cached_property
    def node(self) -> Node:
        """Its daemons."""
        return Node(self.sandbox, self.programs)

    @property
    def kubeconfig(self) -> Path:
        """An administrator's, which needs no other file and works from this machine."""
        return self.node.kubeconfig

    @property
    def node_address(self) -> str:
        """Of the node, where ports of services of the type NodePort are."""
        return self.sandbox.node_address

    @property
    def gateway_address(self) -> str:
        """host:port of Istio's ingress gateway."""
        return f"{self.node_address}:{istio.GATEWAY_PORT}"

    @property
    def registry(self) -> Registry:
        """The registry that it pulls from."""
        return Registry(self.node.registry_address, self.node.authority.certificate)

    @functools.cached_property
    def environment(self) -> dict[str, str]:
        """For a program that is to talk to the cluster, such as ansible-playbook."""
        path = f"{self.programs.kubernetes}/bin:{os.environ['PATH']}"
        home = {
            f"HELM_{one}_HOME": str(self.directory / "helm") for one in ("CACHE", "CONFIG", "DATA")
        }
        # A proxy that the machine may need for the world cannot reach the node.
        skipped = ",".join(
            filter(None, [os.environ.get("NO_PROXY"), self.node_address, "127.0.0.1"])
        )
        own = {"PATH": path, "NO_PROXY": skipped, "no_proxy": skipped, **home}
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), **own}

    @property
    def facts(self) -> dict[str, str]:
        """What a playbook has to know of it."""
        return {
            "kubeconfig": str(self.kubeconfig),
            "gateway_address": self.gateway_address,
            "node_address": self.node_address,
            "registry": self.registry.address,
            "registry_ca_file": str(self.registry.ca_file),
            "bin_directory": str(self.programs.kubernetes / "bin"),
            "kubernetes": KUBERNETES,
        }

    def start(self, with_istio: bool = True) -> Cluster:
        """Makes it, up to pods that find each other by name, and a gateway where it is wanted."""
        self.sandbox.make()
        self.node.start_api()
        # Each of these takes seconds, and they wait for nothing of each other.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            first = [pool.submit(self.load_image, one) for one in of_cluster(self.programs)]
            self.node.wait_for_api()
            rest: list[concurrent.futures.Future] = []
            if with_istio:
                rest += [pool.submit(self.kubectl, *words) for words in istio.definitions(self)]
                rest += [pool.submit(self.load_image, one) for one in of_istio(self.programs)]
            _wait(first)
            self.node.start_rest()
            self.kubectl("create", "-f", _MANIFESTS / "dns.yml")
            _wait(rest)
        if with_istio:
            istio.install(self)
        self.wait_for("deployment/coredns", "kube-system")
        # The last thing written: who finds it finds a cluster that works.
        new = self.directory / f"{_FACTS}.new"
        new.write_text(json.dumps(self.facts), encoding="utf-8")
        new.rename(self.directory / _FACTS)
        return self

    @property
    def is_up(self) -> bool:
        """Whether start() came to its end."""
        return (self.directory / _FACTS).exists()

    def kubectl(
        self,
        *words: str | Path,
        stdin: str | None = None,
        check: bool = True,
        kubeconfig: Path | None = None,
        seconds: float = 300,
    ) -> str:
        """What kubectl prints. Fails with what it says where it fails, unless check is false."""
        return self._client("kubectl", words, stdin, check, kubeconfig, seconds).stdout

    def refusal(
        self, *words: str | Path, kubeconfig: Path | None = None, seconds: float = 300
    ) -> str:
        """What kubectl says of a command that has to fail."""
        done = self._client("kubectl", words, None, False, kubeconfig, seconds)
        assert done.returncode, f"kubectl {words} was to fail, and said: {done.stdout}"
        return done.stderr

    def helm(self, *words: str | Path) -> str:
        """What helm prints."""
        return self._client("helm", words, None, True, None, 300).stdout

    def get(self, *words: str, namespace: str = "default") -> dict:
        """An object, or a list of objects, as the API has it."""
        return json.loads(self.kubectl("get", *words, "--namespace", namespace, "--output", "json"))

    def apply(self, *objects: Mapping | str | Path, namespace: str = "default") -> None:
        """Applies objects: as dicts, as YAML, or as files."""
        texts = [
            (
                one.read_text(encoding="utf-8")
                if isinstance(one, Path)
                else one if isinstance(one, str) else yaml.safe_dump(dict(one))
            )
            for one in objects
        ]
        options = ["--server-side", "--force-conflicts", "--namespace", namespace]
        self.kubectl("apply", *options, "-f", "-", stdin="\n---\n".join(texts))

    def wait_for(self, what: str, namespace: str = "default", seconds: int = 90) -> None:
        """Waits until a Deployment or the like is rolled out; tells the pods where it is not."""
        words = ["rollout", "status", what, "--namespace", namespace, f"--timeout={seconds}s"]
        try:
            self.kubectl(*words, seconds=seconds + 30)
        except RuntimeError as error:
            there = ["--namespace", namespace]
            pods = self.kubectl("describe", "pods", *there)[-3000:]
            names = self.kubectl("get", "pods", "--output", "name", *there).split()
            logs = [self.kubectl("logs", one, "--tail=20", *there, check=False) for one in names]
            raise RuntimeError("\n".join([str(error), pods, *logs])) from None

    def load_image(self, image: ProgramImage | Path) -> str:
        """Has the node know an image without a registry: one of programs, or a docker save archive.

        Returns the name of the former; the latter has its own.
        """
        if isinstance(image, ProgramImage):
            self.node.load(image.archive())
            return image.name
        self.node.load(image)
        return ""

    def command_inside(self, *words: str) -> list[str]:
        """The words of a command that runs where addresses of pods and services are reached."""
        return self.sandbox.command(*words)

    def _client(
        self,
        program: str,
        words: Sequence[str | Path],
        stdin: str | None,
        check: bool,
        kubeconfig: Path | None,
        seconds: float,
    ) -> subprocess.CompletedProcess:
        environment = dict(self.environment)
        if kubeconfig:
            environment["KUBECONFIG"] = str(kubeconfig)
        done = subprocess.run(
            [self.programs[program], *map(str, words)],
            input=stdin,
            # Without, kubectl may wait for what a terminal says.
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check and done.returncode:
            command = " ".join([program, *map(str, words)])
            raise RuntimeError(f"{command} failed:\n{done.stderr}{done.stdout}")
        return done


def _wait(work: Sequence[concurrent.futures.Future]) -> None:
    """Waits for all of it, and fails as it did."""
    for one in work:
        one.result()
