# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs of a cluster, built once from Go modules of locked versions.

Each group of programs lies in a folder named after the hash of what it was made from: its locks and
the function here that makes it. A folder gets its name when it is whole, so half a build is never used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GO = Path(__file__).resolve().parents[1] / "go"
# Not in the checkout: a fresh clone is to find what another one has made.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monitml-cluster"
# Which module of go/ has the Kubernetes to use.
KUBERNETES = os.environ.get("MONITML_KUBERNETES", "kubernetes")
_ENVOY_LOCK = ROOT / "roles/seldon/files/tools.txt"


@dataclasses.dataclass(frozen=True)
class Programs:
    """Folders of what was built: Kubernetes and what belongs to it, Istio with its charts, Envoy, Prometheus."""

    kubernetes: Path
    istio: Path
    envoy: Path
    prometheus: Path

    def __getitem__(self, name: str) -> str:
        """Path of a program by its name."""
        for folder in (self.kubernetes / "bin", self.istio / "bin", self.envoy / "envoy/_bin"):
            if (folder / name).exists():
                return str(folder / name)
        found = shutil.which(name)
        if not found:
            raise LookupError(f"no program {name}: tests/prepare.yml installs what Debian has")
        return found


def build(say: Callable[[str], None] = lambda _line: None) -> Programs:
    """Builds what is not built yet, and tells so."""
    return Programs(
        kubernetes=_once(KUBERNETES, _folder_hash(GO / KUBERNETES), _make_kubernetes, say),
        istio=_once("istio", _folder_hash(GO / "istio"), _make_istio, say),
        envoy=_once("envoy", _ENVOY_LOCK.read_bytes(), _make_envoy, say),
        prometheus=_once("prometheus", _folder_hash(GO / "prometheus"), _make_prometheus, say),
    )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file, which is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _once(
    name: str,
    content: bytes,
    make: Callable[[Path, str], None],
    say: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Folder that make(folder, name) fills, for this content and this recipe."""
    key = hashlib.sha256(content + inspect.getsource(make).encode()).hexdigest()[:16]
    place = CACHE / f"{name}-{key}"
    with locked(CACHE / f"{name}.lock"):
        if not place.exists():
            say(f"Building {name}, once for these versions.")
            start = time.monotonic()
            new = CACHE / f"{name}.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            make(new, name)
            new.rename(place)
            say(f"Built {name} in {time.monotonic() - start:.0f} s.")
    return place


def _folder_hash(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.digest()


def _make_kubernetes(place: Path, name: str) -> None:
    module = GO / name
    version = re.search(r"k8s\.io/kubernetes v(1\.(\d+)\.\S+)", (module / "go.mod").read_text())
    assert version, "its go.mod requires no k8s.io/kubernetes"
    # What Kubernetes calls itself is linked in, or it would be v0.0.0 and refuse its own node.
    variable = "-X k8s.io/component-base/version."
    named = (
        f"{variable}gitVersion=v{version[1]} {variable}gitMajor=1 {variable}gitMinor={version[2]}"
    )
    (place / "bin").mkdir()
    _go(module, "build", "-ldflags", f"-s -w {named}", "-o", f"{place}/bin/", "tool", "./dns")
    # Go names a command after its folder.
    (place / "bin/server").rename(place / "bin/etcd")
    (place / "bin/dns").rename(place / "bin/coredns")
    (place / "version").write_text(version[1])


def _make_istio(place: Path, name: str) -> None:
    module = GO / name
    (place / "bin").mkdir()
    _go(module, "build", "-ldflags", "-s -w", "-o", f"{place}/bin/", "tool")
    istio, gateway_api = (
        Path(json.loads(_go(module, "list", "-m", "-json", one))["Dir"])
        for one in ("istio.io/istio", "sigs.k8s.io/gateway-api")
    )
    charts = istio / "manifests/charts"
    for source, target in (
        (charts / "base", "charts/base"),
        (charts / "istio-control/istio-discovery", "charts/istiod"),
        (charts / "gateway", "charts/gateway"),
        (gateway_api / "config/crd/standard", "gateway-api"),
    ):
        # The module cache is read-only, and what is copied has to be removable.
        shutil.copytree(source, place / target, copy_function=shutil.copyfile)
        for folder in (place / target, *(place / target).rglob("*")):
            folder.chmod(0o755 if folder.is_dir() else 0o644)
    shutil.copyfile(
        istio / "tools/packaging/common/envoy_bootstrap.json", place / "envoy_bootstrap.json"
    )


def _make_prometheus(place: Path, name: str) -> None:
    """One that finds pods: Debian's is built without."""
    (place / "bin").mkdir()
    tags = "remove_all_sd,enable_kubernetes_sd"
    _go(GO / name, "build", "-tags", tags, "-ldflags", "-s -w", "-o", f"{place}/bin/", "tool")


def _make_envoy(place: Path, _name: str) -> None:
    _install(place, _ENVOY_LOCK)


def _make_go(place: Path, _name: str) -> None:
    _install(place, GO / "toolchain.txt")


def _install(place: Path, lock: Path) -> None:
    """Installs a locked requirements file into a folder."""
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--require-hashes", "--no-deps", "--python", sys.executable]
    subprocess.run(
        [uv, "pip", "install", *options, "--target", place, "--requirements", lock], check=True
    )


def _go(module: Path, *words: str) -> str:
    """Runs Go in a module, without a C compiler and with nothing but what the module locks."""
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    return subprocess.run(
        [_find_go(module), *words],
        cwd=module,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _find_go(module: Path) -> str:
    """The machine's Go where it is new enough for a module, else PyPI's."""
    wanted = _numbers(re.findall(r"^go (\S+)", (module / "go.mod").read_text(), re.M)[0])
    found = shutil.which("go")
    if found:
        told = subprocess.run(
            [found, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        if told and _numbers(told) >= wanted:
            return found
    return str(_once("go", (GO / "toolchain.txt").read_bytes(), _make_go) / "go/bin/go")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
