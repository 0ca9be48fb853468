#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An access entry of an EKS cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_access_entry
short_description: Manage who may enter an Amazon EKS cluster
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Gives an IAM principal access to a cluster, with access policies and their scopes, and takes it
    away again. It replaces the C(aws-auth) ConfigMap.
options:
  cluster_name:
    description:
      - Name of the cluster. Its authentication mode must include V(API).
    type: str
    required: true
  principal_arn:
    description:
      - ARN of the IAM role or user.
    type: str
    required: true
  type:
    description:
      - Kind of entry, V(STANDARD) for people and tools. Fixed when the entry is made.
    type: str
  username:
    description:
      - Name that Kubernetes sees. Without it AWS derives one from the principal.
    type: str
  kubernetes_groups:
    description:
      - Kubernetes groups of the principal.
    type: list
    elements: str
  policies:
    description:
      - Access policies. Those that are not listed are taken away; not given, they are left alone.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name or ARN of the policy, such as V(AmazonEKSClusterAdminPolicy).
        type: str
        required: true
      scope:
        description: Where the policy counts.
        type: str
        choices: [cluster, namespace]
        default: cluster
      namespaces:
        description: The namespaces of the scope V(namespace).
        type: list
        elements: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
  - monitml.stack.eks.tags
"""

EXAMPLES = r"""
- name: Let the team read, and change what is in its namespace
  monitml.stack.eks_access_entry:
    cluster_name: training-eks
    principal_arn: arn:aws:iam::123456789012:role/ml-team
    policies:
      - name: AmazonEKSViewPolicy
      - name: AmazonEKSEditPolicy
        scope: namespace
        namespaces: [seldon]
"""

RETURN = r"""
access_entry:
  description: The entry as AWS describes it, in snake case, with its policies; empty once deleted.
  returned: success
  type: dict
  sample: {principal_arn: "arn:aws:iam::123456789012:role/ml-team", type: STANDARD, policies: []}
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [create_access_entry, associate_access_policy]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import ACCESS_ENTRY
from ..module_utils.eks.resources import AccessEntry


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ACCESS_ENTRY, supports_check_mode=True)
    run(module, AccessEntry, "access_entry")


if __name__ == "__main__":
    main()
