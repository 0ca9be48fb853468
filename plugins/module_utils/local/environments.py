# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environments of Python on the target, made by uv: the only place that runs it.

An environment's directory is named after what is in it, and is complete once .complete is there:
a change makes a new one beside the old one, and an interrupted run starts it over.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field

from . import pip_settings

SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
COMPLETE = ".complete"
_FIND_PIP = """
import ensurepip, glob, os, sysconfig
places = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), sysconfig.get_config_var("WHEEL_PKG_DIR")]
print(*[one for place in [*places, "/usr/share/python-wheels"] for one in glob.glob(f"{place}/pip-*.whl")][:1])
"""


class EnvironmentFailed(Exception):
    """What the installer said, in two lines at most; all that it said is in said."""

    def __init__(self, lines, said=""):
        self.said = pip_settings.without_credentials(said)
        super().__init__(pip_settings.without_credentials("\n".join(lines)))


@dataclass(frozen=True)
class Wanted:
    """What is in an environment.

    lock         text with hashes, installed as it is
    server       what the lock was made of: texts of requirements (in), of what they are loosened
                 to (toml), and of the program that does that (program); {} where nothing is added
    archive      path of a tar file of what a model adds, requirements.txt among it; "" for nothing
    requirements whether the model has that file
    project      whether the model itself is installed
    editable     whether what is installed goes on needing the files
    """

    lock: str
    server: dict = field(default_factory=dict)
    archive: str = ""
    requirements: bool = False
    project: bool = False
    editable: bool = False

    @property
    def adds(self):
        return self.requirements or self.project


@contextlib.contextmanager
def lent(pip_config="", netrc="", ca="", variables=None):
    """Variables for uv and pip that lend them a person's settings, in files that go afterwards.

    pip_config, netrc and ca are the texts of such files. What the system trusts is trusted whatever
    else is; uv by itself knows its own list alone. Raises PipConfigError and OSError.
    """
    settings = pip_settings.read(pip_config)
    given = {**os.environ, **(variables or {})}
    with tempfile.TemporaryDirectory(prefix="monitml-lent-") as directory:

        def put(name, text):
            path = os.path.join(directory, name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(text)
            return path

        bundles = [SYSTEM_CERTIFICATES, given.get("SSL_CERT_FILE"), given.get("PIP_CERT"), settings.get("cert")]
        texts = [_text(path) for path in dict.fromkeys(bundles) if path] + [ca]
        bundle = put("ca.crt", "\n".join(texts))
        given = {
            "UV_NO_PROGRESS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **pip_settings.uv_environment(settings),
            **given,
            "UV_CONFIG_FILE": put("uv.toml", pip_settings.uv_toml(settings)),
            "PIP_CONFIG_FILE": put("pip.conf", pip_config),
        }
        if any(texts):
            given.update(SSL_CERT_FILE=bundle, PIP_CERT=bundle)
        if netrc:
            given["NETRC"] = put("netrc", netrc)
        # A virtual environment that we happen to run in is none of theirs.
        given.pop("VIRTUAL_ENV", None)
        yield given


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def find_pip(python):
    """Path of the wheel of pip that an interpreter brings, "" where Debian's package of it is not there.

    It runs from the wheel: an environment with pip installed takes three times as long to make.
    """
    done = subprocess.run([python, "-c", _FIND_PIP], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def make_installer(path, python, lock, variables):
    """Makes the directory at a path that holds uv and nothing else; raises EnvironmentFailed."""
    pip = find_pip(python)
    if not pip:
        raise EnvironmentFailed(["%s brings no pip to install uv with: install its ensurepip." % python])
    shutil.rmtree(path, ignore_errors=True)
    command = [python, pip + "/pip", "install", "--quiet", "--no-compile", "--no-warn-script-location", "--target", path]
    _run([*command, "--require-hashes", "--requirement=/dev/stdin"], variables, stdin=lock, pip=True)
    with open(os.path.join(path, COMPLETE), "w"):
        pass


class Environment:
    """One environment to be. uv and python are paths of programs, variables what lent() gives."""

    def __init__(self, path, wanted, uv, python, variables):
        self._path, self._wanted = path, wanted
        self._uv, self._python, self._variables = uv, python, variables

    @property
    def is_complete(self):
        return os.path.exists(os.path.join(self._path, COMPLETE))

    def make(self, uid, gid, mode):
        """Makes it, with the owner and mode of its directory. Raises EnvironmentFailed; then it is gone."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
        os.mkdir(self._path, 0o700)
        try:
            self._fill(self._path)
            self._add(self._path)
            self._pip("check", self._path)
            os.chown(self._path, uid, gid)
            os.chmod(self._path, mode)
            with open(os.path.join(self._path, COMPLETE), "w"):
                pass
        except BaseException:
            shutil.rmtree(self._path, ignore_errors=True)
            raise

    def resolve(self):
        """Sees whether it can be made, and leaves nothing. Raises EnvironmentFailed."""
        with tempfile.TemporaryDirectory(prefix="monitml-resolve-") as path:
            self._fill(path)
            self._add(path, "--dry-run")

    def _fill(self, path):
        _run([self._uv, "venv", "--quiet", "--allow-existing", "--python", self._python, path], self._variables)
        self._pip("sync", path, "--require-hashes", "-", stdin=self._wanted.lock)
        server = self._wanted.server
        if server:
            for name in ("in", "toml"):
                with open(os.path.join(path, "serving." + name), "w", encoding="utf-8") as stream:
                    stream.write(server[name])
            _run([path + "/bin/python", "-", path + "/serving.toml"], self._variables, stdin=server["program"])

    def _add(self, path, *options):
        """Installs what the model adds, resolved together with the roots of the lock, so that it
        cannot break what serves it."""
        if not self._wanted.adds:
            return
        source = os.path.join(path, "source")
        with tarfile.open(self._wanted.archive) as archive:
            archive.extractall(source, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        what = ["--requirement", path + "/serving.in"]
        what += ["--requirement", "requirements.txt"] if self._wanted.requirements else ["."]
        # As with pip, a path of a package starts from where it runs.
        self._pip("install", path, *options, *what, where=source)
        if not self._wanted.editable:
            shutil.rmtree(source)

    def _pip(self, verb, path, *arguments, stdin=None, where=None):
        command = [self._uv, "pip", verb, "--quiet", "--python", path + "/bin/python", *arguments]
        _run(command, self._variables, stdin, where)


def _run(command, variables, stdin=None, where=None, pip=False):
    done = subprocess.run(
        command,
        input=stdin if stdin is not None else "",
        env=variables,
        cwd=where or "/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        told = lines[-2:] if pip else pip_settings.two_lines(done.stdout)
        raise EnvironmentFailed(told or ["%s ended with %d." % (command[0], done.returncode)], done.stdout)
