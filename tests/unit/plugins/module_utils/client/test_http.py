# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.client.http import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    UNTIL_CLOSE,
    AnswerError,
    AnswerReader,
    parse_head,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def read(data, cuts=(), closed=False):
    """Feeds ``data`` cut at ``cuts``; returns (status, body, keep, rest) or None while it is not whole."""
    reader = AnswerReader()
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[left:right] for left, right in zip(edges, edges[1:])]
    for at, piece in enumerate(pieces):
        answer = reader.feed(piece)
        if answer:
            rest = reader.rest + b"".join(pieces[at + 1 :])
            return answer[0].status, answer[1], answer[0].keep, rest
    if closed:
        head, body = reader.finish()
        return head.status, body, head.keep, b""
    return None


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi", True, b"")),
    (b"HTTP/1.1 200\r\ncontent-LENGTH:2\r\n\r\nhi", (200, b"hi", True, b"")),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", (200, b"hi", True, b"")),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi", False, b"")),
    (
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi",
        (200, b"hi", True, b""),
    ),
    (
        b"HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 2\r\n\r\nhi",
        (200, b"hi", False, b""),
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", True, b"")),
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        (500, b"", True, b""),
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        (200, b"hi", True, b""),
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA;x=y\r\n0123456789\r\n1\r\n!\r\n000\r\nX-T: z\r\n\r\n",
        (200, b"0123456789!", True, b""),
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", (200, b"hi", True, b"")),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n",
        (200, b"", False, b""),
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nhi",
        (200, b"hi", True, b""),
    ),
    (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", (200, b"", True, b"")),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi", (200, b"h", True, b"i")),
]
OPEN_ENDED = [
    (b"HTTP/1.1 200 OK\r\n\r\nhi", (200, b"hi", False, b"")),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", (200, b"hi", False, b"")),
]


@pytest.mark.parametrize("data, expected", ANSWERS)
def test_answers_in_one_piece(data, expected):
    assert read(data) == expected


@pytest.mark.parametrize("data, expected", OPEN_ENDED)
def test_answers_that_end_with_the_connection(data, expected):
    assert read(data) is None
    assert read(data, closed=True) == expected


@given(st.sampled_from(ANSWERS + OPEN_ENDED), st.sets(st.integers(0, 200)))
def test_pieces_make_no_difference(answer, cuts):
    data, expected = answer
    assert read(data, cuts, closed=True) == expected


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"SSH-2.0-x\r\n", "malformed"),
        (b"HTTP/2 200\r\n\r\n", "malformed"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "malformed"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "malformed"),
        (b"HTTP/1.1 600 OK\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), "too_large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", "too_large"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * (MAX_HEAD_BYTES + 1), "too_large"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (MAX_HEAD_BYTES + 1),
            "too_large",
        ),
    ],
)
def test_what_is_no_answer(data, kind):
    with pytest.raises(AnswerError) as caught:
        read(data)
    assert caught.value.kind == kind


@pytest.mark.parametrize("data", [b"", b"HTT", ANSWERS[0][0][:-1], ANSWERS[8][0][:-2]])
def test_a_connection_that_closes_too_early(data):
    assert read(data) is None
    with pytest.raises(AnswerError) as caught:
        read(data, closed=True)
    assert caught.value.kind == "closed"


def test_an_answer_without_length_ends_the_connection():
    head = parse_head(b"HTTP/1.1 200 OK\r\nConnection: keep-alive")
    assert (head.length, head.keep) == (UNTIL_CLOSE, False)


TOKENS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 500 x\r\n",
    b"HTTP/1.1 100 C\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"abc",
    b" ",
    b"ffffffffffffffff\r\n",
    b";",
    b":",
    b"\x00",
    b"\xff",
]


@settings(max_examples=400)
@given(
    st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=12),
    st.sets(st.integers(0, 120)),
)
def test_any_bytes_are_an_answer_or_a_named_error(parts, cuts):
    data = b"".join(parts)

    def outcome(where):
        try:
            return read(data, where, closed=True)
        except AnswerError as err:
            return err.kind

    whole, cut = outcome(()), outcome(cuts)
    # Cut differently, the same bytes mean the same.
    assert whole == cut
