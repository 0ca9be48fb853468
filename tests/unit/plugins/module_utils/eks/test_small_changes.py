# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which calls follow from which difference, for add-ons, access, identity and launch templates."""

from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.eks import options
from ansible_collections.monitml.stack.plugins.module_utils.eks import small_changes as small
from ansible_collections.monitml.stack.plugins.module_utils.eks.errors import EksError

PRINCIPAL = "arn:aws-cn:iam::123456789012:role/team"
VIEW = "arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
ADDON = {
    "addonName": "vpc-cni",
    "addonArn": "arn:addon",
    "addonVersion": "v1.0",
    "serviceAccountRoleArn": "arn:role",
    "configurationValues": '{"env": {"A": "1"}}',
}
ENTRY = {
    "accessEntryArn": "arn:entry",
    "principalArn": PRINCIPAL,
    "type": "STANDARD",
    "username": "team",
    "kubernetesGroups": ["b", "a"],
    "policies": [{"policyArn": VIEW, "accessScope": {"type": "cluster", "namespaces": []}}],
}


def addon(**wanted):
    names = {"cluster_name": "c", "name": "vpc-cni"}
    return options.completed(options.ADDON, {**names, **wanted}, "add-on")


def entry(**wanted):
    names = {"cluster_name": "c", "principal_arn": PRINCIPAL}
    return options.completed(options.ACCESS_ENTRY, {**names, **wanted}, "access entry")


def template(**wanted):
    return options.completed(options.LAUNCH_TEMPLATE, {"name": "workers", **wanted}, "template")


def test_settings_of_an_addon_are_compared_as_data():
    assert small.addon_changes(addon(configuration={"env": {"A": "1"}}), ADDON) == []
    (change,) = small.addon_changes(addon(configuration={"env": {"A": "2"}}), ADDON)
    assert json.loads(change.request["configurationValues"]) == {"env": {"A": "2"}}


def test_an_update_sends_back_what_it_does_not_manage():
    (change,) = small.addon_changes(addon(version="v1.1"), ADDON)
    assert change.request["serviceAccountRoleArn"] == "arn:role"
    assert change.request["configurationValues"] == ADDON["configurationValues"]
    assert change.request["resolveConflicts"] == "PRESERVE"
    assert list(change.fields) == ["version"]


def test_a_new_addon_takes_over_what_it_finds():
    assert small.addon_request(addon())["resolveConflicts"] == "OVERWRITE"


def test_groups_and_scopes_are_sets():
    wanted = entry(kubernetes_groups=["a", "b"], policies=[{"name": "AmazonEKSViewPolicy"}])
    assert small.access_entry_changes(wanted, ENTRY) == []
    scope = {"scope": "namespace", "namespaces": ["y", "x"]}
    wanted = entry(policies=[{"name": "AmazonEKSViewPolicy", **scope}])
    current = {"policyArn": VIEW, "accessScope": {"type": "namespace", "namespaces": ["x", "y"]}}
    assert small.access_entry_changes(wanted, {**ENTRY, "policies": [current]}) == []


def test_policies_are_given_and_taken_in_the_partition_of_the_principal():
    wanted = entry(policies=[{"name": "AmazonEKSEditPolicy"}])
    given, taken = small.access_entry_changes(wanted, ENTRY)
    assert given.method == "associate_access_policy"
    assert given.request["policyArn"].startswith("arn:aws-cn:eks::aws:")
    assert (taken.method, taken.request["policyArn"]) == ("disassociate_access_policy", VIEW)
    assert small.access_entry_changes(entry(), ENTRY) == []


@pytest.mark.parametrize(
    "policy",
    [
        {"name": "P", "scope": "namespace"},
        {"name": "P", "scope": "cluster", "namespaces": ["x"]},
    ],
)
def test_a_scope_that_contradicts_its_namespaces_is_refused(policy):
    with pytest.raises(EksError):
        small.access_scopes(entry(policies=[policy]))


def test_the_type_of_an_entry_is_fixed():
    with pytest.raises(EksError, match="type"):
        small.access_entry_changes(entry(type="EC2_LINUX"), ENTRY)


def described(wanted, **over):
    return {
        "LaunchTemplateId": "lt-1",
        "LatestVersionNumber": 1,
        "DefaultVersionNumber": 1,
        "data": small.template_data(wanted),
        "Tags": small.tag_list(wanted["tags"]),
        **over,
    }


def test_a_template_that_aws_describes_with_its_own_defaults_is_unchanged():
    wanted = template(security_group_ids=["sg-2", "sg-1"], node_tags={"b": "2", "a": "1"})
    current = described(wanted)
    current["data"]["MetadataOptions"]["HttpEndpoint"] = "enabled"
    current["data"]["SecurityGroupIds"].reverse()
    current["data"]["TagSpecifications"].reverse()
    assert small.launch_template_changes(wanted, current) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"disk_size_gib": 80},
        {"disk_type": "io2"},
        {"metadata_hop_limit": 1},
        {"key_name": "mine"},
        {"security_group_ids": ["sg-1"]},
        {"node_tags": {"a": "1"}},
    ],
)
def test_a_difference_makes_a_version_and_makes_it_the_default(wanted):
    found = small.launch_template_changes(template(**wanted), described(template()))
    assert [change.method for change in found] == [
        "create_launch_template_version",
        "modify_launch_template",
    ]
    assert found[1].request["DefaultVersion"] == "2"
    back = small.launch_template_changes(template(), described(template(**wanted)))
    assert len(back) == 2, "and what is no longer wanted goes away"


def test_an_interruption_between_the_two_calls_is_made_good():
    wanted = template(disk_size_gib=80)
    (found,) = small.launch_template_changes(wanted, described(wanted, LatestVersionNumber=2))
    assert (found.method, found.request["DefaultVersion"]) == ("modify_launch_template", "2")


def test_tags_of_a_template_are_corrected_but_never_removed():
    wanted = template(tags={"a": "1"})
    current = described(wanted, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    (found,) = small.launch_template_changes(wanted, current)
    assert found.request == {"Resources": ["lt-1"], "Tags": [{"Key": "a", "Value": "1"}]}


def test_only_the_role_of_an_association_changes():
    names = {"cluster_name": "c", "namespace": "n", "service_account": "s"}
    wanted = options.completed(options.POD_IDENTITY, {**names, "role_arn": "new"}, "association")
    current = {"associationId": "a-1", "associationArn": "arn", "roleArn": "old"}
    (found,) = small.pod_identity_changes(wanted, current)
    assert found.request == {"clusterName": "c", "associationId": "a-1", "roleArn": "new"}
    assert small.pod_identity_changes(wanted, {**current, "roleArn": "new"}) == []
