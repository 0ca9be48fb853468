#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of an EKS stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_network
short_description: Manage the VPC that an Amazon EKS cluster lives in
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Makes a VPC with DNS host names, an internet gateway, public and private subnets with the tags
    that load balancers look for, one NAT gateway, routes, and a security group for SSH.
  - Each piece is tagged with its owner by the call that makes it, so that an interruption at any
    point leaves nothing that a second run does not find. Pieces without the tag are never touched.
  - Wrong tags are corrected; tags that others added are left alone, because load balancer
    controllers add some.
  - With O(state=absent) the pieces go in the order in which AWS lets go of them.
options:
  stack:
    description:
      - Name of the stack; the value of the tag C(monitml-stack) that marks what belongs to it.
    type: str
    required: true
  name:
    description:
      - Name of the VPC. A VPC of this name that is not the stack's is refused.
    type: str
    required: true
  cluster_name:
    description:
      - Name of the cluster, for the tags that its controllers look for.
    type: str
    required: true
  cidr:
    description:
      - Network of the VPC. Fixed when it is made.
    type: str
    default: 10.0.0.0/16
  private_subnets:
    description:
      - Networks of the subnets of the nodes, spread over the availability zones in turn.
    type: list
    elements: str
    default: []
  public_subnets:
    description:
      - Networks of the subnets of the load balancers and the NAT gateway.
    type: list
    elements: str
    default: []
  availability_zones:
    description:
      - Names of the zones to use. By default all that EKS can use, in the order of their names.
    type: list
    elements: str
  nat_gateway_enabled:
    description:
      - Whether the private subnets reach the internet through a NAT gateway, which is billed by the hour.
    type: bool
    default: true
  ssh_group_name:
    description:
      - Name of the security group that lets SSH in.
    type: str
    default: worker_group_mgmt_one
  ssh_cidrs:
    description:
      - Networks from which SSH is let in; exactly these.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Further tags of every piece.
    type: dict
    aliases: [resource_tags]
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
  - monitml.stack.eks.wait
"""

EXAMPLES = r"""
- name: Make the network
  monitml.stack.eks_network:
    stack: training-eks
    name: training-vpc
    cluster_name: training-eks
    cidr: 10.0.0.0/16
    private_subnets: [10.0.1.0/24, 10.0.2.0/24]
    public_subnets: [10.0.4.0/24, 10.0.5.0/24]
    ssh_cidrs: [10.0.0.0/8]

- name: Take it away
  monitml.stack.eks_network:
    stack: training-eks
    name: training-vpc
    cluster_name: training-eks
    state: absent
"""

RETURN = r"""
network:
  description: Ids of the pieces; null for what check mode does not make.
  returned: when O(state=present)
  type: dict
  sample:
    vpc_id: vpc-0123
    public_subnet_ids: [subnet-0a, subnet-0b]
    private_subnet_ids: [subnet-0c, subnet-0d]
    internet_gateway_id: igw-0123
    nat_gateway_id: nat-0123
    nat_address: 203.0.113.10
    ssh_security_group_id: sg-0123
actions:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: dict
  sample: [{step: network, title: Make VPC training-vpc 10.0.0.0/16, call: create_vpc}]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks import api as eks_api
from ..module_utils.eks.errors import EksError
from ..module_utils.eks.network_removal import NetworkRemoval
from ..module_utils.eks.options import NETWORK


def main() -> None:
    module = AnsibleAWSModule(argument_spec=NETWORK, supports_check_mode=True)
    api = eks_api.Api(module.client("ec2", config=eks_api.RETRIES))
    waiting = eks_api.waiting_of(module.params)
    network = NetworkRemoval(api, module.params, waiting, check=module.check_mode)
    returned = {}
    try:
        if module.params["state"] == "present":
            returned["network"] = network.converge()
        else:
            network.remove()
    except EksError as error:
        eks_api.fail(module, error)
    titles = [action["title"] for action in network.actions]
    diff = {"before": "", "after": "".join(f"{title}\n" for title in titles)}
    module.exit_json(changed=bool(titles), actions=network.actions, diff=diff, **returned)


if __name__ == "__main__":
    main()
