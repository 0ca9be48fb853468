# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which calls each kind of EKS resource is made of. What to change is decided in the files named changes."""

from __future__ import annotations

from . import cluster_changes, nodegroup_changes
from . import small_changes as small
from .api import Resource
from .changes import Change
from .errors import EksError


class Cluster(Resource):
    """An EKS control plane."""

    noun = "cluster"
    create_method = "create_cluster"
    delete_method = "delete_cluster"

    def fetch(self) -> dict | None:
        answer = self.api.find("describe_cluster", name=self.wanted["name"])
        return answer["cluster"] if answer else None

    def create_request(self) -> dict:
        if not self.wanted["role_arn"] or not self.wanted["subnet_ids"]:
            raise EksError(f"The {self.title} does not exist; making it takes role_arn and subnet_ids.")
        return cluster_changes.cluster_request(self.wanted)

    def delete_request(self, current: dict) -> dict:
        return {"name": self.wanted["name"]}

    def changes(self, current: dict) -> list[Change]:
        return cluster_changes.cluster_changes(self.wanted, current)


class InCluster(Resource):
    """Something that has a name in a cluster."""

    describe_method = ""
    answer_key = ""
    name_key = ""

    @property
    def title(self) -> str:
        return f"{self.noun} {self.wanted['name']} of cluster {self.wanted['cluster_name']}"

    def key(self) -> dict:
        return {"clusterName": self.wanted["cluster_name"], self.name_key: self.wanted["name"]}

    def fetch(self) -> dict | None:
        answer = self.api.find(self.describe_method, **self.key())
        return answer[self.answer_key] if answer else None

    def delete_request(self, current: dict) -> dict:
        return self.key()


class Nodegroup(InCluster):
    """A managed node group."""

    noun = "node group"
    describe_method, answer_key, name_key = "describe_nodegroup", "nodegroup", "nodegroupName"
    create_method = "create_nodegroup"
    delete_method = "delete_nodegroup"

    def create_request(self) -> dict:
        if not self.wanted["node_role_arn"] or not self.wanted["subnet_ids"]:
            raise EksError(
                f"The {self.title} does not exist; making it takes node_role_arn and subnet_ids."
            )
        return nodegroup_changes.nodegroup_request(self.wanted)

    def update_key(self) -> dict:
        return {"name": self.wanted["cluster_name"], "nodegroupName": self.wanted["name"]}

    def changes(self, current: dict) -> list[Change]:
        return nodegroup_changes.nodegroup_changes(self.wanted, current)


class Addon(InCluster):
    """An EKS add-on."""

    noun = "add-on"
    describe_method, answer_key, name_key = "describe_addon", "addon", "addonName"
    create_method = "create_addon"
    delete_method = "delete_addon"

    def create_request(self) -> dict:
        return small.addon_request(self.wanted)

    def delete_request(self, current: dict) -> dict:
        return {**self.key(), "preserve": self.wanted.get("preserve", False)}

    def update_key(self) -> dict:
        return {"name": self.wanted["cluster_name"], "addonName": self.wanted["name"]}

    def changes(self, current: dict) -> list[Change]:
        return small.addon_changes(self.wanted, current)


class AccessEntry(Resource):
    """The right of one IAM principal to enter a cluster."""

    noun = "access entry"
    create_method = "create_access_entry"
    delete_method = "delete_access_entry"
    waits = False

    @property
    def title(self) -> str:
        return f"access entry of {self.wanted['principal_arn']}"

    def key(self) -> dict:
        return {
            "clusterName": self.wanted["cluster_name"],
            "principalArn": self.wanted["principal_arn"],
        }

    def fetch(self) -> dict | None:
        answer = self.api.find("describe_access_entry", **self.key())
        if not answer:
            return None
        listing = ("list_associated_access_policies", "associatedAccessPolicies")
        return {**answer["accessEntry"], "policies": self.api.pages(*listing, **self.key())}

    def create_request(self) -> dict:
        small.access_scopes(self.wanted)
        return small.access_entry_request(self.wanted)

    def delete_request(self, current: dict) -> dict:
        return self.key()

    def changes(self, current: dict) -> list[Change]:
        return small.access_entry_changes(self.wanted, current)


class PodIdentityAssociation(Resource):
    """The IAM role of one service account."""

    noun = "Pod Identity association"
    create_method = "create_pod_identity_association"
    delete_method = "delete_pod_identity_association"
    waits = False

    @property
    def title(self) -> str:
        return f"{self.noun} of {self.wanted['namespace']}/{self.wanted['service_account']}"

    def fetch(self) -> dict | None:
        cluster = {"clusterName": self.wanted["cluster_name"]}
        found = self.api.pages(
            "list_pod_identity_associations",
            "associations",
            **cluster,
            namespace=self.wanted["namespace"],
            serviceAccount=self.wanted["service_account"],
        )
        if not found:
            return None
        answer = self.api.find(
            "describe_pod_identity_association",
            **cluster,
            associationId=found[0]["associationId"],
        )
        return answer["association"] if answer else None

    def create_request(self) -> dict:
        if not self.wanted["role_arn"]:
            raise EksError(f"The {self.title} does not exist; making it takes role_arn.")
        return small.pod_identity_request(self.wanted)

    def delete_request(self, current: dict) -> dict:
        return {
            "clusterName": self.wanted["cluster_name"],
            "associationId": current["associationId"],
        }

    def changes(self, current: dict) -> list[Change]:
        return small.pod_identity_changes(self.wanted, current)


class LaunchTemplate(Resource):
    """The EC2 launch template of a node group."""

    noun = "launch template"
    create_method = "create_launch_template"
    delete_method = "delete_launch_template"
    waits = False

    def fetch(self) -> dict | None:
        name = self.wanted["name"]
        answer = self.api.find("describe_launch_templates", LaunchTemplateNames=[name])
        if not answer or not answer["LaunchTemplates"]:
            return None
        template = answer["LaunchTemplates"][0]
        versions = self.api.call(
            "describe_launch_template_versions",
            LaunchTemplateId=template["LaunchTemplateId"],
            Versions=["$Latest"],
        )
        return {**template, "data": versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]}

    def create_request(self) -> dict:
        return small.launch_template_request(self.wanted)

    def delete_request(self, current: dict) -> dict:
        return {"LaunchTemplateId": current["LaunchTemplateId"]}

    def changes(self, current: dict) -> list[Change]:
        return small.launch_template_changes(self.wanted, current)
