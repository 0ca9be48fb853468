#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_service
short_description: Keep the long-running services of a stack up on one machine
version_added: 0.1.0
description:
  - Converges a list of services of one instance of the stack in one call, so that each runs what the task says,
    is started again whenever it ends, and starts anew exactly when something it reads at its start has changed.
  - On a machine with systemd every service becomes a unit, and a target named after the instance starts and stops
    all of them.
  - Elsewhere one supervisord per instance runs them as O(user). It is found by its socket, keeps trying for ever,
    rotates logs, and is itself started again when it is killed; no process outlives its service either way.
  - Below O(home) the module owns the directories C(etc/services) and C(run).
author:
  - The monitml.stack founders (@monitml)
options:
  instance:
    description: Name of the stack on its machine. It prefixes the names of units.
    type: str
    required: true
  home:
    description: Directory of the stack. It is the only one that services can write to under systemd, beside the logs.
    type: path
    required: true
  user:
    description: User that the services run as. It has to exist, except in check mode.
    type: str
    required: true
  state:
    description:
      - V(present) has the listed services run.
      - V(absent) stops every service of the instance and removes what the module put there, but keeps the logs.
        O(services), O(group) and O(purge) do not matter then.
    type: str
    choices: [present, absent]
    default: present
  backend:
    description:
      - What runs the services.
      - V(auto) takes systemd where it runs the machine, which is where C(/run/systemd/system) exists, and
        supervisord elsewhere.
    type: str
    choices: [auto, systemd, supervisor]
    default: auto
  group:
    description:
      - Name of the set that the listed services make up.
      - With it, several tasks share an instance and each purges its own services only.
    type: str
    default: default
  purge:
    description: Whether services of O(group) that are not listed are stopped and removed.
    type: bool
    default: false
  keep:
    description: Names of services of O(group) that O(purge) leaves as they are, though they are not listed.
    type: list
    elements: str
    default: []
  services:
    description: The services.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service, unique in the instance.
        type: str
        required: true
      command:
        description:
          - The program, by its absolute path, and its arguments.
          - Nothing is expanded; each argument reaches the program as it is.
        type: list
        elements: str
        required: true
      environment:
        description:
          - Environment variables beside C(HOME), C(LANG), C(LOGNAME), C(PATH) and C(USER).
          - Numbers and booleans become text; anything else has to be text, without newlines.
          - They can be read in the unit by whoever may read it, so pass secrets in files.
        type: dict
        default: {}
      directory:
        description: Directory that the service starts in. The default is O(home).
        type: path
      restart_digest:
        description:
          - Any text that changes when something does that the service reads at its start only, such as a checksum
            of its configuration. The service is started again then.
        type: str
        default: ""
      stop_signal:
        description: Signal that asks the service to end.
        type: str
        choices: [TERM, INT, QUIT, HUP, USR1, USR2, KILL]
        default: TERM
      stop_seconds:
        description: How long it may take to end before it is killed.
        type: int
        default: 10
      open_files_max:
        description: How many files and connections it may have open at a time. The default is the machine's.
        type: int
      memory_max_bytes:
        description: Memory above which systemd kills and restarts the service. supervisord has no such limit.
        type: int
  start_seconds:
    description: A service that ends within this time of its start fails the task.
    type: float
    default: 1
  supervisor_path:
    description:
      - Directory of C(supervisord) and C(python3), usually C(bin) of a virtual environment.
      - Needed where supervisord runs the services. It has to be the same in all tasks of an instance.
    type: path
  log_directory:
    description:
      - Directory of the logs under supervisord, one file C(<name>.log) for each service.
      - The default is C(log) in O(home). Under systemd logs go to the journal, which rotates them by its own rules.
    type: path
  log_max_bytes:
    description: Size at which a log is rotated.
    type: int
    default: 10485760
  log_backups:
    description: How many rotated logs are kept of each service.
    type: int
    default: 3
  systemd_directory:
    description: Directory of the units under systemd.
    type: path
    default: /etc/systemd/system
attributes:
  platform:
    description: Needs a /proc as Linux has it.
    support: full
    platforms: linux
  check_mode:
    description: Can run in check mode and tell what would change, also before the user or supervisord exist.
    support: full
  diff_mode:
    description: Returns the files that change.
    support: full
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
notes:
  - Run it as root, or under supervisord as O(user).
  - Under supervisord nothing starts at boot by itself. Run the role again, or have the machine run
    C(<supervisor_path>/supervisord -c <home>/etc/services/supervisord.conf) as O(user).
seealso:
  - module: community.general.supervisorctl
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Run the gateway, and start it again when its configuration changes
  monitml.stack.local_service:
    instance: monitml
    home: /opt/monitml
    user: monitml
    supervisor_path: /opt/monitml/venv/tools/bin
    group: seldon
    purge: true
    services:
      - name: gateway
        command: [/opt/monitml/venv/tools/bin/envoy, -c, /opt/monitml/etc/envoy.yml]
        restart_digest: "{{ envoy_configuration.checksum }}"
        open_files_max: 65536

- name: Stop everything and leave nothing but the logs
  monitml.stack.local_service:
    instance: monitml
    home: /opt/monitml
    user: monitml
    state: absent
"""

RETURN = r"""
backend:
  description: What runs the services, V(systemd) or V(supervisor).
  returned: always
  type: str
  sample: supervisor
services:
  description: What was done to each service, in the order of the task, then those that were removed.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the service.
      type: str
    action:
      description: One of V(started), V(restarted), V(removed) and V(unchanged).
      type: str
    pid:
      description: Its main process. None in check mode unless nothing is done to it, and where it was removed.
      type: int
    log:
      description: The file of its log, or the command that shows it.
      type: str
  sample:
    - name: gateway
      action: restarted
      pid: 4242
      log: /opt/monitml/log/gateway.log
"""

import os
import pwd
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import files as managed_files
from ..module_utils.local import service_units as units
from ..module_utils.local.backend import backend_name, make_backend
from ..module_utils.local.services import LocalServices, ServiceFailed

_SERVICE = {
    "name": {"type": "str", "required": True},
    "command": {"type": "list", "elements": "str", "required": True},
    "environment": {"type": "dict", "default": {}},
    "directory": {"type": "path"},
    "restart_digest": {"type": "str", "default": "", "no_log": False},
    "stop_signal": {"type": "str", "choices": list(units.STOP_SIGNALS), "default": "TERM"},
    "stop_seconds": {"type": "int", "default": 10},
    "open_files_max": {"type": "int"},
    "memory_max_bytes": {"type": "int"},
}

_ARGUMENTS = {
    "instance": {"type": "str", "required": True},
    "home": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "backend": {"type": "str", "choices": ["auto", "systemd", "supervisor"], "default": "auto"},
    "group": {"type": "str", "default": "default"},
    "purge": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "str", "default": []},
    "services": {"type": "list", "elements": "dict", "default": [], "options": _SERVICE},
    "start_seconds": {"type": "float", "default": 1},
    "supervisor_path": {"type": "path"},
    "log_directory": {"type": "path"},
    "log_max_bytes": {"type": "int", "default": 10 * 1024 * 1024},
    "log_backups": {"type": "int", "default": 3},
    "systemd_directory": {"type": "path", "default": "/etc/systemd/system"},
}


def make_services(module):
    """The services that the task is about, on the backend of this machine. Raises ServiceError."""
    given = module.params
    instance = units.Instance(
        name=given["instance"],
        home=given["home"].rstrip("/"),
        user=given["user"],
        log_directory=(given["log_directory"] or given["home"].rstrip("/") + "/log"),
        log_max_bytes=given["log_max_bytes"],
        log_backups=given["log_backups"],
        supervisor_path=(given["supervisor_path"] or "").rstrip("/"),
        systemd_directory=given["systemd_directory"],
    )
    name = backend_name(given["backend"])
    units.check_instance(instance, given["group"])
    if name == "supervisor" and given["state"] == "present":
        units.check_supervisor(instance)
    return name, LocalServices(instance, make_backend(name, instance, module), managed_files)


def account(module):
    """User that the services run as, None where it does not exist yet, in check mode."""
    name, own = module.params["user"], os.geteuid()
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        if module.check_mode or module.params["state"] == "absent" or not module.params["services"]:
            return None
        raise units.ServiceError(
            "The user %s does not exist on this machine; create it first." % name
        ) from error
    if own not in (0, found.pw_uid):
        raise units.ServiceError("Become root or %s to have services run as %s." % (name, name))
    return found


def run(module):
    """Result of the module. Raises ServiceError."""
    backend, services = make_services(module)
    user = account(module)
    if module.params["state"] == "absent":
        result = services.absent(module.check_mode)
    else:
        result = services.present(
            module.params["services"],
            module.params["group"],
            module.params["keep"] if module.params["purge"] else None,
            module.params["start_seconds"],
            user,
            module.check_mode,
            time,
        )
    if not module._diff:
        result.pop("diff", None)
    return dict(result, backend=backend)


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except ServiceFailed as error:
        module.fail_json(msg=str(error), services=error.services)
    except units.ServiceError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg="Cannot manage the services of %s: %s" % (module.params["instance"], error)
        )


if __name__ == "__main__":
    main()
