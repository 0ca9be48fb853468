# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role eks from the outside: ansible-playbook against a fake AWS, looked at with boto3.

The tests of this file build on one another, because a cluster takes a while to make even here:
they run in the order in which they stand, on one account.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fake_client import ACCOUNT, REGION, ROLE_ARN, SERVICES, STACK

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
# Two add-ons stand for all: one before the nodes, one after them, with a role of its own.
ADDONS = [{"name": "vpc-cni", "before_nodes": True}, {"name": "aws-ebs-csi-driver"}]
ADMIN = f"{ROLE_ARN}/boss"


class Role:
    """Runs the playbooks eks and eks_destroy and keeps what they said."""

    def __init__(self, server, home: Path) -> None:
        self.server = server
        self.home = home
        self.kubeconfig = home / "kubeconfig"
        self.output = ""

    def play(self, name: str, *arguments: str, interrupted: bool = False, **inputs) -> dict:
        """Counters of the run: ok, changed, failed...; {} for one that was killed."""
        given = {
            "eks_endpoint_url": self.server.url,
            "eks_allowed_account_ids": [ACCOUNT],
            "eks_cost_confirmed": True,
            "eks_destroy_name": STACK,
            "eks_kubeconfig_path": str(self.kubeconfig),
            "eks_addons": ADDONS,
            "eks_admin_arns": [ADMIN],
            "eks_log_types": ["audit"],
            "eks_wait_delay_seconds": 0,
            "eks_iam_settle_seconds": 0,
            "eks_kubernetes_cleanup_enabled": False,
            "__eks_listing_retries": 1,
            **inputs,
        }
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment.update(
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",
            AWS_EC2_METADATA_DISABLED="true",
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_HOME=str(self.home / "ansible"),
            ANSIBLE_CALLBACK_PLUGINS=str(HERE / "callback_plugins"),
            ANSIBLE_NOCOLOR="true",
        )
        if interrupted:
            environment["ANSIBLE_CALLBACKS_ENABLED"] = "interrupt"
        command = [str(PLAYBOOK), "-i", "inventories/eks", f"playbooks/{name}.yml", *arguments]
        done = subprocess.run(
            [*command, "-e", json.dumps(given)],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        self.output = done.stdout + done.stderr
        recap = re.search(r"^localhost +: (.*)$", self.output, re.M)
        if not recap:
            assert interrupted, self.output
            return {}
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap.group(1))}

    def succeed(self, name: str, *arguments: str, **inputs) -> dict:
        counters = self.play(name, *arguments, **inputs)
        assert counters["failed"] == 0, self.output
        return counters

    def fail(self, name: str, *arguments: str, **inputs) -> str:
        """What the failed run said, in one line."""
        assert self.play(name, *arguments, **inputs)["failed"] == 1, self.output
        return " ".join(self.output.split())


@pytest.fixture(scope="module")
def role(server, tmp_path_factory):
    server.empty()
    iam = server.client("iam")
    iam.create_role(RoleName="boss", AssumeRolePolicyDocument="{}")
    server.forget()
    return Role(server, tmp_path_factory.mktemp("role"))


@pytest.fixture(autouse=True)
def fresh_record(role):
    role.server.forget()


def left(server) -> list[str]:
    """Everything in the account that AWS does not give everybody, asked without our code."""
    ec2, eks, iam, elb, elbv2, logs, scaling = [server.client(name) for name in SERVICES]
    default = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]]
    live = [{"Name": "state", "Values": ["pending", "available", "deleting"]}]
    found = {
        "VpcId": ec2.describe_vpcs()["Vpcs"],
        "SubnetId": ec2.describe_subnets()["Subnets"],
        "RouteTableId": ec2.describe_route_tables()["RouteTables"],
        "GroupId": ec2.describe_security_groups()["SecurityGroups"],
        "InternetGatewayId": ec2.describe_internet_gateways()["InternetGateways"],
        "NatGatewayId": ec2.describe_nat_gateways(Filter=live)["NatGateways"],
        "AllocationId": ec2.describe_addresses()["Addresses"],
        "VolumeId": ec2.describe_volumes()["Volumes"],
        "NetworkInterfaceId": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "LaunchTemplateId": ec2.describe_launch_templates()["LaunchTemplates"],
        "RoleName": iam.list_roles()["Roles"],
        "InstanceProfileName": iam.list_instance_profiles()["InstanceProfiles"],
        "LoadBalancerName": elb.describe_load_balancers()["LoadBalancerDescriptions"],
        "LoadBalancerArn": elbv2.describe_load_balancers()["LoadBalancers"],
        "TargetGroupArn": elbv2.describe_target_groups()["TargetGroups"],
        "logGroupName": logs.describe_log_groups()["logGroups"],
        "AutoScalingGroupName": scaling.describe_auto_scaling_groups()["AutoScalingGroups"],
    }
    items = [item for key in found for item in found[key] if item.get("VpcId") not in default]
    keys = {id(item): key for key in found for item in found[key]}
    names = [item[keys[id(item)]] for item in items] + eks.list_clusters()["clusters"]
    return sorted(name for name in names if name != "boss")


def test_check_mode_on_an_empty_account_shows_a_plan_and_changes_nothing(role):
    counters = role.succeed("eks", "--check", eks_cost_confirmed=False)
    assert counters["changed"] == 1, "the plan"
    assert role.server.writes() == []
    order = [
        "Make VPC training-vpc 10.0.0.0/16",
        "Make the NAT gateway",
        "Make role training-eks-cluster",
        "Make cluster training-eks",
        "Make add-on vpc-cni",
        "Make node group worker-group-1",
        "Make add-on aws-ebs-csi-driver",
    ]
    positions = [role.output.index(line) for line in order]
    assert positions == sorted(positions)
    assert "USD a month" in role.output
    assert not role.kubeconfig.exists()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"eks_cost_confirmed": False}, "makes the bill larger by a NAT gateway"),
        ({"eks_allowed_account_ids": ["999999999999"]}, f"belong to the account {ACCOUNT}"),
        ({"eks_allowed_account_ids": []}, "account that is not named"),
        ({"eks_region": "us-east-9"}, "EKS has no region 'us-east-9'"),
    ],
)
def test_guards_refuse_before_anything_is_made(role, inputs, words):
    assert words in role.fail("eks", **inputs)
    assert role.server.writes() == []


def test_a_making_that_is_killed_after_every_change_still_ends(role):
    for attempt in range(30):
        role.server.forget()
        if role.play("eks", interrupted=True) == {}:
            assert "INTERRUPTED" in role.output, role.output
            continue
        break
    assert attempt == 11, "one run for each task that changes something"
    eks, ec2 = role.server.client("eks"), role.server.client("ec2")
    cluster = eks.describe_cluster(name=STACK)["cluster"]
    assert (cluster["version"], cluster["accessConfig"]["authenticationMode"]) == ("1.35", "API")
    group = eks.describe_nodegroup(clusterName=STACK, nodegroupName="worker-group-1")["nodegroup"]
    assert group["scalingConfig"] == {"minSize": 1, "maxSize": 5, "desiredSize": 4}
    assert group["amiType"] == "AL2023_x86_64_STANDARD"
    (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
    assert template["LatestVersionNumber"] == 1, "nothing was made twice"
    (version,) = ec2.describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"]
    )["LaunchTemplateVersions"]
    assert cluster["resourcesVpcConfig"]["clusterSecurityGroupId"] in version["LaunchTemplateData"]["SecurityGroupIds"]
    assert len(ec2.describe_addresses()["Addresses"]) == 1
    assert eks.list_access_entries(clusterName=STACK)["accessEntries"] == [ADMIN]
    assert role.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing_and_makes_no_writing_call(role):
    assert role.succeed("eks", eks_cost_confirmed=False)["changed"] == 0
    assert role.server.writes() == []
    assert {call["region"] for call in role.server.calls()} <= {REGION, "us-east-1"}


def test_the_plan_leaves_out_nothing_that_a_module_would_do(role):
    assert role.succeed("eks", __eks_everything=True)["changed"] == 0
    assert role.server.writes() == []


def drift(server) -> None:
    """One hand in every part of the stack."""
    eks, ec2 = server.client("eks"), server.client("ec2")
    arn = eks.describe_cluster(name=STACK)["cluster"]["arn"]
    eks.tag_resource(resourceArn=arn, tags={"mine": "1"})
    eks.update_cluster_config(
        name=STACK, logging={"clusterLogging": [{"types": ["api"], "enabled": True}]}
    )
    group = {"clusterName": STACK, "nodegroupName": "worker-group-1"}
    eks.update_nodegroup_config(
        **group,
        labels={"addOrUpdateLabels": {"mine": "1"}},
        scalingConfig={"minSize": 1, "maxSize": 9, "desiredSize": 9},
    )
    eks.update_addon(
        clusterName=STACK, addonName="aws-ebs-csi-driver", configurationValues='{"mine": 1}'
    )
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    eks.disassociate_access_policy(clusterName=STACK, principalArn=ADMIN, policyArn=policy)
    (table,) = ec2.describe_route_tables(
        Filters=[{"Name": "tag:monitml-part", "Values": ["routes-private"]}]
    )["RouteTables"]
    ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")
    server.client("iam").detach_role_policy(
        RoleName=f"{STACK}-node", PolicyArn="arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
    )


CURED = [
    "CreateRoute",
    "AttachRolePolicy",
    "UpdateClusterConfig",
    "UntagResource",
    "AssociateAccessPolicy",
    "UpdateNodegroupConfig",
    "UpdateAddon",
]


def test_drift_in_every_part_is_planned_then_corrected_and_only_it(role):
    drift(role.server)
    role.server.forget()
    assert role.succeed("eks", "--check")["changed"] == 1
    assert role.server.writes() == []
    assert "Change node group worker-group-1" in role.output
    role.succeed("eks", eks_cost_confirmed=False)
    assert role.server.writes() == CURED


def test_an_upgrade_takes_the_nodes_along(role):
    role.succeed("eks", eks_kubernetes_version="1.36")
    assert role.server.writes() == ["UpdateClusterVersion", "UpdateNodegroupVersion"]


def test_a_teardown_asks_for_the_name_and_lists_what_goes(role):
    assert "Confirm with" in role.fail("eks_destroy", eks_destroy_name="other")
    role.succeed("eks_destroy", "--check", eks_destroy_name="")
    assert "ec2 VPC vpc-" in role.output
    assert role.server.writes() == []


def test_what_was_not_found_by_its_tags_is_still_listed_and_fails(role):
    """A cluster of the same name that is not ours keeps everything."""
    eks = role.server.client("eks")
    arn = eks.describe_cluster(name=STACK)["cluster"]["arn"]
    eks.untag_resource(resourceArn=arn, tagKeys=["monitml-stack"])
    role.server.forget()
    assert "does not carry the tag" in role.fail("eks_destroy")
    assert "is not this stack's" in role.fail("eks")
    assert role.server.writes() == []
    eks.tag_resource(resourceArn=arn, tags={"monitml-stack": STACK})


def test_a_taking_away_that_is_killed_after_every_change_leaves_nothing(role):
    ec2 = role.server.client("ec2")
    ec2.create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=1,
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "monitml-stack", "Value": STACK}]}
        ],
    )
    role.server.forget()
    writes, asked = [], False
    for attempt in range(30):
        # The cluster's own address leads nowhere here; that must not stop a teardown.
        reach = {"eks_kubernetes_cleanup_enabled": True}
        finished = role.play("eks_destroy", interrupted=True, **reach)
        asked |= "Load balancers are deleted through AWS" in " ".join(role.output.split())
        writes += role.server.writes()
        role.server.forget()
        if finished:
            break
    assert attempt == 8
    assert asked
    assert finished["failed"] == 0, role.output
    first = writes.index
    order = ["DeleteNodegroup", "DeleteCluster", "DeleteLaunchTemplate", "DeleteVolume"]
    order += ["DeleteNatGateway", "ReleaseAddress", "DeleteSubnet", "DeleteVpc", "DeleteRole"]
    assert [first(name) for name in order] == sorted(first(name) for name in order)
    assert left(role.server) == []
    assert not role.kubeconfig.exists()


def test_absent_twice_is_no_change(role):
    assert role.succeed("eks_destroy")["changed"] == 0
    assert role.server.writes() == []


def test_a_teardown_fails_when_something_is_left(role):
    ec2 = role.server.client("ec2")
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "monitml-stack", "Value": STACK}]}]
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=tags)["SnapshotId"]
    assert f"Still there, and perhaps billed: ec2 snapshot {snapshot}" in role.fail("eks_destroy")
    ec2.delete_snapshot(SnapshotId=snapshot)
    ec2.delete_volume(VolumeId=volume)
