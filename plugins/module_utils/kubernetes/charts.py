# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of charts that the stack brings: whether one is as it should be, has to be renewed, or is in use.

api is what has get(), list(), find(), patch() as api.Api has them; helm, what is like helm.Helm.
"""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass, field

from . import kinds
from .errors import KubernetesError
from .helm import GROUP, Chart, release_of

_RESTARTED = "monitml.stack/certificate-renewed"


@dataclass(frozen=True)
class Release:
    """What is to be: name, namespace, instance, the chart with its values.

    certificate: {secret, deployment, days} of a chart that signs its own; empty for others.
    """

    name: str
    namespace: str
    instance: str
    chart: Chart
    values: dict
    certificate: dict = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What a sentence calls it."""
        return f"Release {self.namespace}/{self.name}"


def is_ours(labels: dict, instance: str) -> bool:
    """Whether a release carries our labels."""
    return labels.get(kinds.INSTANCE_LABEL) == instance


def difference(api, helm, wanted: Release, now: datetime.datetime) -> tuple[dict, dict]:
    """What a release is, and what it is to be; both the same where nothing is to be done. Raises KubernetesError."""
    labels = release_of(api, wanted.name, wanted.namespace)
    after = {"chart": helm.about(wanted.chart), "status": "deployed", "values": wanted.values}
    if not labels:
        return {}, after
    if not is_ours(labels, wanted.instance):
        raise KubernetesError(
            f"{wanted.words} is there already, and not of the instance {wanted.instance}: it lacks our labels. Remove it,"
            " or use what it brings."
        )
    before = {
        "chart": helm.chart_of(wanted.name, wanted.namespace),
        "status": labels.get("status", ""),
        "values": helm.values(wanted.name, wanted.namespace),
    }
    ends = certificate_end(api, wanted)
    if ends:
        before["certificate"] = after["certificate"] = f"until {ends:%Y-%m-%d}"
        if ends - now < datetime.timedelta(days=wanted.certificate["days"]):
            after["certificate"] = "renewed"
    return before, after


def certificate_end(api, wanted: Release) -> datetime.datetime | None:
    """When the certificate that a chart has signed itself ends; None where it has none."""
    if not wanted.certificate:
        return None
    secret = api.find(kinds.named("Secret"), wanted.namespace, wanted.certificate["secret"])
    text = (secret or {}).get("data", {}).get("tls.crt", "")
    if not text:
        return None
    from cryptography import x509

    found = x509.load_pem_x509_certificate(base64.b64decode(text))
    # Before version 42 it told the same without its time zone.
    end = getattr(found, "not_valid_after_utc", None)
    return end or found.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def bring(api, helm, wanted: Release, seconds: int, now: datetime.datetime, renewed: bool) -> None:
    """Has a release be what it is to be."""
    labels = release_of(api, wanted.name, wanted.namespace)
    if labels.get("status", "").startswith("pending"):
        # Nobody goes on with what was cut off.
        helm.uninstall(wanted.name, wanted.namespace)
    ours = kinds.labels(wanted.instance, GROUP)
    helm.install(wanted.name, wanted.namespace, wanted.chart, wanted.values, ours, seconds)
    if renewed:
        # Its pods would show the old one until the node looks at the secret again.
        template = {"template": {"metadata": {"annotations": {_RESTARTED: now.isoformat()}}}}
        api.patch(kinds.named("Deployment"), wanted.namespace, wanted.certificate["deployment"], {"spec": template})


def users(api, instance: str, used_by: list[str]) -> list[str]:
    """What others have that needs a release, in words."""
    return [
        kinds.words_of(thing)
        for name in used_by
        for thing in api.list(kinds.named(name))
        if not kinds.is_ours(thing, instance) and not thing["metadata"].get("ownerReferences")
    ]


def _leave_to_others(api, release: Release) -> None:
    """Takes our labels from a release that others use, and from its namespace, which goes on with it."""
    nothing = {"metadata": {"labels": {name: None for name in kinds.labels("", "")}}}
    secrets = kinds.named("Secret")
    for secret in api.list(secrets, release.namespace, f"owner=helm,name={release.name}"):
        api.patch(secrets, release.namespace, secret["metadata"]["name"], nothing)
    spaces = kinds.named("Namespace")
    space = api.find(spaces, "", release.namespace)
    if space and kinds.is_ours(space, release.instance):
        api.patch(spaces, "", release.namespace, nothing)


def take_away(api, helm, wanted: Release, used_by: list[str], check: bool) -> tuple[bool, list[str]]:
    """(whether a release of ours went, what of others keeps it there)."""
    if not is_ours(release_of(api, wanted.name, wanted.namespace), wanted.instance):
        return False, []
    others = users(api, wanted.instance, used_by)
    if not check:
        if others:
            _leave_to_others(api, wanted)
        else:
            helm.uninstall(wanted.name, wanted.namespace)
    return not others, others
