# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each EKS module against a fake AWS: made, unchanged, drifted, corrected, failed, deleted.

Every drift is made with boto3, and the test asserts the exact writing calls that correct it.
"""

from __future__ import annotations

import pytest
from fake_client import ACCOUNT, REGION, ROLE_ARN, ModuleFailed

NO_ROOM = {"code": "Ec2SubnetInvalidConfiguration", "message": "No addresses are left"}


@pytest.fixture
def cluster(aws, subnets):
    return {
        "name": "c",
        "version": "1.34",
        "role_arn": f"{ROLE_ARN}/cluster",
        "subnet_ids": subnets[:2],
        "endpoint_public_access": True,
        "endpoint_private_access": True,
        "public_access_cidrs": ["203.0.113.0/24", "198.51.100.0/24"],
        "authentication_mode": "API",
        "log_types": ["audit", "api"],
        "support_type": "STANDARD",
        "tags": {"team": "ml", "Cost Center": "7"},
        "wait_delay_seconds": 0,
    }


@pytest.fixture
def made(aws, run, cluster):
    """A cluster that is there before the test begins."""
    run("eks_cluster", **cluster)
    aws.forget()
    return cluster["name"]


KINDS = {
    "eks_nodegroup": {
        "name": "workers",
        "node_role_arn": f"{ROLE_ARN}/node",
        "ami_type": "AL2023_x86_64_STANDARD",
        "instance_types": ["m6i.large", "m6a.large"],
        "capacity_type": "SPOT",
        "labels": {"workload": "serving", "tier": "1"},
        "taints": [{"key": "dedicated", "value": "x", "effect": "NO_SCHEDULE"}],
        "scaling": {"min_size": 1, "max_size": 5, "desired_size": 4},
        "update": {"max_unavailable": 2},
        "version": "1.34",
        "tags": {"team": "ml"},
        "wait_delay_seconds": 0,
    },
    "eks_addon": {
        "name": "vpc-cni",
        "version": "v1.20.4-eksbuild.1",
        "configuration": {"env": {"ENABLE_PREFIX_DELEGATION": "true"}},
        "tags": {"team": "ml"},
        "wait_delay_seconds": 0,
    },
    "eks_access_entry": {
        "principal_arn": f"{ROLE_ARN}/people/team",
        "kubernetes_groups": ["viewers", "editors"],
        "policies": [
            {"name": "AmazonEKSViewPolicy"},
            {"name": "AmazonEKSEditPolicy", "scope": "namespace", "namespaces": ["b", "a"]},
        ],
        "tags": {"team": "ml"},
    },
    "eks_pod_identity_association": {
        "namespace": "kube-system",
        "service_account": "driver",
        "role_arn": f"{ROLE_ARN}/driver",
        "tags": {"team": "ml"},
    },
}
CREATING = {
    "eks_nodegroup": ["CreateNodegroup"],
    "eks_addon": ["CreateAddon"],
    "eks_access_entry": ["CreateAccessEntry", "AssociateAccessPolicy", "AssociateAccessPolicy"],
    "eks_pod_identity_association": ["CreatePodIdentityAssociation"],
}


def options(kind, subnets):
    more = {"subnet_ids": subnets} if kind == "eks_nodegroup" else {}
    return {"cluster_name": "c", **KINDS[kind], **more}


def reordered(value):
    """The same sets, told backwards."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(item) for item in reversed(value)]
    return value


def test_a_cluster_is_made_once(aws, run, cluster):
    planned = run("eks_cluster", check=True, **cluster)
    assert planned["changed"]
    assert planned["calls"] == ["create_cluster"]
    assert aws.writes() == []
    first = run("eks_cluster", **cluster)
    assert aws.writes() == ["CreateCluster"]
    assert first["cluster"]["access_config"]["authentication_mode"] == "API"
    assert first["cluster"]["tags"] == cluster["tags"], "keys of users stay as they are"
    aws.forget()
    again = run("eks_cluster", **reordered(cluster))
    assert not again["changed"]
    assert again["diff"] == {"before": {}, "after": {}}
    assert aws.writes() == []


def drift_cluster(eks, **request):
    eks.update_cluster_config(name="c", **request)


CLUSTER_DRIFTS = {
    "private endpoint": lambda eks, arn: drift_cluster(
        eks, resourcesVpcConfig={"endpointPrivateAccess": False}
    ),
    "networks": lambda eks, arn: drift_cluster(
        eks, resourcesVpcConfig={"publicAccessCidrs": ["0.0.0.0/0"]}
    ),
    "security groups": lambda eks, arn: drift_cluster(
        eks, resourcesVpcConfig={"securityGroupIds": ["sg-1"]}
    ),
    "logging": lambda eks, arn: drift_cluster(
        eks,
        logging={
            "clusterLogging": [
                {"types": ["scheduler"], "enabled": True},
                {"types": ["api"], "enabled": False},
            ]
        },
    ),
    "support": lambda eks, arn: drift_cluster(eks, upgradePolicy={"supportType": "EXTENDED"}),
    "protection": lambda eks, arn: drift_cluster(eks, deletionProtection=True),
    "tag value": lambda eks, arn: eks.tag_resource(resourceArn=arn, tags={"team": "other"}),
    "extra tag": lambda eks, arn: eks.tag_resource(resourceArn=arn, tags={"mine": "1"}),
}
CLUSTER_CURES = {"tag value": ["TagResource"], "extra tag": ["UntagResource"]}


@pytest.mark.parametrize("drift", CLUSTER_DRIFTS)
def test_drift_of_a_cluster_is_corrected_and_only_it(aws, run, cluster, made, drift):
    cluster.update(security_group_ids=[], deletion_protection_enabled=False)
    eks = aws.client("eks")
    before = eks.describe_cluster(name="c")["cluster"]
    CLUSTER_DRIFTS[drift](eks, before["arn"])
    assert eks.describe_cluster(name="c")["cluster"] != before, "the drift is real"
    aws.forget()
    assert run("eks_cluster", check=True, **cluster)["changed"]
    assert aws.writes() == []
    assert run("eks_cluster", **cluster)["changed"]
    assert aws.writes() == CLUSTER_CURES.get(drift, ["UpdateClusterConfig"])
    after = eks.describe_cluster(name="c")["cluster"]
    for found in (before, after):
        found["logging"]["clusterLogging"][0]["types"].sort()
    assert after == before
    aws.forget()
    assert not run("eks_cluster", **cluster)["changed"]
    assert aws.writes() == []


def test_a_cluster_is_upgraded_step_by_step(aws, run, cluster, made):
    result = run("eks_cluster", **{**cluster, "version": "1.36"})
    assert aws.writes() == ["UpdateClusterVersion", "UpdateClusterVersion"]
    assert result["cluster"]["version"] == "1.36"
    assert result["diff"]["after"] == {"version": "1.36"}
    with pytest.raises(ModuleFailed, match="cannot go back"):
        run("eks_cluster", **cluster)


def test_access_moves_forward_from_the_old_default(aws, run, cluster):
    run("eks_cluster", **{**cluster, "authentication_mode": "CONFIG_MAP"})
    aws.forget()
    run("eks_cluster", **cluster)
    assert aws.writes() == ["UpdateClusterConfig", "UpdateClusterConfig"]


def test_secrets_are_encrypted_afterwards(aws, run, cluster, made):
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    run("eks_cluster", encryption_key_arn=key, **cluster)
    assert aws.writes() == ["AssociateEncryptionConfig"]
    aws.forget()
    assert not run("eks_cluster", encryption_key_arn=key, **cluster)["changed"]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_in_a_cluster_is_made_once_and_deleted_once(aws, run, made, subnets, kind):
    wanted = options(kind, subnets)
    assert run(kind, check=True, **wanted)["changed"]
    assert aws.writes() == []
    first = run(kind, **wanted)
    assert first["changed"]
    assert aws.writes() == CREATING[kind]
    aws.forget()
    assert not run(kind, **reordered(wanted))["changed"]
    assert aws.writes() == []
    assert run(kind, check=True, **wanted, state="absent")["changed"]
    assert aws.writes() == []
    assert run(kind, **wanted, state="absent")["changed"]
    assert len(aws.writes()) == 1
    assert not run(kind, **wanted, state="absent")["changed"]


def group_config(**request):
    def change(eks, _arn):
        eks.update_nodegroup_config(clusterName="c", nodegroupName="workers", **request)

    return change


ARN_KEYS = {
    "eks_nodegroup": ("nodegroup", "nodegroup_arn"),
    "eks_addon": ("addon", "addon_arn"),
    "eks_access_entry": ("access_entry", "access_entry_arn"),
    "eks_pod_identity_association": ("association", "association_arn"),
}
ENTRY = {"clusterName": "c", "principalArn": KINDS["eks_access_entry"]["principal_arn"]}
POLICY = "arn:aws:eks::aws:cluster-access-policy/"
DRIFTS = [
    ("eks_nodegroup", "label", group_config(labels={"addOrUpdateLabels": {"tier": "9"}})),
    ("eks_nodegroup", "extra label", group_config(labels={"addOrUpdateLabels": {"mine": "9"}})),
    ("eks_nodegroup", "lost label", group_config(labels={"removeLabels": ["tier"]})),
    (
        "eks_nodegroup",
        "taint",
        group_config(
            taints={
                "addOrUpdateTaints": [
                    {"key": "dedicated", "value": "y", "effect": "NO_SCHEDULE"},
                    {"key": "extra", "value": "", "effect": "NO_EXECUTE"},
                ]
            }
        ),
    ),
    (
        "eks_nodegroup",
        "scaling",
        group_config(scalingConfig={"minSize": 2, "maxSize": 9, "desiredSize": 2}),
    ),
    ("eks_nodegroup", "update", group_config(updateConfig={"maxUnavailable": 1})),
    (
        "eks_addon",
        "configuration",
        lambda eks, arn: eks.update_addon(
            clusterName="c", addonName="vpc-cni", configurationValues='{"env":{}}'
        ),
    ),
    (
        "eks_addon",
        "version",
        lambda eks, arn: eks.update_addon(
            clusterName="c", addonName="vpc-cni", addonVersion="v1.0.0-eksbuild.1"
        ),
    ),
    (
        "eks_access_entry",
        "groups",
        lambda eks, arn: eks.update_access_entry(**ENTRY, kubernetesGroups=["admins"]),
    ),
    (
        "eks_access_entry",
        "scope",
        lambda eks, arn: eks.associate_access_policy(
            **ENTRY, policyArn=POLICY + "AmazonEKSEditPolicy", accessScope={"type": "cluster"}
        ),
    ),
    (
        "eks_access_entry",
        "lost policy",
        lambda eks, arn: eks.disassociate_access_policy(
            **ENTRY, policyArn=POLICY + "AmazonEKSViewPolicy"
        ),
    ),
    (
        "eks_access_entry",
        "extra policy",
        lambda eks, arn: eks.associate_access_policy(
            **ENTRY, policyArn=POLICY + "AmazonEKSAdminPolicy", accessScope={"type": "cluster"}
        ),
    ),
    (
        "eks_pod_identity_association",
        "role",
        lambda eks, arn: eks.update_pod_identity_association(
            clusterName="c",
            associationId=eks.list_pod_identity_associations(clusterName="c")["associations"][0][
                "associationId"
            ],
            roleArn=f"{ROLE_ARN}/other",
        ),
    ),
    *[
        (kind, "tag", lambda eks, arn: eks.tag_resource(resourceArn=arn, tags={"team": "other"}))
        for kind in KINDS
    ],
]
CURES = {
    ("eks_nodegroup", "tag"): "TagResource",
    ("eks_addon", "tag"): "TagResource",
    ("eks_access_entry", "tag"): "TagResource",
    ("eks_pod_identity_association", "tag"): "TagResource",
    ("eks_access_entry", "groups"): "UpdateAccessEntry",
    ("eks_access_entry", "extra policy"): "DisassociateAccessPolicy",
    ("eks_access_entry", "scope"): "AssociateAccessPolicy",
    ("eks_access_entry", "lost policy"): "AssociateAccessPolicy",
    ("eks_pod_identity_association", "role"): "UpdatePodIdentityAssociation",
}
BY_KIND = {"eks_nodegroup": "UpdateNodegroupConfig", "eks_addon": "UpdateAddon"}


@pytest.mark.parametrize(("kind", "what", "drift"), DRIFTS, ids=[f"{d[0]}-{d[1]}" for d in DRIFTS])
def test_drift_in_a_cluster_is_corrected_and_only_it(aws, run, made, subnets, kind, what, drift):
    wanted, eks = options(kind, subnets), aws.client("eks")
    returned, key = ARN_KEYS[kind]
    before = run(kind, **wanted)[returned]
    drift(eks, before[key])
    aws.forget()
    planned = run(kind, check=True, **wanted)
    assert planned["changed"] and planned["diff"]["before"] != planned["diff"]["after"]
    assert aws.writes() == []
    after = run(kind, **wanted)[returned]
    assert aws.writes() == [CURES.get((kind, what)) or BY_KIND[kind]]
    for found in (before, after):
        found.pop("modified_at", None)
    assert reordered_equal(after, before)
    aws.forget()
    assert not run(kind, **wanted)["changed"]


def reordered_equal(left, right):
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in sorted(value.items())}
        if isinstance(value, list):
            return sorted((plain(item) for item in value), key=str)
        return value

    return plain(left) == plain(right)


def test_nodes_follow_the_version_and_the_launch_template(aws, run, made, subnets, cluster):
    template = {"name": "workers", "disk_size_gib": 40}
    run("eks_launch_template", **template)
    wanted = options("eks_nodegroup", subnets)
    wanted["launch_template"] = {"name": "workers", "version": "1"}
    run("eks_nodegroup", **wanted)
    run("eks_cluster", **{**cluster, "version": "1.35"})
    changed = run("eks_launch_template", **{**template, "disk_size_gib": 60})
    assert changed["launch_template"]["default_version_number"] == 2
    aws.forget()
    wanted["launch_template"]["version"] = "2"
    run("eks_nodegroup", **{**wanted, "version": "1.35"})
    assert aws.writes() == ["UpdateNodegroupVersion"]
    aws.forget()
    assert not run("eks_nodegroup", **{**wanted, "version": "1.35"})["changed"]


def test_a_launch_template_grows_no_versions_by_itself(aws, run):
    wanted = {"name": "workers", "node_tags": {"Name": "w"}, "tags": {"team": "ml"}}
    run("eks_launch_template", **wanted)
    assert aws.writes() == ["CreateLaunchTemplate"], "tagged by the call that makes it"
    aws.forget()
    assert not run("eks_launch_template", **wanted)["changed"]
    assert aws.writes() == []
    assert run("eks_launch_template", name="workers", state="absent")["changed"]
    assert not run("eks_launch_template", name="workers", state="absent")["changed"]


def test_what_aws_says_about_a_failed_node_group_reaches_the_user(aws, run, made, subnets):
    aws.script(nodegroup__workers=[{"status": "CREATING"}, {"status": "CREATE_FAILED", "issues": [NO_ROOM]}])
    with pytest.raises(ModuleFailed, match="CREATE_FAILED: No addresses are left") as failed:
        run("eks_nodegroup", **options("eks_nodegroup", subnets))
    assert failed.value.result["issues"][0]["code"] == "Ec2SubnetInvalidConfiguration"
    aws.script(
        nodegroup__workers=[
            {"status": "CREATE_FAILED", "issues": [NO_ROOM]},
            {"status": "DELETING", "gone": True, "once": True},
        ]
    )
    again = run("eks_nodegroup", replace_failed=True, **options("eks_nodegroup", subnets))
    assert again["calls"] == ["delete_nodegroup", "create_nodegroup"]
    assert again["nodegroup"]["status"] == "ACTIVE"


def test_what_aws_says_about_a_failed_deletion_reaches_the_user(aws, run, made, subnets):
    run("eks_nodegroup", **options("eks_nodegroup", subnets))
    issue = {"code": "Ec2SecurityGroupDeletionFailure", "message": "The group is in use"}
    aws.script(
        nodegroup__workers=[{"status": "ACTIVE"}, {"status": "DELETE_FAILED", "issues": [issue]}]
    )
    with pytest.raises(ModuleFailed, match="The group is in use"):
        run("eks_nodegroup", **options("eks_nodegroup", subnets), state="absent")


def test_what_aws_says_about_a_failed_update_reaches_the_user(aws, run, cluster, made):
    issue = {"code": "InsufficientFreeAddresses", "message": "Not enough addresses"}
    aws.script(update__VersionUpdate=[{"status": "InProgress"}, {"status": "Failed", "issues": [issue]}])
    with pytest.raises(ModuleFailed, match="VersionUpdate of cluster c is Failed: Not enough"):
        run("eks_cluster", **{**cluster, "version": "1.35"})


def test_throttling_is_waited_out(aws, run, cluster):
    aws.fault(action="CreateCluster", status=429, code="ThrottlingException", count=2)
    assert run("eks_cluster", **cluster)["changed"]
    assert aws.writes() == ["CreateCluster"] * 3


def test_expired_credentials_are_told_as_such(aws, run, cluster):
    aws.fault(action="*", status=403, code="ExpiredTokenException", count=1)
    with pytest.raises(ModuleFailed, match="credentials have expired; renew") as failed:
        run("eks_cluster", **cluster)
    assert failed.value.result["code"] == "ExpiredTokenException"


def test_an_interrupted_access_entry_gets_its_policies_later(aws, run, made):
    aws.stop_after(1)
    with pytest.raises(ModuleFailed):
        run("eks_access_entry", **options("eks_access_entry", []))
    aws.forget()
    run("eks_access_entry", **options("eks_access_entry", []))
    assert aws.writes() == ["AssociateAccessPolicy", "AssociateAccessPolicy"]


def test_info_describes_a_cluster_and_what_is_in_it(aws, run, made, subnets):
    for kind in KINDS:
        run(kind, **options(kind, subnets))
    aws.forget()
    (found,) = run("eks_cluster_info", contents_listed=True)["clusters"]
    assert aws.writes() == []
    assert found["nodegroups"][0]["labels"] == KINDS["eks_nodegroup"]["labels"]
    assert found["addons"][0]["addon_name"] == "vpc-cni"
    assert found["access_entries"][0]["principal_arn"].endswith("/team")
    assert found["pod_identity_associations"][0]["service_account"] == "driver"
    assert run("eks_cluster_info", name="none")["clusters"] == []
