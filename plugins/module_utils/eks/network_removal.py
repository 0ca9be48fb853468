# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a stack's VPC away, in the order in which AWS lets go of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import network_parts as parts
from .errors import EksError
from .network import Network

STILL_HELD = ("DependencyViolation", "InvalidIPAddress.InUse")
PATIENCE_SECONDS = 900
"""How long interfaces of a deleted cluster may take to let go of their subnets."""


class NetworkRemoval(Network):
    """Deletes what carries the stack's tag, and only that."""

    def remove(self) -> None:
        """NAT gateway, address, routes, subnets, internet gateway, groups, VPC. Absent is fine."""
        owner = {"Name": f"tag:{parts.STACK_TAG}", "Values": [self.wanted["stack"]]}
        vpc = parts.only_one("VPCs", self.api.pages("describe_vpcs", "Vpcs", Filters=[owner]), "VpcId")
        vpc_id = vpc["VpcId"] if vpc else None
        self.step = "nat"
        if vpc_id:
            self.remove_nat(vpc_id)
        for address in self.ours(self.addresses()):
            request = {"AllocationId": address["AllocationId"]}
            self.drop(f"Release {address['PublicIp']}", "release_address", **request)
        self.step = "network"
        if vpc_id:
            self.remove_routes(vpc_id)
            for subnet in self.ours(self.inside("describe_subnets", "Subnets", vpc_id)):
                title = f"Delete subnet {subnet['CidrBlock']}"
                self.drop(title, "delete_subnet", SubnetId=subnet["SubnetId"])
        self.remove_internet_gateways(owner)
        if vpc_id:
            self.remove_groups(vpc_id)
            self.drop(f"Delete VPC {vpc_id}", "delete_vpc", VpcId=vpc_id)

    def drop(self, title: str, method: str, **request: Any) -> None:
        """One deleting call, tried again while something that is on its way out holds on."""

        def ask() -> bool | None:
            try:
                self.api.call(method, **request)
            except EksError as error:
                if error.code in STILL_HELD:
                    seen["why"] = error.message
                    return None
                if not (error.code or "").endswith(".NotFound"):
                    raise
            return True

        seen: dict[str, str] = {}
        self.note(title, method)
        if not self.check:
            patience = min(PATIENCE_SECONDS, self.waiting.timeout_seconds)
            waiting = replace(self.waiting, timeout_seconds=patience)
            waiting.until(ask, lambda: f"{seen['why']} Look for what is not this stack's.")

    def remove_nat(self, vpc_id: str) -> None:
        for gateway in self.nat_gateways(vpc_id, "pending", "available"):
            request = {"NatGatewayId": gateway["NatGatewayId"]}
            self.drop("Delete the NAT gateway", "delete_nat_gateway", **request)
        if not self.check:
            self.wait_no_nat(vpc_id)

    def remove_routes(self, vpc_id: str) -> None:
        for table in self.ours(self.inside("describe_route_tables", "RouteTables", vpc_id)):
            for entry in table.get("Associations") or []:
                if entry.get("SubnetId"):
                    request = {"AssociationId": entry["RouteTableAssociationId"]}
                    self.drop("Free a subnet of its routes", "disassociate_route_table", **request)
            title = f"Delete route table {table['RouteTableId']}"
            self.drop(title, "delete_route_table", RouteTableId=table["RouteTableId"])

    def remove_internet_gateways(self, owner: dict) -> None:
        listing = ("describe_internet_gateways", "InternetGateways")
        for gateway in self.api.pages(*listing, Filters=[owner]):
            gateway_id = gateway["InternetGatewayId"]
            for attachment in gateway.get("Attachments") or []:
                request = {"InternetGatewayId": gateway_id, "VpcId": attachment["VpcId"]}
                self.drop("Detach the internet gateway", "detach_internet_gateway", **request)
            request = {"InternetGatewayId": gateway_id}
            self.drop("Delete the internet gateway", "delete_internet_gateway", **request)

    def remove_groups(self, vpc_id: str) -> None:
        found = self.inside("describe_security_groups", "SecurityGroups", vpc_id)
        groups = [group for group in self.ours(found) if group["GroupName"] != "default"]
        for group in groups:
            # Groups that name one another can only go once the rules are gone.
            rules = [rule for rule in parts.group_rules(group) if rule[3].startswith("sg-")]
            if rules:
                permissions = [parts.permission_of(rule) for rule in sorted(rules, key=str)]
                request = {"GroupId": group["GroupId"], "IpPermissions": permissions}
                title = f"Cut the ties of {group['GroupName']}"
                self.drop(title, "revoke_security_group_ingress", **request)
        for group in groups:
            title = f"Delete security group {group['GroupName']}"
            self.drop(title, "delete_security_group", GroupId=group["GroupId"])
