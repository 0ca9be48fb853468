# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong with an AWS resource, as one exception that a person can read."""

from __future__ import annotations


class EksError(Exception):
    """A refusal or a failure.

    message: a sentence; code: AWS's error code, or None when the refusal is ours;
    issues: AWS's own reasons, each a dict of code and message.
    """

    def __init__(self, message: str, code: str | None = None, issues: list[dict] | None = None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.issues = issues or []


NOT_FOUND = {
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidLaunchTemplateId.NotFound",
}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}


def from_answer(answer: dict, method: str) -> EksError:
    """The error of a ClientError's response; credentials get the advice that helps."""
    error = answer.get("Error", {})
    code, text = error.get("Code", "Unknown"), error.get("Message", "")
    if code in EXPIRED:
        text = f"the credentials have expired; renew them (aws sso login) and run again. {text}"
    return EksError(f"AWS refused {method}: {text.strip()} ({code})", code)


def issues_of(resource: dict) -> list[dict]:
    """AWS's reasons in a description's health, as [{code, message, resource_ids}]."""
    return [
        {
            "code": issue.get("code", "Unknown"),
            "message": issue.get("message", ""),
            "resource_ids": issue.get("resourceIds", []),
        }
        for issue in (resource.get("health") or {}).get("issues") or []
    ]


def spell(issues: list[dict]) -> str:
    """The reasons as one sentence part; says so when AWS gives none."""
    if not issues:
        return "AWS gives no reason"
    return "; ".join(
        issue["message"].rstrip(".")
        + f" ({issue['code']}"
        + (f": {', '.join(issue['resource_ids'])}" if issue.get("resource_ids") else "")
        + ")"
        for issue in issues
    )
