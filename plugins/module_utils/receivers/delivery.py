# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One message to a webhook or a mail server, and what the answer means.

Standard library only, Python 3.8 or later, and no import of ours: the file is also put beside the
inbox. What an error of a library says is never passed on, as it may hold the URL, which is a secret.

How Slack answers: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/apis/web-api/rate-limits. A live webhook answers an empty text with
400 no_text and posts nothing.
"""

from __future__ import annotations

import email.message
import email.utils
import http.client
import json
import os
import re
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

TIMEOUT_SECONDS = 10
# An answer of our own that asks for longer is one to doubt.
PAUSE_MAX_SECONDS = 3600
BODY_BYTES_MAX = 200
# Why a message was not taken, in words that go on from "Slack does not take messages: ".
REASONS = {
    "revoked": "the webhook is revoked, or its channel is gone",
    "rate_limited": "it asks for a pause",
    "unreachable": "it cannot be reached",
    "failing": "it answers with errors of its own",
    "refused": "it refuses what it is sent",
}
GONE = (401, 403, 404, 410)
# What is wrong with a message, not with the webhook.
UNFIT = (400, 413)
# Slack's words for it, and what they mean to a person.
WORDS = {
    "no_service": "the webhook is revoked, or never was",
    "no_active_hooks": "the webhook is switched off",
    "no_team": "the webhook's workspace is gone",
    "team_disabled": "the webhook's workspace is switched off",
    "invalid_token": "the webhook is revoked, or its URL is not whole",
    "action_prohibited": "the workspace forbids the webhook to post",
    "channel_not_found": "the webhook's channel is gone",
    "channel_is_archived": "the webhook's channel is archived",
}
OF_MESSAGES = (
    "no_text",
    "missing_text",
    "missing_text_or_fallback_or_attachments",
    "invalid_payload",
)


class Answer(NamedTuple):
    """reason: a key of REASONS, "" where all went well; words: it as a person reads it; pause: the
    seconds to wait that were asked for, 0 where none were; code: the HTTP status, 0 for none."""

    reason: str
    words: str = ""
    pause: float = 0
    code: int = 0


def read_answer(code: int, body: bytes, retry_after: str = "", now: float = 0) -> Answer:
    """What a webhook's answer to a message means. now: epoch seconds, for a Retry-After with a date."""
    word = _word(body)
    told = " ".join(filter(None, (str(code), word)))
    if 200 <= code < 300:
        return Answer("", code=code)
    if code == 429:
        pause = _pause(retry_after, now)
        asked = f" for a pause of {pause:.0f} s" if pause else " for a pause"
        return Answer("rate_limited", f"it asks{asked} ({told})", pause, code)
    if code in GONE:
        words = WORDS.get(word, "the webhook is gone, or does not take messages")
        return Answer("revoked", f"{words} (it answers {told})", 0, code)
    if code in UNFIT:
        return Answer("refused", f"{REASONS['refused']} ({told})", 0, code)
    if 300 <= code < 400:
        return Answer(
            "failing", f"it answers {told} and sends elsewhere, which is not followed", 0, code
        )
    return Answer("failing", f"it answers with an error ({told})", _pause(retry_after, now), code)


def read_probe(code: int, body: bytes) -> tuple[str, str]:
    """(state, words) of a webhook that was sent an empty text: lives, dead or unknown."""
    word = _word(body)
    told = " ".join(filter(None, (str(code), word)))
    if 200 <= code < 300 or code == 429 or (code in UNFIT and word in OF_MESSAGES):
        return "lives", f"it answers {told} to an empty text, and posts nothing"
    answer = read_answer(code, body)
    if answer.reason == "revoked":
        return "dead", answer.words
    return "unknown", f"it answers {told}, as no webhook of Slack's does while it takes messages"


def _word(body: bytes) -> str:
    """Slack's word in an answer; "" for everything else, such as the page of a proxy."""
    text = body[:BODY_BYTES_MAX].decode("utf-8", "replace").strip()
    return text if re.fullmatch(r"[a-z]+(_[a-z]+)*", text) and len(text) <= 60 else ""


def _pause(retry_after: str, now: float) -> float:
    """The seconds that a Retry-After asks for, as number or as date; 0 where it says nothing."""
    text = (retry_after or "").strip()
    try:
        pause = float(text) if re.fullmatch(r"[0-9]{1,9}", text) else _until(text) - now
    except (TypeError, ValueError, IndexError):
        return 0
    return min(max(pause, 0), PAUSE_MAX_SECONDS)


def _until(date: str) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp()


def unreached(error: Exception, timeout: float) -> Answer:
    """Why a connection came to nothing, without a word of the error itself beyond its kind."""
    cause = getattr(error, "reason", None)
    cause = cause if isinstance(cause, Exception) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = f"its certificate is not trusted here ({cause.verify_message})"
    elif isinstance(cause, ssl.SSLError):
        words = "TLS with it fails"
    elif isinstance(cause, socket.gaierror):
        words = "its name cannot be resolved here"
    elif isinstance(cause, (TimeoutError, socket.timeout)):
        words = f"it does not answer within {timeout:.0f} s"
    elif isinstance(cause, OSError) and cause.errno:
        words = f"it cannot be reached ({os.strerror(cause.errno)})"
    else:
        words = "the connection to it breaks off"
    return Answer("unreachable", words)


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Where a redirection leads is nobody that a secret was meant for."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class Webhook:
    """A webhook as Slack has them. The proxy of the environment is used, redirections are not followed."""

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS):
        self._url, self._timeout = url, timeout

    @property
    def host(self) -> str:
        """The name of its machine, the part of the URL that is no secret."""
        return urllib.parse.urlsplit(self._url).hostname or ""

    def send(self, payload: dict) -> Answer:
        """Sends one message."""
        found = self._post(payload)
        return found if isinstance(found, Answer) else read_answer(*found, now=time.time())

    def ask(self) -> tuple[str, str]:
        """(state, words): whether it lives, is dead, or cannot be asked. Posts nothing."""
        found = self._post({"text": ""})
        return ("unknown", found.words) if isinstance(found, Answer) else read_probe(*found[:2])

    def _post(self, payload):
        """(status, body, Retry-After), or the Answer that there was none."""
        try:
            request = urllib.request.Request(
                self._url,
                json.dumps(payload).encode(),
                {"Content-Type": "application/json", "User-Agent": "monitml"},
            )
            opener = urllib.request.build_opener(_NoRedirection)
            with opener.open(request, timeout=self._timeout) as answer:
                return answer.status, answer.read1(BODY_BYTES_MAX), ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, self._rest(error), error.headers.get("Retry-After") or ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            return unreached(error, self._timeout)

    @staticmethod
    def _rest(error) -> bytes:
        try:
            return error.read(BODY_BYTES_MAX)
        except (OSError, http.client.HTTPException):
            return b""


class MailServer(NamedTuple):
    """Where mail is handed in. security: starttls, tls or none; username: "" for no login."""

    host: str
    port: int
    security: str = "starttls"
    username: str = ""
    password: str = ""
    timeout: float = TIMEOUT_SECONDS

    def send(self, sender: str, recipients: list[str], subject: str, text: str) -> Answer:
        """Hands one mail in."""
        mail = email.message.EmailMessage()
        mail["From"], mail["To"] = sender, ", ".join(recipients)
        mail["Subject"] = " ".join(subject.split())
        mail["Date"] = email.utils.localtime()
        mail["Message-ID"] = email.utils.make_msgid(domain=sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return self._talk(lambda server: server.send_message(mail, sender, recipients))

    def ask(self) -> tuple[str, str]:
        """(state, words): whether it lets us in, does not, or cannot be asked. Sends nothing."""
        answer = self._talk(lambda server: server.noop())
        if not answer.reason:
            return "lives", "it lets us in"
        return ("dead" if answer.reason == "refused" else "unknown"), answer.words

    def _talk(self, say) -> Answer:
        context = ssl.create_default_context()
        try:
            if self.security == "tls":
                server = smtplib.SMTP_SSL(
                    self.host, self.port, timeout=self.timeout, context=context
                )
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
            with server:
                if self.security == "starttls":
                    server.starttls(context=context)
                if self.username:
                    server.login(self.username, self.password)
                say(server)
            return Answer("")
        except smtplib.SMTPAuthenticationError as error:
            return Answer("refused", f"it refuses the login ({error.smtp_code})")
        except smtplib.SMTPNotSupportedError:
            wanted = "starttls" if self.security == "starttls" else "the login"
            return Answer("refused", f"it does not offer {wanted}")
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused({code for code, _text in error.recipients.values()}, "recipients")
        except smtplib.SMTPResponseException as error:
            return self._refused({error.smtp_code}, "mail")
        except (OSError, smtplib.SMTPException) as error:
            return unreached(error, self.timeout)

    @staticmethod
    def _refused(codes, what) -> Answer:
        told = ", ".join(str(code) for code in sorted(codes))
        if min(codes) >= 500:
            return Answer("refused", f"it refuses the {what} ({told})")
        return Answer("failing", f"it takes no {what} for the time being ({told})")
