# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The EKS calls that moto lacks, added to moto's own EKS backend.

What is added: access configuration, upgrade policy and version updates of clusters, updates as
objects (DescribeUpdate), updateConfig and version updates of node groups, add-ons, access
entries with policies, Pod Identity associations, tags on any ARN, and the security group that
EKS makes with a cluster. What is corrected: UpdateClusterConfig merges instead of replacing and
takes one kind of change per call, as AWS does; a launch template's own tags stay
out of its data; a NAT gateway's interface goes with it.

A resource answers ACTIVE at once unless a test wrote a script for it, a list of statuses that
the next describe calls give in turn; the last one stays. Resources are named
``cluster/NAME``, ``nodegroup/NAME``, ``addon/NAME`` and ``update/TYPE``.
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.models import EC2Backend, ec2_backends
from moto.eks import urls
from moto.eks.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from moto.eks.models import eks_backends
from moto.eks.responses import EKSResponse

SCRIPTS: dict[str, list[dict[str, Any]]] = {}
"""Resource to the answers still to come: {"status": ..., "issues": [{code, message}]}."""

DEFAULT_ADDON_VERSIONS = {"vpc-cni": "v1.20.4-eksbuild.1", "coredns": "v1.12.4-eksbuild.1"}
VPC_DEFAULTS = {
    "endpointPublicAccess": True,
    "endpointPrivateAccess": False,
    "publicAccessCidrs": ["0.0.0.0/0"],
    "securityGroupIds": [],
}
UPDATE_KINDS = {
    "logging": "LoggingUpdate",
    "accessConfig": "AccessConfigUpdate",
    "upgradePolicy": "UpgradePolicyUpdate",
    "deletionProtection": "DeletionProtectionUpdate",
}


def scripted(name: str, normal: str = "ACTIVE") -> dict[str, Any]:
    """The next answer of a resource's script, or the normal status."""
    script = SCRIPTS.get(name)
    if not script:
        return {"status": normal}
    answer = script.pop(0)
    if not script and not answer.get("once"):
        script.append(answer)
    elif not script:
        del SCRIPTS[name]
    return answer


class Children(dict):
    """Add-ons, access entries and associations of one cluster, as the API shows them."""

    def need(self, kind: str, key: str) -> dict[str, Any]:
        try:
            return self[(kind, key)]
        except KeyError:
            raise ResourceNotFoundException(message=f"No {kind} found for: {key}") from None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [value for (of_kind, key), value in sorted(self.items()) if of_kind == kind]


class ShimmedEKS(EKSResponse):
    def __init__(self) -> None:
        super().__init__()
        self.service_name = "eks"

    # -- small parts ---------------------------------------------------------------------

    def _json(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    def _cluster(self):
        cluster = self.eks_backend.describe_cluster(name=self._get_param("name"))
        if not hasattr(cluster, "children"):
            cluster.children = Children()
            cluster.updates = {}
        return cluster

    def _path(self, kind: str) -> list[str]:
        """Parts of the path behind /clusters/NAME/KIND/, decoded; an ARN keeps its slashes."""
        behind = self.raw_path.split("?")[0].split(f"/{kind}/", 1)[1]
        return [unquote(part) for part in behind.split("/")]

    def _arn(self, cluster, kind: str, *names: str) -> str:
        return ":".join(cluster.arn.split(":")[:5]) + ":" + "/".join([kind, cluster.name, *names])

    def _update(self, cluster, kind: str) -> ActionResult:
        update = {
            "id": str(uuid.uuid4()),
            "status": "InProgress",
            "type": kind,
            "params": [],
            "createdAt": utcnow(),
            "errors": [],
        }
        cluster.updates[update["id"]] = update
        return ActionResult({"update": update})

    def describe_update(self) -> ActionResult:
        cluster = self._cluster()
        update = cluster.updates[self._path("updates")[0]]
        answer = scripted(f"update/{update['type']}", "Successful")
        errors = [
            {"errorCode": issue["code"], "errorMessage": issue["message"], "resourceIds": []}
            for issue in answer.get("issues", [])
        ]
        return ActionResult({"update": {**update, "status": answer["status"], "errors": errors}})

    # -- clusters ------------------------------------------------------------------------

    def create_cluster(self) -> ActionResult:
        result = super().create_cluster()
        body, cluster = self._json(), self._cluster()
        ec2 = ec2_backends[self.current_account][self.region]
        vpc_id = ec2.get_subnet(body["resourcesVpcConfig"]["subnetIds"][0]).vpc_id
        group = ec2.create_security_group(
            f"eks-cluster-sg-{cluster.name}-{uuid.uuid4().hex[:8]}",
            "made by EKS",
            vpc_id,
            tags={f"kubernetes.io/cluster/{cluster.name}": "owned"},
        )
        cluster.resources_vpc_config = {
            **VPC_DEFAULTS,
            **body["resourcesVpcConfig"],
            "vpcId": vpc_id,
            "clusterSecurityGroupId": group.id,
        }
        access = {"authenticationMode": "CONFIG_MAP", **(body.get("accessConfig") or {})}
        access.setdefault("bootstrapClusterCreatorAdminPermissions", True)
        cluster.access_config = access
        cluster.upgrade_policy = body.get("upgradePolicy") or {"supportType": "EXTENDED"}
        cluster.deletion_protection = body.get("deletionProtection", False)
        cluster.logging = body.get("logging") or {"clusterLogging": []}
        return result

    def describe_cluster(self) -> ActionResult:
        cluster = self._cluster()
        answer = scripted(f"cluster/{cluster.name}")
        cluster.status = answer["status"]
        cluster.health = {"issues": answer.get("issues", [])}
        if answer.get("gone"):
            self.eks_backend.clusters.pop(cluster.name)
        return ActionResult({"cluster": cluster})

    def delete_cluster(self) -> ActionResult:
        cluster = self._cluster()
        if f"cluster/{cluster.name}" in SCRIPTS:
            return ActionResult({"cluster": cluster})
        if cluster.nodegroups:
            return super().delete_cluster()
        group = cluster.resources_vpc_config.get("clusterSecurityGroupId")
        result = super().delete_cluster()
        ec2_backends[self.current_account][self.region].delete_security_group(group_id=group)
        return result

    def update_cluster_config(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        vpc = body.get("resourcesVpcConfig") or {}
        kinds = {UPDATE_KINDS[key] for key in body if key in UPDATE_KINDS}
        if set(vpc) & {"subnetIds", "securityGroupIds"}:
            kinds.add("VpcConfigUpdate")
        if set(vpc) - {"subnetIds", "securityGroupIds"}:
            kinds.add("EndpointAccessUpdate")
        if len(kinds) != 1:
            raise InvalidParameterException(message=f"Only one type of update, not {sorted(kinds)}")
        cluster.resources_vpc_config.update(vpc)
        if body.get("accessConfig"):
            cluster.access_config.update(body["accessConfig"])
        if body.get("upgradePolicy"):
            cluster.upgrade_policy = body["upgradePolicy"]
        if "deletionProtection" in body:
            cluster.deletion_protection = body["deletionProtection"]
        for change in (body.get("logging") or {}).get("clusterLogging", []):
            kept = set(enabled_logs(cluster))
            kept = kept | set(change["types"]) if change["enabled"] else kept - set(change["types"])
            cluster.logging = {"clusterLogging": [{"types": sorted(kept), "enabled": True}]}
        return self._update(cluster, kinds.pop())

    def update_cluster_version(self) -> ActionResult:
        cluster, wanted = self._cluster(), self._json()["version"]
        if int(wanted.split(".")[1]) != int(cluster.version.split(".")[1]) + 1:
            raise InvalidParameterException(
                message=f"Unsupported Kubernetes minor version update from {cluster.version} to {wanted}"
            )
        cluster.version = wanted
        return self._update(cluster, "VersionUpdate")

    def associate_encryption_config(self) -> ActionResult:
        cluster = self._cluster()
        cluster.encryption_config = self._json()["encryptionConfig"]
        return self._update(cluster, "AssociateEncryptionConfig")

    # -- node groups ---------------------------------------------------------------------

    def create_nodegroup(self) -> ActionResult:
        result = super().create_nodegroup()
        body = self._json()
        group = self._cluster().nodegroups[body["nodegroupName"]]
        group.update_config = body.get("updateConfig") or {"maxUnavailable": 1}
        group.node_repair_config = body.get("nodeRepairConfig")
        group.version = body.get("version") or self._cluster().version
        return result

    def describe_nodegroup(self) -> ActionResult:
        self._cluster()
        group = super().describe_nodegroup().result["nodegroup"]
        answer = scripted(f"nodegroup/{group.nodegroup_name}")
        group.status, group.health = answer["status"], {"issues": answer.get("issues", [])}
        if answer.get("gone"):
            self.eks_backend.delete_nodegroup(group.cluster_name, group.nodegroup_name)
        return ActionResult({"nodegroup": group})

    def delete_nodegroup(self) -> ActionResult:
        group = self.eks_backend.describe_nodegroup(
            self._get_param("name"), self._get_param("nodegroupName")
        )
        if f"nodegroup/{group.nodegroup_name}" in SCRIPTS:
            return ActionResult({"nodegroup": group})
        return super().delete_nodegroup()

    def update_nodegroup_config(self) -> ActionResult:
        super().update_nodegroup_config()
        return self._update(self._cluster(), "ConfigUpdate")

    def update_nodegroup_version(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        group = cluster.nodegroups[self._get_param("nodegroupName")]
        if int(body.get("version", group.version).split(".")[1]) > int(cluster.version.split(".")[1]):
            raise InvalidParameterException(message="Node group version is ahead of the cluster")
        group.version = body.get("version", group.version)
        group.release_version = body.get("releaseVersion", group.release_version)
        if body.get("launchTemplate"):
            group.launch_template.update(body["launchTemplate"])
        return self._update(cluster, "VersionUpdate")

    # -- add-ons -------------------------------------------------------------------------

    def create_addon(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        name = body["addonName"]
        if ("addon", name) in cluster.children:
            raise ResourceInUseException(message="Addon already exists.")
        fallback = DEFAULT_ADDON_VERSIONS.get(name, "v1.0.0-eksbuild.1")
        cluster.children[("addon", name)] = addon = {
            "addonName": name,
            "clusterName": cluster.name,
            "addonVersion": body.get("addonVersion") or fallback,
            "addonArn": self._arn(cluster, "addon", name, str(uuid.uuid4())),
            "serviceAccountRoleArn": body.get("serviceAccountRoleArn"),
            "configurationValues": body.get("configurationValues"),
            "tags": body.get("tags") or {},
            "createdAt": utcnow(),
            "modifiedAt": utcnow(),
        }
        return ActionResult({"addon": {**addon, "status": "CREATING", "health": {"issues": []}}})

    def describe_addon(self) -> ActionResult:
        cluster, name = self._cluster(), self._path("addons")[0]
        addon = cluster.children.need("addon", name)
        answer = scripted(f"addon/{name}")
        if answer.get("gone"):
            del cluster.children[("addon", name)]
        health = {"issues": answer.get("issues", [])}
        return ActionResult({"addon": {**addon, "status": answer["status"], "health": health}})

    def list_addons(self) -> ActionResult:
        names = [addon["addonName"] for addon in self._cluster().children.of("addon")]
        return ActionResult({"addons": names})

    def update_addon(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        addon = cluster.children.need("addon", self._path("addons")[0])
        for key in ("addonVersion", "serviceAccountRoleArn", "configurationValues"):
            if key in body:
                addon[key] = body[key]
        return self._update(cluster, "AddonUpdate")

    def delete_addon(self) -> ActionResult:
        cluster, name = self._cluster(), self._path("addons")[0]
        addon = cluster.children.need("addon", name)
        if f"addon/{name}" not in SCRIPTS:
            del cluster.children[("addon", name)]
        return ActionResult({"addon": {**addon, "status": "DELETING"}})

    # -- access entries ------------------------------------------------------------------

    def create_access_entry(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        principal = body["principalArn"]
        if cluster.access_config["authenticationMode"] == "CONFIG_MAP":
            raise InvalidRequestException(
                message=f"The cluster {cluster.name} authenticates by CONFIG_MAP only"
            )
        if ("access entry", principal) in cluster.children:
            raise ResourceInUseException(message="Access entry exists.")
        cluster.children[("access entry", principal)] = entry = {
            "clusterName": cluster.name,
            "principalArn": principal,
            "accessEntryArn": self._arn(cluster, "access-entry", principal.split("/")[-1]),
            "kubernetesGroups": body.get("kubernetesGroups") or [],
            "username": body.get("username") or principal,
            "type": body.get("type") or "STANDARD",
            "tags": body.get("tags") or {},
            "policies": {},
        }
        return ActionResult({"accessEntry": entry})

    def _entry(self) -> dict[str, Any]:
        return self._cluster().children.need("access entry", self._path("access-entries")[0])

    def describe_access_entry(self) -> ActionResult:
        return ActionResult({"accessEntry": self._entry()})

    def list_access_entries(self) -> ActionResult:
        entries = self._cluster().children.of("access entry")
        return ActionResult({"accessEntries": [entry["principalArn"] for entry in entries]})

    def update_access_entry(self) -> ActionResult:
        entry, body = self._entry(), self._json()
        entry.update({key: body[key] for key in ("kubernetesGroups", "username") if key in body})
        return ActionResult({"accessEntry": entry})

    def delete_access_entry(self) -> ActionResult:
        del self._cluster().children[("access entry", self._entry()["principalArn"])]
        return EmptyResult()

    def associate_access_policy(self) -> ActionResult:
        entry, body = self._entry(), self._json()
        scope = {"namespaces": [], **body["accessScope"]}
        policy = {"policyArn": body["policyArn"], "accessScope": scope}
        entry["policies"][body["policyArn"]] = policy
        return ActionResult({"associatedAccessPolicy": policy})

    def disassociate_access_policy(self) -> ActionResult:
        self._entry()["policies"].pop(self._path("access-policies")[0])
        return EmptyResult()

    def list_associated_access_policies(self) -> ActionResult:
        return ActionResult({"associatedAccessPolicies": list(self._entry()["policies"].values())})

    # -- Pod Identity --------------------------------------------------------------------

    def create_pod_identity_association(self) -> ActionResult:
        cluster, body = self._cluster(), self._json()
        for other in cluster.children.of("association"):
            if all(other[key] == body[key] for key in ("namespace", "serviceAccount")):
                raise ResourceInUseException(message="Association exists.")
        identity = "a-" + uuid.uuid4().hex[:17]
        cluster.children[("association", identity)] = association = {
            "clusterName": cluster.name,
            "associationId": identity,
            "associationArn": self._arn(cluster, "podidentityassociation", identity),
            "disableSessionTags": False,
            **{key: value for key, value in body.items() if key != "clientRequestToken"},
            "tags": body.get("tags") or {},
        }
        return ActionResult({"association": association})

    def _association(self) -> dict[str, Any]:
        identity = self._path("pod-identity-associations")[0]
        return self._cluster().children.need("association", identity)

    def describe_pod_identity_association(self) -> ActionResult:
        return ActionResult({"association": self._association()})

    def list_pod_identity_associations(self) -> ActionResult:
        filters = [key for key in ("namespace", "serviceAccount") if key in self.querystring]
        wanted = {key: self.querystring[key][0] for key in filters}
        found = [
            {key: value for key, value in one.items() if key not in ("roleArn", "tags")}
            for one in self._cluster().children.of("association")
            if all(one[key] == value for key, value in wanted.items())
        ]
        return ActionResult({"associations": found})

    def update_pod_identity_association(self) -> ActionResult:
        association, body = self._association(), self._json()
        association.update({key: body[key] for key in body if key != "clientRequestToken"})
        return ActionResult({"association": association})

    def delete_pod_identity_association(self) -> ActionResult:
        association = self._association()
        del self._cluster().children[("association", association["associationId"])]
        return ActionResult({"association": association})

    # -- tags ----------------------------------------------------------------------------

    def _tags(self) -> dict[str, str]:
        arn = self._extract_arn_from_path()
        for cluster in self.eks_backend.clusters.values():
            if cluster.arn == arn:
                return cluster.tags
            for group in cluster.nodegroups.values():
                if group.arn == arn:
                    return group.tags
            for child in getattr(cluster, "children", {}).values():
                if arn in child.values():
                    return child["tags"]
        raise ResourceNotFoundException(message=f"No resource {arn}")

    def tag_resource(self) -> ActionResult:
        self._tags().update(self._json()["tags"])
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        for key in self.querystring["tagKeys"]:
            self._tags().pop(key, None)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        return ActionResult({"tags": self._tags()})


def enabled_logs(cluster) -> list[str]:
    return [
        kind
        for entry in cluster.logging["clusterLogging"]
        if entry.get("enabled")
        for kind in entry["types"]
    ]


def forget_clusters() -> None:
    """Clusters and launch templates of all regions are gone."""
    for backends in list(eks_backends.values()):
        for backend in list(backends.values()):
            backend.clusters.clear()
    for backends in list(ec2_backends.values()):
        for backend in list(backends.values()):
            backend.launch_templates.clear()
            backend.launch_template_name_to_ids.clear()


def keep_template_tags_apart() -> None:
    """Moto mixes the tags of a launch template into its data; AWS keeps them apart."""
    original = EC2Backend.create_launch_template

    def create(self, name, description, data, tag_spec):
        own = data.get("TagSpecifications", [])
        data["TagSpecifications"] = [one for one in own if one["ResourceType"] != "launch-template"]
        return original(self, name, description, data, tag_spec)

    EC2Backend.create_launch_template = create


def take_nat_interfaces_along() -> None:
    """Moto keeps the network interface of a deleted NAT gateway; AWS does not."""
    original = EC2Backend.delete_nat_gateway

    def delete(self, nat_gateway_id):
        gateway = original(self, nat_gateway_id)
        self.enis.pop(gateway._eni.id, None)
        return gateway

    EC2Backend.delete_nat_gateway = delete


def install() -> None:
    """Puts the shim in place of moto's own EKS routes; call before the first request."""
    keep_template_tags_apart()
    take_nat_interfaces_along()
    urls.url_paths.clear()
    for path in ("clusters", "clusters/(?P<rest>.+)", "tags/(?P<resourceArn>.+)"):
        urls.url_paths["{0}/" + path + "$"] = ShimmedEKS.dispatch
