#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects
short_description: Brings objects of the stack in a Kubernetes cluster to what is described
version_added: 0.1.0
description:
  - Applies objects by server-side apply, with the field manager C(monitml.stack), waits until those that take time are
    there, and tells from the pods why one is not.
  - Takes away what carries the labels of the same group of the instance and is not among them, and nothing else.
  - With O(state=absent) all that carries the labels of the instance goes, in the opposite order, and it is looked
    whether anything is left.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  instance:
    description: Name of the stack in the cluster.
    type: str
    required: true
  state:
    description: Whether the objects are to be there, or all of the instance gone.
    type: str
    choices: [present, absent]
    default: present
  objects:
    description: The objects, complete, with the labels of the instance and of their group.
    type: list
    elements: dict
    default: []
  kept:
    description: Objects that stay as they are, by kind, namespace and name.
    type: list
    elements: dict
    default: []
  group:
    description: The group of objects that is taken away where it is neither in O(objects) nor in O(kept); none by default.
    type: str
  kinds:
    description: The kinds that the group may have.
    type: list
    elements: str
    default: []
  namespaces:
    description: Where to look for what is to go, where this account may not look everywhere.
    type: list
    elements: str
    default: []
  wait_seconds:
    description: How long to wait for what takes time; V(0) does not wait.
    type: int
    default: 0
  withdraw:
    description: Whether objects that are not in O(kept) go again where they do not come up.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode, in which the cluster itself says what would be changed.
    support: full
  diff_mode:
    description: Shows each object that is changed; what is secret is shown as a digest.
    support: full
"""

EXAMPLES = r"""
- name: Have what is described, and nothing else
  monitml.stack.cluster_objects:
    instance: monitml
    objects: "{{ objects }}"
    group: routes
    kinds: [HTTPRoute]
    namespaces: [seldon]
    wait_seconds: 60
"""

RETURN = r"""
applied:
  description: The objects that were made or changed, in words.
  returned: success
  type: list
  elements: str
  sample: ["Deployment seldon/housing-good-1a2b3c4d"]
removed:
  description: Those that were taken away.
  returned: success
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.yaml import yaml_dump

from ..module_utils.kubernetes import convergence, kinds
from ..module_utils.kubernetes.api import Api
from ..module_utils.kubernetes.arrival import Arrival
from ..module_utils.kubernetes.errors import KubernetesError
from ..module_utils.kubernetes.removal import remove_everything

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "instance": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "objects": {"type": "list", "elements": "dict", "default": []},
    "kept": {"type": "list", "elements": "dict", "default": []},
    "group": {"type": "str"},
    "kinds": {"type": "list", "elements": "str", "default": []},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "wait_seconds": {"type": "int", "default": 0},
    "withdraw": {"type": "bool", "default": False},
}


def present(api, given, check):
    """The outcome of having the objects; raises KubernetesError."""
    outcome = convergence.apply(api, given["objects"], given["instance"], check)
    if given["wait_seconds"] and not check:
        arrival = Arrival(api, outcome.objects, time)
        troubles = arrival.wait(given["wait_seconds"])
        if troubles:
            gone = convergence.withdraw(api, given["objects"], given["kept"]) if given["withdraw"] else []
            raise KubernetesError("\n".join([*troubles, *(["What did not come up has been taken away again."] if gone else [])]))
        outcome.removed += convergence.tidy(api, outcome.objects)
    if given["group"]:
        kept = given["objects"] + given["kept"]
        group = [given["group"], *given["kinds"]]
        pruned = convergence.prune(api, kept, group, given["instance"], given["namespaces"], check)
        outcome.removed += pruned.removed
        outcome.before.update(pruned.before)
        outcome.after.update(pruned.after)
    return outcome


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        kinds.check([*given["objects"], *given["kept"]])
        for kind in given["kinds"]:
            kinds.named(kind)
        api = Api(given["kubeconfig"] or "", given["context"] or "")
        if given["state"] == "present":
            outcome = present(api, given, module.check_mode)
        else:
            outcome = remove_everything(api, given["instance"], given["namespaces"], time, module.check_mode)
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    diff = {"before": _text(outcome.before), "after": _text(outcome.after)}
    module.exit_json(changed=outcome.changed, applied=outcome.applied, removed=outcome.removed, diff=diff)


def _text(things):
    return "".join(yaml_dump({name: thing}, sort_keys=True) for name, thing in things.items() if thing)


if __name__ == "__main__":
    main()
