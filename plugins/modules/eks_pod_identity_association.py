#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The IAM role of a service account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_pod_identity_association
short_description: Give a Kubernetes service account an IAM role on Amazon EKS
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Associates a service account with an IAM role through EKS Pod Identity. The cluster needs the
    add-on C(eks-pod-identity-agent), and the role must trust C(pods.eks.amazonaws.com).
  - An association is known by its cluster, namespace and service account.
options:
  cluster_name:
    description:
      - Name of the cluster.
    type: str
    required: true
  namespace:
    description:
      - Kubernetes namespace of the service account.
    type: str
    required: true
  service_account:
    description:
      - Name of the service account.
    type: str
    required: true
  role_arn:
    description:
      - ARN of the IAM role. Required to make an association.
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
  - monitml.stack.eks.tags
"""

EXAMPLES = r"""
- name: Let the EBS driver manage volumes
  monitml.stack.eks_pod_identity_association:
    cluster_name: training-eks
    namespace: kube-system
    service_account: ebs-csi-controller-sa
    role_arn: arn:aws:iam::123456789012:role/training-eks-ebs-csi
"""

RETURN = r"""
association:
  description: The association as AWS describes it, in snake case; empty once deleted.
  returned: success
  type: dict
  sample: {association_id: a-0123456789abcdef0, namespace: kube-system}
calls:
  description: AWS calls that were made, or would be made in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [create_pod_identity_association]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks.api import run
from ..module_utils.eks.options import POD_IDENTITY
from ..module_utils.eks.resources import PodIdentityAssociation


def main() -> None:
    module = AnsibleAWSModule(argument_spec=POD_IDENTITY, supports_check_mode=True)
    run(module, PodIdentityAssociation, "association")


if __name__ == "__main__":
    main()
