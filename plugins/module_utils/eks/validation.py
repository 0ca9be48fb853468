# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the description of a cluster, told before AWS is asked anything."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .changes import minor
from .errors import EksError

OLDEST_MINOR = 33
"""The oldest Kubernetes 1.x that AWS still runs without extended support's end near, Nov 2026."""
FIRST_WITHOUT_AL2 = 33
CLUSTER_NAME = re.compile(r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")
RESERVED_ADDRESSES = 5
"""Addresses that AWS keeps of every subnet."""


def near(word: str, words: list[str]) -> str:
    """The words that start like this one, to help a person who mistyped."""
    alike = [other for other in words if other.split("-")[0] == word.split("-")[0]]
    return ", ".join(alike or words)


def region_problem(region: str | None, regions: list[str]) -> str | None:
    if not region:
        return "No region is given. Set eks_region."
    if region not in regions:
        return f"EKS has no region {region!r}. There are {near(region, sorted(regions))}."
    return None


def network_of(text: str, what: str) -> Any:
    """The IPv4 network; raises EksError when host bits are set or it is no network."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise EksError(f"{what} {text!r} is not a network: {error}") from error


def cidr_problems(network: dict) -> list[str]:
    """Shape of the VPC and its subnets: sizes, inside, not overlapping."""
    try:
        vpc = network_of(network["cidr"], "The VPC")
        private = [network_of(cidr, "The private subnet") for cidr in network["private_subnets"]]
        public = [network_of(cidr, "The public subnet") for cidr in network["public_subnets"]]
        for cidr in network["ssh_cidrs"]:
            network_of(cidr, "The SSH source")
    except EksError as error:
        return [error.message]
    problems = []
    if not 16 <= vpc.prefixlen <= 28:
        problems.append(f"The VPC {vpc} must be between /16 and /28.")
    subnets = private + public
    for index, subnet in enumerate(subnets):
        if subnet.prefixlen > 28:
            problems.append(f"The subnet {subnet} must be /28 or larger.")
        if not subnet.subnet_of(vpc):
            problems.append(f"The subnet {subnet} is not inside the VPC {vpc}.")
        for other in subnets[:index]:
            if subnet.overlaps(other):
                problems.append(f"The subnets {other} and {subnet} overlap.")
    if len(private) < 2:
        problems.append("EKS needs private subnets in two zones; give at least two.")
    if network["nat_gateway_enabled"] and not public:
        problems.append("A NAT gateway needs a public subnet.")
    for cidr in network["ssh_cidrs"]:
        if ipaddress.IPv4Network(cidr).prefixlen == 0:
            problems.append("SSH from 0.0.0.0/0 opens the nodes to everybody; name your networks.")
    return problems


def service_cidr_problems(service: str | None, vpc: str) -> list[str]:
    if not service:
        return []
    try:
        services, network = network_of(service, "The service network"), network_of(vpc, "The VPC")
    except EksError as error:
        return [error.message]
    problems = []
    if not 12 <= services.prefixlen <= 24:
        problems.append(f"The service network {services} must be between /12 and /24.")
    if not services.is_private:
        problems.append(f"The service network {services} must be a private one.")
    if services.overlaps(network):
        problems.append(f"The service network {services} overlaps the VPC {network}.")
    return problems


def version_problems(version: str, nodegroups: list[dict]) -> list[str]:
    try:
        number = minor(version)
    except EksError as error:
        return [error.message + "."]
    if number < OLDEST_MINOR:
        return [f"EKS no longer makes clusters of {version}; take 1.{OLDEST_MINOR} or later."]
    problems = []
    for group in nodegroups:
        if str(group.get("ami_type", "")).startswith("AL2_"):
            problems.append(
                f"Node group {group['name']}: Amazon Linux 2 has ended; take AL2023_x86_64_STANDARD."
            )
    return problems


def nodegroup_problems(nodegroups: list[dict], private_subnets: list[str]) -> list[str]:
    problems = []
    names = [group["name"] for group in nodegroups]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"Two node groups are named {name}.")
    try:
        sizes = [network_of(cidr, "subnet").num_addresses for cidr in private_subnets]
    except EksError:
        return problems  # cidr_problems() has told it
    room = sum(size - RESERVED_ADDRESSES for size in sizes)
    for group in nodegroups:
        scaling = group.get("scaling") or {}
        low, high = scaling.get("min_size"), scaling.get("max_size")
        now = scaling.get("desired_size")
        title = f"Node group {group['name']}"
        if low is None or high is None or not 0 <= low <= high or high < 1:
            problems.append(f"{title}: sizes must be 0 <= min_size <= max_size and max_size >= 1.")
        elif now is not None and not low <= now <= high:
            problems.append(f"{title}: desired_size {now} is not between {low} and {high}.")
        elif high > room:
            problems.append(f"{title}: {high} nodes do not fit into {room} addresses.")
        for instance in group.get("instance_types") or []:
            if instance.split(".")[0] in ("t1", "t2", "m1", "m2", "m3", "c1", "c3"):
                problems.append(f"{title}: {instance} is of a generation that is no longer sold.")
    return problems


def problems(description: dict) -> list[str]:
    """Everything wrong with a description, each a sentence that says what to do."""
    name = description["cluster"]["name"]
    found = []
    if not CLUSTER_NAME.match(name):
        found.append(f"{name!r} cannot name a cluster: letters, digits, - and _, at most 100.")
    network, groups = description["network"], description["nodegroups"]
    found += cidr_problems(network)
    found += service_cidr_problems(description["cluster"].get("service_ipv4_cidr"), network["cidr"])
    found += version_problems(description["cluster"]["version"], groups)
    found += nodegroup_problems(groups, network["private_subnets"])
    return found
