# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inbox's payloads, store and page, without a server."""

from __future__ import annotations

import json
import sys
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/analytics/files"))
import inbox  # noqa: E402
import inbox_page  # noqa: E402
import inbox_store  # noqa: E402

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELD = st.fixed_dictionaries({}, optional={"title": ANY_JSON, "value": ANY_JSON})
ATTACHMENT = st.fixed_dictionaries(
    {},
    optional={
        key: ANY_JSON
        for key in ("title", "title_link", "text", "pretext", "fallback", "footer", "color")
    }
    | {"fields": st.lists(FIELD, max_size=3) | ANY_JSON},
)
PAYLOAD = st.fixed_dictionaries(
    {"text": st.text(min_size=1)},
    optional={"username": ANY_JSON, "attachments": st.lists(ATTACHMENT, max_size=3)},
)


RECEIVER = {
    "name": "Slack",
    "waiting": 1,
    "failure": {"since": 20.0, "reason": "revoked", "words": "<b>it</b> is gone", "attempts": 3},
    "next_attempt": 80.0,
}


class Page(HTMLParser):
    """What a browser would make of a page: its tags, and the addresses it links to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.attributes = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src")]


def page_of(payload):
    message = {"id": 1, "received_at": 0.0, "payload": payload, "told": {"Slack": 0.25}}
    return inbox_page.render_page([message], [RECEIVER], 60.0)


# -- payloads


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"text": "hello"}', JSON),
        ('{"text": "hello"}', JSON + "; charset=utf-8"),
        ("payload=" + urllib.parse.quote('{"text": "hello"}'), FORM),
        ('{"text": "hello"}', FORM),
        ('{"text": "hello"}', ""),
    ],
)
def test_slacks_forms_of_a_message_are_read(body, kind):
    assert inbox.parse_payload(body.encode(), kind) == {"text": "hello"}


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", "invalid_payload"),
        (b"hello", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b"\xff\xfe", "invalid_payload"),
        (b'{"text": 1}', "invalid_payload"),
        (b'{"text": NaN}', "invalid_payload"),
        (b'{"attachments": "no"}', "invalid_payload"),
        (b'{"attachments": ["no"]}', "invalid_payload"),
        (b'{"blocks": {"type": "section"}}', "invalid_payload"),
        (b"[" * 5000, "invalid_payload"),
        (b'{"text":"x","blocks":[{"a":' + b"[" * 50 + b"]" * 50 + b"}]}", "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"text": ""}', "no_text"),
        (b'{"attachments": []}', "no_text"),
        (json.dumps({"attachments": [{}] * 101}).encode(), "too_many_attachments"),
    ],
)
def test_wrong_payloads_are_refused_in_slacks_words(body, refusal):
    with pytest.raises(inbox.Refused) as caught:
        inbox.parse_payload(body, JSON)
    assert (caught.value.code, caught.value.text) == (400, refusal)


@given(st.binary(max_size=300), st.sampled_from([JSON, FORM, ""]))
def test_no_bytes_whatever_do_harm(body, kind):
    try:
        assert isinstance(inbox.parse_payload(body, kind), dict)
    except inbox.Refused:
        pass


# -- the page


@given(PAYLOAD)
def test_no_message_is_markup(payload):
    """Only our own tags and attributes, only links to the web, whatever the message says."""
    page = Page(page_of(payload))
    ours = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "article"}
    ours |= {"header", "strong", "span", "div", "dl", "dt", "dd", "a", "em", "code"}
    assert set(page.tags) <= ours
    assert page.attributes <= {
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "href",
        "rel",
    }
    assert all(link.startswith(("http://", "https://")) for link in page.links)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<https://a.example/"onmouseover="alert(1)|x>',
        "<javascript:alert(1)|x>",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<https://a.example|<b>x</b>>",
    ],
)
def test_hostile_text_is_text(text):
    attachment = {"title": text, "title_link": text, "text": text, "color": text, "footer": text}
    attachment["fields"] = [{"title": text, "value": text}]
    page = Page(page_of({"text": text, "username": text, "attachments": [attachment]}))
    assert not {"script", "img", "b"} & set(page.tags)
    assert not {attribute for attribute in page.attributes if attribute.startswith("on")}
    assert all(link.startswith(("http://", "https://")) for link in page.links)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        (
            "<https://a.example/b?c=1&d=2|here>",
            '<a href="https://a.example/b?c=1&amp;d=2" rel="noreferrer noopener">here</a>',
        ),
        ("<https://a.example/?x=1&amp;y=2>", 'href="https://a.example/?x=1&amp;y=2"'),
        (
            "*bold* and _it_ and `code`",
            "<strong>bold</strong> and <em>it</em> and <code>code</code>",
        ),
        ("5 &lt; 6 &amp; 7", "5 &lt; 6 &amp; 7"),
        ("snake_case_name", "snake_case_name"),
    ],
)
def test_slacks_own_marks_are_shown(text, markup):
    assert markup in page_of({"text": text})


def test_an_empty_inbox_says_so():
    page = inbox_page.render_page([], [], 0.0)
    assert "No message yet" in page and "as long as no Slack URL is set" in page


def test_who_takes_no_messages_is_said_with_the_reason():
    page = page_of({"text": "hello"})
    assert "go on to Slack" in page and "<h2>Slack does not take messages</h2>" in page
    assert (
        "Since 40 s; 3 attempts, the next in 20 s. 1 message waits, and can be read here." in page
    )
    assert "Told: Slack 0.25 s later" in page and "&lt;b&gt;it&lt;/b&gt; is gone." in page


# -- the store


def contents(store):
    return [message["payload"]["text"] for message in store.since()]


def test_messages_survive_a_restart(tmp_path):
    store = inbox_store.Store(tmp_path)
    store.add({"text": "one"}, 1.0)
    store.add({"text": "two"}, 2.5)
    again = inbox_store.Store(tmp_path)
    assert contents(again) == ["one", "two"]
    assert [message["id"] for message in again.since(1.0)] == [2]
    again.add({"text": "three"}, 3.0)
    assert [message["id"] for message in again.since()] == [1, 2, 3]


@given(st.integers(min_value=1, max_value=400))
def test_a_torn_last_line_costs_only_itself(tmp_path_factory, cut):
    directory = tmp_path_factory.mktemp("inbox")
    store = inbox_store.Store(directory)
    for text in ("one", "two", "three"):
        store.add({"text": text}, 1.0)
    path = directory / "messages.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(whole) - cut, 0)])
    kept = path.read_bytes().count(b"\n")
    again = inbox_store.Store(directory)
    assert contents(again) == ["one", "two", "three"][:kept]
    again.add({"text": "four"}, 2.0)
    assert contents(inbox_store.Store(directory)) == [*["one", "two", "three"][:kept], "four"]


def test_garbage_in_the_file_is_dropped(tmp_path):
    lines = [
        b"\xff\x00\n",
        b"[]\n",
        b'{"id":"x"}\n',
        b'{"id":1,"received_at":1,"payload":{"text":"ok"}}\n',
        b"\n",
    ]
    (tmp_path / "messages.jsonl").write_bytes(b"".join(lines))
    assert contents(inbox_store.Store(tmp_path)) == ["ok"]


def test_the_oldest_are_dropped(tmp_path):
    store = inbox_store.Store(tmp_path, messages_max=3)
    for number in range(5):
        store.add({"text": str(number)}, float(number))
    assert contents(store) == ["2", "3", "4"]
    assert contents(inbox_store.Store(tmp_path, messages_max=3)) == ["2", "3", "4"]


def test_the_file_stays_within_its_bound(tmp_path):
    store = inbox_store.Store(tmp_path, bytes_max=10_000)
    for number in range(500):
        store.add({"text": f"{number} " + "x" * 100}, float(number))
        assert (tmp_path / "messages.jsonl").stat().st_size <= 10_200
    assert contents(store)[-1].startswith("499 ")
    assert contents(inbox_store.Store(tmp_path, bytes_max=10_000))[-1].startswith("499 ")
