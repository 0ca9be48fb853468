# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the network of a cluster consists of: names, tags, zones, rules. Nothing here asks AWS."""

from __future__ import annotations

from typing import Any

from .errors import EksError

STACK_TAG = "monitml-stack"
"""Every resource carries it; nothing without it is changed or deleted."""
PART_TAG = "monitml-part"
"""Which part of the network a resource is, so that it is found again under any name."""

ANYWHERE = "0.0.0.0/0"
UNFIT_ZONES = {"use1-az3", "usw1-az2", "cac1-az3"}
"""Zone ids in which EKS puts no control plane."""


def tags_of(resource: dict) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags") or []}


def tag_list(tags: dict[str, str]) -> list[dict]:
    return [{"Key": key, "Value": str(value)} for key, value in sorted(tags.items())]


def specification(kind: str, tags: dict[str, str]) -> list[dict]:
    """TagSpecifications, which tag a resource in the call that makes it."""
    return [{"ResourceType": kind, "Tags": tag_list(tags)}]


def wrong_tags(resource: dict, wanted: dict[str, str]) -> dict[str, str]:
    have = tags_of(resource)
    return {key: str(value) for key, value in wanted.items() if have.get(key) != str(value)}


def part_tags(wanted: dict, part: str, name: str) -> dict[str, str]:
    """Tags of one part: the user's, its name, its owner and its part."""
    own = {"Name": name, STACK_TAG: wanted["stack"], PART_TAG: part}
    return {**{key: str(value) for key, value in (wanted["tags"] or {}).items()}, **own}


def vpc_tags(wanted: dict) -> dict[str, str]:
    shared = {f"kubernetes.io/cluster/{wanted['cluster_name']}": "shared"}
    return {**part_tags(wanted, "vpc", wanted["name"]), **shared}


def subnet_tags(wanted: dict, public: bool, zone: str) -> dict[str, str]:
    """The tags by which load balancer controllers find their subnets."""
    kind = "public" if public else "private"
    tags = part_tags(wanted, f"subnet-{kind}", f"{wanted['name']}-{kind}-{zone}")
    tags[f"kubernetes.io/cluster/{wanted['cluster_name']}"] = "shared"
    tags["kubernetes.io/role/elb" if public else "kubernetes.io/role/internal-elb"] = "1"
    return tags


def usable_zones(zones: list[dict], chosen: list[str] | None) -> list[str]:
    """Names of the zones to spread over, sorted; raises EksError for fewer than two."""
    fit = sorted(
        zone["ZoneName"]
        for zone in zones
        if zone.get("State", "available") == "available"
        and zone.get("ZoneType", "availability-zone") == "availability-zone"
        and zone.get("OptInStatus", "opt-in-not-required") != "not-opted-in"
        and zone.get("ZoneId") not in UNFIT_ZONES
    )
    if chosen:
        unknown = sorted(set(chosen) - set(fit))
        if unknown:
            raise EksError(f"No usable availability zone {', '.join(unknown)}; there are {', '.join(fit)}.")
        fit = list(chosen)
    if len(set(fit)) < 2:
        raise EksError(f"EKS needs two availability zones; usable here: {', '.join(fit) or 'none'}.")
    return fit


def ssh_rules(cidrs: list[str]) -> set[tuple]:
    """(protocol, from, to, network) of SSH from these networks."""
    return {("tcp", 22, 22, cidr) for cidr in cidrs}


def group_rules(group: dict) -> set[tuple]:
    """A security group's inbound rules; what is not a plain network rule counts as itself."""
    rules = set()
    for permission in group.get("IpPermissions") or []:
        head = (permission["IpProtocol"], permission.get("FromPort"), permission.get("ToPort"))
        rules |= {(*head, entry["CidrIp"]) for entry in permission.get("IpRanges") or []}
        rules |= {(*head, entry["CidrIpv6"]) for entry in permission.get("Ipv6Ranges") or []}
        rules |= {(*head, entry["GroupId"]) for entry in permission.get("UserIdGroupPairs") or []}
    return rules


def permission_of(rule: tuple) -> dict[str, Any]:
    """The IpPermission of one rule of group_rules()."""
    protocol, first, last, source = rule
    permission: dict[str, Any] = {"IpProtocol": protocol}
    if first is not None:
        permission.update({"FromPort": first, "ToPort": last})
    if source.startswith("sg-"):
        permission["UserIdGroupPairs"] = [{"GroupId": source}]
    elif ":" in source:
        permission["Ipv6Ranges"] = [{"CidrIpv6": source}]
    else:
        permission["IpRanges"] = [{"CidrIp": source}]
    return permission


def default_route(table: dict) -> dict | None:
    for route in table.get("Routes") or []:
        if route.get("DestinationCidrBlock") == ANYWHERE:
            return route
    return None


def association(tables: list[dict], subnet_id: str) -> tuple[str, str] | None:
    """(table id, association id) of a subnet, or None when it uses the main table."""
    for table in tables:
        for entry in table.get("Associations") or []:
            if entry.get("SubnetId") == subnet_id:
                return table["RouteTableId"], entry["RouteTableAssociationId"]
    return None


def only_one(what: str, found: list[dict], key: str) -> dict | None:
    """The single item, or None; raises EksError when the choice is ambiguous."""
    if len(found) > 1:
        ids = ", ".join(sorted(item[key] for item in found))
        raise EksError(f"There are {len(found)} {what} with this stack's tag: {ids}. Keep one.")
    return found[0] if found else None
