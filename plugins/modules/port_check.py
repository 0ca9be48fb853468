#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: port_check
short_description: Check that ports are free before something listens on them
version_added: 0.1.0
description:
  - Fails where another process than the stack's own listens on a port that the stack wants. For each such port it
    says in one sentence which process has it, whose that is, and which variable to set.
  - It also fails where two purposes are given the same port.
  - It reads C(/proc) and changes nothing.
author:
  - The monitml.stack founders (@monitml)
options:
  ports:
    description: The ports.
    type: list
    elements: dict
    required: true
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
  home:
    description:
      - Directory of the stack. Where it is given, a process is the stack's own only if it was started from there as
        well, by its program, its directory or one of its arguments.
      - Leave it out only where O(user) runs nothing else.
    type: path
attributes:
  platform:
    description: Needs a /proc as Linux has it.
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
  - module: community.general.listen_ports_facts
"""

EXAMPLES = r"""
- name: Check that the ports are free
  monitml.stack.port_check:
    user: monitml
    home: /opt/monitml
    ports:
      - port: "{{ monitml_prometheus_port }}"
        purpose: Prometheus
        variable: monitml_prometheus_port
"""

RETURN = r"""
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
  description: The sentences of the message.
  returned: always
  type: list
  elements: str
  sample: []
"""

import pwd

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import ports as port_conflicts
from ..module_utils.local import processes

_PORT = {
    "port": {"type": "int", "required": True},
    "purpose": {"type": "str", "required": True},
    "variable": {"type": "str", "required": True},
}

_ARGUMENTS = {
    "ports": {"type": "list", "elements": "dict", "required": True, "options": _PORT},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "user": {"type": "str"},
    "home": {"type": "path"},
}


def user_name(uid):
    """Name of a user, the number itself where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def user_id(name):
    """Id of a user, None where it does not exist (yet)."""
    try:
        return pwd.getpwnam(name).pw_uid if name else None
    except KeyError:
        return None


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


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    given = module.params
    home = given["home"].rstrip("/") if given["home"] else None
    reports, sentences = look(given["ports"], given["listen_address"], user_id(given["user"]), home)
    result = {"changed": False, "ports": reports, "conflicts": sentences}
    if sentences:
        module.fail_json(msg="\n".join(sentences), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
