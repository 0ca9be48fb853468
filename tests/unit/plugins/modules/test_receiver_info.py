# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import receiver_info

SECRET = "sEcReT"


@pytest.fixture(autouse=True)
def warnings(monkeypatch):
    """What the module warns of; Ansible keeps that in a form of its own, which changes."""
    said = []
    monkeypatch.setattr(
        receiver_info.AnsibleModule, "warn", lambda self, text, **options: said.append(text)
    )
    return said


def run(capsys, **options):
    with patch_module_args(options), pytest.raises(SystemExit) as caught:
        receiver_info.main()
    said = capsys.readouterr().out
    assert SECRET not in said
    return caught.value.code, json.loads(said)


@contextlib.contextmanager
def answering(status, text):
    """The URL of a webhook that always answers so; what it was sent goes into the list beside it."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/{SECRET}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "state", "sentence"),
    [
        (400, b"no_text", "lives", "takes messages: it answers 400 no_text to an empty text, and posts nothing."),
        (404, b"no_service", "dead", "does not take messages: the webhook is revoked, or never was (it answers 404 no_service)."),
        (503, b"<html>", "unknown", "could not say whether it takes messages: it answers 503, as no webhook of Slack's does while it takes messages."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", [False, True])
def test_a_webhook_says_whether_it_lives(capsys, warnings, status, text, state, sentence, check):
    with answering(status, text) as (url, seen):
        code, result = run(capsys, url=url, purpose="The Slack webhook", _ansible_check_mode=check)
    assert (code, result["changed"]) == (0, False)
    sentence = "The Slack webhook at 127.0.0.1 " + sentence
    assert (result["state"], result["sentence"]) == (state, sentence)
    assert warnings == ([sentence] if state == "unknown" else [])
    assert seen == [{"text": ""}]


def test_nobody_there_is_a_warning(capsys, warnings):
    code, result = run(capsys, url=f"http://127.0.0.1:1/services/{SECRET}")
    assert (code, result["state"]) == (0, "unknown")
    assert "it cannot be reached (Connection refused)" in warnings[0]


def test_a_mail_server_that_is_not_there_is_a_warning(capsys, warnings):
    mail = {"host": "127.0.0.1", "port": 1, "username": "monitml", "password": SECRET}
    code, result = run(capsys, mail=mail, purpose="The mail server")
    assert (code, result["state"]) == (0, "unknown")
    assert result["sentence"].startswith("The mail server at 127.0.0.1 could not say")
    assert warnings == [result["sentence"]]


def test_it_takes_one_of_the_two(capsys):
    code, result = run(capsys, purpose="Nobody")
    assert code == 1 and "one of the following is required" in result["msg"]
