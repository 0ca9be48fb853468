# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import urllib.parse

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import (
    registry_protocol as protocol,
)
from hypothesis import given
from hypothesis import strategies as st

words = st.text("abcXYZ09-", min_size=1)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, {}),
        ("", {}),
        ("Basic", {"basic": {}}),
        ('Basic realm="a, b"', {"basic": {"realm": "a, b"}}),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
            {"bearer": {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"}},
        ),
        ("bearer realm=https://a/t?x=1", {"bearer": {"realm": "https://a/t?x=1"}}),
        (
            'Basic realm="x", Bearer realm="https://a/t", error="insufficient_scope"',
            {
                "basic": {"realm": "x"},
                "bearer": {"realm": "https://a/t", "error": "insufficient_scope"},
            },
        ),
        ("Negotiate, Basic realm=x", {"negotiate": {}, "basic": {"realm": "x"}}),
        ("realm=x", {}),
    ],
)
def test_challenges(header, expected):
    assert protocol.challenges(header) == expected


@given(st.dictionaries(words.map(str.lower), values, min_size=1))
def test_quoted_parameters_survive(parameters):
    header = "Bearer " + ", ".join(f'{key}="{value}"' for key, value in parameters.items())
    assert protocol.challenges(header) == {"bearer": parameters}


@given(st.text())
def test_any_header_is_read(header):
    assert isinstance(protocol.challenges(header), dict)


def test_the_address_of_a_token():
    url = protocol.token_url({"realm": "https://a/t?x=1", "service": "s&t"}, "team/app", "me")
    parts = urllib.parse.urlsplit(url)
    assert dict(urllib.parse.parse_qsl(parts.query)) == {
        "x": "1",
        "service": "s&t",
        "scope": "repository:team/app:pull",
        "account": "me",
    }
    assert protocol.token_url({"realm": "ftp://a"}, "x", "") is None
    assert protocol.token_url({}, "x", "") is None


@pytest.mark.parametrize(
    ("status", "account", "error", "told"),
    [
        (401, "", "", "wants credentials"),
        (401, "me", "", "refused the credentials of me"),
        (401, "me", "insufficient_scope", "does not let me read app"),
        (403, "", "", "does not let an anonymous client read app"),
        (429, "", "", "limits how often"),
        (500, "", "", "failed with HTTP 500"),
        (418, "", "", "answered HTTP 418"),
    ],
)
def test_refusals(status, account, error, told):
    sentence = protocol.refusal("h:5000", "app", status, account, error)
    assert told in sentence and "h:5000" in sentence and sentence.endswith(".")


@given(st.integers(0, 50), st.text(), st.floats(0, 2e9))
def test_a_wait_is_a_time(attempt, told, now):
    assert protocol.wait_seconds(attempt, told, now) >= 0


@given(st.integers(0, 50))
def test_waits_grow_up_to_a_minute(attempt):
    wait = protocol.wait_seconds(attempt, None, 0)
    assert wait == min(2**attempt, 60)
