# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the answers of webhooks and mail servers mean, and that no secret is in the words for it."""

from __future__ import annotations

import email.utils
import errno
import smtplib
import socket
import ssl
import urllib.error

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.receivers import delivery
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("code", "body", "reason", "words"),
    [
        (200, b"ok", "", ""),
        (429, b"rate_limited", "rate_limited", "it asks for a pause (429 rate_limited)"),
        (403, b"invalid_token", "revoked", "the webhook is revoked, or its URL is not whole (it answers 403 invalid_token)"),
        (403, b"action_prohibited", "revoked", "the workspace forbids the webhook to post (it answers 403 action_prohibited)"),
        (404, b"no_service", "revoked", "the webhook is revoked, or never was (it answers 404 no_service)"),
        (404, b"<html><b>gone</b></html>", "revoked", "the webhook is gone, or does not take messages (it answers 404)"),
        (410, b"channel_is_archived", "revoked", "the webhook's channel is archived (it answers 410 channel_is_archived)"),
        (400, b"invalid_payload", "refused", "it refuses what it is sent (400 invalid_payload)"),
        (413, b"", "refused", "it refuses what it is sent (413)"),
        (302, b"", "failing", "it answers 302 and sends elsewhere, which is not followed"),
        (500, b"rollup_error", "failing", "it answers with an error (500 rollup_error)"),
        (407, b"", "failing", "it answers with an error (407)"),
    ],
)  # fmt: skip
def test_answers_are_read(code, body, reason, words):
    answer = delivery.read_answer(code, body)
    assert (answer.reason, answer.words) == (reason, words)


@pytest.mark.parametrize(
    ("code", "body", "state"),
    [
        (400, b"no_text", "lives"),
        (400, b"invalid_payload", "lives"),
        (429, b"rate_limited", "lives"),
        (200, b"ok", "lives"),
        (403, b"invalid_token", "dead"),
        (404, b"no_service", "dead"),
        (404, b"", "dead"),
        (410, b"channel_is_archived", "dead"),
        (400, b"<html>", "unknown"),
        (302, b"", "unknown"),
        (503, b"", "unknown"),
    ],
)
def test_an_empty_text_tells_whether_a_webhook_lives(code, body, state):
    assert delivery.read_probe(code, body)[0] == state


NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        (" 3 ", 3),
        ("0", 0),
        ("999999999", delivery.PAUSE_MAX_SECONDS),
        (email.utils.formatdate(NOW + 20, usegmt=True), 20),
        (email.utils.formatdate(NOW - 20, usegmt=True), 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1e99", 0),
    ],
)
def test_what_is_asked_for_is_read(text, seconds):
    for code in (429, 503):
        assert delivery.read_answer(code, b"", text, NOW).pause == seconds


@given(st.integers(100, 599), st.binary(max_size=300), st.text(max_size=40), st.floats(0, 2e9))
def test_no_answer_whatever_does_harm(code, body, retry_after, now):
    answer = delivery.read_answer(code, body, retry_after, now)
    assert answer.reason in ("", *delivery.REASONS)
    assert 0 <= answer.pause <= delivery.PAUSE_MAX_SECONDS
    assert "<" not in answer.words and "\n" not in answer.words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (urllib.error.URLError(socket.gaierror(-2, "SECRET")), "its name cannot be resolved here"),
        (urllib.error.URLError(OSError(errno.ECONNREFUSED, "SECRET")), "it cannot be reached (Connection refused)"),
        (TimeoutError("SECRET"), "it does not answer within 10 s"),
        (urllib.error.URLError(ssl.SSLError(1, "SECRET")), "TLS with it fails"),
        (urllib.error.URLError(OSError("Tunnel connection failed: 403 SECRET")), "the connection to it breaks off"),
        (ValueError("unknown url type: 'SECRET'"), "the connection to it breaks off"),
        (smtplib.SMTPServerDisconnected("SECRET"), "the connection to it breaks off"),
    ],
)  # fmt: skip
def test_errors_are_told_by_their_kind_alone(error, words):
    assert delivery.unreached(error, 10) == ("unreachable", words, 0, 0)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/SECRET", "SECRET", "http://[SECRET", "http://h/SECRET x"]
)
def test_a_url_that_leads_nowhere_is_told_without_it(url):
    answer = delivery.Webhook(url, 2).send({"text": "x"})
    assert answer.reason == "unreachable" and "SECRET" not in answer.words
    assert delivery.Webhook(url, 2).ask()[0] == "unknown"
