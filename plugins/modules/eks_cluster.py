#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An EKS control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster
short_description: Manage an Amazon EKS cluster
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Makes, changes, upgrades and deletes an EKS control plane.
  - An option that is not given is left as it is. Subnets, security groups, networks and log types
    count as sets, so their order never makes a change.
  - A change that AWS cannot make on an existing cluster is refused before anything is changed.
options:
  name:
    description:
      - Name of the cluster.
    type: str
    required: true
  version:
    description:
      - Kubernetes version, such as V(1.35).
      - A cluster that is behind is upgraded, one minor version after the other. Going back is refused.
    type: str
  role_arn:
    description:
      - ARN of the IAM role of the control plane. Required to make a cluster, and fixed then.
    type: str
  subnet_ids:
    description:
      - Subnets of at least two availability zones. Required to make a cluster.
    type: list
    elements: str
  security_group_ids:
    description:
      - Security groups beside the one that EKS makes for the cluster.
    type: list
    elements: str
  endpoint_public_access:
    description:
      - Whether the Kubernetes API can be reached from outside the VPC.
    type: bool
  endpoint_private_access:
    description:
      - Whether the nodes reach the Kubernetes API inside the VPC.
    type: bool
  public_access_cidrs:
    description:
      - Networks that may reach the public endpoint.
    type: list
    elements: str
  authentication_mode:
    description:
      - How people and nodes are known to the cluster. It can only move forward, from V(CONFIG_MAP)
        to V(API).
      - A new cluster gets V(API) when this is not given.
    type: str
    choices: [CONFIG_MAP, API_AND_CONFIG_MAP, API]
  bootstrap_admin_enabled:
    description:
      - Whether whoever makes the cluster becomes its administrator. Only read when it is made.
    type: bool
    default: true
  bootstrap_addons_enabled:
    description:
      - Whether EKS installs its self-managed copies of the networking add-ons. Only read when the
        cluster is made. Switch it off when M(monitml.stack.eks_addon) installs them.
    type: bool
    default: true
  log_types:
    description:
      - Logs of the control plane that go to CloudWatch; an empty list switches them all off.
    type: list
    elements: str
    choices: [api, audit, authenticator, controllerManager, scheduler]
  support_type:
    description:
      - What happens when the version leaves standard support. V(EXTENDED) is billed at six times
        the price, V(STANDARD) upgrades the cluster by itself.
    type: str
    choices: [STANDARD, EXTENDED]
  encryption_key_arn:
    description:
      - ARN of the KMS key that encrypts secrets. It can be added once, never changed or removed.
    type: str
  service_ipv4_cidr:
    description:
      - Network of the Kubernetes services. Fixed when the cluster is made.
    type: str
  deletion_protection_enabled:
    description:
      - Whether AWS refuses to delete the cluster.
    type: bool
  replace_failed:
    description:
      - Whether a cluster that AWS could not make or not delete is deleted and made again.
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
- name: Set credentials, region and endpoint once for all EKS modules
  module_defaults:
    group/monitml.stack.eks:
      region: us-east-2
      profile: training
  block:
    - name: Make the cluster, or bring it to this version
      monitml.stack.eks_cluster:
        name: training-eks
        version: "1.35"
        role_arn: arn:aws:iam::123456789012:role/training-eks-cluster
        subnet_ids: [subnet-0a, subnet-0b]
        endpoint_private_access: true
        public_access_cidrs: [203.0.113.0/24]
        log_types: [audit]
        support_type: STANDARD
        tags:
          team: ml

    - name: Delete the cluster
      monitml.stack.eks_cluster:
        name: training-eks
        state: absent
"""

RETURN = r"""
cluster:
  description: The cluster as AWS describes it, in snake case; empty once deleted.
  returned: success
  type: dict
  sample:
    name: training-eks
    arn: arn:aws:eks:us-east-2:123456789012:cluster/training-eks
    endpoint: https://EXAMPLE.gr7.us-east-2.eks.amazonaws.com
    status: ACTIVE
    version: "1.35"
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [update_cluster_version, tag_resource]
issues:
  description: The reasons that AWS gives for a failure.
  returned: when a resource failed
  type: list
  elements: dict
  sample: [{code: InsufficientFreeAddresses, message: not enough free addresses, resource_ids: []}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import CLUSTER
from ..module_utils.eks.resources import Cluster


def main() -> None:
    module = AnsibleAWSModule(argument_spec=CLUSTER, supports_check_mode=True)
    run(module, Cluster, "cluster")


if __name__ == "__main__":
    main()
