# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kubeconfig against the AWS CLI's own, and what is planned, listed and swept."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_client import REGION, ROLE_ARN, STACK, ModuleFailed

AWS_CLI = Path(sys.executable).parent / "aws"
ROLE = Path(__file__).resolve().parents[3] / "roles/eks"


@pytest.fixture
def cluster(aws, run, subnets):
    run("eks_cluster", name=STACK, role_arn=f"{ROLE_ARN}/cluster", subnet_ids=subnets, wait_delay_seconds=0)
    aws.forget()
    return STACK


def aws_cli(aws, *arguments, **environment):
    """The stock command-line client, which knows nothing of us."""
    assert AWS_CLI.exists(), "awscli belongs to the test environment"
    settings = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": aws.url,
        "PATH": os.environ["PATH"],
        **environment,
    }
    command = [str(AWS_CLI), "--region", REGION, *arguments]
    return subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout


def test_the_kubeconfig_is_that_of_the_aws_cli(aws, run, cluster, tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "deep/er/ours"
    aws_cli(aws, "eks", "update-kubeconfig", "--name", STACK, "--kubeconfig", str(theirs), HOME=str(tmp_path))
    wanted = {"cluster_name": STACK, "path": str(ours)}
    assert run("eks_kubeconfig", check=True, **wanted)["changed"]
    assert not ours.exists()
    assert run("eks_kubeconfig", **wanted)["changed"]
    assert yaml.safe_load(ours.read_text()) == yaml.safe_load(theirs.read_text())
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600
    assert not run("eks_kubeconfig", **wanted)["changed"]
    ours.chmod(0o644)
    assert run("eks_kubeconfig", **wanted)["changed"]
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600
    assert aws.writes() == []


def test_the_command_in_the_kubeconfig_makes_a_token(aws, run, cluster, tmp_path):
    path = tmp_path / "kubeconfig"
    run("eks_kubeconfig", cluster_name=STACK, path=str(path))
    (user,) = yaml.safe_load(path.read_text())["users"]
    execute = user["user"]["exec"]
    assert execute["command"] == "aws"
    token = json.loads(aws_cli(aws, *execute["args"], HOME=str(tmp_path)))
    assert token["apiVersion"] == execute["apiVersion"]
    assert token["status"]["token"].startswith("k8s-aws-v1.")


def test_names_roles_and_profiles_are_those_of_the_aws_cli(aws, run, cluster, tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    names = ["--alias", "a", "--user-alias", "u", "--role-arn", "arn:role"]
    command = ["eks", "update-kubeconfig", "--name", STACK, "--kubeconfig", str(theirs), *names]
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[profile p]\nregion = us-east-2\n")
    aws_cli(aws, *command, HOME=str(tmp_path), AWS_PROFILE="p")
    run(
        "eks_kubeconfig",
        cluster_name=STACK,
        path=str(ours),
        alias="a",
        user_alias="u",
        role_arn="arn:role",
        token_profile="p",
    )
    assert yaml.safe_load(ours.read_text()) == yaml.safe_load(theirs.read_text())


def test_the_users_own_kubeconfig_is_left_alone(aws, run, cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ModuleFailed, match="user's own kubeconfig"):
        run("eks_kubeconfig", cluster_name=STACK, path="~/.kube/config")
    other = tmp_path / "other"
    other.write_text("clusters: [{name: 'arn:aws:eks:us-east-2:1:cluster/other'}]\n")
    with pytest.raises(ModuleFailed, match="it stays"):
        run("eks_kubeconfig", cluster_name=STACK, path=str(other), state="absent")
    assert other.exists()
    ours = tmp_path / "ours"
    run("eks_kubeconfig", cluster_name=STACK, path=str(ours))
    assert run("eks_kubeconfig", cluster_name=STACK, path=str(ours), state="absent")["changed"]
    assert not ours.exists()
    assert not run("eks_kubeconfig", cluster_name=STACK, path=str(ours), state="absent")["changed"]


def test_a_cluster_that_is_not_ready_gets_no_kubeconfig(aws, run, cluster, tmp_path):
    aws.script(**{f"cluster__{STACK}": [{"status": "CREATING"}]})
    with pytest.raises(ModuleFailed, match="is CREATING"):
        run("eks_kubeconfig", cluster_name=STACK, path=str(tmp_path / "x"))


# -- the plan ----------------------------------------------------------------------------


def inputs(**over):
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    found = {key.removeprefix("eks_"): value for key, value in defaults.items()}
    return {**found, "stack": STACK, **over}


def plan(run, **over):
    return run("eks_stack_info", stack=STACK, cluster_name=STACK, inputs=inputs(**over))


@pytest.mark.parametrize("region", ["us-east-9", "moon-1"])
def test_an_unknown_region_is_refused_without_a_call(aws, run, region):
    with pytest.raises(ModuleFailed, match=f"EKS has no region '{region}'.*us-east-1"):
        run("eks_stack_info", stack=STACK, cluster_name=STACK, region=region)
    assert aws.calls() == []


def test_a_bad_description_is_refused_without_a_call(aws, run):
    with pytest.raises(ModuleFailed) as failed:
        plan(run, vpc_cidr="10.0.0.0/8", kubernetes_version="1.20")
    assert len(failed.value.result["problems"]) == 2
    assert aws.calls() == []


def test_the_plan_of_an_empty_account_is_complete_and_writes_nothing(empty, run):
    found = plan(run, log_types=["audit"], admin_arns=[f"{ROLE_ARN}/boss"])
    assert empty.writes() == []
    assert list(dict.fromkeys(item["step"] for item in found["plan"])) == list(found["steps"])
    assert all(found["steps"].values()), "every step has something to do"
    assert found["billable"] == [
        "a NAT gateway",
        f"the control plane of {STACK}",
        "4 nodes in worker-group-1",
    ]
    assert found["conflicts"] == []
    assert found["account_id"] == "123456789012"


def test_what_is_not_ours_is_a_conflict(aws, run, cluster):
    aws.client("iam").create_role(RoleName=f"{STACK}-node", AssumeRolePolicyDocument="{}")
    aws.client("ec2").create_launch_template(
        LaunchTemplateName=f"{STACK}-worker-group-1", LaunchTemplateData={"ImageId": "ami-1"}
    )
    found = plan(run)["conflicts"]
    aws.client("iam").delete_role(RoleName=f"{STACK}-node")
    assert len(found) == 3
    for name in (f"cluster {STACK}", f"role {STACK}-node", f"launch template {STACK}-worker-group-1"):
        assert any(name in sentence and "not this stack's" in sentence for sentence in found)


def test_a_plan_never_guesses_when_aws_does_not_answer(aws, run):
    aws.fault(action="DescribeCluster", status=403, code="AccessDeniedException", count=9)
    with pytest.raises(ModuleFailed, match="AccessDenied"):
        plan(run)


# -- what controllers leave --------------------------------------------------------------

OWNED = {f"kubernetes.io/cluster/{STACK}": "owned"}


def tags(given):
    return [{"Key": key, "Value": value} for key, value in given.items()]


def leave(aws, subnets, given) -> None:
    """Load balancers of both kinds, a disk, an interface, and two groups that name each other."""
    ec2, elbv2 = aws.client("ec2"), aws.client("elbv2")
    word = "ours" if given == OWNED else "theirs"
    vpc = ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["VpcId"]
    elbv2.create_load_balancer(Name=word, Subnets=subnets, Tags=tags(given))
    elbv2.create_target_group(Name=word, Protocol="TCP", Port=80, VpcId=vpc, Tags=tags(given))
    aws.client("elb").create_load_balancer(
        LoadBalancerName=word,
        Listeners=[{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}],
        Subnets=subnets[:1],
        Tags=tags(given),
    )

    def specification(kind):
        return [{"ResourceType": kind, "Tags": tags(given)}]

    ec2.create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=specification("volume")
    )
    ec2.create_network_interface(
        SubnetId=subnets[0], TagSpecifications=specification("network-interface")
    )
    groups = [
        ec2.create_security_group(
            GroupName=f"{word}-{index}",
            Description="x",
            VpcId=vpc,
            TagSpecifications=specification("security-group"),
        )["GroupId"]
        for index in range(2)
    ]
    for group, other in (groups, reversed(groups)):
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def belongings(run):
    found = run("eks_stack_info", stack=STACK, cluster_name=STACK, belongings_listed=True)
    return found["belongings"]


def test_what_a_dead_cluster_left_is_deleted_and_only_that(empty, aws, run, subnets):
    leave(aws, subnets, OWNED)
    leave(aws, subnets, {"kubernetes.io/cluster/other": "owned"})
    assert len(belongings(run)) == 7
    aws.forget()
    names = {"stack": STACK, "cluster_name": STACK, "wait_delay_seconds": 0}
    assert run("eks_leftovers", check=True, **names)["changed"]
    assert aws.writes() == []
    run("eks_leftovers", **names)
    writes = aws.writes()
    assert writes.index("DeleteTargetGroup") > writes.index("DeleteLoadBalancer")
    assert writes.index("DeleteSecurityGroup") > writes.index("RevokeSecurityGroupIngress")
    assert belongings(run) == []
    assert not run("eks_leftovers", **names)["changed"]
    ec2 = aws.client("ec2")
    groups = [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]]
    assert {"theirs-0", "theirs-1"} <= set(groups)
    balancers = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [balancer["LoadBalancerName"] for balancer in balancers] == ["theirs"]


def test_a_living_cluster_is_not_swept_after(aws, run, cluster):
    with pytest.raises(ModuleFailed, match="still exists"):
        run("eks_leftovers", stack=STACK, cluster_name=STACK)
    assert aws.writes() == []
