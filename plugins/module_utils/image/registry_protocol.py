# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry's answers mean: challenges, waits, digests, refusals. Pure.

The protocol is OCI's distribution specification
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md), its token flow that of
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import urllib.parse
import urllib.request

# Without all of them a registry converts the manifest, or denies one that it has.
ACCEPT = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
LONGEST_WAIT_SECONDS = 60
# A 501 or 505 stays one.
_PASSING = (429, 500, 502, 503, 504)


def challenges(header):
    """What a Www-Authenticate header asks for, as {scheme in lower case: {parameter: text}}."""
    found, parameters = {}, {}
    for item in urllib.request.parse_http_list(header or ""):
        word, blank, rest = item.partition(" ")
        if blank and "=" not in word:
            item = rest.strip()
            parameters = found.setdefault(word.lower(), {})
        elif not blank and "=" not in word:
            parameters = found.setdefault(word.lower(), {})
            continue
        key, equals, value = item.partition("=")
        if equals:
            parameters[key.strip().lower()] = value.strip().strip('"')
    return found


def token_url(bearer, repository, account):
    """Address of the token that a Bearer challenge asks for; None where it names no realm."""
    if not bearer.get("realm", "").startswith(("https://", "http://")):
        return None
    query = {"scope": bearer.get("scope") or "repository:%s:pull" % repository}
    if bearer.get("service"):
        query["service"] = bearer["service"]
    if account:
        query["account"] = account
    mark = "&" if "?" in bearer["realm"] else "?"
    return bearer["realm"] + mark + urllib.parse.urlencode(query)


def is_passing(status):
    """Whether another try may succeed after this HTTP status."""
    return status in _PASSING


def wait_seconds(attempt, retry_after, now):
    """How long to wait before the next try; attempt counts from 0, now is in seconds since 1970.

    retry_after is the header of that name, in seconds or as a date; "" doubles from one second.
    """
    told = (retry_after or "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - now)
    except (ValueError, OverflowError):
        return min(2.0**attempt, LONGEST_WAIT_SECONDS)


def manifest_of(body):
    """(digest, manifest) of the bytes of a manifest; None where they are none."""
    try:
        manifest = json.loads(body)
    except ValueError:
        return None
    if not isinstance(manifest, dict) or "schemaVersion" not in manifest:
        return None
    return "sha256:" + hashlib.sha256(body).hexdigest(), manifest


def config_digest(manifest):
    """Digest of the configuration that a manifest names; "" for a list of several images."""
    config = manifest.get("config")
    return config.get("digest") or "" if isinstance(config, dict) else ""


def refusal(registry, repository, status, account, bearer_error=""):
    """A sentence for an HTTP status that is neither success nor "not found"."""
    if status == 401 and bearer_error == "insufficient_scope" or status == 403:
        return (
            "The registry %s does not let %s read %s: check the name of the repository and the "
            "account's rights." % (registry, account or "an anonymous client", repository)
        )
    if status == 401 and account:
        return (
            "The registry %s refused the credentials of %s: correct username and password, or log "
            "in anew." % (registry, account)
        )
    if status == 401:
        return (
            "The registry %s wants credentials: give username and password, or log in, for "
            "example with community.docker.docker_login." % registry
        )
    if status == 429:
        return (
            "The registry %s limits how often one may ask: wait, or log in with an account that "
            "may ask more often." % registry
        )
    if status >= 500:
        return (
            "The registry %s failed with HTTP %d, which may be because it is full or restarting: "
            "look at its log and try again." % (registry, status)
        )
    return "The registry %s answered HTTP %d: check that it is a registry, and its address." % (
        registry,
        status,
    )
