# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who the inbox tells while Slack takes no messages: another webhook, and people by mail."""

from __future__ import annotations

import time

import pytest
from inbox_process import PATIENCE, SECRET, Passing, wait
from stub_slack import OK, StubMail, StubSlack
from watching_stack import HOST


@pytest.fixture
def second(tmp_path):
    slack = StubSlack()
    (tmp_path / "fallback_url").write_text(slack.url("fallback"))
    yield slack
    slack.stop()


def with_fallback(directory, second, after_seconds=3):
    entry = {"name": "Fallback webhook", "kind": "webhook", "after_seconds": after_seconds}
    return Passing(directory, [{**entry, "url_file": str(directory / "fallback_url")}])


def test_the_fallback_is_told_what_slack_does_not_take(tmp_path, second):
    passing = with_fallback(tmp_path, second, after_seconds=30)
    try:
        passing.send("fine")
        wait(lambda: passing.slack.taken, 5)
        time.sleep(1)
        passing.slack.answer = (404, "no_service")
        passing.send("first")
        wait(lambda: "first" in second.titles(), 2 + PATIENCE)
        assert second.taken[0]["text"] == (
            "Slack does not take messages: the webhook is revoked, or never was (it answers 404 no_service)."
        )
        passing.send("second")
        wait(lambda: second.titles() == ["first", "second"], 1.5 + PATIENCE)
        passing.slack.answer = OK
        passing.url_file.write_text(passing.slack.url("another"))
        wait(lambda: passing.slack.titles() == ["fine", "first", "second"], 2 + PATIENCE)
        passing.send("third")
        wait(lambda: "third" in passing.slack.titles(), 2 + PATIENCE)
        wait(lambda: len(second.titles()) == 3, 2 + PATIENCE)
        assert second.titles()[2] == "Slack takes messages again."
        time.sleep(1.5)
        assert len(second.titles()) == 3 and not second.was_hurried()
        told = [set(message["told"]) for message in passing.inbox.messages()]
        both = {"Slack", "Fallback webhook"}
        assert told == [{"Slack"}, both, both, {"Slack"}]
    finally:
        passing.stop()


def test_the_fallback_is_not_told_of_a_hiccup(tmp_path, second):
    passing = with_fallback(tmp_path, second, after_seconds=5)
    try:
        passing.slack.answer = (500, "rollup_error")
        passing.send("first")
        time.sleep(2.5)
        passing.slack.answer = OK
        wait(lambda: passing.slack.titles() == ["first"], 3)
        time.sleep(1)
        assert second.attempts == []
        passing.slack.answer = (500, "rollup_error")
        passing.send("second")
        assert 4.5 < wait(lambda: second.titles() == ["second"], 15) < 6.5 + PATIENCE
    finally:
        passing.stop()


def test_a_fallback_that_fails_too_is_left_alone_too(tmp_path, second):
    passing = with_fallback(tmp_path, second)
    try:
        passing.slack.answer = second.answer = (404, "no_service")
        passing.send("first")
        wait(lambda: passing.receiver("Fallback webhook")["failure"], 5)
        passing.send("second")
        time.sleep(3)
        assert len(passing.slack.attempts) == len(second.attempts) == 1
        assert len(passing.inbox.messages()) == 2
    finally:
        passing.stop()


def mail_entry(server, **more):
    entry = {"name": "Fallback e-mail", "kind": "mail", "after_seconds": 3, "host": HOST}
    entry |= {"port": server.port, "security": "none", "username": "", "password_file": ""}
    return {
        **entry,
        "from": "monitml@example.org",
        "to": ["a@example.org", "b@example.org"],
        **more,
    }


def test_people_are_told_by_mail(tmp_path):
    server = StubMail()
    passing = Passing(tmp_path, [mail_entry(server)])
    try:
        passing.slack.answer = (410, "channel_is_archived")
        passing.send("PredictionMeanTooLow in housing/bad v2")
        wait(lambda: server.mails, 3 + PATIENCE)
        text = server.mails[0][1]
        assert "Subject: [MonitML] PredictionMeanTooLow in housing/bad v2" in text
        assert (
            "To: a@example.org, b@example.org" in text and "Auto-Submitted: auto-generated" in text
        )
        assert "Slack does not take messages: the webhook's channel is archived" in text
        passing.send("more", "yet more")
        time.sleep(2)
        assert len(server.mails) == 1
        assert 50 < passing.receiver("Fallback e-mail")["next_attempt"] - time.time() <= 60
    finally:
        passing.stop()
        server.stop()


def test_a_wrong_password_is_said(tmp_path):
    server = StubMail(password="right")
    (tmp_path / "password").write_text(SECRET)
    entry = mail_entry(server, username="monitml", password_file=str(tmp_path / "password"))
    passing = Passing(tmp_path, [entry])
    try:
        passing.slack.answer = (404, "no_service")
        passing.send("message")
        wait(lambda: passing.receiver("Fallback e-mail")["failure"], 5)
        failure = passing.receiver("Fallback e-mail")["failure"]
        assert failure["words"] == "it refuses the login (535)"
        assert server.logins == 1
        assert SECRET not in (tmp_path / "log").read_text()
    finally:
        passing.stop()
        server.stop()
