# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pauses between attempts, and what a receiver is told, without a receiver."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.receivers import delivery
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/analytics/files"))
# The name that the role puts it under.
sys.modules.setdefault("inbox_delivery", delivery)
import inbox_sender  # noqa: E402
import inbox_words  # noqa: E402
from inbox_delivery import Answer  # noqa: E402


@pytest.mark.parametrize(
    ("answer", "failing", "seconds"),
    [
        (Answer("failing"), 0, 1),
        (Answer("failing"), 20, 5),
        (Answer("unreachable"), 1000, 30),
        (Answer("revoked"), 0, 60),
        (Answer("revoked"), 1200, 300),
        (Answer("revoked"), 90_000, 600),
        (Answer("rate_limited", pause=3), 1000, 3),
        (Answer("rate_limited", pause=0.2), 0, 1),
        (Answer("rate_limited"), 0, 30),
        (Answer("failing", pause=120), 0, 120),
    ],
)
def test_pauses_are_what_is_asked_for_or_grow(answer, failing, seconds):
    assert inbox_sender.pause_seconds(answer, failing, 1) == seconds


@given(st.sampled_from(sorted(delivery.REASONS)), st.floats(0, 1e7), st.floats(0, 3600))
def test_nobody_is_asked_more_often_than_once_a_second(reason, failing, pause):
    found = inbox_sender.pause_seconds(Answer(reason, pause=pause), failing, 1)
    assert 1 <= found <= 3600
    assert reason != "revoked" or found >= 60


def message(number, payload=None, received_at=100.0):
    payload = payload or {"username": "MonitML", "attachments": [{"title": f"title {number}"}]}
    return {"id": number, "received_at": received_at, "payload": payload}


def test_one_in_time_is_told_as_it_came():
    one = message(1, {"text": "hello", "icon_emoji": ":x:"})
    assert inbox_words.together([one], 101.0, []) == one["payload"]


def test_one_that_is_late_says_so():
    told = inbox_words.together([message(1)], 400.0, ["Slack did not take messages: so."])
    assert told["text"] == "Slack did not take messages: so.\n1 message, held back for up to 5 min."
    assert told["attachments"] == [{"ts": 100, "title": "title 1"}]


def test_several_are_told_together_with_texts_of_their_own():
    told = inbox_words.together([message(1), message(2, {"text": "bare"})], 101.0, [])
    assert told["text"] == "2 messages at once." and told["username"] == "MonitML"
    assert [part.get("title") or part["text"] for part in told["attachments"]] == [
        "title 1",
        "bare",
    ]


@given(st.lists(st.sampled_from(["small", "large", "blocks", "text"]), min_size=1, max_size=60))
def test_all_are_told_in_order_in_messages_that_slack_takes(kinds):
    payloads = {
        "small": {"attachments": [{"title": "x"}]},
        "large": {"attachments": [{"text": "x" * 20_000}]},
        "blocks": {"blocks": [{"type": "section"}]},
        "text": {"text": "x"},
    }
    left = [message(number, payloads[kind]) for number, kind in enumerate(kinds)]
    told = []
    while left:
        chosen = inbox_words.fitting(left)
        assert chosen == left[: len(chosen)] and chosen
        payload = inbox_words.together(chosen, 101.0, [])
        assert len(payload.get("attachments", [])) <= inbox_words.ATTACHMENTS_MAX
        assert len(chosen) == 1 or len(json.dumps(payload)) < 40_000
        assert len(chosen) == 1 or not any("blocks" in one["payload"] for one in chosen)
        told += chosen
        left = left[len(chosen) :]
    assert [one["id"] for one in told] == list(range(len(kinds)))


FULL = {
    "attachments": [
        {
            "title": "PriceTooLow in housing/bad v2",
            "text": "It is 100 &lt; 5.\n<http://b/?a=1&amp;b=2|Open the board>",
            "fields": [{"title": "Value", "value": "100"}, "odd"],
        }
    ]
}
PLAIN = """PriceTooLow in housing/bad v2
It is 100 < 5.
Open the board: http://b/?a=1&b=2
Value: 100"""


def test_a_payload_in_plain_words():
    assert inbox_words.plain(FULL) == PLAIN
    assert inbox_words.plain({"text": "half \ud800"}) == "half ?"


def test_nothing_in_plain_words_is_markup():
    told = inbox_words.in_plain_words(
        [message(1, {"text": "<!channel> & <b> " + "x" * 9000})], 0, ["Note."]
    )
    assert set(told) == {"text"} and "<" not in told["text"] and told["text"].startswith("Note.\n")
    assert len(told["text"]) < 4000


def test_mail_names_the_first_and_holds_all():
    subject, text = inbox_words.mail(
        [message(1, FULL), message(2)], 0, ["Slack does not take messages."]
    )
    assert subject == "[MonitML] PriceTooLow in housing/bad v2 (and 1 more)"
    assert text.startswith("Slack does not take messages.\n\n1970-01-01")
    assert PLAIN in text and "title 2" in text


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.text(), st.lists)))
def test_plain_words_survive_odd_texts(extra):
    assert isinstance(inbox_words.plain({**extra, "text": "x", "attachments": [{}]}), str)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_spans(seconds, text):
    assert inbox_words.span(seconds) == text
