# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kubeconfig of a cluster, equal in meaning to what `aws eks update-kubeconfig` writes."""

from __future__ import annotations


def kubeconfig(
    cluster: dict,
    alias: str | None = None,
    user_alias: str | None = None,
    role_arn: str | None = None,
    profile: str | None = None,
) -> dict:
    """The file's content. cluster: AWS's description of it.

    The token is made by the AWS CLI when it is needed, so that the file holds no secret.
    """
    arn = cluster["arn"]
    region = arn.split(":")[3]
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", cluster["name"]]
    arguments += ["--output", "json"]
    if role_arn:
        arguments += ["--role", role_arn]
    execute: dict = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "args": arguments,
        "command": "aws",
    }
    if profile:
        execute["env"] = [{"name": "AWS_PROFILE", "value": profile}]
    context, user = alias or arn, user_alias or arn
    server = {
        "certificate-authority-data": (cluster.get("certificateAuthority") or {}).get("data", ""),
        "server": cluster["endpoint"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": context,
        "clusters": [{"cluster": server, "name": arn}],
        "contexts": [{"context": {"cluster": arn, "user": user}, "name": context}],
        "users": [{"name": user, "user": {"exec": execute}}],
    }
