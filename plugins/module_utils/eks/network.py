# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VPC of a cluster: made piece by piece, each tagged by the call that makes it.

In check mode the same code runs with every writing call left out, so that what it would do is
what it does.
"""

from __future__ import annotations

from typing import Any

from . import network_parts as parts
from .api import Api, Waiting
from .errors import EksError
from .network_parts import STACK_TAG

FRESH_ATTEMPTS = 20
"""How often a call is tried again because EC2 does not know yet what it has just made."""


class Network:
    """VPC, internet gateway, subnets, routes, SSH group and NAT gateway of one stack.

    wanted: the options of eks_network. actions: what was or would be done, in order, each
    {step, title, call}.
    """

    def __init__(self, api: Api, wanted: dict, waiting: Waiting, check: bool = False) -> None:
        self.api = api
        self.wanted = wanted
        self.waiting = waiting
        self.check = check
        self.actions: list[dict] = []
        self.step = "network"

    # -- reading -------------------------------------------------------------------------

    def find_vpc(self) -> dict | None:
        """Our VPC, or None; raises EksError when there are two, or when the name is taken."""
        owner = {"Name": f"tag:{STACK_TAG}", "Values": [self.wanted["stack"]]}
        ours = self.api.pages("describe_vpcs", "Vpcs", Filters=[owner])
        vpc = parts.only_one("VPCs", ours, "VpcId")
        if vpc:
            return vpc
        named = {"Name": "tag:Name", "Values": [self.wanted["name"]]}
        others = self.api.pages("describe_vpcs", "Vpcs", Filters=[named])
        if others:
            ids = ", ".join(sorted(other["VpcId"] for other in others))
            raise EksError(
                f"The VPC {ids} is named {self.wanted['name']} but does not carry the tag"
                f" {STACK_TAG}={self.wanted['stack']}, so it is not this stack's."
                " Choose another name for the VPC."
            )
        return None

    def inside(self, method: str, key: str, vpc_id: str, filter_name: str = "vpc-id") -> list[dict]:
        name = "Filter" if method == "describe_nat_gateways" else "Filters"
        wanted = [{"Name": filter_name, "Values": [vpc_id]}]
        return self.api.pages(method, key, **{name: wanted})

    def ours(self, found: list[dict], part: str | None = None) -> list[dict]:
        """Those with this stack's tag and, if given, of one part."""
        mine = []
        for item in found:
            tags = parts.tags_of(item)
            if tags.get(STACK_TAG) == self.wanted["stack"]:
                if part is None or tags.get(parts.PART_TAG) == part:
                    mine.append(item)
        return mine

    def addresses(self) -> list[dict]:
        owner = {"Name": f"tag:{STACK_TAG}", "Values": [self.wanted["stack"]]}
        return self.api.call("describe_addresses", Filters=[owner])["Addresses"]

    def nat_gateways(self, vpc_id: str, *states: str) -> list[dict]:
        found = self.inside("describe_nat_gateways", "NatGateways", vpc_id)
        return [gateway for gateway in self.ours(found) if gateway["State"] in states]

    # -- writing -------------------------------------------------------------------------

    def note(self, title: str, method: str) -> None:
        self.actions.append({"step": self.step, "title": title, "call": method})

    def do(self, title: str, method: str, **request: Any) -> dict:
        """One writing call, noted; in check mode only noted, and answered by {}."""
        self.note(title, method)
        if self.check:
            return {}
        for attempt in range(FRESH_ATTEMPTS):
            try:
                return self.api.call(method, **request)
            except EksError as error:
                fresh = (error.code or "").endswith(".NotFound")
                if not fresh or attempt == FRESH_ATTEMPTS - 1:
                    raise
                self.waiting.sleep(min(2.0, self.waiting.delay_seconds))
        raise AssertionError("the loop above returns or raises")

    def tag(self, title: str, resource_id: str, resource: dict, wanted: dict) -> None:
        wrong = parts.wrong_tags(resource, wanted)
        if wrong:
            names = ", ".join(sorted(wrong))
            request = {"Resources": [resource_id], "Tags": parts.tag_list(wrong)}
            self.do(f"Correct tags of {title}: {names}", "create_tags", **request)

    def converge(self) -> dict[str, Any]:
        """Makes the network what it should be; returns its ids (None for what check mode lacks)."""
        self.step = "network"
        vpc_id = self.ensure_vpc()
        gateway_id = self.ensure_internet_gateway(vpc_id)
        public, private = self.ensure_subnets(vpc_id)
        tables = self.inside("describe_route_tables", "RouteTables", vpc_id) if vpc_id else []
        target = {"GatewayId": gateway_id}
        self.ensure_routes("public", vpc_id, tables, public, target, "the internet gateway")
        group_id = self.ensure_ssh_group(vpc_id)
        nat = {"nat_gateway_id": None, "nat_address": None}
        if self.wanted["nat_gateway_enabled"]:
            self.step = "nat"
            nat = self.ensure_nat(vpc_id, public)
            target = {"NatGatewayId": nat["nat_gateway_id"]}
            self.ensure_routes("private", vpc_id, tables, private, target, "the NAT gateway")
        return {
            "vpc_id": vpc_id,
            "internet_gateway_id": gateway_id,
            "public_subnet_ids": [subnet_id for subnet_id in public if subnet_id],
            "private_subnet_ids": [subnet_id for subnet_id in private if subnet_id],
            "ssh_security_group_id": group_id,
            **nat,
        }

    def ensure_vpc(self) -> str | None:
        wanted, vpc = self.wanted, self.find_vpc()
        tags = parts.vpc_tags(wanted)
        title = f"VPC {wanted['name']}"
        if vpc is None:
            answer = self.do(
                f"Make {title} {wanted['cidr']}",
                "create_vpc",
                CidrBlock=wanted["cidr"],
                TagSpecifications=parts.specification("vpc", tags),
            )
            vpc_id = answer.get("Vpc", {}).get("VpcId")
        else:
            vpc_id = vpc["VpcId"]
            if vpc["CidrBlock"] != wanted["cidr"]:
                raise EksError(
                    f"{title} ({vpc_id}) is {vpc['CidrBlock']}; AWS cannot make it"
                    f" {wanted['cidr']}. Destroy the stack or keep the network."
                )
            self.tag(title, vpc_id, vpc, tags)
        for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
            self.ensure_dns(title, vpc_id, attribute, fresh=vpc is None)
        return vpc_id

    def ensure_dns(self, title: str, vpc_id: str | None, attribute: str, fresh: bool) -> None:
        if fresh and attribute == "EnableDnsSupport":
            return  # AWS switches this one on by itself
        if not fresh:
            key = attribute[0].lower() + attribute[1:]
            request = {"VpcId": vpc_id, "Attribute": key}
            if self.api.call("describe_vpc_attribute", **request)[attribute]["Value"]:
                return
        request = {"VpcId": vpc_id, attribute: {"Value": True}}
        self.do(f"Switch on {attribute[6:]} of {title}", "modify_vpc_attribute", **request)

    def ensure_internet_gateway(self, vpc_id: str | None) -> str | None:
        wanted = self.wanted
        tags = parts.part_tags(wanted, "internet-gateway", wanted["name"])
        owner = {"Name": f"tag:{STACK_TAG}", "Values": [wanted["stack"]]}
        listing = ("describe_internet_gateways", "InternetGateways")
        ours = self.api.pages(*listing, Filters=[owner])
        gateway = parts.only_one("internet gateways", ours, "InternetGatewayId")
        if gateway is None and vpc_id and self.inside(*listing, vpc_id, "attachment.vpc-id"):
            raise EksError(f"An internet gateway that is not this stack's is attached to {vpc_id}.")
        if gateway is None:
            answer = self.do(
                "Make the internet gateway",
                "create_internet_gateway",
                TagSpecifications=parts.specification("internet-gateway", tags),
            )
            gateway = answer.get("InternetGateway", {})
        else:
            self.tag("the internet gateway", gateway["InternetGatewayId"], gateway, tags)
        gateway_id = gateway.get("InternetGatewayId")
        if not gateway.get("Attachments"):
            request = {"InternetGatewayId": gateway_id, "VpcId": vpc_id}
            self.do("Attach the internet gateway", "attach_internet_gateway", **request)
        return gateway_id

    def ensure_subnets(self, vpc_id: str | None) -> tuple[list, list]:
        """(public ids, private ids), in the order in which they were given."""
        found = self.inside("describe_subnets", "Subnets", vpc_id) if vpc_id else []
        by_cidr = {subnet["CidrBlock"]: subnet for subnet in found}
        answer = self.api.call("describe_availability_zones")["AvailabilityZones"]
        zones = parts.usable_zones(answer, self.wanted["availability_zones"])
        ids: dict[bool, list] = {True: [], False: []}
        for public, cidrs in ((False, self.wanted["private_subnets"]), (True, self.wanted["public_subnets"])):
            for index, cidr in enumerate(cidrs):
                # With more subnets than zones, start again with the first.
                zone = zones[index % len(zones)]
                ids[public].append(self.ensure_subnet(vpc_id, by_cidr.get(cidr), cidr, zone, public))
        return ids[True], ids[False]

    def ensure_subnet(self, vpc_id, subnet: dict | None, cidr: str, zone: str, public: bool):
        title = f"{'public' if public else 'private'} subnet {cidr}"
        if subnet is None:
            tags = parts.subnet_tags(self.wanted, public, zone)
            answer = self.do(
                f"Make {title} in {zone}",
                "create_subnet",
                VpcId=vpc_id,
                CidrBlock=cidr,
                AvailabilityZone=zone,
                TagSpecifications=parts.specification("subnet", tags),
            )
            subnet = answer.get("Subnet", {})
        else:
            if not self.ours([subnet]):
                raise EksError(
                    f"The {title} ({subnet['SubnetId']}) lies in our VPC but does not carry the tag"
                    f" {STACK_TAG}={self.wanted['stack']}."
                )
            tags = parts.subnet_tags(self.wanted, public, subnet["AvailabilityZone"])
            self.tag(title, subnet["SubnetId"], subnet, tags)
        if public and not subnet.get("MapPublicIpOnLaunch"):
            request = {"SubnetId": subnet.get("SubnetId"), "MapPublicIpOnLaunch": {"Value": True}}
            self.do(f"Give public addresses in {title}", "modify_subnet_attribute", **request)
        return subnet.get("SubnetId")

    def ensure_routes(self, kind, vpc_id, tables, subnet_ids, target: dict, via: str) -> None:
        """The route table of one kind of subnet: its default route and its subnets."""
        tags = parts.part_tags(self.wanted, f"routes-{kind}", f"{self.wanted['name']}-{kind}")
        ours = self.ours(tables, f"routes-{kind}")
        table = parts.only_one(f"{kind} route tables", ours, "RouteTableId")
        title = f"the {kind} route table"
        if table is None:
            answer = self.do(
                f"Make {title}",
                "create_route_table",
                VpcId=vpc_id,
                TagSpecifications=parts.specification("route-table", tags),
            )
            table = answer.get("RouteTable", {})
        else:
            self.tag(title, table["RouteTableId"], table, tags)
        table_id = table.get("RouteTableId")
        route = parts.default_route(table)
        request = {"RouteTableId": table_id, "DestinationCidrBlock": parts.ANYWHERE, **target}
        if route is None:
            self.do(f"Route {title} through {via}", "create_route", **request)
        elif any(route.get(key) != value for key, value in target.items()):
            self.do(f"Correct the default route of {title}", "replace_route", **request)
        for subnet_id in subnet_ids:
            have = parts.association(tables, subnet_id) if subnet_id else None
            if have is None:
                request = {"RouteTableId": table_id, "SubnetId": subnet_id}
                self.do(f"Put a subnet under {title}", "associate_route_table", **request)
            elif have[0] != table_id:
                request = {"AssociationId": have[1], "RouteTableId": table_id}
                title_ = f"Put {subnet_id} back under {title}"
                self.do(title_, "replace_route_table_association", **request)

    def ensure_ssh_group(self, vpc_id: str | None) -> str | None:
        wanted, name = self.wanted, self.wanted["ssh_group_name"]
        tags = parts.part_tags(wanted, "ssh", name)
        groups = self.inside("describe_security_groups", "SecurityGroups", vpc_id) if vpc_id else []
        group = parts.only_one("SSH security groups", self.ours(groups, "ssh"), "GroupId")
        if group is None and any(other["GroupName"] == name for other in groups):
            raise EksError(f"A security group {name} that is not this stack's is in {vpc_id}.")
        if group is None:
            answer = self.do(
                f"Make security group {name}",
                "create_security_group",
                GroupName=name,
                Description="SSH to the nodes",
                VpcId=vpc_id,
                TagSpecifications=parts.specification("security-group", tags),
            )
            group = {"GroupId": answer.get("GroupId")}
        else:
            self.tag(f"security group {name}", group["GroupId"], group, tags)
        want, have = parts.ssh_rules(wanted["ssh_cidrs"]), parts.group_rules(group)
        for rules, method, verb in (
            (want - have, "authorize_security_group_ingress", "Allow"),
            (have - want, "revoke_security_group_ingress", "Forbid"),
        ):
            if rules:
                sources = ", ".join(sorted(rule[3] for rule in rules))
                permissions = [parts.permission_of(rule) for rule in sorted(rules, key=str)]
                request = {"GroupId": group["GroupId"], "IpPermissions": permissions}
                self.do(f"{verb} SSH from {sources}", method, **request)
        return group["GroupId"]

    def ensure_nat(self, vpc_id: str | None, public_ids: list) -> dict[str, str | None]:
        if vpc_id and not self.check and self.nat_gateways(vpc_id, "deleting"):
            # Its address is free only once it is gone.
            self.wait_no_nat(vpc_id)
        found = self.nat_gateways(vpc_id, "pending", "available") if vpc_id else []
        gateway = parts.only_one("NAT gateways", found, "NatGatewayId")
        tags = parts.part_tags(self.wanted, "nat", self.wanted["name"])
        if gateway is None:
            address = self.ensure_address()
            answer = self.do(
                "Make the NAT gateway",
                "create_nat_gateway",
                SubnetId=public_ids[0] if public_ids else None,
                AllocationId=address.get("AllocationId"),
                TagSpecifications=parts.specification("natgateway", tags),
            )
            gateway = answer.get("NatGateway", {})
        else:
            self.tag("the NAT gateway", gateway["NatGatewayId"], gateway, tags)
            address = (gateway.get("NatGatewayAddresses") or [{}])[0]
        if not self.check and self.waiting.enabled:
            gateway = self.wait_nat(gateway["NatGatewayId"])
        elif gateway.get("State") == "pending":
            self.note("Wait for the NAT gateway", "describe_nat_gateways")
        return {
            "nat_gateway_id": gateway.get("NatGatewayId"),
            "nat_address": address.get("PublicIp"),
        }

    def ensure_address(self) -> dict:
        free = [item for item in self.ours(self.addresses()) if not item.get("AssociationId")]
        if free:
            return free[0]
        tags = parts.part_tags(self.wanted, "nat-address", self.wanted["name"])
        return self.do(
            "Allocate the address of the NAT gateway",
            "allocate_address",
            Domain="vpc",
            TagSpecifications=parts.specification("elastic-ip", tags),
        )

    def wait_nat(self, gateway_id: str) -> dict:
        def ask() -> dict | None:
            answer = self.api.call("describe_nat_gateways", NatGatewayIds=[gateway_id])
            gateway = answer["NatGateways"][0]
            if gateway["State"] in ("failed", "deleting", "deleted"):
                reason = gateway.get("FailureMessage", "AWS gives no reason")
                code = gateway.get("FailureCode", gateway["State"])
                raise EksError(f"The NAT gateway {gateway_id} failed: {reason} ({code}).", code)
            return gateway if gateway["State"] == "available" else None

        return self.waiting.until(ask, lambda: f"the NAT gateway {gateway_id} is pending.")

    def wait_no_nat(self, vpc_id: str) -> None:
        def ask() -> bool | None:
            return None if self.nat_gateways(vpc_id, "deleting", "pending", "available") else True

        self.waiting.until(ask, lambda: f"a NAT gateway of {vpc_id} is still there.")
