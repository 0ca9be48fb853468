# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which calls follow from which difference, for clusters and node groups."""

from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.eks import (
    changes,
    cluster_changes,
    nodegroup_changes,
    options,
)
from ansible_collections.monitml.stack.plugins.module_utils.eks.errors import EksError
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.dictionaries(st.text("abc/", min_size=1, max_size=3), st.text("xyz", max_size=2), max_size=5)

CLUSTER = {
    "name": "training-eks",
    "arn": "arn:aws:eks:us-east-2:123456789012:cluster/training-eks",
    "version": "1.34",
    "roleArn": "arn:aws:iam::123456789012:role/cluster",
    "resourcesVpcConfig": {
        "subnetIds": ["subnet-a", "subnet-b"],
        "securityGroupIds": [],
        "endpointPublicAccess": True,
        "endpointPrivateAccess": False,
        "publicAccessCidrs": ["0.0.0.0/0"],
    },
    "accessConfig": {"authenticationMode": "CONFIG_MAP"},
    "logging": {"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]},
    "upgradePolicy": {"supportType": "EXTENDED"},
    "tags": {"team": "ml"},
}
NODEGROUP = {
    "nodegroupName": "workers",
    "nodegroupArn": "arn:aws:eks:us-east-2:123456789012:nodegroup/c/workers/1",
    "version": "1.34",
    "releaseVersion": "1.34.1-1",
    "nodeRole": "arn:aws:iam::123456789012:role/node",
    "subnets": ["subnet-a", "subnet-b"],
    "amiType": "AL2023_x86_64_STANDARD",
    "instanceTypes": ["m6i.large"],
    "capacityType": "ON_DEMAND",
    "labels": {"a": "1", "b": "2"},
    "taints": [{"key": "gpu", "value": "yes", "effect": "NO_SCHEDULE"}],
    "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 4},
    "updateConfig": {"maxUnavailable": 1},
    "launchTemplate": {"id": "lt-1", "name": "workers", "version": "1"},
    "tags": {},
}


def cluster(**wanted):
    return options.completed(options.CLUSTER, {"name": "training-eks", **wanted}, "cluster")


def group(**wanted):
    names = {"cluster_name": "c", "name": "workers"}
    return options.completed(options.NODEGROUP, {**names, **wanted}, "node group")


def calls(found):
    return [change.method for change in found]


@pytest.mark.parametrize(
    ("wanted", "request_"),
    [
        ({"endpoint_private_access": True}, {"resourcesVpcConfig": {"endpointPrivateAccess": True}}),
        (
            {"public_access_cidrs": ["203.0.113.0/24"]},
            {"resourcesVpcConfig": {"publicAccessCidrs": ["203.0.113.0/24"]}},
        ),
        (
            {"subnet_ids": ["subnet-a", "subnet-c"]},
            {"resourcesVpcConfig": {"subnetIds": ["subnet-a", "subnet-c"]}},
        ),
        ({"security_group_ids": ["sg-1"]}, {"resourcesVpcConfig": {"securityGroupIds": ["sg-1"]}}),
        ({"support_type": "STANDARD"}, {"upgradePolicy": {"supportType": "STANDARD"}}),
        ({"deletion_protection_enabled": True}, {"deletionProtection": True}),
        (
            {"log_types": ["audit", "scheduler"]},
            {
                "logging": {
                    "clusterLogging": [
                        {"types": ["scheduler"], "enabled": True},
                        {"types": ["api"], "enabled": False},
                    ]
                }
            },
        ),
        (
            {"authentication_mode": "API_AND_CONFIG_MAP"},
            {"accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}},
        ),
    ],
)
def test_each_difference_is_one_call_that_changes_only_it(wanted, request_):
    found = cluster_changes.cluster_changes(cluster(**wanted), CLUSTER)
    assert calls(found) == ["update_cluster_config"]
    assert found[0].request == {"name": "training-eks", **request_}
    assert found[0].waits
    assert list(found[0].fields) == list(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"subnet_ids": ["subnet-b", "subnet-a"]},
        {"log_types": ["audit", "api"]},
        {"version": "1.34", "support_type": "EXTENDED", "tags": {"team": "ml"}},
        {"security_group_ids": [], "deletion_protection_enabled": False},
        {"authentication_mode": "CONFIG_MAP"},
    ],
)
def test_what_is_equal_but_for_its_order_is_no_change(wanted):
    assert cluster_changes.cluster_changes(cluster(**wanted), CLUSTER) == []


def test_every_kind_of_change_has_its_own_call_because_aws_takes_one_at_a_time():
    wanted = cluster(
        endpoint_private_access=True,
        subnet_ids=["subnet-c", "subnet-d"],
        log_types=[],
        support_type="STANDARD",
        authentication_mode="API",
    )
    found = cluster_changes.cluster_changes(wanted, CLUSTER)
    assert [sorted(set(change.request) - {"name"})[0] for change in found] == [
        "resourcesVpcConfig",
        "resourcesVpcConfig",
        "accessConfig",
        "accessConfig",
        "logging",
        "upgradePolicy",
    ]


def test_an_upgrade_takes_every_minor_version_and_comes_before_the_support_type():
    found = cluster_changes.cluster_changes(cluster(version="1.36", support_type="STANDARD"), CLUSTER)
    assert [change.request.get("version") for change in found] == ["1.35", "1.36", None]
    assert found[0].fields == {"version": ("1.34", "1.36")}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"version": "1.33"}, "cannot go back to 1.33"),
        ({"version": "latest"}, "not a Kubernetes version"),
        ({"role_arn": "arn:other"}, "role_arn is"),
        ({"service_ipv4_cidr": "10.200.0.0/16"}, "service_ipv4_cidr is"),
    ],
)
def test_what_aws_cannot_change_is_refused_with_a_reason(wanted, words):
    with pytest.raises(EksError, match=words):
        cluster_changes.cluster_changes(cluster(**wanted), CLUSTER)


def test_authentication_never_goes_back():
    current = {**CLUSTER, "accessConfig": {"authenticationMode": "API"}}
    with pytest.raises(EksError, match="cannot go back to CONFIG_MAP"):
        cluster_changes.cluster_changes(cluster(authentication_mode="CONFIG_MAP"), current)


def test_encryption_is_added_once_and_never_changed():
    added = cluster_changes.cluster_changes(cluster(encryption_key_arn="key-1"), CLUSTER)
    assert calls(added) == ["associate_encryption_config"]
    current = {**CLUSTER, "encryptionConfig": cluster_changes.encryption("key-1")}
    assert cluster_changes.cluster_changes(cluster(encryption_key_arn="key-1"), current) == []
    with pytest.raises(EksError, match="encryption_key_arn"):
        cluster_changes.cluster_changes(cluster(encryption_key_arn="key-2"), current)


def test_a_new_cluster_uses_access_entries_and_no_empty_options():
    request = cluster_changes.cluster_request(cluster(role_arn="r", subnet_ids=["a", "b"], log_types=[]))
    assert request["accessConfig"]["authenticationMode"] == "API"
    assert not {"logging", "upgradePolicy", "tags", "version"} & set(request)


@pytest.mark.parametrize(
    ("wanted", "request_"),
    [
        ({"labels": {"a": "1", "b": "3"}}, {"labels": {"addOrUpdateLabels": {"b": "3"}}}),
        ({"labels": {"a": "1"}}, {"labels": {"removeLabels": ["b"]}}),
        (
            {"taints": [{"key": "gpu", "value": "no", "effect": "NO_SCHEDULE"}]},
            {
                "taints": {
                    "addOrUpdateTaints": [{"key": "gpu", "value": "no", "effect": "NO_SCHEDULE"}]
                }
            },
        ),
        (
            {"taints": []},
            {"taints": {"removeTaints": [{"key": "gpu", "value": "yes", "effect": "NO_SCHEDULE"}]}},
        ),
        (
            {"scaling": {"min_size": 2, "max_size": 5, "desired_size": 4}},
            {"scalingConfig": {"minSize": 2, "maxSize": 5, "desiredSize": 4}},
        ),
        ({"update": {"max_unavailable": 2}}, {"updateConfig": {"maxUnavailable": 2}}),
        (
            {"update": {"max_unavailable_percentage": 50}},
            {"updateConfig": {"maxUnavailablePercentage": 50}},
        ),
        ({"node_repair_enabled": True}, {"nodeRepairConfig": {"enabled": True}}),
    ],
)
def test_a_node_group_is_changed_in_one_call_that_names_only_the_difference(wanted, request_):
    found = nodegroup_changes.nodegroup_changes(group(**wanted), NODEGROUP)
    assert calls(found) == ["update_nodegroup_config"]
    assert found[0].request == {"clusterName": "c", "nodegroupName": "workers", **request_}


def test_without_a_desired_size_an_autoscaler_decides():
    wanted = group(scaling={"min_size": 1, "max_size": 5})
    assert nodegroup_changes.nodegroup_changes(wanted, {**NODEGROUP, "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 2}}) == []


def test_version_release_and_template_go_in_one_call():
    template = {"name": "workers", "version": "2"}
    wanted = group(version="1.35", launch_template=template, force_update_enabled=True)
    (found,) = nodegroup_changes.nodegroup_changes(wanted, NODEGROUP)
    assert found.method == "update_nodegroup_version"
    assert found.request["version"] == "1.35"
    assert found.request["launchTemplate"] == template
    assert found.request["force"] is True


@pytest.mark.parametrize(
    "wanted",
    [
        {"ami_type": "BOTTLEROCKET_x86_64"},
        {"instance_types": ["m7i.large"]},
        {"capacity_type": "SPOT"},
        {"subnet_ids": ["subnet-a"]},
        {"node_role_arn": "arn:other"},
        {"launch_template": {"name": "others"}},
        {"version": "1.33"},
    ],
)
def test_what_a_node_group_cannot_become_is_refused(wanted):
    with pytest.raises(EksError):
        nodegroup_changes.nodegroup_changes(group(**wanted), NODEGROUP)


def apply_labels(payload, current):
    kept = {k: v for k, v in current.items() if k not in payload.get("removeLabels", [])}
    return {**kept, **payload.get("addOrUpdateLabels", {})}


@given(WORDS, WORDS)
def test_labels_become_what_is_wanted_and_then_stay(wanted, current):
    payload = nodegroup_changes._label_payload(wanted, current)
    assert apply_labels(payload, current) == wanted
    assert nodegroup_changes._label_payload(wanted, wanted) == {}


TAINTS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from("abc"),
            "value": st.sampled_from(["", "x", "y"]),
            "effect": st.sampled_from(["NO_SCHEDULE", "NO_EXECUTE"]),
        }
    ),
    unique_by=lambda taint: (taint["key"], taint["effect"]),
)


@given(TAINTS, TAINTS)
def test_taints_become_what_is_wanted_and_then_stay(wanted, current):
    payload = nodegroup_changes._taint_payload(wanted, current)

    def keyed(taints):
        return {(taint["key"], taint["effect"]): taint["value"] for taint in taints}

    have = keyed(current)
    for taint in payload.get("removeTaints", []):
        del have[(taint["key"], taint["effect"])]
    have.update(keyed(payload.get("addOrUpdateTaints", [])))
    assert have == keyed(wanted)
    assert nodegroup_changes._taint_payload(wanted, list(reversed(wanted))) == {}


@given(WORDS, WORDS, st.booleans())
def test_tags_become_what_is_wanted_and_aws_keeps_its_own(wanted, current, purge):
    have = {**current, "aws:mine": "1"}
    for change in changes.tag_changes("arn", have, wanted, purge):
        have.update(change.request.get("tags", {}))
        for key in change.request.get("tagKeys", []):
            del have[key]
    assert have.pop("aws:mine") == "1"
    assert have == (wanted if purge else {**current, **wanted})
    assert changes.tag_changes("arn", current, None, purge) == []
