# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Validation, description, cost, kubeconfig, zones, rules and roles: all without AWS."""

from __future__ import annotations

import copy
import ipaddress
from pathlib import Path

import pytest
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.eks import cost, description
from ansible_collections.monitml.stack.plugins.module_utils.eks import network_parts as parts
from ansible_collections.monitml.stack.plugins.module_utils.eks import roles, validation
from ansible_collections.monitml.stack.plugins.module_utils.eks.errors import EksError
from ansible_collections.monitml.stack.plugins.module_utils.eks.kubeconfig import kubeconfig
from hypothesis import given
from hypothesis import strategies as st

ROLE = Path(__file__).resolve().parents[5] / "roles/eks"


def inputs(**over):
    """The role's defaults, as the role hands them to eks_stack_info."""
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    found = {key.removeprefix("eks_"): value for key, value in defaults.items()}
    found["stack"] = found["cluster_name"]
    return {**copy.deepcopy(found), **over}


def wrong(**over):
    return validation.problems(description.describe(inputs(**over)))


def test_the_defaults_are_sound():
    assert wrong() == []


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"cluster_name": "no spaces"}, "cannot name a cluster"),
        ({"vpc_cidr": "10.0.0.0/8"}, "between /16 and /28"),
        ({"vpc_cidr": "10.0.0.1/16"}, "host bits"),
        ({"private_subnets": ["10.0.1.0/24", "10.1.0.0/24"]}, "not inside"),
        ({"private_subnets": ["10.0.4.0/23", "10.0.2.0/24"]}, "overlap"),
        ({"private_subnets": ["10.0.1.0/24"]}, "two zones"),
        ({"private_subnets": ["10.0.1.0/29", "10.0.2.0/24"]}, "/28 or larger"),
        ({"public_subnets": []}, "needs a public subnet"),
        ({"ssh_cidrs": ["0.0.0.0/0"]}, "opens the nodes"),
        ({"ssh_cidrs": ["anywhere"]}, "not a network"),
        ({"service_cidr": "10.0.0.0/16"}, "overlaps the VPC"),
        ({"service_cidr": "172.16.0.0/28"}, "between /12 and /24"),
        ({"service_cidr": "8.8.0.0/16"}, "private one"),
        ({"kubernetes_version": "1.29"}, "no longer makes"),
        ({"kubernetes_version": "one"}, "not a Kubernetes version"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(over, words):
    assert any(words in sentence for sentence in wrong(**over)), wrong(**over)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"desired_size": 9}, "not between 1 and 5"),
        ({"min_size": 6}, "0 <= min_size <= max_size"),
        ({"max_size": 5000, "desired_size": 1}, "do not fit"),
        ({"instance_types": ["t2.medium"]}, "no longer sold"),
        ({"ami_type": "AL2_x86_64"}, "AL2023"),
    ],
)
def test_node_groups_are_checked(over, words):
    group = {**inputs()["node_groups"][0], **over}
    assert any(words in sentence for sentence in wrong(node_groups=[group]))


def test_two_node_groups_of_one_name_are_refused():
    assert any("Two node groups" in sentence for sentence in wrong(node_groups=inputs()["node_groups"] * 2))


def test_all_problems_are_told_at_once():
    assert len(wrong(cluster_name="a b", vpc_cidr="10.0.0.0/8", kubernetes_version="1.2")) == 3


@given(st.integers(16, 28), st.integers(16, 30))
def test_subnets_of_any_size_are_either_fine_or_explained(vpc, subnet):
    network = ipaddress.ip_network(f"10.0.0.0/{vpc}")
    cidrs = ["10.0.0.0/" + str(subnet), str(ipaddress.ip_network(f"10.0.64.0/{subnet}", strict=False))]
    settings = {"cidr": str(network), "private_subnets": cidrs, "public_subnets": [], "ssh_cidrs": []}
    found = validation.cidr_problems({**settings, "nat_gateway_enabled": False})
    nets = [ipaddress.ip_network(cidr) for cidr in cidrs]
    sound = subnet <= 28 and all(net.subnet_of(network) for net in nets) and not nets[0].overlaps(nets[1])
    assert (found == []) == sound


@pytest.mark.parametrize(
    ("region", "words"), [("us-east-9", "us-east-1"), ("", "No region"), ("nowhere", "eu-west-1")]
)
def test_a_region_is_checked_offline_and_the_near_ones_are_named(region, words):
    assert words in validation.region_problem(region, ["us-east-1", "eu-west-1"])
    assert validation.region_problem("us-east-1", ["us-east-1"]) is None


def test_the_layout_is_that_of_the_original():
    found = description.describe(inputs())
    assert found["network"]["name"] == "training-vpc"
    assert found["network"]["ssh_cidrs"] == ["10.0.0.0/8"]
    (group,) = found["nodegroups"]
    assert (group["name"], group["scaling"]) == (
        "worker-group-1",
        {"min_size": 1, "max_size": 5, "desired_size": 4},
    )
    assert group["ami_type"] == "AL2023_x86_64_STANDARD"
    assert found["cluster"]["authentication_mode"] == "API"
    assert [one["service_account"] for one in found["pod_identities"]] == ["ebs-csi-controller-sa"]


def test_everything_carries_the_stack_and_the_disks_of_pods_too():
    found = description.describe(inputs(tags={"team": "ml"}))
    owned = {"team": "ml", "monitml-stack": "training-eks"}
    assert found["cluster"]["tags"] == owned
    assert found["nodegroups"][0]["launch_template_data"]["node_tags"] == {**owned, "Name": "worker-group-1"}
    (driver,) = [one for one in found["addons"] if one["name"] == "aws-ebs-csi-driver"]
    assert driver["configuration"] == {"controller": {"extraVolumeTags": owned}}


def test_without_the_ebs_driver_there_is_no_role_for_it():
    found = description.describe(inputs(addons=[{"name": "coredns"}]))
    assert len(found["roles"]) == 2
    assert found["pod_identities"] == []


def test_a_missing_input_is_named():
    given_ = inputs()
    del given_["vpc_cidr"]
    with pytest.raises(EksError, match="vpc_cidr"):
        description.describe(given_)


def test_the_estimate_adds_up_and_admits_what_it_does_not_know():
    found = cost.estimate(description.describe(inputs()))
    nodes = 4 * (0.096 + 50 * 0.08 / 730)
    assert found["hourly_usd"] == pytest.approx(0.10 + 0.05 + nodes, abs=0.001)
    assert found["monthly_usd"] == pytest.approx(found["hourly_usd"] * 730, abs=1)
    group = {**inputs()["node_groups"][0], "instance_types": ["p9.huge"]}
    assert cost.estimate(description.describe(inputs(node_groups=[group])))["unknown"] == ["p9.huge"]
    assert cost.instance_hour("m6i.2xlarge") == pytest.approx(0.384)


def test_the_kubeconfig_names_profile_role_and_aliases():
    cluster = {"arn": "arn:aws:eks:eu-west-1:1:cluster/c", "name": "c", "endpoint": "https://x"}
    found = kubeconfig(cluster, alias="a", user_alias="u", role_arn="r", profile="p")
    (user,) = found["users"]
    assert user["user"]["exec"]["args"][-2:] == ["--role", "r"]
    assert user["user"]["exec"]["env"] == [{"name": "AWS_PROFILE", "value": "p"}]
    assert found["current-context"] == "a"
    assert found["contexts"][0]["context"] == {"cluster": cluster["arn"], "user": "u"}


ZONES = [{"ZoneName": f"us-east-1{letter}", "ZoneId": f"use1-az{i}"} for i, letter in enumerate("abc", 1)]


def test_zones_that_eks_cannot_use_are_left_out():
    assert parts.usable_zones(ZONES, None) == ["us-east-1a", "us-east-1b"]
    local = {"ZoneName": "us-east-1-bos-1a", "ZoneType": "local-zone"}
    closed = {"ZoneName": "us-east-1d", "OptInStatus": "not-opted-in"}
    down = {"ZoneName": "us-east-1e", "State": "impaired"}
    assert parts.usable_zones([*ZONES, local, closed, down], None) == ["us-east-1a", "us-east-1b"]
    assert parts.usable_zones(ZONES, ["us-east-1b", "us-east-1a"]) == ["us-east-1b", "us-east-1a"]


@pytest.mark.parametrize(("zones", "chosen"), [(ZONES[:1], None), (ZONES, ["us-east-1c"]), ([], None)])
def test_fewer_than_two_zones_are_refused(zones, chosen):
    with pytest.raises(EksError, match="zone"):
        parts.usable_zones(zones, chosen)


RULES = st.sets(
    st.tuples(
        st.just("tcp"), st.just(22), st.just(22), st.sampled_from(["10.0.0.0/8", "::/0", "sg-1", "sg-2"])
    )
)


@given(RULES)
def test_rules_survive_the_way_to_aws_and_back(rules):
    group = {"IpPermissions": [parts.permission_of(rule) for rule in sorted(rules)]}
    assert parts.group_rules(group) == rules


def test_trust_is_compared_by_meaning():
    trust = roles.trust_policy("eks.amazonaws.com")
    single = {"Version": "2012-10-17", "Statement": {**trust["Statement"][0], "Action": "sts:AssumeRole"}}
    assert roles.comparable_trust(single) == roles.comparable_trust(trust)
    pods = roles.trust_policy("pods.eks.amazonaws.com")["Statement"][0]["Action"]
    assert pods == ["sts:AssumeRole", "sts:TagSession"]


def test_a_role_differs_by_what_is_missing_not_by_what_others_added():
    wanted = roles.completed_role(
        {"name": "r", "service": "eks.amazonaws.com", "policies": ["P"]}, "aws-cn", "1", {"a": 1}
    )
    current = {
        "AssumeRolePolicyDocument": wanted["trust"],
        "policies": ["arn:aws-cn:iam::aws:policy/P", "arn:other"],
        "Tags": [{"Key": key, "Value": str(value)} for key, value in wanted["tags"].items()],
    }
    assert roles.role_differences(wanted, current) == {}
    current = {**current, "policies": [], "Tags": [], "AssumeRolePolicyDocument": {"Statement": []}}
    assert set(roles.role_differences(wanted, current)) == {"trust", "policies", "tags.a", "tags.Name"}
