# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inbox as a process: good messages, bad clients, a kill, and how much it takes."""

from __future__ import annotations

import concurrent.futures
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from inbox_process import HOOK, PROGRAM, Inbox
from watching_stack import HOST


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    inbox = Inbox(tmp_path_factory.mktemp("inbox"))
    yield inbox
    inbox.stop()
    assert "Traceback" not in (inbox.directory / "log").read_text()


def test_it_answers_as_slack_does(inbox):
    before = time.time()
    assert inbox.send("hello") == (200, "ok")
    (message,) = inbox.messages(since=before)
    assert message["payload"] == {"text": "hello"}
    assert before < message["received_at"] < time.time()
    assert inbox.ask("POST", HOOK, "{") == (400, "invalid_payload")
    assert inbox.ask("POST", HOOK, "{}") == (400, "no_text")
    assert inbox.ask("POST", "/elsewhere", '{"text":"x"}') == (404, "no_service")
    assert inbox.ask("GET", "/elsewhere")[0] == 404
    assert inbox.ask("GET", "/api/messages?since=soon")[0] == 400


def test_a_page_takes_no_part_in_scripts(inbox):
    inbox.send("<script>alert(1)</script>")
    connection = http.client.HTTPConnection(HOST, inbox.port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
    text = answer.read().decode()
    assert "<script" not in text and "&lt;script&gt;" in text
    connection.close()


def test_too_much_is_refused_and_the_next_is_taken(inbox):
    assert inbox.ask("POST", HOOK, "x" * 300_000) == (413, "payload_too_large")
    assert inbox.send("after") == (200, "ok")


@pytest.mark.parametrize(
    "chunks",
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,),
        (b"GET / HTTP/9.9\r\n\r\n",),
        (b"POST " + HOOK.encode() + b" HTTP/1.1\r\nContent-Length: 50\r\n\r\n{",),
        (b"POST " + HOOK.encode() + b" HTTP/1.1\r\nContent-Length: -5\r\n\r\n",),
        (b"POST " + HOOK.encode() + b" HTTP/1.1\r\nContent-Length: many\r\n\r\n",),
        (
            b"POST "
            + HOOK.encode()
            + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (b"G" * 70_000 + b"\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",),
        (b"",),
    ],
)
def test_bad_clients_do_no_harm(inbox, chunks):
    try:
        answer = inbox.raw(*chunks)
    except OSError:
        answer = b""  # it may hang up
    assert not answer.startswith(b"HTTP/1.1 200")
    assert inbox.ask("GET", "/healthz")[0] == 200


def test_slow_clients_do_not_keep_others_out(inbox):
    """More half-open connections than it has places for: they are dropped, and it answers again."""
    idle = [socket.create_connection((HOST, inbox.port), timeout=5) for _client in range(20)]
    try:
        assert inbox.send("meanwhile") == (200, "ok")
    finally:
        for sock in idle:
            sock.close()


def test_messages_at_once_are_all_kept(inbox):
    before = time.time()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(inbox.send, [f"number {index}" for index in range(100)]))
    assert set(answers) == {(200, "ok")}
    texts = [message["payload"]["text"] for message in inbox.messages(since=before)]
    assert sorted(texts) == sorted(f"number {index}" for index in range(100))
    identifiers = [message["id"] for message in inbox.messages()]
    assert identifiers == sorted(set(identifiers))


def test_nothing_is_lost_when_it_is_killed(inbox):
    inbox.send("before the kill")
    count = len(inbox.messages())
    inbox.stop(signal.SIGKILL)
    with (inbox.directory / "messages.jsonl").open("ab") as stream:
        stream.write(b'{"id": 9999, "received_at": 1.0, "payl')
    inbox.start()
    messages = inbox.messages()
    assert len(messages) == count
    assert messages[-1]["payload"]["text"] == "before the kill"


def test_it_listens_on_loopback_and_takes_little(inbox):
    listeners = subprocess.run(
        ["ss", "-Hltn"], check=True, capture_output=True, text=True, timeout=10
    ).stdout
    assert f"127.0.0.1:{inbox.port}" in listeners
    assert f"0.0.0.0:{inbox.port}" not in listeners
    with open(f"/proc/{inbox.process.pid}/smaps_rollup", encoding="ascii") as stream:
        pss = next(int(line.split()[1]) for line in stream if line.startswith("Pss:"))
    assert pss < 30_000
    metrics = inbox.ask("GET", "/metrics")[1]
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics,
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert checked.returncode == 0, checked.stderr


def test_a_taken_port_is_a_sentence(inbox, tmp_path):
    command = [
        sys.executable,
        str(PROGRAM),
        "--port",
        str(inbox.port),
        "--directory",
        str(tmp_path),
    ]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    assert result.returncode == 1
    assert "cannot start" in result.stderr and "Traceback" not in result.stderr


def test_a_full_disk_is_an_error_not_a_lie(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs a file that cannot be written even to, which takes root to make")
    inbox = Inbox(tmp_path)
    try:
        path = tmp_path / "messages.jsonl"
        path.unlink()
        path.symlink_to("/dev/full")
        assert inbox.send("lost") == (500, "rollup_error")
        path.unlink()
        path.write_text('{"id": 1, "received_at": 1.0, "payl')
        assert inbox.send("kept") == (200, "ok")
        inbox.stop()
        inbox.start()
        assert [message["payload"]["text"] for message in inbox.messages()] == ["kept"]
    finally:
        inbox.stop()
