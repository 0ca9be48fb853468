#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_info
short_description: Look once at a machine that is to run the stack
version_added: 0.1.0
description:
  - Tells in one step what the roles have to know of a machine before they change anything, which is its distribution, who
    tasks run as, the packages, which files of the stack are there, and who holds the ports that it wants.
  - One task in place of five, because the time of a task is mostly that of starting it.
  - It fails for nothing that it finds, and changes nothing.
author:
  - The monitml.stack founders (@monitml)
options:
  ports:
    description: The ports that the stack wants.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: TCP port.
        type: int
        required: true
      purpose:
        description: What is going to listen there, in words that fit into a sentence.
        type: str
        required: true
      variable:
        description: Name of the variable that sets the port.
        type: str
        required: true
  listen_address:
    description: Address that the stack listens on. Listeners on other addresses are in nobody's way.
    type: str
    default: 127.0.0.1
  user:
    description: User of the stack. Its own processes may have the ports; the user need not exist yet.
    type: str
    required: true
  home:
    description:
      - Directory of the stack, which need not exist yet.
      - A process of O(user) is the stack's own only if it was started from there, by its program, its directory or one
        of its arguments.
    type: path
    required: true
  files:
    description: Names of files and directories to look for in O(home), at most two directories down.
    type: list
    elements: str
    default: []
attributes:
  platform:
    description: Needs a /proc as Linux has it. Packages are those of dpkg.
    support: full
    platforms: linux
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
notes:
  - Without root, the processes of other users cannot be told, only the users.
seealso:
  - module: ansible.builtin.setup
  - module: ansible.builtin.package_facts
  - module: community.general.listen_ports_facts
"""

EXAMPLES = r"""
- name: Look at the machine
  monitml.stack.machine_info:
    user: monitml
    home: /opt/monitml
    files: [.complete]
    ports:
      - port: "{{ monitml_prometheus_port }}"
        purpose: Prometheus
        variable: monitml_prometheus_port
  register: machine

- name: Refuse ports that others hold
  ansible.builtin.assert:
    that: machine.conflicts | length == 0
    fail_msg: "{{ machine.conflicts | join(' ') }}"
"""

RETURN = r"""
distribution:
  description:
    - Name and release of the distribution, as a person says it. The release is the whole of Ubuntu's, and the first
      number of any other.
  returned: always
  type: str
  sample: Debian 12
effective_user:
  description: Who tasks run as.
  returned: always
  type: dict
  contains:
    id:
      description: Number of the user.
      type: int
    name:
      description: Name of the user, the number where it has none.
      type: str
invoking_user:
  description: Who became root by sudo; root itself where nobody did.
  returned: always
  type: str
  sample: maria
service_manager:
  description: Whether V(systemd) runs the machine, or something else that is not asked.
  returned: always
  type: str
  sample: systemd
account:
  description: What the machine knows of O(user); none where it does not exist.
  returned: always
  type: dict
  contains:
    home:
      description: Home directory.
      type: str
    shell:
      description: Login shell.
      type: str
packages:
  description: Names of the packages that are installed.
  returned: always
  type: list
  elements: str
  sample: [prometheus, python3-venv]
files:
  description: Paths of those of O(files) that are there.
  returned: always
  type: list
  elements: str
  sample: [/opt/monitml/environments/tools-1/.complete]
ports:
  description: The ports and who listens on them, in the order of the task.
  returned: always
  type: list
  elements: dict
  contains:
    port:
      description: TCP port.
      type: int
    purpose:
      description: As it was given.
      type: str
    listening:
      description: Whether something listens there, on an address that matters.
      type: bool
    own:
      description: Whether that is the stack.
      type: bool
    address:
      description: Address of the listener, none where nothing listens.
      type: str
    pid:
      description: The process, none where it cannot be seen.
      type: int
    process:
      description: Name of the process, none where it cannot be seen.
      type: str
    user:
      description: User of the listener.
      type: str
  sample:
    - port: 3001
      purpose: Prometheus
      listening: true
      own: true
      address: 127.0.0.1
      pid: 4242
      process: prometheus
      user: monitml
conflicts:
  description: A sentence for each port that somebody else holds, or that two purposes are given.
  returned: always
  type: list
  elements: str
  sample: []
"""

import glob
import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common import sys_info

from ..module_utils.local import ports as port_conflicts
from ..module_utils.local import processes

_PORT = {
    "port": {"type": "int", "required": True},
    "purpose": {"type": "str", "required": True},
    "variable": {"type": "str", "required": True},
}

_ARGUMENTS = {
    "ports": {"type": "list", "elements": "dict", "default": [], "options": _PORT},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "user": {"type": "str", "required": True},
    "home": {"type": "path", "required": True},
    "files": {"type": "list", "elements": "str", "default": []},
}


def user_name(uid):
    """Name of a user, the number itself where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def look(ports, listen_address, uid, home):
    """(reports, sentences) about the wanted ports; see RETURN."""
    wanted = {one["port"] for one in ports}
    busy = [
        listener
        for listener in processes.listeners()
        if listener.port in wanted and port_conflicts.overlaps(listener.address, listen_address)
    ]
    # Going through all processes' open files is the costly part, and mostly there is nothing to ask.
    pids = processes.holders({listener.inode for listener in busy}) if busy else {}
    reports, sentences = [], port_conflicts.duplicates(ports)
    for one in ports:
        report = dict(port=one["port"], purpose=one["purpose"], listening=False, own=False)
        report.update(address=None, pid=None, process=None, user=None)
        for listener in [listener for listener in busy if listener.port == one["port"]]:
            pid = pids.get(listener.inode)
            holder = processes.process(pid) if pid else None
            name = user_name(holder.uid if holder else listener.uid)
            own = port_conflicts.is_own(holder, listener.uid, uid, home)
            report.update(listening=True, own=own, address=listener.address, user=name)
            report.update(pid=pid, process=holder.name if holder else None)
            if not own:
                sentences.append(port_conflicts.conflict(one, listener.address, holder, name))
                break
        reports.append(report)
    return reports, sentences


def account(name):
    """What the machine knows of a user, None where it does not exist (yet)."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return {"home": found.pw_dir, "shell": found.pw_shell}


def uid_of(name):
    """Id of a user, None where it does not exist (yet)."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def distribution():
    """Name and release of the distribution."""
    name, release = sys_info.get_distribution(), sys_info.get_distribution_version() or ""
    return ("%s %s" % (name, release if name == "Ubuntu" else release.partition(".")[0])).strip()


def find(home, names):
    """Paths below a directory, at most two further down, of files with these names.

    They begin as the caller writes the directory, or it would not know them for its own.
    """
    patterns = [depth + name for depth in ("", "*/", "*/*/") for name in names]
    found = [path for pattern in patterns for path in glob.glob(pattern, root_dir=home)]
    return ["%s/%s" % (home, path) for path in sorted(found)]


def installed(module):
    """Names of the packages that are installed; none where dpkg is not what installs them."""
    program = module.get_bin_path("dpkg-query")
    if program is None:
        return []
    shown = r"${db:Status-Abbrev}${Package}\n"
    _code, out, _error = module.run_command([program, "--show", "--showformat", shown])
    return [line[3:].strip() for line in out.splitlines() if line.startswith("ii ")]


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    given = module.params
    home, uid = given["home"].rstrip("/"), uid_of(given["user"])
    reports, sentences = look(given["ports"], given["listen_address"], uid, home)
    module.exit_json(
        changed=False,
        distribution=distribution(),
        effective_user={"id": os.geteuid(), "name": user_name(os.geteuid())},
        invoking_user=os.environ.get("SUDO_USER") or "root",
        service_manager="systemd" if os.path.isdir("/run/systemd/system") else "other",
        account=account(given["user"]),
        packages=installed(module),
        files=find(given["home"], given["files"]),
        ports=reports,
        conflicts=sentences,
    )


if __name__ == "__main__":
    main()
