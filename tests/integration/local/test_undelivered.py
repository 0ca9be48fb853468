# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Slack that takes nothing, around the real Prometheus and Alertmanager: who hears of what, and when."""

from __future__ import annotations

import time

import pytest
from stub_slack import OK, StubSlack
from test_watching import chromium  # noqa: F401  pylint: disable=unused-import
from watching_stack import WatchingStack


@pytest.fixture(scope="module")
def slack():
    slack = StubSlack()
    yield slack
    slack.stop()


@pytest.fixture(scope="module")
def fallback():
    slack = StubSlack()
    yield slack
    slack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, slack, fallback):
    directory = tmp_path_factory.mktemp("undelivered")
    (directory / "slack_url").write_text(slack.url())
    (directory / "fallback_url").write_text(fallback.url())
    entries = [
        {"name": "Slack", "kind": "webhook", "url_file": str(directory / "slack_url")},
        {
            "name": "Fallback webhook",
            "kind": "webhook",
            "url_file": str(directory / "fallback_url"),
        },
    ]
    entries[1]["after_seconds"] = 10
    stack = WatchingStack(directory, receivers=entries)
    try:
        yield stack.start()
    finally:
        stack.stop()


def undelivered(stack):
    return [one for one in stack.alerts() if one["labels"]["alertname"] == "AlertsNotDelivered"]


def test_a_message_reaches_slack_as_fast_as_the_inbox(stack, slack, fallback):
    stack.start_traffic(per_second=40)
    (message,) = stack.wait(stack.messages, "a message", 15)
    stack.stop_traffic()
    stack.wait(lambda: slack.taken, "the message in Slack", 5)
    assert slack.attempts[0][0] - message["received_at"] < 0.5
    assert slack.taken[0]["attachments"][0]["title"] == "PredictionMeanTooLow in housing/bad v2"
    assert set(slack.taken[0]) == {"username", "attachments"}
    stack.wait(lambda: "Resolved" in slack.titles()[-1], "the message that it is over", 45)
    assert fallback.attempts == []


def test_a_revoked_webhook_is_said_on_the_board_and_by_the_fallback(
    stack, slack, fallback, chromium
):  # noqa: F811
    slack.answer = (404, "no_service")
    before = len(slack.attempts)
    stack.start_traffic(per_second=40)
    (alert,) = stack.wait(
        lambda: undelivered(stack), "the alert that messages do not get through", 15
    )
    assert alert["annotations"]["description"] == (
        "Slack does not take messages: the webhook is revoked, or its channel is gone."
        " Messages that wait: 1. They are in the inbox."
    )
    names = ("PredictionMeanTooLow in housing/bad v2", "AlertsNotDelivered")
    stack.wait(lambda: set(names) <= set(fallback.titles()), "both messages in the fallback", 10)
    assert fallback.taken[0]["text"].startswith(
        "Slack does not take messages: the webhook is revoked"
    )
    assert len(slack.attempts) == before + 1
    stack.stop_traffic()
    page = chromium.new_page()
    page.goto(f"{stack.url}/user/")
    page.wait_for_selector(
        "article.alert.critical >> text=Slack does not take messages: the webhook is revoked"
    )
    page.goto(stack.inbox_url)
    assert "Slack does not take messages" in page.inner_text("article >> nth=0")
    page.close()


def test_another_reason_is_the_same_alert(stack, slack):
    """A person is not told anew of each way in which Slack fails."""

    def described(words):
        return [one for one in undelivered(stack) if words in one["annotations"]["description"]]

    slack.answer = (500, "rollup_error")
    (stack.directory / "slack_url").write_text(slack.url("another"))
    (before,) = stack.wait(lambda: described("errors of its own"), "the reason", 30)
    time.sleep(1)
    told = len(stack.messages())
    slack.stop()
    (after,) = stack.wait(lambda: described("it cannot be reached"), "the other reason", 30)
    slack.start()
    assert after["labels"] == before["labels"]
    assert [m["title"] for m in stack.messages()[told:] if "AlertsNotDelivered" in m["title"]] == []


def test_all_is_told_once_slack_takes_messages_again(stack, slack):
    slack.answer = OK
    wanted = {"PredictionMeanTooLow in housing/bad v2", "AlertsNotDelivered"}
    before = len(slack.taken)

    def told():
        titles = {
            part["title"] for payload in slack.taken[before:] for part in payload["attachments"]
        }
        return wanted <= titles

    stack.wait(told, "what was held back", 20)
    assert slack.taken[before]["text"].startswith("Slack did not take messages: ")
    stack.wait(lambda: not undelivered(stack), "the alert to end", 15)
    stack.wait(
        lambda: "Resolved: AlertsNotDelivered" in slack.titles(), "the message that it is over", 15
    )
    time.sleep(2)
    assert not slack.was_hurried()
