# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inbox passes messages on, to a Slack that says no in every way there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from inbox_process import HOOK, PATIENCE, SECRET, Inbox, Passing, wait
from stub_slack import HANG, OK
from watching_stack import HOST


@pytest.fixture
def passing(tmp_path):
    passing = Passing(tmp_path)
    yield passing
    passing.stop()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert "own fault" not in (tmp_path / "log").read_text()


def test_a_message_goes_on_at_once_and_as_it_came(passing):
    payload = {
        "username": "MonitML",
        "attachments": [
            {"title": "Ä", "text": "one\n<http://x/|two>", "fields": [], "mrkdwn_in": ["text"]}
        ],
    }
    began = time.time()
    assert passing.inbox.ask("POST", HOOK, json.dumps(payload)) == (200, "ok")
    wait(lambda: passing.slack.taken, 5)
    assert passing.slack.taken == [payload]
    assert passing.slack.attempts[0][0] - began < PATIENCE
    (message,) = passing.inbox.messages()
    assert message["payload"] == payload
    wait(lambda: passing.inbox.messages()[0]["told"], 5)
    assert passing.receiver()["waiting"] == 0 and passing.receiver()["failure"] is None


def test_fifty_at_once_are_told_at_one_message_a_second(passing):
    names = [f"alert {number}" for number in range(50)]
    began = time.time()
    threads = [threading.Thread(target=passing.send, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(lambda: len(passing.slack.titles()) >= 50, 30)
    assert sorted(passing.slack.titles()) == sorted(names)
    assert passing.slack.attempts[0][0] - began < PATIENCE
    assert len(passing.slack.attempts) <= 6 and not passing.slack.was_hurried()
    assert passing.slack.taken[1]["text"].endswith("messages at once.")


@pytest.mark.parametrize("answer", [(500, "rollup_error"), (302, ""), (503, "<html>busy</html>")])
def test_errors_are_retried_with_growing_pauses(passing, answer):
    passing.slack.answer = answer
    passing.send("first")
    time.sleep(3)
    passing.send("second", "third")
    time.sleep(7)
    # After a second, and from the fifth on after a quarter of the time that it has failed.
    assert 6 <= len(passing.slack.attempts) <= 10
    gaps = passing.slack.gaps()
    assert not passing.slack.was_hurried() and gaps[-1] > 1.3 and gaps[-1] > gaps[3]
    failure = passing.receiver()["failure"]
    assert failure["reason"] == "failing" and str(answer[0]) in failure["words"]
    passing.slack.answer = OK
    wait(lambda: passing.slack.titles() == ["first", "second", "third"], 3.5 + PATIENCE)
    (told,) = passing.slack.taken
    assert "3 messages, held back for up to" in told["text"]
    assert f"Slack did not take messages: {failure['words']}." in told["text"]
    assert all(part["ts"] for part in told["attachments"])
    passing.send("fourth")
    wait(lambda: "fourth" in passing.slack.titles(), 1 + PATIENCE)
    assert "text" not in passing.slack.taken[-1]


def test_an_outage_of_seconds_costs_no_more_than_two(passing):
    passing.slack.answer = (500, "rollup_error")
    passing.send("message")
    time.sleep(6)
    passing.slack.answer = OK
    assert wait(lambda: passing.slack.taken, 10) < 2 + PATIENCE


def test_a_limit_is_honoured_also_by_the_next_start(passing):
    passing.slack.answer, passing.slack.retry_after = (429, "rate_limited"), "4"
    passing.send("first")
    wait(lambda: passing.slack.attempts, 5)
    passing.send("second")
    time.sleep(1)
    passing.inbox.stop(signal.SIGKILL)
    passing.inbox.start()
    passing.send("third")
    assert passing.receiver()["failure"]["reason"] == "rate_limited"
    assert "for a pause of 4 s (429 rate_limited)" in passing.receiver()["failure"]["words"]
    wait(lambda: len(passing.slack.attempts) == 3, 12)
    assert all(3.5 < gap < 4 + PATIENCE for gap in passing.slack.gaps())
    passing.slack.answer = OK
    wait(lambda: passing.slack.titles() == ["first", "second", "third"], 4 + PATIENCE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (403, "invalid_token"),
            "the webhook is revoked, or its URL is not whole (it answers 403 invalid_token)",
        ),
        ((404, "no_service"), "the webhook is revoked, or never was (it answers 404 no_service)"),
        (
            (410, "channel_is_archived"),
            "the webhook's channel is archived (it answers 410 channel_is_archived)",
        ),
        ((404, "<html>"), "the webhook is gone, or does not take messages (it answers 404)"),
    ],
)
def test_a_revoked_webhook_is_left_alone_until_there_is_another(passing, answer, words):
    passing.slack.answer = answer
    passing.send("first")
    wait(lambda: passing.slack.attempts, 5)
    for number in range(5):
        passing.send(f"more {number}")
        time.sleep(0.4)
    passing.inbox.stop(signal.SIGKILL)
    passing.inbox.start()
    passing.send("last")
    time.sleep(2)
    assert len(passing.slack.attempts) == 1
    receiver = passing.receiver()
    assert receiver["failure"]["words"] == words and receiver["waiting"] == 7
    assert 50 < receiver["next_attempt"] - time.time() <= 60
    page = passing.inbox.ask("GET", "/")[1]
    assert "Slack does not take messages" in page and "7 messages wait" in page
    # What site.yml does with a new URL.
    passing.slack.answer = OK
    fresh = passing.url_file.with_suffix(".new")
    fresh.write_text(passing.slack.url("another"))
    fresh.replace(passing.url_file)
    wait(lambda: len(passing.slack.titles()) == 7, 2 + PATIENCE)
    wait(lambda: "does not take" not in passing.inbox.ask("GET", "/")[1], 2)


def test_nobody_there_is_found_again(passing):
    passing.slack.stop()
    passing.send("first", "second")
    wait(lambda: passing.receiver()["failure"], 5)
    assert passing.receiver()["failure"]["words"] == "it cannot be reached (Connection refused)"
    time.sleep(5)
    passing.slack.start()
    assert wait(lambda: passing.slack.titles() == ["first", "second"], 10) < 2 + PATIENCE


def test_one_that_hangs_holds_nothing_else_up(passing):
    passing.slack.answer = HANG
    passing.send("first")
    wait(lambda: passing.slack.attempts, 5)
    passing.send("second")
    wait(lambda: passing.receiver()["failure"], 12)
    assert passing.receiver()["failure"]["words"] == "it does not answer within 10 s"
    assert len(passing.slack.attempts) == 1
    passing.slack.answer = OK
    wait(lambda: passing.slack.titles() == ["first", "second"], 3 + PATIENCE)


def test_nothing_is_lost_when_it_is_killed(passing):
    passing.slack.answer = (500, "rollup_error")
    passing.send(*(f"message {number}" for number in range(30)))
    wait(lambda: passing.slack.attempts, 5)
    passing.inbox.stop(signal.SIGKILL)
    passing.inbox.start()
    assert passing.receiver()["waiting"] == 30
    passing.slack.answer = OK
    wait(lambda: len(passing.slack.titles()) == 30, 20)
    assert passing.slack.titles() == [f"message {number}" for number in range(30)]
    wait(lambda: passing.receiver()["waiting"] == 0, 5)
    passing.inbox.stop(signal.SIGKILL)
    passing.inbox.start()
    time.sleep(2)
    assert len(passing.slack.titles()) == 30


def test_a_kill_amid_a_burst_loses_nothing_and_hurries_nobody(passing):
    for number in range(5):
        passing.send(*(f"message {number} {index}" for index in range(10)))
        passing.inbox.stop(signal.SIGKILL)
        passing.inbox.start()
    wait(lambda: len(set(passing.slack.titles())) == 50, 30)
    assert not passing.slack.was_hurried()


def test_one_unfit_message_does_not_stop_the_others(passing):
    passing.slack.refuses = lambda payload: "poison" in json.dumps(payload.get("attachments", ""))
    passing.send("one", "two", "poison <b>", "four")
    wait(lambda: "four" in passing.slack.titles(), 25)
    said = [text for text in passing.slack.titles() if "poison" in text]
    assert len(said) == 1 and said[0].startswith("This was refused as it came. In plain words:")
    assert said[0].endswith("poison &lt;b&gt;")
    assert {"one", "two", "four"} <= set(passing.slack.titles())
    assert not passing.slack.was_hurried()
    wait(lambda: passing.receiver()["failure"] is None, 2)


def test_one_that_refuses_everything_is_a_failure(passing):
    passing.slack.answer = (400, "invalid_payload")
    passing.send("message")
    wait(lambda: passing.receiver()["failure"], 5)
    time.sleep(6)
    assert passing.receiver()["failure"]["reason"] == "refused"
    assert len(passing.slack.attempts) <= 8 and not passing.slack.was_hurried()
    passing.slack.answer = OK
    wait(lambda: passing.slack.taken, 4)


def test_a_full_disk_keeps_nothing_from_being_told(passing):
    if os.geteuid() != 0:
        pytest.skip("needs a file that cannot be written even to, which takes root to make")
    path = passing.inbox.directory / "messages.jsonl"
    path.unlink()
    path.symlink_to("/dev/full")
    passing.send("DiskFull")
    wait(lambda: passing.slack.titles() == ["DiskFull"], 5)


def test_who_is_new_is_not_told_of_old(tmp_path):
    inbox = Inbox(tmp_path)
    inbox.send("old")
    inbox.stop()
    passing = Passing(tmp_path)
    try:
        passing.send("new")
        wait(lambda: passing.slack.taken, 5)
        time.sleep(1.5)
        assert passing.slack.titles() == ["new"]
    finally:
        passing.stop()


def test_a_page_from_elsewhere_cannot_have_a_browser_post(passing):
    headers = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    answer = passing.inbox.ask("POST", HOOK, '{"text": "log in here"}', headers)
    assert answer == (403, "action_prohibited")
    assert passing.inbox.messages() == []


def test_the_secret_is_in_its_file_alone(passing):
    passing.slack.answer = (404, "no_service")
    passing.send("message")
    wait(lambda: passing.receiver()["failure"], 5)
    passing.url_file.write_text(f"http://{HOST}:1/services/{SECRET} with a blank")
    wait(lambda: (passing.receiver()["failure"] or {}).get("reason") == "unreachable", 5)
    process = Path(f"/proc/{passing.inbox.process.pid}")
    shown = [(process / name).read_bytes().decode() for name in ("cmdline", "environ")]
    shown += [passing.inbox.ask("GET", page)[1] for page in ("/", "/metrics", "/api/messages")]
    directory = passing.inbox.directory
    shown += [
        path.read_text()
        for path in directory.iterdir()
        if path.is_file() and path != passing.url_file
    ]
    assert len(shown) > 6
    assert not [text for text in shown if SECRET in text]


def test_what_it_measures_is_sound(passing):
    passing.slack.answer = (404, "no_service")
    passing.send("one", "two")
    wait(lambda: passing.receiver()["failure"], 5)
    metrics = passing.inbox.ask("GET", "/metrics")[1]
    assert 'monitml_inbox_attempts_total{receiver="Slack",result="revoked"} 1' in metrics
    assert 'monitml_inbox_waiting_messages{receiver="Slack"} 2' in metrics
    assert 'monitml_inbox_failing_seconds{receiver="Slack",reason="revoked"} ' in metrics
    command = ["promtool", "check", "metrics"]
    checked = subprocess.run(
        command, input=metrics, check=False, capture_output=True, text=True, timeout=10
    )
    assert checked.returncode == 0, checked.stderr


def test_it_takes_little(passing):
    passing.send("message")
    wait(lambda: passing.slack.taken, 5)
    with open(f"/proc/{passing.inbox.process.pid}/smaps_rollup", encoding="ascii") as stream:
        pss = next(int(line.split()[1]) for line in stream if line.startswith("Pss:"))
    assert pss < 32_000


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"receivers": [{"name": "Slack", "kind": "webhook"}]}']
)
def test_a_file_of_receivers_that_is_none_is_a_sentence(tmp_path, text):
    inbox = Inbox(tmp_path, [])
    inbox.stop()
    (tmp_path / "receivers.json").write_text(text)
    result = subprocess.run(inbox.command, check=False, capture_output=True, text=True, timeout=10)
    assert result.returncode == 1
    assert (
        "receivers.json is no configuration" in result.stderr and "Traceback" not in result.stderr
    )
