#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: model_server_info
short_description: Give the model servers of a deployment their places on one machine
version_added: 0.1.0
description:
  - Decides from what runs on the machine which of the wanted servers serve already, which are new and on which ports
    they come up beside the others, and which serve until then and go afterwards.
  - Changes nothing. What it decides is written down as C(etc/servers.json) in O(home) by who starts the servers. Without
    that file all wanted servers are new, and what the gateway sends requests to is leaving.
author:
  - The monitml.stack founders (@monitml)
options:
  home:
    description: Directory of the stack on the machine.
    type: path
    required: true
  wanted:
    description: The servers, as the filter P(monitml.stack.wanted_servers#filter) returns them.
    type: list
    elements: dict
    required: true
  listen_address:
    description: Address that the servers listen on.
    type: str
    default: 127.0.0.1
  first_port:
    description: First of the ports for predictions and metrics.
    type: int
    required: true
  grpc_port:
    description: First of the gRPC ports, V(0) for none.
    type: int
    default: 0
  reserved:
    description: Ports that the stack needs for something else.
    type: list
    elements: int
    default: []
attributes:
  platform:
    description: Needs a /proc as Linux has it.
    support: full
    platforms: linux
  check_mode:
    description: Can run in check mode, as it changes nothing.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
seealso:
  - module: monitml.stack.model_server_ready
  - module: monitml.stack.gateway_traffic
"""

EXAMPLES = r"""
- name: Learn where the model servers are and will be
  monitml.stack.model_server_info:
    home: /opt/monitml
    wanted: "{{ deployment | monitml.stack.wanted_servers(settings) }}"
    first_port: 9000
  register: places
"""

RETURN = r"""
servers:
  description: The wanted servers in their order, each with C(name), its ports, and C(new) where it has not served yet.
  returned: always
  type: list
  elements: dict
  sample:
    - predictor: good
      version: v1
      cluster: seldon/housing/good/v1
      index: 0
      digest: 0123456789abcdef
      runtime: process
      name: model-good-9000
      http_port: 9000
      metrics_port: 9001
      grpc_port: 0
      new: false
leaving:
  description: Servers that are not wanted and may still hold requests.
  returned: always
  type: list
  elements: dict
  sample: []
abandoned:
  description: Servers that are not wanted and never got a request.
  returned: always
  type: list
  elements: dict
  sample: []
record:
  description: What is to be written down before the new ones are started.
  returned: always
  type: list
  elements: dict
  sample: []
noted:
  description: Whether that is what is written down already.
  returned: always
  type: bool
  sample: false
looked_at:
  description: When that was, in seconds since 1970 by the machine's clock.
  returned: always
  type: float
  sample: 1700000000.0
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import places, ports, processes, record

_ARGUMENTS = {
    "home": {"type": "path", "required": True},
    "wanted": {"type": "list", "elements": "dict", "required": True},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "first_port": {"type": "int", "required": True},
    "grpc_port": {"type": "int", "default": 0},
    "reserved": {"type": "list", "elements": "int", "default": []},
}


def look(given):
    """Result of the module. Raises NoPlace."""
    home = given["home"].rstrip("/")
    listening = {
        listener.port
        for listener in processes.listeners()
        if ports.overlaps(listener.address, given["listen_address"])
    }
    earlier = record.servers(home)
    found = places.place(
        given["wanted"],
        earlier,
        record.gateway_endpoints(home),
        listening,
        given["reserved"],
        {"http": given["first_port"], "grpc": given["grpc_port"]},
    )
    wanted = places.record_of(found["servers"], found["leaving"])
    noted = wanted == earlier
    return dict(found, record=wanted, noted=noted, looked_at=time.time())


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **look(module.params))
    except places.NoPlace as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
