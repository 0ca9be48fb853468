#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The launch template of EKS nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_launch_template
short_description: Manage the EC2 launch template of EKS nodes
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Makes a launch template as nodes of EKS need it, with an encrypted root disk, instance metadata
    by token only, and tags on the machines and their disks.
  - A change makes a new version and makes it the default. The template is tagged by the call that
    makes it, so that an interruption never leaves one without its owner's tag.
options:
  name:
    description:
      - Name of the launch template.
    type: str
    required: true
  security_group_ids:
    description:
      - Security groups of the nodes. They replace the one that EKS made for the cluster, so list
        that one too.
    type: list
    elements: str
  disk_size_gib:
    description:
      - Size of the root disk.
    type: int
    default: 50
  disk_type:
    description:
      - Kind of root disk.
    type: str
    default: gp3
  device_name:
    description:
      - Device of the root disk. That of Amazon Linux by default; Bottlerocket keeps its data on C(/dev/xvdb).
    type: str
    default: /dev/xvda
  metadata_hop_limit:
    description:
      - How far answers of the instance metadata may travel; 2 reaches pods, 1 does not.
    type: int
    default: 2
  key_name:
    description:
      - Name of the EC2 key pair for SSH.
    type: str
  node_tags:
    description:
      - Tags of the machines and their disks.
    type: dict
  tags:
    description:
      - Tags of the template. Others on it are left alone.
    type: dict
    aliases: [resource_tags]
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
"""

EXAMPLES = r"""
- name: Describe the nodes
  monitml.stack.eks_launch_template:
    name: training-eks-worker-group-1
    security_group_ids: [sg-0cluster, sg-0ssh]
    node_tags:
      Name: worker-group-1
"""

RETURN = r"""
launch_template:
  description: The template as AWS describes it, in snake case; empty once deleted.
  returned: success
  type: dict
  sample: {launch_template_id: lt-0123456789abcdef0, default_version_number: 1, latest_version_number: 1}
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [create_launch_template_version, modify_launch_template]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import LAUNCH_TEMPLATE
from ..module_utils.eks.resources import LaunchTemplate


def main() -> None:
    module = AnsibleAWSModule(argument_spec=LAUNCH_TEMPLATE, supports_check_mode=True)
    run(module, LaunchTemplate, "launch_template", service="ec2")


if __name__ == "__main__":
    main()
