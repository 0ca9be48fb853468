# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be called to make an EKS resource what it should be.

Every function takes the module's options (``wanted``; None means: not managed) and AWS's
description (``current``, camelCase as botocore gives it) and returns Changes in the order in
which they have to be made. Nothing here talks to AWS. Lists that AWS treats as sets are
compared as sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import EksError


@dataclass(frozen=True)
class Change:
    """One call. fields: option to (before, after); waits: the call answers an update object."""

    method: str
    request: dict[str, Any]
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    waits: bool = False


def minor(version: str) -> int:
    """34 for "1.34"; raises EksError for anything that is not a Kubernetes version."""
    parts = str(version).split(".")
    if len(parts) != 2 or parts[0] != "1" or not parts[1].isdigit():
        raise EksError(f"{version!r} is not a Kubernetes version such as 1.35")
    return int(parts[1])


def differs(wanted: Any, current: Any) -> bool:
    """Whether a managed value differs; lists count as sets."""
    if wanted is None:
        return False
    if isinstance(wanted, list):
        return sorted(wanted) != sorted(current or [])
    return wanted != current


def refuse_immutable(what: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    """Raises EksError naming every (wanted, current) pair that differs and cannot be changed."""
    wrong = [
        f"{name} is {current!r}, asked for {wanted!r}"
        for name, (wanted, current) in pairs.items()
        if differs(wanted, current)
    ]
    if wrong:
        raise EksError(
            f"AWS cannot change this on the existing {what}: {'; '.join(wrong)}."
            " Make one under another name and delete this one."
        )


def tag_changes(arn: str, current: dict, wanted: dict | None, purge: bool) -> list[Change]:
    """Calls that set wrong tags and, with purge, remove those not wanted; aws: tags are kept."""
    if wanted is None:
        return []
    current = current or {}
    wanted = {key: str(value) for key, value in wanted.items()}
    wrong = {key: value for key, value in wanted.items() if current.get(key) != value}
    extra = [key for key in current if key not in wanted and not key.startswith("aws:")]
    extra = sorted(extra) if purge else []
    changes = []
    if wrong:
        fields = {f"tags.{key}": (current.get(key), value) for key, value in wrong.items()}
        changes.append(Change("tag_resource", {"resourceArn": arn, "tags": wrong}, fields))
    if extra:
        fields = {f"tags.{key}": (current[key], None) for key in extra}
        changes.append(Change("untag_resource", {"resourceArn": arn, "tagKeys": extra}, fields))
    return changes


def without_none(values: dict) -> dict:
    return {key: value for key, value in values.items() if value is not None}
