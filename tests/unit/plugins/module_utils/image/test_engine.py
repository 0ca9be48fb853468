# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
import urllib3.exceptions
from ansible_collections.monitml.stack.plugins.module_utils.image import errors
from ansible_collections.monitml.stack.plugins.module_utils.image.engine import Engine, ImageError
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def engine():
    made = Engine.__new__(Engine)
    made.host = "unix:///pretended"
    return made


messages = st.lists(st.dictionaries(st.just("status"), st.text(), min_size=1), max_size=5)


@given(messages, st.integers(1, 40), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_messages_survive_however_they_are_cut(engine, wanted, size, end, ended):
    data = end.join(map(json.dumps, wanted)).encode() + (end.encode() if ended else b"")
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    told = []
    assert engine.stream(chunks, told.append) == wanted == told
    assert engine.stream(wanted) == wanted


@pytest.mark.parametrize(
    ("message", "told", "passing"),
    [
        ({"error": "unauthorized: no", "errorDetail": {"message": "x"}}, "credentials", False),
        ({"errorDetail": {"message": "toomanyrequests: x"}}, "limits how often", True),
        ({"error": "unexpected HTTP status: 503 Service Unavailable"}, "restarting", True),
        ({"error": "unexpected HTTP status: 500 Internal Server Error"}, "full", False),
        ({"error": "unexpected HTTP status: 507 Insufficient Storage"}, "full", False),
        ({"error": "read: connection reset by peer"}, "restarting", True),
        ({"error": "unsupported"}, "read-only", False),
        # As Docker 29 words the same.
        ({"error": "error from registry: denied denied"}, "rights", False),
        ({"error": "error from registry: unsupported unsupported"}, "read-only", False),
        ({"error": "error from registry: unknown unknown"}, "full", False),
        ({"error": "error from registry: unavailable unavailable"}, "restarting", True),
        ({"error": "tls: first record does not look like a TLS handshake"}, "speak TLS", False),
        (
            {"error": 'failed commit on ref "a": unexpected commit digest b, expected c'},
            "is not there after a push",
            False,
        ),
        ({"errorDetail": {}, "error": ""}, None, False),
    ],
)
def test_an_error_within_a_stream(engine, message, told, passing):
    if told is None:
        assert engine.stream([message]) == [message]
        return
    with pytest.raises(ImageError, match=told) as caught:
        engine.stream([json.dumps(message).encode()])
    assert caught.value.passing == passing


def test_an_engine_that_ends_in_the_middle(engine):
    def broken():
        yield b'{"status": "Preparing"}\n'
        raise urllib3.exceptions.ProtocolError("Connection broken")

    with pytest.raises(ImageError, match="unix:///pretended"):
        engine.stream(broken())


def test_no_json(engine):
    with pytest.raises(ImageError, match="sent no JSON"):
        engine.stream([b"<html>"])


@given(st.text())
def test_words_are_passed_on(text):
    assert errors.explain(text).endswith(".") and errors.is_passing(text) in (True, False)
