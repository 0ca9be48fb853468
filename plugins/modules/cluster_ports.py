#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_ports
short_description: Opens ports of this machine that lead to pods of a Kubernetes cluster
version_added: 0.1.0
description:
  - Each port leads through the cluster's API to a pod that is ready at that moment, so that a pod which is replaced
    closes nothing.
  - Ports are open as long as the playbook runs, in a process of their own; with O(foreground) until Ctrl-C.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  ports:
    description: The ports to open.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in what is returned.
        type: str
        required: true
      namespace:
        description: Namespace of the pods.
        type: str
        required: true
      selector:
        description: Labels of the pods, as V(name=value).
        type: str
        required: true
      port:
        description: Port of the pods.
        type: int
        required: true
      local_port:
        description: Port of this machine; V(0) takes one that is free.
        type: int
        default: 0
  address:
    description: Address of this machine to listen on.
    type: str
    default: 127.0.0.1
  foreground:
    description: Whether the task goes on until it is interrupted.
    type: bool
    default: false
  owner:
    description: Id of the process with whose end the ports are closed; the playbook's, which is filled in.
    type: int
attributes:
  check_mode:
    description: Can run in check mode, in which ports are opened just the same, since they change nothing.
    support: full
"""

EXAMPLES = r"""
- name: Open Prometheus
  monitml.stack.cluster_ports:
    ports:
      - name: prometheus
        namespace: monitml
        selector: app.kubernetes.io/name=monitml-analytics
        port: 9090
        local_port: 3001
"""

RETURN = r"""
addresses:
  description: Where each port is, by its name, as V(http://127.0.0.1:3001).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.kubernetes.ports import opened, serve, serve_apart

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "ports": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "selector": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "local_port": {"type": "int", "default": 0},
        },
    },
    "address": {"type": "str", "default": "127.0.0.1"},
    "foreground": {"type": "bool", "default": False},
    "owner": {"type": "int"},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    if given["foreground"]:
        ports, problem = opened(given)
        if ports:
            serve(ports, given["owner"])
        told = {"problem": problem, "numbers": {}}
    else:
        told = serve_apart(given)
    if told["problem"]:
        module.fail_json(msg=told["problem"])
    addresses = {name: f"http://{given['address']}:{number}" for name, number in told["numbers"].items()}
    module.exit_json(changed=False, addresses=addresses)


if __name__ == "__main__":
    main()
