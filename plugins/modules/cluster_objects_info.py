#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects_info
short_description: What of the stack is in a Kubernetes cluster
version_added: 0.1.0
description:
  - Returns the objects that carry the labels of an instance of the stack.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  instance:
    description: Name of the stack in the cluster.
    type: str
    required: true
  kinds:
    description: The kinds to look for, such as V(Deployment).
    type: list
    elements: str
    required: true
  namespaces:
    description: Where to look.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode, in which it asks as it always does.
    support: full
"""

EXAMPLES = r"""
- name: Look which models serve
  monitml.stack.cluster_objects_info:
    instance: monitml
    kinds: [Deployment, HTTPRoute]
    namespaces: [seldon]
"""

RETURN = r"""
objects:
  description: The objects, as the API has them.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.kubernetes import kinds
from ..module_utils.kubernetes.api import Api
from ..module_utils.kubernetes.errors import KubernetesError

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "instance": {"type": "str", "required": True},
    "kinds": {"type": "list", "elements": "str", "required": True},
    "namespaces": {"type": "list", "elements": "str", "required": True},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        api = Api(given["kubeconfig"] or "", given["context"] or "")
        found = [
            thing
            for kind in given["kinds"]
            for namespace in given["namespaces"]
            for thing in api.list(kinds.named(kind), namespace, kinds.selector(given["instance"]))
        ]
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, objects=found)


if __name__ == "__main__":
    main()
