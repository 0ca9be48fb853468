# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom the inbox passes messages on to, and what about that cannot work."""

from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.watching import messages

MAIL = {
    "host": "mail.example.org",
    "port": "587",
    "security": "starttls",
    "username": "monitml",
    "password_file": "/etc/smtp_password",
    "from": "monitml@example.org",
    "to": ["a@example.org"],
}
NONE = {
    "slack_url_file": "",
    "fallback_url_file": "",
    "fallback_mail": {},
    "fallback_after_seconds": "10",
}
ALL = {
    **NONE,
    "slack_url_file": "/etc/slack_url",
    "fallback_url_file": "/etc/fallback_url",
    "fallback_mail": MAIL,
}


def test_without_slack_there_is_nobody_to_pass_on_to():
    assert messages.inbox_receivers(NONE) == {"receivers": []}
    assert messages.receiver_problems(NONE) == []


def test_slack_is_the_first_and_waits_for_nobody():
    receivers = messages.inbox_receivers(ALL)["receivers"]
    assert [one["name"] for one in receivers] == ["Slack", "Fallback webhook", "Fallback e-mail"]
    assert [one.get("after_seconds") for one in receivers] == [None, 10, 10]
    assert receivers[2]["port"] == 587
    assert messages.receiver_problems(ALL) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slack_url_file": ""}, "but analytics_slack_url_file is empty: set it, or leave"),
        (
            {"fallback_after_seconds": "-1"},
            "analytics_fallback_after_seconds must not be less than 0.",
        ),
    ],
)
def test_what_cannot_work_is_a_sentence(changes, said):
    (problem,) = messages.receiver_problems({**ALL, **changes})
    assert said in problem


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"to": ["nobody"]},
            "analytics_fallback_email_to has 'nobody', which is no e-mail address.",
        ),
        ({"to": ["a@b.c, d@e.f"]}, "analytics_fallback_email_to has 'a@b.c, d@e.f'"),
        ({"from": ""}, "analytics_fallback_email_from has '', which is no e-mail address."),
        ({"from": "a@b\nBcc: c@d"}, "analytics_fallback_email_from has 'a@b\nBcc: c@d'"),
        (
            {"host": ""},
            "analytics_fallback_smtp_host is ''; an e-mail needs the name of a mail server.",
        ),
        ({"host": "smtp://x"}, "analytics_fallback_smtp_host is 'smtp://x'"),
        ({"port": 0}, "analytics_fallback_smtp_port is 0, which is no port."),
        ({"username": ""}, "analytics_fallback_smtp_password_file go together"),
        ({"password_file": ""}, "analytics_fallback_smtp_password_file go together"),
        ({"security": "none"}, "would show the password to the network"),
    ],
)
def test_what_is_wrong_with_mail_is_a_sentence(changes, said):
    (problem,) = messages.receiver_problems({**ALL, "fallback_mail": {**MAIL, **changes}})
    assert said in problem
