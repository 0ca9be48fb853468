# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a receiver is told: a message as it came, or several together with how late they are.

Pure functions; standard library only; Python 3.8 or later. A message is what the store keeps: id,
received_at in epoch seconds, and payload as Slack's webhooks take it.
"""

from __future__ import annotations

import json
import re
import time

# Slack shows up to 100 attachments, and asks for no more than 20.
ATTACHMENTS_MAX = 20
BYTES_MAX = 30_000
PLAIN_CHARACTERS_MAX = 3000
# From when on a message says that it comes late.
LATE_SECONDS = 10
_LINK = re.compile(r"<((?:https?://)[^<>|\s]+)(?:\|([^<>]*))?>")


def fitting(messages: list) -> list:
    """The first of these that make up one message of Slack's; at least one where there is one."""
    parts, size = 0, 0
    for number, message in enumerate(messages):
        alone = "blocks" in message["payload"]
        parts += len(_attachments(message))
        size += len(json.dumps(message["payload"]))
        if number and (alone or parts > ATTACHMENTS_MAX or size > BYTES_MAX):
            return messages[:number]
        if alone:
            return messages[:1]
    return messages


def together(messages: list, now: float, notes: list) -> dict:
    """One payload for all of them. A single message in time, without notes, is what came."""
    late = now - messages[0]["received_at"]
    lines = list(notes)
    if late > LATE_SECONDS:
        lines.append(f"{_count(messages)}, held back for up to {span(late)}.")
    elif len(messages) > 1:
        lines.append(f"{_count(messages)} at once.")
    first = messages[0]["payload"]
    if not lines or "blocks" in first:
        return first
    attachments = [
        {"ts": int(message["received_at"]), **part}
        for message in messages
        for part in _attachments(message)
    ]
    return {
        "username": first.get("username") or "MonitML",
        "text": "\n".join(lines),
        "attachments": attachments,
    }


def _count(messages) -> str:
    return f"{len(messages)} message{'s' if len(messages) != 1 else ''}"


def _attachments(message) -> list:
    """A message's parts; a text of its own becomes one."""
    payload = message["payload"]
    text = payload.get("text")
    own = [{"text": text, "fallback": text, "mrkdwn_in": ["text"]}] if text else []
    return own + list(payload.get("attachments") or [])


def in_plain_words(messages: list, now: float, notes: list) -> dict:
    """A payload that nothing can be wrong with, in place of one that was refused."""
    said = "This was refused as it came. In plain words:"
    texts = "\n\n".join(plain(message["payload"]) for message in messages)
    return {"text": escaped("\n".join([*notes, said, texts])[:PLAIN_CHARACTERS_MAX])}


def escaped(text: str) -> str:
    """Text as Slack's webhooks want it, none of which is markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mail(messages: list, now: float, notes: list) -> tuple:
    """(subject, text) of one mail about all of them."""
    titles = [plain(message["payload"]).partition("\n")[0] for message in messages]
    more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
    parts = list(notes)
    for message in messages:
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(message["received_at"]))
        parts.append(f"{when}\n{plain(message['payload'])}")
    return f"[MonitML] {titles[0][:150]}{more}", "\n\n".join(parts) + "\n"


def plain(payload: dict) -> str:
    """A payload as lines of text, its title first."""
    lines = [payload.get("text")]
    for part in payload.get("attachments") or []:
        lines += [part.get("pretext"), part.get("title"), part.get("text") or part.get("fallback")]
        fields = part.get("fields")
        for field in fields if isinstance(fields, list) else []:
            if isinstance(field, dict):
                lines.append(f"{field.get('title')}: {field.get('value')}")
    if payload.get("blocks"):
        lines.append(json.dumps(payload["blocks"]))
    return "\n".join(_unmarked(line) for line in lines if isinstance(line, str) and line.strip())


def _unmarked(text: str) -> str:
    """Slack's links as label and address, its three entities as what they mean."""
    text = _LINK.sub(lambda link: f"{link[2]}: {link[1]}" if link[2] else link[1], text)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    # Half a character, which JSON may hold and a mail may not.
    return text.encode("utf-8", "replace").decode("utf-8")


def span(seconds: float) -> str:
    """A time that has passed, in its largest unit: 40 s, 12 min, 3 h, 2 d."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {name}"
    return f"{max(int(seconds), 0)} s"
