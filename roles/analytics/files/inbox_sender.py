# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passes the inbox's messages on to Slack, and to whom else there is while Slack takes none.

Standard library only; Python 3.8 or later. Each receiver has a thread of its own, and a file that
says up to which message it was told and when it may be asked again, so that a kill loses nothing
and makes nobody impatient. A message that was taken at the very moment of a kill is told twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
import time
from typing import NamedTuple

import inbox_words as words
from inbox_delivery import PAUSE_MAX_SECONDS, MailServer, Webhook
from inbox_store import replace

# Slack takes one message a second from a webhook, and switches off who goes on beyond that.
WEBHOOK_SECONDS = 1
MAIL_SECONDS = 60
MAILED_MAX = 100
# A dead webhook does not come back by itself; a limited one says when, mostly.
REVOKED_SECONDS = 60
REVOKED_MAX_SECONDS = 600
LIMITED_SECONDS = 30
RETRY_MAX_SECONDS = 30
# How much longer than it has failed already one more pause may let it fail.
GROWTH = 0.25
# How often to see, while a receiver fails, whether it was given another address.
LOOK_SECONDS = 1
# The newest messages whose moment of being told is remembered.
TOLD_AT_MAX = 200


def pause_seconds(answer, failing_seconds: float, spacing: float) -> float:
    """How long to leave a receiver alone after an answer that was no success."""
    grown = failing_seconds * GROWTH
    if answer.reason == "revoked":
        return min(max(REVOKED_SECONDS, grown), REVOKED_MAX_SECONDS)
    if answer.pause:
        return max(answer.pause, spacing)
    if answer.reason == "rate_limited":
        return min(max(LIMITED_SECONDS, grown), PAUSE_MAX_SECONDS)
    return max(min(grown, RETRY_MAX_SECONDS), spacing)


# -- receivers ----------------------------------------------------------------------------------


class WebhookReceiver:
    """A webhook whose URL is in a file, which is read anew each time: who changes it need not restart."""

    spacing = WEBHOOK_SECONDS
    # How to put it, each for when the one before was refused: all, the first, its mere words.
    forms = 3

    def __init__(self, name, url_file):
        self.name, self._file = name, url_file

    def address(self) -> str:
        """The URL. OSError where its file cannot be read."""
        with open(self._file, encoding="utf-8") as stream:
            return stream.read().strip()

    def choose(self, messages, form) -> list:
        return words.fitting(messages) if form == 0 else messages[:1]

    def tell(self, messages, form, notes):
        put = words.in_plain_words if form == 2 else words.together
        return Webhook(self.address()).send(put(messages, time.time(), notes))

    def say(self, text):
        return Webhook(self.address()).send({"username": "MonitML", "text": text})


class MailReceiver:
    """People who are reached by mail; of what comes within a minute they get one."""

    spacing = MAIL_SECONDS
    forms = 1

    def __init__(self, name, server, password_file, sender, recipients):
        self.name, self._server, self._password_file = name, server, password_file
        self._sender, self._recipients = sender, recipients

    def address(self) -> str:
        """What a change of makes a new try worth while. OSError where the password cannot be read."""
        return "\n".join([*map(str, self._whole()), self._sender, *self._recipients])

    def _whole(self) -> MailServer:
        if not self._password_file:
            return self._server
        with open(self._password_file, encoding="utf-8") as stream:
            return self._server._replace(password=stream.read().strip())

    def choose(self, messages, form) -> list:
        return messages[:MAILED_MAX]

    def tell(self, messages, form, notes):
        subject, text = words.mail(messages, time.time(), notes)
        return self._whole().send(self._sender, self._recipients, subject, text)

    def say(self, text):
        return self._whole().send(self._sender, self._recipients, f"[MonitML] {text}", text + "\n")


def receiver_of(entry: dict):
    """The receiver that an entry of the configuration describes. KeyError where it lacks something."""
    if entry["kind"] == "webhook":
        return WebhookReceiver(entry["name"], entry["url_file"])
    server = MailServer(entry["host"], entry["port"], entry["security"], entry["username"])
    return MailReceiver(entry["name"], server, entry["password_file"], entry["from"], entry["to"])


# -- sending ------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """Since when (epoch seconds) and why a receiver takes nothing, and how often it was tried."""

    since: float
    reason: str
    words: str
    attempts: int


class Sender(threading.Thread):
    """Tells one receiver. With a primary, only what that one was not told after_seconds long."""

    def __init__(self, store, receiver, directory, primary=None, after_seconds=0):
        super().__init__(name=receiver.name, daemon=True)
        self.receiver, self._store = receiver, store
        self._primary, self._after_seconds = primary, after_seconds
        name = re.sub(r"[^a-z0-9]+", "_", receiver.name.lower())
        self.path = os.path.join(directory, f"told-{name}.json")
        self._not_before = 0.0  # of the monotonic clock
        self._form = 0
        self.told_at: dict = {}
        self.failure = None
        self.attempts: dict = {}
        self.lost = 0
        state = self._read()
        # Whoever is new need not hear of old; and a file of messages that is gone starts again at 1.
        self.told = min(state.get("told", store.last), store.last)
        self._owes_farewell = state.get("owes_farewell", False)
        self._address = state.get("address", "")
        if state.get("failure"):
            self.failure = Failure(*state["failure"])
        self.told_at = {int(key): value for key, value in state.get("told_at", {}).items()}
        left = state.get("not_before", 0) - time.time()
        self._leave_alone(min(max(left, 0), PAUSE_MAX_SECONDS))
        self._save()

    # -- what it is asked

    def waiting(self) -> list:
        """What it is still to be told."""
        if self._primary is None:
            return self._store.after(self.told)
        if self._primary.is_down(self._after_seconds):
            return self._store.after(max(self.told, self._primary.told))
        return []

    def is_down(self, seconds) -> bool:
        """Whether others should be told in its place: at once where it is dead, else after a while."""
        failure = self.failure
        if failure is None:
            return False
        return failure.reason in ("revoked", "refused") or time.time() - failure.since >= seconds

    def next_attempt(self) -> float:
        """When it may be asked again, in epoch seconds."""
        return time.time() + max(self._not_before - time.monotonic(), 0)

    # -- the thread

    def run(self):
        while True:
            version = self._store.version
            try:
                pause = self._turn()
            # Whatever it is, a thread that ended would keep silent about all that follows.
            except Exception as error:  # pylint: disable=broad-except
                self._log(f"Telling {self.name} failed by our own fault: {type(error).__name__}")
                pause = RETRY_MAX_SECONDS
            self._store.wait(version, pause)

    def _turn(self):
        """Does what is due. Returns the seconds until the next look, None for when something changes."""
        messages = self.waiting()
        farewell = self._owes_farewell and self._primary and self._primary.failure is None
        if not messages and not farewell:
            self.failure = None
            return LOOK_SECONDS if self._primary and self._primary.failure else None
        self._heed_new_address()
        left = self._not_before - time.monotonic()
        if left > 0:
            return min(left, LOOK_SECONDS) if self.failure else left
        self._attempt(messages)
        return 0

    def _attempt(self, messages):
        chosen = self.receiver.choose(messages, self._form)
        began = time.time()
        self._leave_alone(self.receiver.spacing)
        self._save()
        try:
            if chosen:
                answer = self.receiver.tell(chosen, self._form, self._notes(chosen))
            else:
                answer = self.receiver.say(f"{self._primary.name} takes messages again.")
        except OSError as error:
            self._failed(
                "unreachable", f"its secret cannot be read ({os.strerror(error.errno or 0)})", began
            )
            self._leave_alone(RETRY_MAX_SECONDS)
        else:
            self._heed(answer, chosen, began)
        self._save()
        self._store.touch()

    def _heed(self, answer, chosen, began):
        self.attempts[answer.reason] = self.attempts.get(answer.reason, 0) + 1
        if not answer.reason:
            self._taken(chosen)
        elif answer.reason == "refused" and self._form + 1 < self.receiver.forms:
            self._form += 1 if len(chosen) > 1 or self._form else 2
        else:
            self._failed(answer.reason, answer.words, began)
            pause = pause_seconds(answer, time.time() - self.failure.since, self.receiver.spacing)
            self._leave_alone(pause)

    def _taken(self, chosen):
        if self.failure:
            self._log(f"{self.name} takes messages again.")
        self._owes_farewell = bool(chosen) and self._primary is not None
        self.failure, self._form = None, 0
        if chosen:
            self.lost += self._lost(chosen)
            self.told = chosen[-1]["id"]
            self.told_at.update({message["id"]: time.time() for message in chosen})
            self.told_at = dict(sorted(self.told_at.items())[-TOLD_AT_MAX:])

    def _failed(self, reason, why, began):
        before = self.failure
        if before is None or before.reason != reason:
            self._log(f"{self.name} does not take messages: {why}.")
        since, attempts = (before.since, before.attempts) if before else (began, 0)
        self.failure = Failure(since, reason, why, attempts + 1)

    def _notes(self, chosen) -> list:
        """What has to be said beside the messages, in sentences."""
        notes, lost = [], self._lost(chosen)
        if lost:
            notes.append(f"{lost} older ones found no room here and are lost.")
        if self._primary is not None and self._primary.failure:
            notes.append(
                f"{self._primary.name} does not take messages: {self._primary.failure.words}."
            )
        elif self.failure and time.time() - chosen[0]["received_at"] > words.LATE_SECONDS:
            notes.append(f"{self.name} did not take messages: {self.failure.words}.")
        return notes

    def _lost(self, chosen) -> int:
        return 0 if self._primary is not None else max(chosen[0]["id"] - self.told - 1, 0)

    def _leave_alone(self, seconds):
        self._not_before = time.monotonic() + seconds

    def _heed_new_address(self):
        """Another address owes nothing to what became of the one before."""
        try:
            digest = hashlib.sha256(self.receiver.address().encode()).hexdigest()[:16]
        except OSError:
            return
        if digest != self._address:
            self._address, self.failure, self._form = digest, None, 0
            self._leave_alone(0)

    # -- the file

    def _read(self) -> dict:
        try:
            with open(self.path, encoding="utf-8") as stream:
                state = json.load(stream)
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) and isinstance(state.get("told"), int) else {}

    def _save(self):
        state = {
            "told": self.told,
            "not_before": self.next_attempt(),
            "failure": self.failure,
            "address": self._address,
            "owes_farewell": self._owes_farewell,
            "told_at": self.told_at,
        }
        try:
            replace(self.path, json.dumps(state))
        except OSError as error:
            self._log(f"What {self.name} was told is in memory alone: {error}")

    @staticmethod
    def _log(text):
        print(text, file=sys.stderr, flush=True)


def senders_of(configuration: dict, store, directory) -> list:
    """The senders that a configuration describes, the first of them Slack's, not yet started.

    Forgets receivers that it no longer names. KeyError or TypeError where it lacks something.
    """
    senders: list = []
    for entry in configuration["receivers"]:
        primary = senders[0] if senders else None
        senders.append(
            Sender(store, receiver_of(entry), directory, primary, entry.get("after_seconds", 0))
        )
    kept = {os.path.basename(sender.path) for sender in senders}
    for name in os.listdir(directory):
        if re.match(r"told-\w+\.json$", name) and name not in kept:
            os.remove(os.path.join(directory, name))
    return senders
