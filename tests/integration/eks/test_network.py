# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a stack: made, interrupted after every call, drifted, and taken away in order."""

from __future__ import annotations

import pytest
from fake_client import REGION, STACK, ModuleFailed

NETWORK = {
    "stack": STACK,
    "name": "training-vpc",
    "cluster_name": STACK,
    "cidr": "10.0.0.0/16",
    "private_subnets": ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"],
    "public_subnets": ["10.0.4.0/24", "10.0.5.0/24", "10.0.6.0/24"],
    "ssh_cidrs": ["10.0.0.0/8"],
    "tags": {"team": "ml"},
    "wait_delay_seconds": 0,
}
OURS = [{"Name": "tag:monitml-stack", "Values": [STACK]}]


@pytest.fixture
def network(empty, run):
    def converge(check=False, **over):
        return run("eks_network", check=check, **{**NETWORK, **over})

    return converge


@pytest.fixture
def made(empty, network):
    """The ids of a network that is there before the test begins."""
    found = network()["network"]
    empty.forget()
    return found


def what_is_there(ec2) -> list[str]:
    """Everything in the region but the default VPC, asked without our code."""
    default = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]]
    states = [{"Name": "state", "Values": ["pending", "available", "deleting"]}]
    listings = {
        "VpcId": ec2.describe_vpcs()["Vpcs"],
        "SubnetId": ec2.describe_subnets()["Subnets"],
        "RouteTableId": ec2.describe_route_tables()["RouteTables"],
        "GroupId": ec2.describe_security_groups()["SecurityGroups"],
        "InternetGatewayId": ec2.describe_internet_gateways()["InternetGateways"],
        "NatGatewayId": ec2.describe_nat_gateways(Filter=states)["NatGateways"],
        "AllocationId": ec2.describe_addresses()["Addresses"],
    }
    return [
        item[key]
        for key, items in listings.items()
        for item in items
        if item.get("VpcId") not in default
    ]


def test_the_layout_is_that_of_the_original(empty, network):
    found = network()["network"]
    ec2 = empty.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=OURS)["Vpcs"]
    asked = {"VpcId": vpc["VpcId"], "Attribute": "enableDnsHostnames"}
    assert ec2.describe_vpc_attribute(**asked)["EnableDnsHostnames"]["Value"]
    subnets = ec2.describe_subnets(Filters=OURS)["Subnets"]
    tags = {
        subnet["CidrBlock"]: {tag["Key"]: tag["Value"] for tag in subnet["Tags"]} for subnet in subnets
    }
    assert tags["10.0.1.0/24"]["kubernetes.io/role/internal-elb"] == "1"
    assert tags["10.0.4.0/24"]["kubernetes.io/role/elb"] == "1"
    assert all(each[f"kubernetes.io/cluster/{STACK}"] == "shared" for each in tags.values())
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
    (nat,) = ec2.describe_nat_gateways(Filter=OURS)["NatGateways"]
    assert nat["SubnetId"] == found["public_subnet_ids"][0]
    (group,) = ec2.describe_security_groups(GroupIds=[found["ssh_security_group_id"]])["SecurityGroups"]
    assert group["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}]
    assert not any("CreateTags" in name for name in empty.writes()), "tagged when made"


def test_the_plan_of_check_mode_is_what_then_happens(empty, network):
    planned = network(check=True)
    assert empty.writes() == []
    done = network()
    assert planned["actions"] == done["actions"]
    empty.forget()
    for check in (True, False):
        again = network(check=check)
        assert not again["changed"]
        assert again["network"] == done["network"]
    assert empty.writes() == []


def interrupted_after_every_call(aws, converge) -> int:
    """Runs again and again, each time one writing call further; returns the number of calls."""
    for attempt in range(60):
        aws.forget()
        aws.stop_after(1)
        try:
            converge()
        except ModuleFailed as failed:
            assert failed.result["code"] == "InterruptedByTest"
        else:
            aws.forget()
            return attempt + 1
    raise AssertionError("it never got to its end")


def test_a_making_that_is_interrupted_after_every_call_ends_as_one_that_is_not(empty, network):
    whole = len(network()["actions"])
    count = len(what_is_there(empty.client("ec2")))
    empty.empty()
    assert interrupted_after_every_call(empty, network) == whole
    assert len(what_is_there(empty.client("ec2"))) == count, "nothing was made twice"
    empty.forget()
    assert not network()["changed"]


def test_a_taking_away_that_is_interrupted_after_every_call_ends_too(empty, network, made):
    interrupted_after_every_call(empty, lambda: network(state="absent"))
    assert what_is_there(empty.client("ec2")) == []
    empty.forget()
    assert not network(state="absent")["changed"]
    assert empty.writes() == []


def test_what_was_half_taken_away_is_made_again(empty, network, made):
    empty.stop_after(5)
    with pytest.raises(ModuleFailed):
        network(state="absent")
    empty.forget()
    network()
    empty.forget()
    assert not network()["changed"]
    assert len(what_is_there(empty.client("ec2"))) == 15


def test_the_network_goes_in_the_order_that_aws_allows(empty, network, made):
    assert network(check=True, state="absent")["changed"]
    assert empty.writes() == []
    network(state="absent")
    writes = empty.writes()
    first = writes.index

    def last(name):
        return len(writes) - 1 - writes[::-1].index(name)

    assert first("DeleteNatGateway") < first("ReleaseAddress") < first("DetachInternetGateway")
    assert last("DisassociateRouteTable") < last("DeleteRouteTable") < first("DeleteSubnet")
    assert last("DeleteSubnet") < first("DeleteVpc")
    assert first("DetachInternetGateway") < first("DeleteInternetGateway") < first("DeleteVpc")
    assert first("DeleteSecurityGroup") < first("DeleteVpc") == len(writes) - 1
    assert what_is_there(empty.client("ec2")) == []


def test_nothing_that_is_not_ours_is_taken_away(empty, network, made):
    ec2 = empty.client("ec2")
    other = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.5.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    network(state="absent")
    left = what_is_there(ec2)
    assert {other, subnet, address} <= set(left)


def test_a_subnet_in_our_vpc_that_is_not_ours_is_neither_used_nor_deleted(empty, network, made):
    ec2 = empty.client("ec2")
    other = ec2.create_subnet(VpcId=made["vpc_id"], CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
    cidrs = ["10.0.1.0/24", "10.0.2.0/24", "10.0.9.0/24"]
    with pytest.raises(ModuleFailed, match=f"{other}.*does not carry the tag"):
        network(private_subnets=cidrs)
    with pytest.raises(ModuleFailed, match="Look for what is not this stack's"):
        network(state="absent", wait_timeout_seconds=0)
    assert other in [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]


def untag(ec2, made):
    ec2.delete_tags(Resources=[made["public_subnet_ids"][0]], Tags=[{"Key": "kubernetes.io/role/elb"}])


def retag(ec2, made):
    ec2.create_tags(Resources=[made["nat_gateway_id"]], Tags=[{"Key": "team", "Value": "other"}])


def no_dns(ec2, made):
    ec2.modify_vpc_attribute(VpcId=made["vpc_id"], EnableDnsHostnames={"Value": False})


def no_public_addresses(ec2, made):
    subnet = made["public_subnet_ids"][1]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


def ssh_for_all(ec2, made):
    ec2.authorize_security_group_ingress(
        GroupId=made["ssh_security_group_id"],
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ],
    )


def private_table(ec2):
    name = [{"Name": "tag:monitml-part", "Values": ["routes-private"]}]
    return ec2.describe_route_tables(Filters=name)["RouteTables"][0]


def no_way_out(ec2, _made):
    table = private_table(ec2)["RouteTableId"]
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


def wrong_way_out(ec2, made):
    table, gateway = private_table(ec2)["RouteTableId"], made["internet_gateway_id"]
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


def no_table(ec2, _made):
    entries = [entry for entry in private_table(ec2)["Associations"] if entry.get("SubnetId")]
    ec2.disassociate_route_table(AssociationId=entries[0]["RouteTableAssociationId"])


DRIFTS = {
    untag: ["CreateTags"],
    retag: ["CreateTags"],
    no_dns: ["ModifyVpcAttribute"],
    no_public_addresses: ["ModifySubnetAttribute"],
    ssh_for_all: ["RevokeSecurityGroupIngress"],
    no_way_out: ["CreateRoute"],
    wrong_way_out: ["ReplaceRoute"],
    no_table: ["AssociateRouteTable"],
}


def test_every_drift_is_corrected_and_only_it(empty, network, made):
    ec2 = empty.client("ec2")
    for drift, cure in DRIFTS.items():
        drift(ec2, made)
        empty.forget()
        assert network(check=True)["changed"], drift.__name__
        assert empty.writes() == []
        network()
        assert empty.writes() == cure, drift.__name__
        empty.forget()
        assert not network()["changed"], drift.__name__


def test_tags_that_controllers_added_stay(empty, network, made):
    ec2 = empty.client("ec2")
    ec2.create_tags(Resources=[made["vpc_id"]], Tags=[{"Key": "controller", "Value": "1"}])
    assert not network()["changed"]


def test_a_vpc_of_the_same_name_that_is_not_ours_is_refused(empty, network):
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "training-vpc"}]}]
    empty.client("ec2").create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)
    empty.forget()
    with pytest.raises(ModuleFailed, match="is not this stack's"):
        network()
    assert empty.writes() == []


def test_two_vpcs_of_the_stack_are_ambiguous(empty, network, made):
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "monitml-stack", "Value": STACK}]}]
    empty.client("ec2").create_vpc(CidrBlock="10.7.0.0/16", TagSpecifications=tags)
    for state in ("present", "absent"):
        with pytest.raises(ModuleFailed, match="There are 2 VPCs"):
            network(state=state)
    assert empty.writes() == ["CreateVpc"], "the test's own"


def test_another_network_for_the_vpc_is_refused(network, made):
    with pytest.raises(ModuleFailed, match="cannot make it 10.1.0.0/16"):
        network(cidr="10.1.0.0/16", private_subnets=["10.1.1.0/24", "10.1.2.0/24"])


def test_a_region_with_two_zones_starts_again_with_the_first(empty, network):
    network(region="us-west-1")
    subnets = empty.client("ec2", "us-west-1").describe_subnets(Filters=OURS)["Subnets"]
    zones = {subnet["CidrBlock"]: subnet["AvailabilityZone"] for subnet in subnets}
    assert len(set(zones.values())) == 2
    assert zones["10.0.3.0/24"] == zones["10.0.1.0/24"] != zones["10.0.2.0/24"]
    empty.forget()
    assert not network(region="us-west-1")["changed"]


def test_a_nat_gateway_that_failed_tells_the_reason_of_aws(empty, network, monkeypatch):
    from ansible_collections.monitml.stack.plugins.module_utils.eks.api import Api

    original = Api.call

    def call(self, method, **request):
        answer = original(self, method, **request)
        if method == "describe_nat_gateways" and "NatGatewayIds" in request:
            reason = {"State": "failed", "FailureCode": "Gateway.NotAttached", "FailureMessage": "Lost"}
            answer["NatGateways"][0].update(reason)
        return answer

    monkeypatch.setattr(Api, "call", call)
    with pytest.raises(ModuleFailed, match=r"failed: Lost \(Gateway.NotAttached\)"):
        network()


def test_a_region_is_never_left(empty, network):
    network()
    assert {call["region"] for call in empty.calls()} == {REGION}
