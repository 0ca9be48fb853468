#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controllers of a deleted EKS cluster left behind."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_leftovers
short_description: Delete what a deleted Amazon EKS cluster left behind
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Deletes load balancers, target groups, volumes, network interfaces and security groups that the
    controllers of a cluster made and that carry its tags.
  - Refuses while the cluster still exists, because its controllers would make them again.
options:
  stack:
    description:
      - Name of the stack; the value of the tag C(monitml-stack) that marks what belongs to it.
    type: str
    required: true
  cluster_name:
    description:
      - Name of the cluster that was deleted.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.wait
"""

EXAMPLES = r"""
- name: Delete load balancers and volumes of pods
  monitml.stack.eks_leftovers:
    stack: training-eks
    cluster_name: training-eks
"""

RETURN = r"""
actions:
  description: What was deleted, or would be in check mode, in order.
  returned: success
  type: list
  elements: dict
  sample: [{title: "delete volume vol-0123 (kubernetes.io/cluster/training-eks=owned)", call: delete_volume}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks import api
from ..module_utils.eks.belongings import Belongings
from ..module_utils.eks.errors import EksError
from ..module_utils.eks.leftovers import Leftovers
from ..module_utils.eks.options import NAME, WAIT


def main() -> None:
    options = {"stack": NAME, "cluster_name": NAME, **WAIT}
    module = AnsibleAWSModule(argument_spec=options, supports_check_mode=True)
    apis = {}

    def api_of(service: str) -> api.Api:
        if service not in apis:
            apis[service] = api.Api(module.client(service, config=api.RETRIES))
        return apis[service]

    belongings = Belongings(api_of, module.params["stack"], module.params["cluster_name"])
    leftovers = Leftovers(belongings, api.waiting_of(module.params), check=module.check_mode)
    try:
        leftovers.remove()
    except EksError as error:
        api.fail(module, error)
    titles = [action["title"] for action in leftovers.actions]
    diff = {"before": "".join(f"{title}\n" for title in titles), "after": ""}
    module.exit_json(changed=bool(titles), actions=leftovers.actions, diff=diff)


if __name__ == "__main__":
    main()
