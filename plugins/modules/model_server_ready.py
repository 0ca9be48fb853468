#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: model_server_ready
short_description: Wait until model servers answer a real prediction, and tell why they do not
version_added: 0.1.0
description:
  - Waits until each server says of itself, at C(/ready) beside its metrics, that its model answers a prediction as its
    contract has it and that its metrics can be read.
  - Ends as soon as it is final that one never will - its process has ended, its model gives the same wrong answer again
    and again, or O(start_seconds) are over - and says why in the words of the server's own log.
  - Does not fail then, so that what was started can be taken away first. The message to fail with is RV(msg).
author:
  - The monitml.stack founders (@monitml)
options:
  servers:
    description: The servers, as M(monitml.stack.model_server_info) returns them.
    type: list
    elements: dict
    required: true
  instance:
    description: Name of the stack on its machine.
    type: str
    required: true
  home:
    description: Directory of the stack.
    type: path
    required: true
  user:
    description: User that the servers run as.
    type: str
    required: true
  backend:
    description: What runs the servers that are processes, as for M(monitml.stack.local_service).
    type: str
    choices: [auto, systemd, supervisor]
    default: auto
  supervisor_path:
    description: Directory of C(supervisord), where it runs the servers.
    type: path
  engine_host:
    description: Address of the container engine, for servers that are containers.
    type: str
    default: ""
  listen_address:
    description: Address that the servers listen on.
    type: str
    default: 127.0.0.1
  since:
    description: Moment before they were started, in seconds since 1970 by the machine's clock. Their logs are read from there.
    type: float
    default: 0
  start_seconds:
    description: How long a server may take until it is ready.
    type: float
    default: 180
  slice_seconds:
    description:
      - How long to wait at most before returning what is still pending.
      - The controller tells how far it is after each such time, and asks again with O(memory).
    type: float
    default: 10
  memory:
    description: What the last call returned as RV(memory).
    type: dict
    default: {}
attributes:
  platform:
    description: Needs a /proc as Linux has it.
    support: full
    platforms: linux
  check_mode:
    description: Can run in check mode, in which it waits for nobody.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
seealso:
  - module: monitml.stack.model_server_info
"""

EXAMPLES = r"""
- name: Wait for a real prediction of each
  monitml.stack.model_server_ready:
    servers: "{{ places.servers }}"
    instance: monitml
    home: /opt/monitml
    user: monitml
  register: ready

- name: Tell why one did not become ready
  ansible.builtin.fail:
    msg: "{{ ready.msg }}"
  when: ready.problems | length > 0
"""

RETURN = r"""
problems:
  description: One for each server that will not become ready.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server.
      type: str
    predictor:
      description: Its predictor.
      type: str
    version:
      description: Version of that.
      type: str
    cause:
      description: Why, in its own words.
      type: str
    log:
      description: The file of its log, or the command that shows it.
      type: str
    tail:
      description: The last lines of the log.
      type: str
  sample: []
pending:
  description: Those that are to be waited for, each with C(name), C(predictor), C(version) and C(problem).
  returned: always
  type: list
  elements: dict
  sample: []
told:
  description: What ready servers warn of, each with its predictor.
  returned: always
  type: list
  elements: str
  sample: []
seconds:
  description: How long they have been waited for.
  returned: always
  type: float
memory:
  description: What the next call has to know where some are pending.
  returned: always
  type: dict
msg:
  description: Who did not become ready and why, one line each, then the ends of their logs.
  returned: where there are problems
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.image.errors import ImageError
from ..module_utils.local import processes, readiness
from ..module_utils.local import service_units as units
from ..module_utils.local.backend import backend_name, make_backend
from ..module_utils.local.model_containers import Containers
from ..module_utils.local.ready_asking import Asker

_ARGUMENTS = {
    "servers": {"type": "list", "elements": "dict", "required": True},
    "instance": {"type": "str", "required": True},
    "home": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "backend": {"type": "str", "choices": ["auto", "systemd", "supervisor"], "default": "auto"},
    "supervisor_path": {"type": "path"},
    "engine_host": {"type": "str", "default": ""},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "since": {"type": "float", "default": 0},
    "start_seconds": {"type": "float", "default": 180},
    "slice_seconds": {"type": "float", "default": 10},
    "memory": {"type": "dict", "default": {}},
}
# Enough for what a start writes; a person is shown the end of it.
_LOG_LINES = 400
_SHOWN_LINES = 15
_FOR_MEMORY = " The kernel killed it for want of memory."
_MEANWHILE = " The kernel killed a process for want of memory meanwhile."


class Services:
    """The servers that are processes."""

    def __init__(self, module):
        given = module.params
        home = given["home"].rstrip("/")
        instance = units.Instance(
            given["instance"],
            home,
            given["user"],
            home + "/log",
            0,
            0,
            supervisor_path=(given["supervisor_path"] or "").rstrip("/"),
        )
        backend = make_backend(backend_name(given["backend"]), instance, module)
        self.look, self.log, self.log_tail = backend.look, backend.log, backend.log_tail


def make_containers(module):
    """The servers that are containers. Fails where the engine cannot be asked."""
    # Not at the top: it looks for the Docker SDK, which processes do not need.
    from ..module_utils.image import engine

    if engine.IMPORT_ERROR:
        sentence = missing_required_lib("docker", reason="to look after model servers that are containers")
        module.fail_json(msg=sentence, exception=engine.IMPORT_ERROR)
    return Containers(engine.Engine(module.params["engine_host"]), module.params["instance"])


def run(module):
    """Result of the module. Raises ServiceError and ImageError."""
    given = module.params
    servers = {one["name"]: one for one in given["servers"]}
    if module.check_mode or not servers:
        return {"problems": [], "pending": [], "told": [], "seconds": 0.0, "memory": {}}
    contained = any(one.get("runtime") == "container" for one in servers.values())
    backend = make_containers(module) if contained else Services(module)
    memory = given["memory"]
    kills = memory.get("kills", processes.memory_kills())
    watch = readiness.Watch([n for n in servers if n in memory.get("pending", servers)], memory)
    askers = {
        name: Asker(given["listen_address"], servers[name]["metrics_port"]) for name in watch.pending
    }
    watch.wait(
        backend.look,
        lambda name: askers[name].answers(),
        given["start_seconds"],
        given["slice_seconds"],
        time.monotonic,
        time.sleep,
    )
    for asker in askers.values():
        asker.stop()
    found = {one["name"]: one for one in memory.get("problems", [])}
    for name, verdict in watch.verdicts.items():
        found[name] = _problem(servers[name], verdict, backend, given["since"], kills)
    problems = [found[name] for name in servers if name in found]
    told = memory.get("told", []) + [
        "%s %s: %s" % (servers[name]["predictor"], servers[name]["version"], sentence)
        for name, sentences in watch.warnings.items()
        for sentence in sentences
    ]
    result = {
        "problems": problems,
        "pending": [
            dict(_who(servers[name]), problem=watch.problems[name])
            for name in ([] if watch.done else watch.pending)
        ],
        "seconds": round(watch.memory()["seconds"], 1),
        "told": list(dict.fromkeys(told)),
        "memory": dict(
            watch.memory(), kills=kills, pending=watch.pending, problems=problems, told=told
        ),
    }
    if problems:
        result["msg"] = readiness.complaint(problems)
    return result


def _who(server):
    return {key: server[key] for key in ("name", "predictor", "version")}


def _problem(server, verdict, backend, since, kills):
    name = server["name"]
    tail = backend.log_tail(name, _LOG_LINES)
    cause = verdict.problem
    if verdict.ended:
        cause = readiness.cause_in(tail, since)
        if isinstance(backend, Containers):
            cause += _FOR_MEMORY if backend.killed_for_memory(name) else ""
        elif processes.memory_kills() > kills:
            cause += _MEANWHILE
    shown = "\n".join(tail.splitlines()[-_SHOWN_LINES:])
    return dict(_who(server), cause=cause, log=backend.log(name), tail=shown)


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **run(module))
    except (units.ServiceError, ImageError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
