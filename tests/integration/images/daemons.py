# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real engines and registries for the tests of images, beside those that the machine may have.

Docker is one for all test processes: it programs the machine's packet filter. The first to come
starts it and the last to go stops it. Registries and Podman are as many as one likes.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import io
import ipaddress
import os
import random
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import docker
import yaml
from certificates import make_certificates

HOST = "127.0.0.1"
START_SECONDS = 30
_BASE = Path(tempfile.gettempdir()) / "monitml-dockerd"
_BRIDGE = "monitml-test0"
_NETWORKS = [ipaddress.ip_network(f"192.168.{third}.0/24") for third in (213, 214, 215, 216)]
_TRUST = Path("/etc/docker/certs.d")
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


def free_port(host=HOST):
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def free_ports(count):
    """So many ports in a row, below those that the system gives away itself."""
    while True:
        first = random.randrange(20000, 32000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind((HOST, port))
            return list(range(first, first + count))


def wait_until(answers, process, log):
    """Waits until answers() is true. Fails with the log where the process ends, or is slow."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if answers():
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args[0]} did not start:\n{log.read_text()[-3000:]}")


def end(pid, seconds=30):
    """Ends a process by its id."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _try in range(seconds * 50):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)


def archive(files):
    """A tar of {path: bytes} as bytes, the same for the same files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


class Engine:
    """What tests do with either engine."""

    host = ""
    podman = False

    @functools.cached_property
    def client(self):
        return docker.APIClient(self.host, version="auto", timeout=120)

    def _answers(self):
        try:
            return bool(self.client.version())
        except docker.errors.DockerException:
            return False

    def import_image(self, name, content=None):
        """Makes an image of one file, random unless given. Returns its Id."""
        data = archive({"content": content or secrets.token_bytes(64)})
        client = self.client
        repository, tag = name.rsplit(":", 1)
        # Podman takes the tag from the repository alone.
        text = client.import_image_from_data(
            data, repository=name if self.podman else repository, tag=tag
        )
        assert '"error' not in text, text
        return client.inspect_image(name)["Id"]

    def id_of(self, name):
        """Id of a local image; None where there is none."""
        try:
            return self.client.inspect_image(name)["Id"]
        except docker.errors.NotFound:
            return None


class Dockerd(Engine):
    """The machine's one dockerd of tests, with a bridge, data and a socket of its own."""

    def __init__(self):
        self.host = f"unix://{_BASE}/s"

    def start(self):
        _BASE.mkdir(mode=0o700, exist_ok=True)
        assert _BASE.stat().st_uid == os.geteuid(), f"{_BASE} is somebody else's"
        self._users = (_BASE / "users").open("w")
        with self._gate():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if not self._answers():
                self._clean()
                self._launch()
        return self

    def stop(self):
        with self._gate():
            try:
                # Who gets this lock is the last one.
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                self._users.close()
            end(int((_BASE / "pid").read_text()))
            self._clean()

    @property
    def address(self):
        """Address of the bridge: of this machine, and yet none that Docker takes for local."""
        text = subprocess.check_output(["ip", "-4", "-o", "addr", "show", _BRIDGE], text=True)
        return text.split()[3].split("/")[0]

    @contextlib.contextmanager
    def _gate(self):
        with (_BASE / "gate").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield

    def _launch(self):
        self._make_bridge()
        command = ["dockerd", "--host", self.host, "--bridge", _BRIDGE]
        for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")):
            command += [f"--{option}", str(_BASE / name)]
        # What the machine's own daemon is told is not for this one.
        (_BASE / "daemon.json").write_text("{}")
        command += ["--config-file", str(_BASE / "daemon.json")]
        log = _BASE / "log"
        with log.open("w") as stream:
            # Others may still need it when the process that started it is gone.
            process = subprocess.Popen(
                command, stdout=stream, stderr=stream, start_new_session=True
            )
        wait_until(self._answers, process, log)

    def _make_bridge(self):
        routes = subprocess.check_output(["ip", "-4", "route", "show"], text=True)
        words = [line.split()[0] for line in routes.splitlines()]
        taken = [ipaddress.ip_network(word, strict=False) for word in words if word[0].isdigit()]
        network = next(one for one in _NETWORKS if not any(map(one.overlaps, taken)))
        for step in (
            f"link add {_BRIDGE} type bridge",
            f"addr add {network[1]}/{network.prefixlen} dev {_BRIDGE}",
            f"link set {_BRIDGE} up",
        ):
            subprocess.check_call(["ip", *step.split()])

    def _clean(self):
        """Removes what a dockerd leaves, also one that was killed."""
        shim = _BASE / "exec/containerd/containerd.pid"
        if shim.exists():
            end(int(shim.read_text()))
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for one in sorted(mounts, reverse=True):
            if one.startswith(f"{_BASE}/"):
                subprocess.call(["umount", "--lazy", one])
        subprocess.call(["ip", "link", "del", _BRIDGE], stderr=subprocess.DEVNULL)
        for one in ("data", "exec", "pid", "s", "log", "daemon.json"):
            path = _BASE / one
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


class Podman(Engine):
    """Podman's service, with storage of its own."""

    podman = True

    def __init__(self):
        self._directory = Path(tempfile.mkdtemp(prefix="monitml-podman-"))
        self.host = f"unix://{self._directory}/s"

    def start(self):
        command = [
            "podman",
            "--root",
            f"{self._directory}/root",
            "--runroot",
            f"{self._directory}/run",
        ]
        command += ["system", "service", "--time", "0", self.host]
        log = self._directory / "log"
        # Its defaults are more than a machine may be allowed to give.
        limits = self._directory / "containers.conf"
        limits.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        )
        environment = dict(os.environ, CONTAINERS_CONF=str(limits))
        with log.open("w") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        wait_until(self._answers, self._process, log)
        return self

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=30)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self._directory}/"):
                subprocess.call(["umount", "--lazy", line.split()[1]])
        shutil.rmtree(self._directory)


class Registry:
    """Debian's docker-registry on an address of this machine.

    users      {name: password}; None lets everybody in
    tls        whether it has a certificate, made here
    trusted    whether the engines of this machine trust its CA
    read_only  whether it takes no pushes
    """

    def __init__(self, users=None, tls=True, trusted=True, read_only=False, host=HOST):
        self.directory = Path(tempfile.mkdtemp(prefix="monitml-registry-"))
        self.users, self.tls, self.trusted, self.read_only = users, tls, trusted and tls, read_only
        self.host = host
        self.port = free_port(host)
        self.address = f"{host}:{self.port}"
        self.ca_file = self.directory / "ca.crt"
        self._process = None
        if tls:
            make_certificates(self.directory, host)
        if users is not None:
            self._write_users()

    def start(self):
        config = self.directory / "config.yml"
        config.write_text(yaml.safe_dump(self._config()))
        if self.trusted:
            (_TRUST / self.address).mkdir(parents=True, exist_ok=True)
            shutil.copy(self.ca_file, _TRUST / self.address / "ca.crt")
        log = self.directory / "log"
        with log.open("a") as stream:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(config)],
                stdout=stream,
                stderr=stream,
                # The traces that it would send somewhere else.
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            )
        wait_until(self._answers, self._process, log)
        return self

    def stop(self):
        """Ends it; start() brings it back with what it holds."""
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def remove(self):
        """Ends it for good."""
        self.stop()
        shutil.rmtree(self.directory)
        if self.trusted:
            shutil.rmtree(_TRUST / self.address, ignore_errors=True)

    def restart(self, **changes):
        """Comes back with other properties."""
        self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.start()

    def digest(self, repository, tag, account=None):
        """What it says that a tag holds; None where there is no such tag."""
        request = urllib.request.Request(
            self.url(f"/v2/{repository}/manifests/{tag}"), method="HEAD"
        )
        request.add_header("Accept", ", ".join(_MANIFESTS))
        account = account or next(iter((self.users or {}).items()), None)
        if account:
            pair = base64.b64encode(":".join(account).encode()).decode()
            request.add_header("Authorization", f"Basic {pair}")
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.context()) as answer:
                return answer.headers["Docker-Content-Digest"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def url(self, path):
        return f"http{'s' if self.tls else ''}://{self.address}{path}"

    def context(self):
        return ssl.create_default_context(cafile=str(self.ca_file)) if self.tls else None

    def _answers(self):
        try:
            with urllib.request.urlopen(self.url("/"), timeout=5, context=self.context()):
                return True
        except OSError:
            return False

    def _config(self):
        storage = {
            "filesystem": {"rootdirectory": str(self.directory / "storage")},
            "maintenance": {"readonly": {"enabled": self.read_only}},
        }
        http = {"addr": self.address, "secret": "of a test"}
        if self.tls:
            http["tls"] = {
                "certificate": str(self.directory / "server.crt"),
                "key": str(self.directory / "server.key"),
            }
        config = {"version": "0.1", "storage": storage, "http": http}
        if self.users is not None:
            path = str(self.directory / "users")
            config["auth"] = {"htpasswd": {"realm": "tests", "path": path}}
        return config

    def _write_users(self):
        lines = [
            subprocess.check_output(["htpasswd", "-niBC", "4", name], input=password, text=True)
            for name, password in self.users.items()
        ]
        (self.directory / "users").write_text("".join(lines))
