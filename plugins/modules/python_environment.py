#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environment
short_description: Make an environment of Python from a lock and what a model requires
version_added: 0.1.0
description:
  - Makes an environment with uv, of what a lock with hashes has, and what a model's C(requirements.txt), or its
    C(setup.py) where it has none, asks for on top. Both are resolved together, and what was made is checked.
  - An environment is never changed. One that is complete is left as it is, so its path has to name its content.
  - In check mode it is resolved in a place that goes afterwards, and an environment that cannot be made is told.
author:
  - The monitml.stack founders (@monitml)
options:
  path:
    description: Absolute path of the environment.
    type: path
    required: true
  python:
    description: Interpreter that it is made with.
    type: path
    required: true
  installer:
    description:
      - Environment of uv itself, which is made where it is not there; in check mode in a place that goes afterwards,
        and where the interpreter lacks its C(ensurepip) nothing is resolved.
    type: dict
    required: true
    suboptions:
      path:
        description: Absolute path of it, named after its lock.
        type: path
        required: true
      lock:
        description: Text of the lock of uv, with hashes.
        type: str
        required: true
  lock:
    description: Text of the lock, with hashes.
    type: str
    required: true
  server:
    description: What serves a model, which the model must not break; for an environment of one.
    type: dict
    suboptions:
      in:
        description: Text of the requirements that O(lock) was made of.
        type: str
        required: true
      toml:
        description: Text of a C(uv.toml) with the C(dependency-metadata) that its packages are given.
        type: str
        required: true
      program:
        description: Text of the Python program that gives it to them.
        type: str
        required: true
  model:
    description: What a model adds.
    type: dict
    suboptions:
      name:
        description: Its name, for messages.
        type: str
        required: true
      path:
        description: Its folder on the controller.
        type: path
        required: true
      files:
        description: Those of its files that the environment is made of, by their path in the folder.
        type: list
        elements: str
        required: true
      requirements:
        description: Whether it has a C(requirements.txt).
        type: bool
        default: false
      project:
        description: Whether it is installed itself, by its C(setup.py).
        type: bool
        default: false
      editable:
        description: Whether what is installed goes on needing the files, as with C(-e).
        type: bool
        default: false
  user:
    description: User that alone, beside root, may look into the environment. Everybody may by default.
    type: str
    default: ""
  pip_config:
    description:
      - Path of a C(pip.conf) on the controller, with another index, its password and a proxy, say. uv is told what it means.
    type: str
    default: ""
  netrc:
    description: Path of a C(.netrc) on the controller, with users and passwords of indexes.
    type: str
    default: ""
  ca_file:
    description: Path of a CA bundle on the controller that is trusted beside what the target's system trusts.
    type: str
    default: ""
  environment:
    description: Variables for uv and pip, a dict, above those of the connection, such as E(HTTPS_PROXY).
    type: json
    default: "{}"
  archive:
    description: A tar file on the target with the files of O(model). Made by the action plugin.
    type: path
attributes:
  platform:
    description: Needs the permissions of POSIX.
    support: full
    platforms: posix
  check_mode:
    description: Resolves, and makes nothing.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
"""

EXAMPLES = r"""
- name: Make the environment of a model
  monitml.stack.python_environment:
    path: /opt/monitml/environments/0123456789abcdef
    python: /usr/bin/python3
    installer:
      path: /opt/monitml/environments/uv-0123456789abcdef
      lock: "{{ lookup('ansible.builtin.file', 'uv.txt') }}"
    lock: "{{ lookup('ansible.builtin.file', 'serving.txt') }}"
    model:
      name: housing
      path: models/housing
      files: [requirements.txt, whl/acme-1.0-py3-none-any.whl]
      requirements: true
    pip_config: pip.conf
"""

RETURN = r"""
said:
  description: All that the installer said.
  returned: failure
  type: str
"""

import json
import os
import pwd
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import environments
from ..module_utils.local.pip_settings import PipConfigError

_LOCK = {"path": {"type": "path", "required": True}, "lock": {"type": "str", "required": True}}
_SERVER = {name: {"type": "str", "required": True} for name in ("in", "toml", "program")}
_MODEL = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "files": {"type": "list", "elements": "str", "required": True},
    **{name: {"type": "bool", "default": False} for name in ("requirements", "project", "editable")},
}
_ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "python": {"type": "path", "required": True},
    "installer": {"type": "dict", "required": True, "options": _LOCK},
    "lock": {"type": "str", "required": True},
    "server": {"type": "dict", "options": _SERVER},
    "model": {"type": "dict", "options": _MODEL},
    "user": {"type": "str", "default": ""},
    # By then the action plugin has put the texts in place of the paths.
    "pip_config": {"type": "str", "default": "", "no_log": True},
    "netrc": {"type": "str", "default": "", "no_log": True},
    "ca_file": {"type": "str", "default": ""},
    "environment": {"type": "json", "default": "{}", "no_log": True},
    "archive": {"type": "path"},
}


def wanted(given):
    """What the options want in the environment."""
    model = given["model"] or {}
    flags = {name: bool(model.get(name)) for name in ("requirements", "project", "editable")}
    return environments.Wanted(given["lock"], given["server"] or {}, given["archive"] or "", **flags)


def run(module, variables):
    """Makes what is missing. Raises EnvironmentFailed, KeyError for the user, and OSError."""
    given = module.params

    def environment(installer):
        uv = os.path.join(installer, "bin", "uv")
        return environments.Environment(given["path"], wanted(given), uv, given["python"], variables)

    installer = given["installer"]
    there = os.path.exists(os.path.join(installer["path"], environments.COMPLETE))
    if not module.check_mode:
        if not there:
            environments.make_installer(installer["path"], given["python"], installer["lock"], variables)
        account = pwd.getpwnam(given["user"]) if given["user"] else None
        gid, mode = (account.pw_gid, 0o750) if account else (0, 0o755)
        environment(installer["path"]).make(0 if os.geteuid() == 0 else -1, gid if os.geteuid() == 0 else -1, mode)
    elif wanted(given).adds and there:
        environment(installer["path"]).resolve()
    elif wanted(given).adds and environments.find_pip(given["python"]):
        with tempfile.TemporaryDirectory(prefix="monitml-uv-") as path:
            environments.make_installer(path, given["python"], installer["lock"], variables)
            environment(path).resolve()


def cure(module):
    """What stands below the installer's own words."""
    model = module.params["model"]
    changed = "Nothing has been changed." if module.check_mode else "What serves goes on."
    if not model:
        return "So %s could not be made. %s" % (module.params["path"], changed)
    source = "requirements.txt" if model["requirements"] else "setup.py"
    return "That is what the installer says of the model '%s' with what serves it; its %s is to be changed, or where packages come from. %s" % (
        model["name"],
        source,
        changed,
    )


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    given = module.params
    if os.path.exists(os.path.join(given["path"], environments.COMPLETE)):
        module.exit_json(changed=False)
    variables = {name: str(value) for name, value in json.loads(given["environment"]).items()}
    try:
        with environments.lent(given["pip_config"], given["netrc"], given["ca_file"], variables) as lent:
            run(module, lent)
    except environments.EnvironmentFailed as failed:
        module.fail_json(msg="%s\n%s" % (failed, cure(module)), said=failed.said)
    except PipConfigError as error:
        module.fail_json(msg="pip_config cannot be used: %s. %s" % (error, cure(module)))
    except KeyError:
        module.fail_json(msg="The user %s does not exist on this machine." % given["user"])
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
