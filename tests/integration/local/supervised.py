# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A throwaway instance of the stack for tests of its supervision: a home, a user, real services."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULES = "ansible_collections.monitml.stack.plugins.modules."
CACHE = ROOT / ".cache" / "tools"
SECONDS_TO_SERVE = 10.0

# Answers every connection with its own pid, arguments and environment.
SERVER = """
import json, os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening as", os.getpid(), flush=True)
if "CHILD" in os.environ:
    # In a session of its own, where no signal to the process group reaches it.
    subprocess.Popen(["/bin/sleep", os.environ["CHILD"]], start_new_session=True)
while True:
    with listener.accept()[0] as connection:
        me = {"pid": os.getpid(), "arguments": sys.argv, "environment": dict(os.environ), "cwd": os.getcwd()}
        connection.sendall(json.dumps(me).encode())
"""


def tools_bin():
    """Directory of supervisord and envoy: MONITML_TOOLS_BIN, or an environment made once from the lock."""
    given = os.environ.get("MONITML_TOOLS_BIN")
    if given:
        return given
    CACHE.parent.mkdir(exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several test files want it at once
        if not (CACHE / "complete").exists():
            uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or "uv"
            make = [uv, "venv", "-q", "--clear", "--python", "/usr/bin/python3", str(CACHE)]
            subprocess.run(make, check=True)
            lock = ["--require-hashes", str(ROOT / "roles/seldon/files/tools.txt")]
            at = ["--python", str(CACHE / "bin/python")]
            subprocess.run([uv, "pip", "sync", "-q", *at, *lock], check=True)
            (CACHE / "complete").touch()
    return str(CACHE / "bin")


def free_port():
    """A loopback port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def until(what, seconds=SECONDS_TO_SERVE):
    """Waits until what() is true and returns its value; fails after the given seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < deadline, "nothing within %g s" % seconds
        time.sleep(0.05)


def start_module(name, given):
    """Starts a module of the collection on its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", MODULES + name],
        env=dict(os.environ, PYTHONPATH=str(ROOT / ".collections")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    process.stdin.close()
    return process


def result_of(process):
    """Result of a module that was started. A traceback fails the test."""
    out, error = process.stdout.read(), process.stderr.read()
    process.wait()
    assert not error, error.decode()
    return json.loads(out)


class Instance:
    """One instance below a short directory, because the path of a Unix socket has to be short."""

    def __init__(self, user):
        self.user = user
        self.name = "sup" + secrets.token_hex(3)
        self.home = tempfile.mkdtemp(prefix=self.name, dir="/tmp")
        os.chmod(self.home, 0o755)
        self.server = Path(self.home, "server.py")
        self.server.write_text(SERVER, encoding="utf-8")
        self.bin = tools_bin()

    def arguments(self, services=(), **options):
        given = {
            "instance": self.name,
            "home": self.home,
            "user": self.user,
            "backend": "supervisor",
            "supervisor_path": self.bin,
            "start_seconds": 0.3,
            "services": list(services),
        }
        given.update(options)
        return given

    def popen(self, services=(), check=False, **options):
        """Starts the module on its own, as Ansible does on the machine."""
        given = self.arguments(services, **options)
        given.update(_ansible_check_mode=check, _ansible_diff=True)
        return start_module("local_service", given)

    def converge(self, services=(), check=False, **options):
        """Result of the module. A traceback fails the test."""
        return result_of(self.popen(services, check, **options))

    def service(self, name, port, **options):
        """A service that answers at the port."""
        command = ["/usr/bin/python3", "-IS", str(self.server), str(port)]
        return dict({"name": name, "command": command + options.pop("arguments", [])}, **options)

    def processes(self):
        """pid -> command line of all processes that belong to the instance, zombies left out."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if command and (self.home in command or self.home + "/run/" in environment):
                found[int(entry.name)] = command.strip()
        return found

    def pids(self, part):
        return [pid for pid, command in self.processes().items() if part in command]

    def supervisord(self):
        (pid,) = self.pids("/supervisord -c")
        return pid

    def watchdog(self):
        (pid,) = until(lambda: self.pids("agent.py watch"))
        return pid

    def close(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # Once more: a watchdog may have started another before it died.
        time.sleep(0.1)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home)


def ask(port):
    """What the server at the port says of itself, None where nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    except (OSError, ValueError):
        return None


def throwaway_user(directory):
    """A system user where we may make one and it can run what lies in directory, else ourselves.

    Returns (name, whether it has to be removed).
    """
    own = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() != 0 or not shutil.which("useradd"):
        return own, False
    name = "sup" + secrets.token_hex(3)
    subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
        check=True,
    )
    if subprocess.run(
        [directory + "/python3", "-c", ""], user=name, check=False, stderr=subprocess.DEVNULL
    ).returncode:
        subprocess.run(["userdel", name], check=True)
        return own, False
    return name, True
