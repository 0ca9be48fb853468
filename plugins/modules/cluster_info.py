#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Whether a Kubernetes cluster can take the stack
version_added: 0.1.0
description:
  - Asks a cluster which one it is, what it has and what this account may do there, and says in one line what it is.
  - Fails with all that stands in the way, each in a sentence that says what to do. It changes nothing.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  deployment:
    description:
      - The deployment as M(monitml.stack.deployment_info) returns it.
      - Without it, it is only asked which cluster this is.
    type: dict
  instance:
    description: Name of the stack in the cluster; needed with O(deployment), as are those below.
    type: str
  stack_namespace:
    description: Namespace of the gateway and of what watches.
    type: str
  gateway_class:
    description: The GatewayClass that the gateway is to be of.
    type: str
  expected_server:
    description: The only server that may be meant, as the kubeconfig has it.
    type: str
  engine:
    description: What runs the models - C(name), C(gateway), namespace/name of an Istio Gateway of others, and the C(releases) C(istio) and C(operator) as
      namespace/name, and the C(flavour) of what watches.
    type: dict
    default: {}
  storage_class:
    description: Storage class that has to be there; none by default.
    type: str
    default: ""
  resources:
    description: What each model server asks for, as a container has it.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode, in which it asks as it always does.
    support: full
"""

EXAMPLES = r"""
- name: Look at the cluster
  monitml.stack.cluster_info:
    deployment: "{{ deployment }}"
    instance: monitml
    stack_namespace: monitml
    gateway_class: istio
"""

RETURN = r"""
words:
  description: Which cluster it is, in one line.
  returned: success
  type: str
  sample: "Cluster https://10.0.0.1:6443: Kubernetes v1.34.2, with Istio; storage class gp3."
found:
  description: What was found, by server, version, namespaces, storage_class and more.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.kubernetes import capacity, preflight
from ..module_utils.kubernetes.api import Api
from ..module_utils.kubernetes.errors import KubernetesError

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "deployment": {"type": "dict"},
    "instance": {"type": "str"},
    "stack_namespace": {"type": "str"},
    "gateway_class": {"type": "str"},
    "expected_server": {"type": "str"},
    "resources": {"type": "dict", "default": {}},
    "storage_class": {"type": "str", "default": ""},
    "engine": {"type": "dict", "default": {}},
}
# Nothing has begun that would be worth waiting for.
_PATIENCE_SECONDS = 5


def look(api, given):
    """(what was found, what is wrong with it) for the module's options."""
    deployment, expected = given["deployment"], given["expected_server"] or ""
    engine = {"name": "deployments", "gateway": "", "releases": {}, "flavour": "own", **given["engine"]}
    if not deployment:
        found = preflight.look(api, [], "", "", engine)
        return found, preflight.server_problems(found, expected) + found["gateway_problems"]
    namespaces = [given["stack_namespace"], deployment["namespace"]]
    problems = preflight.name_problems(deployment, namespaces, engine["name"])
    found = preflight.look(api, namespaces, given["gateway_class"], given["instance"], engine)
    asked = {deployment["namespace"]: capacity.asked_by(deployment, given["resources"])}
    return found, problems + preflight.problems(
        found, expected, given["gateway_class"], asked, given["storage_class"]
    )


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
        required_by={"deployment": ["instance", "stack_namespace", "gateway_class"]},
    )
    given = module.params
    try:
        api = Api(given["kubeconfig"] or "", given["context"] or "", _PATIENCE_SECONDS)
        found, problems = look(api, given)
    except (KubernetesError, ValueError) as error:
        module.fail_json(msg=f"{error} Nothing has been changed.")
    if problems:
        module.fail_json(msg="\n".join([*problems, "Nothing has been changed."]), found=found)
    module.exit_json(changed=False, words=preflight.words(found, given["context"] or ""), found=found)


if __name__ == "__main__":
    main()
