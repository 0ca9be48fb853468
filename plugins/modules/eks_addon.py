#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An add-on of an EKS cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_addon
short_description: Manage an add-on of an Amazon EKS cluster
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Installs, configures, updates and removes an EKS add-on.
  - A new add-on takes over what it finds in the cluster; later updates resolve conflicts as
    O(resolve_conflicts) says.
options:
  cluster_name:
    description:
      - Name of the cluster.
    type: str
    required: true
  name:
    description:
      - Name of the add-on, such as V(vpc-cni), V(coredns) or V(aws-ebs-csi-driver).
    type: str
    required: true
  version:
    description:
      - Version of the add-on. Without it a new add-on gets the default for the cluster's version,
        and an existing one is left as it is.
    type: str
  service_account_role_arn:
    description:
      - IAM role of the add-on's service account, for those that do not use Pod Identity.
    type: str
  configuration:
    description:
      - Settings of the add-on, as its configuration schema has them. Compared as data, not as text.
    type: dict
  resolve_conflicts:
    description:
      - What an update does with fields that somebody else changed in the cluster.
    type: str
    choices: [NONE, OVERWRITE, PRESERVE]
    default: PRESERVE
  preserve:
    description:
      - Whether O(state=absent) leaves the add-on's software in the cluster.
    type: bool
    default: false
  replace_failed:
    description:
      - Whether an add-on that AWS could not make or not delete is deleted and made again.
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
- name: Install the Pod Identity agent
  monitml.stack.eks_addon:
    cluster_name: training-eks
    name: eks-pod-identity-agent

- name: Tag the volumes that the EBS driver makes
  monitml.stack.eks_addon:
    cluster_name: training-eks
    name: aws-ebs-csi-driver
    configuration:
      controller:
        extraVolumeTags:
          team: ml
"""

RETURN = r"""
addon:
  description: The add-on as AWS describes it, in snake case; empty once removed.
  returned: success
  type: dict
  sample: {addon_name: vpc-cni, addon_version: v1.20.4-eksbuild.1, status: ACTIVE}
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [update_addon]
issues:
  description: The reasons that AWS gives for a failure.
  returned: when a resource failed
  type: list
  elements: dict
  sample: [{code: ConfigurationConflict, message: Conflicts found when trying to apply, resource_ids: []}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import ADDON
from ..module_utils.eks.resources import Addon


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ADDON, supports_check_mode=True)
    run(module, Addon, "addon")


if __name__ == "__main__":
    main()
