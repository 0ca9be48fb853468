# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.module_utils.client.payload import (
    body,
    compact,
    header_lines,
    parse_url,
    render,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "url, tls, host, port, path, authority",
    [
        ("http://a/b?c=d", False, "a", 80, "/b?c=d", "a"),
        ("http://a", False, "a", 80, "/", "a"),
        ("https://a:8443/x", True, "a", 8443, "/x", "a:8443"),
        ("http://[::1]:9/", False, "::1", 9, "/", "[::1]:9"),
        (
            " http://b\u00fccher.example/ ",
            False,
            "xn--bcher-kva.example",
            80,
            "/",
            "xn--bcher-kva.example",
        ),
    ],
)
def test_urls(url, tls, host, port, path, authority):
    target = parse_url(url)
    assert (target.tls, target.host, target.port, target.path) == (tls, host, port, path)
    assert target.authority == authority


@pytest.mark.parametrize(
    "url, says",
    [
        ("", "url is empty"),
        (None, "url is empty"),
        ("ftp://a/", "must begin with http"),
        ("127.0.0.1:80/x", "must begin with http|cannot be read"),
        ("http:///x", "names no host"),
        ("http://a:99999/", "cannot be read"),
        ("http://a:x/", "cannot be read"),
        ("http://a:0/", "port 0"),
        ("http://u:p@a/", "user name"),
        ("http://a/b c", "holds a blank"),
        ("http://a/b\r\nX: y", "holds a blank"),
        ("http://a/\u00e9", "percent-encoded"),
        ("http://[::1/", "cannot be read"),
    ],
)
def test_urls_that_cannot_be_sent_to(url, says):
    with pytest.raises(LoadTestError, match=says):
        parse_url(url)


def test_seldon_bodies():
    rows = [[1, 2.5], [3, 4]]
    assert json.loads(body("seldon", rows, ["a", "b"])) == {
        "data": {"names": ["a", "b"], "ndarray": rows}
    }
    tensor = json.loads(body("seldon", rows, ["a", "b"], "tensor"))["data"]["tensor"]
    assert tensor == {"shape": [2, 2], "values": [1, 2.5, 3, 4]}


def test_feedback_carries_request_truth_and_reward():
    sent = json.loads(body("feedback", [[1]], ["a"], truth=[7], reward=0.0))
    assert sent["request"]["data"]["ndarray"] == [[1]]
    assert sent["truth"] == {"data": {"ndarray": [7]}} and sent["reward"] == 0.0
    assert set(json.loads(body("feedback", [[1]]))) == {"request"}


def test_v2_is_one_tensor_of_numbers_or_one_input_per_column():
    assert json.loads(body("v2", [[1, 2], [3, 4]])) == {
        "inputs": [{"name": "predict", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]
    }
    mixed = json.loads(body("v2", [[1, "x"]], ["a", ""]))["inputs"]
    assert [(each["name"], each["datatype"], each["data"]) for each in mixed] == [
        ("a", "FP64", [1]),
        ("input-1", "BYTES", ["x"]),
    ]


def test_json_has_no_nan():
    with pytest.raises(LoadTestError, match="cannot be written as JSON"):
        compact([float("nan")])


def test_headers_can_be_replaced_but_not_the_framing():
    target = parse_url("http://a:1/")
    head = header_lines(target, {"Host": "b", "X-Y": 3}, "secret")
    assert b"Host: b\r\n" in head and b"a:1" not in head and b"X-Y: 3\r\n" in head
    assert b"Authorization: Bearer secret\r\n" in head
    for name, value in (("Content-Length", "3"), ("x y", "z"), ("x", "a\r\nb"), ("x", "\u20ac")):
        with pytest.raises(LoadTestError):
            header_lines(target, {name: value})


@given(st.text())
def test_the_length_is_that_of_the_bytes(text):
    text = text.encode("utf-8", "ignore").decode("utf-8")
    target = parse_url("http://a/x")
    head, _empty, sent = render(target, "POST", header_lines(target, {}), text).partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"POST /x HTTP/1.1\r\n")
    assert head.endswith(b"Content-Length: %d" % len(sent)) and sent.decode("utf-8") == text
