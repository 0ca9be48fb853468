# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What long-running services of an instance are, and what is to be done about them.

Pure. A service is a dict with the keys name, group, command (list),
environment (dict of str), directory, restart_digest, stop_signal, stop_seconds (int),
open_files_max and memory_max_bytes (int or None), log_max_bytes and log_backups (int), as
complete_service() returns it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

STOP_SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")
WATCHDOG = "supervisor-watchdog"
# Names of the supervision's own files and programs.
RESERVED = (WATCHDOG, "supervisord", "applied")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Such a path needs no quoting in any of the files it ends up in.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+@-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
# The kernel's limit is 108; supervisord first binds to the path with a dot and its pid added.
_SOCKET_PATH_MAX = 96


class ServiceError(Exception):
    """What a person can put right; the message is a sentence that says how."""


@dataclass(frozen=True)
class Instance:
    """One stack on one machine. Directories are absolute paths on the target.

    log_max_bytes and log_backups are of the services that one task lists.
    """

    name: str
    home: str
    user: str
    log_directory: str
    log_max_bytes: int
    log_backups: int
    supervisor_path: str = ""
    systemd_directory: str = "/etc/systemd/system"

    @property
    def run_directory(self):
        return self.home + "/run"

    @property
    def services_directory(self):
        return self.home + "/etc/services"

    @property
    def socket(self):
        return self.run_directory + "/supervisor.sock"

    @property
    def server_url(self):
        return "unix://" + self.socket

    @property
    def configuration(self):
        return self.services_directory + "/supervisord.conf"

    @property
    def settings(self):
        return self.services_directory + "/supervisord.json"

    @property
    def agent(self):
        return self.services_directory + "/agent.py"

    @property
    def target(self):
        return self.name + ".target"

    def unit(self, service):
        """Name of the systemd unit of a service."""
        return "%s-%s.service" % (self.name, service)

    def log(self, service):
        """Log file of a service under supervisord."""
        return "%s/%s.log" % (self.log_directory, service)


def check_instance(instance, group):
    """Raises ServiceError where a name or a path cannot be used."""
    for option, value in (("instance", instance.name), ("user", instance.user), ("group", group)):
        if not _NAME.fullmatch(value):
            raise ServiceError(
                "%s is %r; it may hold letters, digits, '.', '_' and '-' only." % (option, value)
            )
    for option, value in (("home", instance.home), ("log_directory", instance.log_directory)):
        _check_path(option, value)


def _check_path(option, value):
    if not _PLAIN_PATH.fullmatch(value):
        raise ServiceError(
            "%s is %r; give an absolute path of letters, digits and any of '/._+@-'."
            % (option, value)
        )


def check_supervisor(instance):
    """Raises ServiceError where supervisord could not run with these paths."""
    _check_path("supervisor_path", instance.supervisor_path)
    if len(instance.socket) > _SOCKET_PATH_MAX:
        raise ServiceError(
            "home is too long: the path of supervisord's socket, %s, may have %d characters. Choose a shorter home."
            % (instance.socket, _SOCKET_PATH_MAX)
        )


def complete_service(given, instance, group):
    """A service as a task gives it, checked and with its defaults. Raises ServiceError."""
    service = dict(
        given, group=group, log_max_bytes=instance.log_max_bytes, log_backups=instance.log_backups
    )
    name = service["name"]
    service["environment"] = {
        key: _environment_value(name, key, value)
        for key, value in (given.get("environment") or {}).items()
    }
    if not _NAME.fullmatch(name):
        raise ServiceError(
            "The service name %r may hold letters, digits, '.', '_' and '-' only." % name
        )
    if name in RESERVED:
        raise ServiceError(
            "A service cannot be called %s: that name is taken by the supervision itself." % name
        )
    service["directory"] = service.get("directory") or instance.home
    service["restart_digest"] = service.get("restart_digest") or ""
    for key in ("memory_max_bytes", "open_files_max"):
        service[key] = service.get(key)
    command = service["command"]
    if not command or not _PLAIN_PATH.fullmatch(command[0]):
        raise ServiceError(
            "The command of the service %s must start with the absolute path of a program, "
            "made of letters, digits and any of '/._+@-'." % name
        )
    if not _PLAIN_PATH.fullmatch(service["directory"]):
        raise ServiceError(
            "The directory of the service %s must be an absolute path of letters, digits and any of '/._+@-'."
            % name
        )
    for variable in service["environment"]:
        if not _VARIABLE.fullmatch(variable):
            raise ServiceError(
                "The service %s has an environment variable with the bad name %r."
                % (name, variable)
            )
    texts = [("command", text) for text in command]
    texts += [("environment variable " + key, text) for key, text in service["environment"].items()]
    texts.append(("restart_digest", service["restart_digest"]))
    for what, text in texts:
        if _CONTROL.search(text):
            raise ServiceError(
                "The %s of the service %s holds a newline or another control character: %r. "
                "Put such text into a file and pass the file's path." % (what, name, text)
            )
    return service


def _environment_value(service, variable, value):
    """A value of an environment variable as text; YAML may have made a number or a boolean of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ServiceError(
        "The environment variable %s of the service %s is no text; for a list or a dictionary use the filter to_json."
        % (variable, service)
    )


def check_names(services):
    """Raises ServiceError where two services share a name."""
    names = [service["name"] for service in services]
    for name in names:
        if names.count(name) > 1:
            raise ServiceError("The service %s is listed more than once." % name)


def digest(*texts):
    """Digest that changes when any of the texts does."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def plan(wanted, applied, rewritten, running, present):
    """What is done to each service: started, restarted, removed or unchanged.

    wanted    name -> digest of what the service is to be started from
    applied   name -> digest of what it was last started from, successfully
    rewritten names whose files differ from what they should be
    running   names that run
    present   names of services of which something is here and which are no longer wanted
    """
    actions = {}
    for name, value in wanted.items():
        if name not in running:
            actions[name] = "started"
        elif name in rewritten or applied.get(name) != value:
            actions[name] = "restarted"
        else:
            actions[name] = "unchanged"
    for name in sorted(present):
        actions.setdefault(name, "removed")
    return actions
