#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is of an EKS stack, and what its description would change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_stack_info
short_description: Plan an Amazon EKS stack, and list what belongs to it
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Checks the description of a stack without asking AWS, then compares it with what is there and
    returns the steps that would make them equal, in order, with what they would change.
  - Lists everything in the account that carries the tags of the stack or of its cluster, service
    by service, so that a teardown can prove that nothing is left.
  - Only asks, never changes anything.
options:
  stack:
    description:
      - Name of the stack; the value of the tag C(monitml-stack) that marks what belongs to it.
    type: str
    required: true
  cluster_name:
    description:
      - Name of the cluster.
    type: str
    required: true
  inputs:
    description:
      - What the stack should be; the variables of the role P(monitml.stack.eks#role) without their prefix.
        No plan is made without it.
    type: dict
  belongings_listed:
    description:
      - Whether everything that belongs to the stack is listed, which takes a few dozen calls.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
"""

EXAMPLES = r"""
- name: List what is left of a stack
  monitml.stack.eks_stack_info:
    stack: training-eks
    cluster_name: training-eks
    belongings_listed: true
  register: stack

- name: Show it
  ansible.builtin.debug:
    var: stack.belongings
"""

RETURN = r"""
account_id:
  description: The account that the credentials belong to.
  returned: success
  type: str
  sample: "123456789012"
caller_arn:
  description: Who the credentials belong to.
  returned: success
  type: str
  sample: arn:aws:iam::123456789012:user/founder
description:
  description: The options that the modules of each step are given, completed.
  returned: when O(inputs) is given
  type: dict
  sample: {stack: training-eks, cluster: {name: training-eks, version: "1.35"}, nodegroups: []}
plan:
  description: What would be done, in order.
  returned: when O(inputs) is given
  type: list
  elements: dict
  sample:
    - step: nodegroups
      name: worker-group-1
      title: Change node group worker-group-1 of cluster training-eks
      changes: {labels: {before: {}, after: {workload: serving}}}
steps:
  description: Names of what each step would touch; an empty list is a step with nothing to do.
  returned: when O(inputs) is given
  type: dict
  sample: {network: [], nodegroups: [worker-group-1]}
conflicts:
  description: Why the description cannot be carried out, each a sentence.
  returned: when O(inputs) is given
  type: list
  elements: str
  sample: []
health:
  description: What AWS says is wrong with parts of the stack that need no change.
  returned: when O(inputs) is given
  type: list
  elements: str
  sample: []
billable:
  description: What would make the bill larger.
  returned: when O(inputs) is given
  type: list
  elements: str
  sample: [a NAT gateway]
cost:
  description: Estimated cost of the whole stack, at list prices of us-east-2.
  returned: when O(inputs) is given
  type: dict
  sample: {hourly_usd: 0.556, monthly_usd: 406, lines: ["EKS control plane: 0.100 USD an hour"], unknown: []}
network:
  description: Ids of the network; null for what is not there.
  returned: when O(inputs) is given
  type: dict
  sample: {vpc_id: vpc-0123}
roles:
  description: IAM roles with their ARN, trust policy and policies.
  returned: when O(inputs) is given
  type: list
  elements: dict
  sample: [{name: training-eks-node, arn: "arn:aws:iam::123456789012:role/training-eks-node"}]
belongings:
  description: What carries the tags of the stack or its cluster.
  returned: when O(belongings_listed=true)
  type: list
  elements: dict
  sample: [{service: ec2, type: VPC, id: vpc-0123, name: training-vpc, mark: monitml-stack=training-eks}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks import api
from ..module_utils.eks.belongings import Belongings
from ..module_utils.eks.cost import estimate
from ..module_utils.eks.description import describe
from ..module_utils.eks.errors import EksError
from ..module_utils.eks.plan import Planner
from ..module_utils.eks.validation import problems, region_problem

try:
    import boto3.session
except ImportError:
    pass  # AnsibleAWSModule says what is missing


def known_regions() -> list:
    """Regions that EKS has, from botocore's own data."""
    session = boto3.session.Session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("eks", partition_name=partition)
    ]


def check_offline(module: AnsibleAWSModule) -> dict | None:
    """The description, or None without inputs; fails with all problems before the first call."""
    wrong = [region_problem(module.region, known_regions())]
    description = None
    if module.params["inputs"]:
        description = describe(module.params["inputs"])
        wrong += problems(description)
    wrong = [sentence for sentence in wrong if sentence]
    if wrong:
        module.fail_json(msg=" ".join(wrong), problems=wrong)
    return description


def main() -> None:
    options = {
        "stack": {"type": "str", "required": True},
        "cluster_name": {"type": "str", "required": True},
        "inputs": {"type": "dict"},
        "belongings_listed": {"type": "bool", "default": False},
    }
    module = AnsibleAWSModule(argument_spec=options, supports_check_mode=True)
    apis = {}

    def api_of(service: str) -> api.Api:
        if service not in apis:
            apis[service] = api.Api(module.client(service, config=api.RETRIES))
        return apis[service]

    found = {}
    try:
        description = check_offline(module)
        caller = api_of("sts").call("get_caller_identity")
        identity = {"account_id": caller["Account"], "partition": caller["Arn"].split(":")[1]}
        if description:
            found = Planner(api_of, description, identity).plan()
            found["cost"] = estimate(description)
            found["description"] = description
        if module.params["belongings_listed"]:
            names = (module.params["stack"], module.params["cluster_name"])
            found["belongings"] = Belongings(api_of, *names).all()
    except EksError as error:
        api.fail(module, error)
    module.exit_json(
        changed=False, caller_arn=caller["Arn"], region=module.region, **identity, **found
    )


if __name__ == "__main__":
    main()
