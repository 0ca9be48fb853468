#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A managed node group of an EKS cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_nodegroup
short_description: Manage a managed node group of an Amazon EKS cluster
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Makes, changes, upgrades and deletes a managed node group.
  - An option that is not given is left as it is. Labels and taints that are given are the only ones
    afterwards.
  - A change that AWS cannot make on an existing node group is refused before anything is changed.
options:
  cluster_name:
    description:
      - Name of the cluster.
    type: str
    required: true
  name:
    description:
      - Name of the node group.
    type: str
    required: true
  node_role_arn:
    description:
      - ARN of the IAM role of the nodes. Required to make a node group, and fixed then.
    type: str
  subnet_ids:
    description:
      - Subnets that the nodes start in. Required to make a node group, and fixed then.
    type: list
    elements: str
  ami_type:
    description:
      - Kind of machine image, such as V(AL2023_x86_64_STANDARD), V(AL2023_ARM_64_STANDARD) or
        V(BOTTLEROCKET_x86_64). Fixed when the node group is made.
      - It is handed to AWS as it is, so that new kinds need no new release of this module.
    type: str
  instance_types:
    description:
      - Instance types, in order of preference for spot capacity. Fixed when the node group is made.
    type: list
    elements: str
  capacity_type:
    description:
      - Whether the nodes are bought by the hour or at the spot price. Fixed when the node group is made.
    type: str
    choices: [ON_DEMAND, SPOT, CAPACITY_BLOCK]
  disk_size_gib:
    description:
      - Size of the root disk. Not together with O(launch_template), which sets it itself.
    type: int
  launch_template:
    description:
      - The launch template of the nodes, by O(launch_template.id) or O(launch_template.name).
    type: dict
    suboptions:
      id:
        description: Id of the template.
        type: str
      name:
        description: Name of the template.
        type: str
      version:
        description: Version of the template. Another one than before replaces the nodes, one after the other.
        type: str
  labels:
    description:
      - Kubernetes labels of the nodes.
    type: dict
  taints:
    description:
      - Kubernetes taints of the nodes.
    type: list
    elements: dict
    suboptions:
      key:
        description: Key of the taint.
        type: str
        required: true
      value:
        description: Value of the taint.
        type: str
      effect:
        description: What the taint does to pods that do not tolerate it.
        type: str
        required: true
        choices: [NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE]
  scaling:
    description:
      - Numbers of nodes.
    type: dict
    suboptions:
      min_size:
        description: Smallest number of nodes.
        type: int
      max_size:
        description: Largest number of nodes.
        type: int
      desired_size:
        description: Number of nodes now. Leave it out where an autoscaler decides.
        type: int
  update:
    description:
      - How many nodes may be down while the node group is updated.
    type: dict
    suboptions:
      max_unavailable:
        description: Number of nodes.
        type: int
      max_unavailable_percentage:
        description: Share of the nodes, in percent.
        type: int
  node_repair_enabled:
    description:
      - Whether EKS replaces nodes that are not healthy.
    type: bool
  version:
    description:
      - Kubernetes version of the nodes. Going back is refused.
    type: str
  release_version:
    description:
      - Release of the machine image. Without it AWS takes the newest one when it makes or upgrades nodes.
    type: str
  force_update_enabled:
    description:
      - Whether an update goes on when a disruption budget keeps a pod from leaving its node.
    type: bool
    default: false
  replace_failed:
    description:
      - Whether a node group that AWS could not make or not delete is deleted and made again.
      - Without it the module fails with the reason that AWS gives.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
  - monitml.stack.eks.wait
  - monitml.stack.eks.tags
"""

EXAMPLES = r"""
- name: Keep four nodes
  monitml.stack.eks_nodegroup:
    cluster_name: training-eks
    name: worker-group-1
    node_role_arn: arn:aws:iam::123456789012:role/training-eks-node
    subnet_ids: [subnet-0a, subnet-0b]
    ami_type: AL2023_x86_64_STANDARD
    instance_types: [m6i.large]
    scaling:
      desired_size: 4
      min_size: 1
      max_size: 5
    labels:
      workload: serving
    taints:
      - key: dedicated
        value: serving
        effect: NO_SCHEDULE

- name: Delete the node group
  monitml.stack.eks_nodegroup:
    cluster_name: training-eks
    name: worker-group-1
    state: absent
"""

RETURN = r"""
nodegroup:
  description: The node group as AWS describes it, in snake case; empty once deleted.
  returned: success
  type: dict
  sample:
    nodegroup_name: worker-group-1
    status: ACTIVE
    scaling_config: {desired_size: 4, max_size: 5, min_size: 1}
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [update_nodegroup_config]
issues:
  description: The reasons that AWS gives for a failure.
  returned: when a resource failed
  type: list
  elements: dict
  sample: [{code: NodeCreationFailure, message: Instances failed to join the kubernetes cluster, resource_ids: []}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import NODEGROUP
from ..module_utils.eks.resources import Nodegroup


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=NODEGROUP,
        mutually_exclusive=[["disk_size_gib", "launch_template"]],
        supports_check_mode=True,
    )
    run(module, Nodegroup, "nodegroup")


if __name__ == "__main__":
    main()
