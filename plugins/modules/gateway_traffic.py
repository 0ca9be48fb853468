#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_traffic
short_description: Move the traffic of the gateway without losing a request
version_added: 0.1.0
description:
  - Writes what the gateway sends requests to and by which shares, and reads back what it took.
  - New servers get requests only after the gateway has found them well. Servers that get none any more are waited for
    until they have answered what they hold, after which they can be ended.
  - Where the gateway does not take what it is told, it goes on as before and the task fails.
author:
  - The monitml.stack founders (@monitml)
options:
  directory:
    description: Directory of C(clusters.json) and C(routes.json), which the gateway watches.
    type: path
    required: true
  admin_url:
    description: URL of the gateway's administration.
    type: str
    required: true
  clusters:
    description: The predictors and their servers, as the filter P(monitml.stack.envoy_clusters#filter) returns them.
    type: dict
    required: true
  routes:
    description: The split, as the filter P(monitml.stack.envoy_routes#filter) returns it.
    type: dict
    required: true
  take_seconds:
    description: How long the gateway may take to find the servers well, and again to take the split.
    type: float
    default: 30
  drain_seconds:
    description: How long servers that get no requests any more may take to answer those that they hold.
    type: float
    default: 60
  settle_seconds:
    description:
      - How long they must hold no request before they count as done.
      - Longer than the interval at which they are read, so that what they counted is.
    type: float
    default: 1
attributes:
  platform:
    description: Needs a /proc as Linux has it.
    support: full
    platforms: linux
  check_mode:
    description: Can run in check mode and tell whether the traffic would move.
    support: full
  diff_mode:
    description: Returns the files that change.
    support: full
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
seealso:
  - module: monitml.stack.model_server_info
"""

EXAMPLES = r"""
- name: Move the traffic
  monitml.stack.gateway_traffic:
    directory: /opt/monitml/etc
    admin_url: http://127.0.0.1:8005
    clusters: "{{ deployment | monitml.stack.envoy_clusters('127.0.0.1') }}"
    routes: "{{ deployment | monitml.stack.envoy_routes(60) }}"
"""

RETURN = r"""
version:
  description: The version of the split that the gateway goes by.
  returned: always
  type: str
  sample: 0123456789abcdef
left_ports:
  description: Ports of the servers that get no requests any more.
  returned: always
  type: list
  elements: int
  sample: []
drained:
  description: Whether these have answered all that they held within O(drain_seconds).
  returned: always
  type: bool
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import files, processes
from ..module_utils.local.gateway_traffic import Admin, GatewayError, Traffic

_ARGUMENTS = {
    "directory": {"type": "path", "required": True},
    "admin_url": {"type": "str", "required": True},
    "clusters": {"type": "dict", "required": True},
    "routes": {"type": "dict", "required": True},
    "take_seconds": {"type": "float", "default": 30},
    "drain_seconds": {"type": "float", "default": 60},
    "settle_seconds": {"type": "float", "default": 1},
}


def run(module):
    """Result of the module. Raises GatewayError."""
    given = module.params
    traffic = Traffic(
        given["directory"].rstrip("/"),
        Admin(given["admin_url"]),
        files,
        processes.connections,
        time,
    )
    clusters, routes = given["clusters"], given["routes"]
    changes, left = traffic.plan(clusters, routes)
    drained = True
    if not module.check_mode:
        seconds = [given[key] for key in ("take_seconds", "drain_seconds", "settle_seconds")]
        drained = traffic.move(clusters, routes, *seconds)
    if not drained:
        module.warn(
            "Servers that get no requests any more, at the ports %s, have not answered all that they held within %g s;"
            " they are ended all the same." % (", ".join(map(str, sorted(left))), given["drain_seconds"])
        )
    result = {
        "changed": bool(changes),
        "version": routes["version_info"],
        "left_ports": sorted(left),
        "drained": drained,
    }
    if module._diff:
        result["diff"] = [files.difference(*change) for change in changes]
    return result


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except GatewayError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="The gateway cannot be told where to send requests: %s" % error)


if __name__ == "__main__":
    main()
