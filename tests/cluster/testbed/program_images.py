# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of programs that lie on this machine, without an engine and without a base image.

One layer has the program, the libraries that it is linked with, and files it wants. A second ask for
the same files finds the archive of the first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .programs import CACHE, Programs, locked

# Where the images are from that nobody can pull: no registry is asked for them.
HUB = "localhost"
PAUSE = f"{HUB}/pause:1"
COREDNS = f"{HUB}/coredns:1"
BUSYBOX = f"{HUB}/busybox:1"
PROXY_TAG = "testbed"


@dataclasses.dataclass(frozen=True)
class ProgramImage:
    """What is in an image.

    name         with a tag
    entrypoint   the program first, as its path in the image
    files        {path in the image: path on this machine}
    user         as whom it runs, a number: root's is refused where a pod must not be root
    directories  that anybody may write to
    """

    name: str
    entrypoint: Sequence[str]
    files: Mapping[str, str | Path]
    user: str = "65532:65532"
    directories: Sequence[str] = ("tmp",)
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def archive(self) -> Path:
        """Path of a tar that docker load and containerd read."""
        files: dict[str, str | Path] = dict(self.files)
        for path in self.files.values():
            files.update(_libraries(str(path)))
        stats = {path: (str(source), os.stat(source)) for path, source in sorted(files.items())}
        content = {
            **{
                path: [name, stat.st_size, stat.st_mtime_ns] for path, (name, stat) in stats.items()
            },
            "about": [self.name, *self.entrypoint, self.user, *self.directories, dict(self.links)],
        }
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        place = CACHE / "images" / f"{key}.tar"
        with locked(CACHE / "images.lock"):
            if not place.exists():
                place.parent.mkdir(exist_ok=True)
                new = place.with_suffix(".new")
                self._write(new, files)
                new.rename(place)
        return place

    def _write(self, place: Path, files: Mapping[str, str | Path]) -> None:
        layer = place.with_suffix(".layer")
        with tarfile.open(layer, "w", dereference=True) as tar:
            for name in self.directories:
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                tar.addfile(entry)
            for path, source in sorted(files.items()):
                entry = tar.gettarinfo(str(source), path.lstrip("/"))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                with open(source, "rb") as stream:
                    tar.addfile(entry, stream)
            for path, target in sorted(self.links.items()):
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
        with layer.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": list(self.entrypoint),
                "User": self.user,
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [self.name], "Layers": ["layer.tar"]}]
        with tarfile.open(place, "w") as tar:
            tar.add(layer, "layer.tar")
            for name, value in (("config.json", config), ("manifest.json", manifest)):
                data = json.dumps(value).encode()
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        layer.unlink()


def of_program(name: str, program: str, **options) -> ProgramImage:
    """Image of one program of this machine, which Debian's packages put on the PATH."""
    found = shutil.which(program)
    if not found:
        raise LookupError(f"no program {program}: tests/prepare.yml installs what Debian has")
    path = f"/usr/bin/{program}"
    files = {path: found, **options.pop("files", {})}
    return ProgramImage(name, options.pop("entrypoint", [path]), files, **options)


def of_package(name: str, package: str) -> ProgramImage:
    """Image of all that a package of Debian has put on this machine; it starts the program of that name."""
    listed = subprocess.run(
        ["dpkg-query", "--listfiles", package], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    left_out = ("/usr/share/doc", "/usr/share/man", "/etc/init.d", "/lib/systemd")
    files = {one: one for one in listed if os.path.isfile(one) and not one.startswith(left_out)}
    return of_program(name, package, files=files)


def busybox(name: str = BUSYBOX, **options) -> ProgramImage:
    """A shell with the usual small programs: httpd, wget, nslookup."""
    commands = ("sh", "cat", "sleep", "wget", "httpd", "nslookup", "hostname", "true", "false")
    links = {f"/bin/{command}": "/usr/bin/busybox" for command in commands}
    return of_program(name, "busybox", entrypoint=["/bin/sh"], links=links, **options)


def python(name: str = f"{HUB}/python:1") -> ProgramImage:
    """Debian's own Python with its standard library."""
    library = Path("/usr/lib/python3.11")
    files: dict[str, str | Path] = {"/usr/bin/python3": "/usr/bin/python3.11"}
    for path in library.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            files[str(path)] = path
    return ProgramImage(name, ["/usr/bin/python3"], files)


def prometheus(programs: Programs, name: str = f"{HUB}/prometheus:1") -> ProgramImage:
    """A Prometheus that finds pods."""
    path = "/usr/bin/prometheus"
    return ProgramImage(name, [path], {path: programs.prometheus / "bin/prometheus"})


def of_cluster(programs: Programs) -> list[ProgramImage]:
    """What every cluster needs before its first pod."""
    return [
        # Holds the namespaces of a pod, and has nothing else to do.
        of_program(PAUSE, "busybox", entrypoint=["/usr/bin/busybox", "sleep", "2147483647"]),
        ProgramImage(COREDNS, ["/coredns"], {"/coredns": programs["coredns"]}, user="0:0"),
    ]


def of_istio(programs: Programs) -> list[ProgramImage]:
    """Istio's two images, named as its charts name them."""
    local, etc = "/usr/local/bin", "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
    proxy: dict[str, str | Path] = {
        f"{local}/pilot-agent": programs["pilot-agent"],
        f"{local}/envoy": programs["envoy"],
        etc: programs.istio / "envoy_bootstrap.json",
    }
    pilot = {f"{local}/pilot-discovery": programs["pilot-discovery"]}
    user = "1337:1337"
    return [
        ProgramImage(f"{HUB}/pilot:{PROXY_TAG}", list(pilot), pilot, user=user),
        ProgramImage(f"{HUB}/proxyv2:{PROXY_TAG}", [f"{local}/pilot-agent"], proxy, user=user),
    ]


def _libraries(path: str) -> dict[str, str]:
    """{path: path} of the shared libraries that a program is linked with; none where it is static."""
    with open(path, "rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return {}
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    found = re.findall(r"(?:=> )?(/\S+) \(0x", done.stdout) if not done.returncode else []
    return {one: os.path.realpath(one) for one in found}
