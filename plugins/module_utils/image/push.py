# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a push has to do, and what it did. Pure."""

from __future__ import annotations

import re

from . import name as names

_DIGEST = re.compile(r"\bdigest: (sha256:[0-9a-f]{64})\b")


def digests(image, place):
    """Digests that the engine knows an image to have, as a manifest, in an ImageName's repository.

    The Id is one of them in the containerd store, and is no manifest's digest in the older one.
    """
    known = {image["Id"]}
    for reference in image.get("RepoDigests") or []:
        one = names.parse(reference)
        if (one.registry, one.repository) == (place.registry, place.repository):
            known.add(one.digest)
    return known


def action(same, before, on_existing):
    """One of "unchanged", "push", "keep" and "fail", for the digest of a tag before, "" for none.

    same is whether that digest is the image's.
    """
    if not before:
        return "push"
    if same:
        return "unchanged"
    return {"replace": "push", "keep": "keep", "fail": "fail"}[on_existing]


def pushed_digest(messages):
    """Digest that a push told in the end; "" where it told none. Docker and Podman differ."""
    for message in reversed(messages):
        told = (message.get("aux") or {}).get("Digest") or ""
        found = _DIGEST.search(message.get("status") or "")
        if told or found:
            return told or found[1]
    return ""


def layers(messages):
    """(pushed, existing) counts of the layers in the messages of a push."""
    last = {one["id"]: one.get("status") or "" for one in messages if one.get("id")}
    pushed = sum(status == "Pushed" for status in last.values())
    existing = sum(
        status == "Layer already exists" or status.startswith("Mounted from")
        for status in last.values()
    )
    return pushed, existing


def tag_after(image, target, before):
    """What becomes of the local tag that a push needed: "keep", "remove" or "restore".

    before is the Id that the tag had, "" for none; target is its ImageName.
    """
    if before:
        return "keep" if before == image["Id"] else "restore"
    # An image goes with its last tag.
    others = [one for one in image.get("RepoTags") or [] if names.parse(one) != target]
    return "remove" if others else "keep"
