# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of the local inbox.

It holds no script, and every part of a message is escaped: what an alert says is never markup.
Pure functions; standard library only; Python 3.8 or later.
"""

from __future__ import annotations

import html
import json
import re
import time

from inbox_words import span

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5a6472;--line:#dfe3e8;
--link:#0b5cad;--danger:#c62828;--warning:#b26a00;--good:#1a7f4b}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1c2026;--ink:#e8ebef;--soft:#9aa5b1;
--line:#2d333b;--link:#7db8f7;--danger:#ff6b61;--warning:#f0b04c;--good:#4fc98a}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:46rem;margin:0 auto;padding:1.5rem 1rem 4rem}h1{font-size:1.25rem;margin:0}
p{margin:.4rem 0}.soft{color:var(--soft);font-size:.87rem}a{color:var(--link)}
article{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:1rem 0;
padding:.9rem 1.1rem}header{display:flex;justify-content:space-between;gap:1rem;
margin-bottom:.3rem}.part{border-left:4px solid var(--line);padding:.1rem 0 .1rem .9rem;margin:.5rem 0}
.danger{border-color:var(--danger)}.warning{border-color:var(--warning)}.good{border-color:var(--good)}
h2{font-size:1.02rem;margin:.1rem 0}.text{white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.5rem 1rem;margin:.7rem 0}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
code{background:var(--bg);padding:.05em .3em;border-radius:4px}
"""
LINK = re.compile(r"<((?:https?://)[^<>|\s]+)(?:\|([^<>]*))?>")
MARKS = (
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_([^_\n]+)_(?![\w_])"), r"<em>\1</em>"),
)


def _plain(value) -> str:
    """Any value of a payload as escaped text; Slack's three entities mean what they say."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return html.escape(text)


def _marked(value) -> str:
    """Slack's mrkdwn as HTML: links to web addresses, bold, italic and code; the rest is escaped."""
    text = value if isinstance(value, str) else ""
    parts, end = [], 0
    for link in LINK.finditer(text):
        parts += [_styled(text[end : link.start()]), _link(link[1], _plain(link[2] or link[1]))]
        end = link.end()
    return "".join([*parts, _styled(text[end:])])


def _styled(text: str) -> str:
    text = _plain(text)
    for pattern, markup in MARKS:
        text = pattern.sub(markup, text)
    return text


def _link(address, label: str) -> str:
    """A link on an escaped label, if the address is one of the web."""
    if not isinstance(address, str) or not re.match(r"https?://[^\s]+$", address):
        return label
    return f'<a href="{_plain(address)}" rel="noreferrer noopener">{label}</a>'


def render_page(messages: list, receivers: list, now: float) -> str:
    """The page with these messages, newest first, below what receivers do not take them.

    messages and receivers are as /api/messages gives them.
    """
    articles = "".join(_article(message, now) for message in reversed(messages))
    count = f"{len(messages)} message{'s' if len(messages) != 1 else ''}"
    purpose = (
        f"Alerts come here and go on to {_plain(receivers[0]['name'])}."
        if receivers
        else "Alerts come here as long as no Slack URL is set."
    )
    empty = "<article><p>No message yet. An alert that fires is shown here.</p></article>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>MonitML inbox</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="5"><style>{STYLE}</style></head><body><main>'
        f'<h1>Inbox</h1><p class="soft">{count}. {purpose}</p>'
        f"{''.join(_failure(one, now) for one in receivers if one['failure'])}"
        f"{articles or empty}</main></body></html>"
    )


def _failure(receiver, now: float) -> str:
    failure, waiting = receiver["failure"], receiver["waiting"]
    tries = f"{failure['attempts']} attempt{'s' if failure['attempts'] != 1 else ''}"
    return (
        '<article><div class="part danger">'
        f"<h2>{_plain(receiver['name'])} does not take messages</h2>"
        f"<p>{_plain(failure['words'][:1].upper() + failure['words'][1:])}.</p>"
        f'<p class="soft">Since {span(now - failure["since"])}; {tries}, the next in'
        f" {span(receiver['next_attempt'] - now)}. {waiting} message{'s' if waiting != 1 else ''}"
        f" {'wait' if waiting != 1 else 'waits'}, and can be read here.</p></div></article>"
    )


def _article(message, now: float) -> str:
    payload = message["payload"]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message["received_at"]))
    parts = [f'<p class="text">{_marked(payload.get("text"))}</p>'] if payload.get("text") else []
    parts += [_attachment(part) for part in payload.get("attachments") or []]
    if payload.get("blocks"):
        parts.append(f'<p class="text">{_plain(json.dumps(payload["blocks"], indent=1))}</p>')
    told = [
        f"{_plain(name)} {_later(moment - message['received_at'])}"
        for name, moment in message["told"].items()
    ]
    if told:
        parts.append(f'<p class="soft">Told: {", ".join(told)}</p>')
    return (
        f'<article><header><strong>{_plain(payload.get("username") or "Message")}</strong>'
        f'<span class="soft">{when} · {span(now - message["received_at"])} ago</span></header>'
        f'{"".join(parts)}</article>'
    )


def _later(seconds: float) -> str:
    return f"{max(seconds, 0):.2f} s later" if seconds < 10 else f"{span(seconds)} later"


def _attachment(part) -> str:
    color = part.get("color")
    kind = color if color in ("danger", "warning", "good") else ""
    inner = []
    if part.get("pretext"):
        inner.append(f'<p class="text">{_marked(part["pretext"])}</p>')
    if part.get("title"):
        inner.append(f'<h2>{_link(part.get("title_link"), _plain(part["title"]))}</h2>')
    text = part.get("text") or ("" if part.get("title") else part.get("fallback"))
    if text:
        inner.append(f'<p class="text">{_marked(text)}</p>')
    fields = part.get("fields")
    if isinstance(fields, list) and fields:
        pairs = "".join(
            f'<div><dt>{_plain(field.get("title"))}</dt><dd>{_marked(field.get("value"))}</dd></div>'
            for field in fields
            if isinstance(field, dict)
        )
        inner.append(f"<dl>{pairs}</dl>")
    if part.get("footer"):
        inner.append(f'<p class="soft">{_marked(part["footer"])}</p>')
    return f'<div class="part {kind}">{"".join(inner)}</div>'
