# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.answer import (
    is_only_number,
    number_between,
    read_outcome,
    split_number,
)
from hypothesis import given
from hypothesis import strategies as st


def outcome(document, protocol="seldon", headers=None):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = read_outcome(protocol, headers or {}, text)
    return found.predictor, found.version, tuple(found.values), found.problem


PATH = {"requestPath": {"good": "housing-good:0.1"}}


@pytest.mark.parametrize(
    "document, expected",
    [
        (
            {"data": {"names": [], "ndarray": [484713.5]}, "meta": PATH},
            ("good", "0.1", (484713.5,), None),
        ),
        ({"data": {"ndarray": [[1], [2]]}, "meta": PATH}, ("good", "0.1", (1.0, 2.0), None)),
        ({"data": {"tensor": {"shape": [2], "values": [1, 2]}}}, ("", "", (1.0, 2.0), None)),
        ({"data": {"ndarray": ["cat", "dog"]}}, ("", "", (), None)),
        ({"data": {"ndarray": [True]}}, ("", "", (), None)),
        ({"jsonData": {"a": 1}}, ("", "", (), None)),
        (
            {"data": {"ndarray": [1.0]}, "meta": {"requestPath": {"a": "host:5000/x"}}},
            ("a", "", (1.0,), None),
        ),
        ({"data": {"ndarray": [1.0]}, "meta": {"requestPath": {"a": 3}}}, ("a", "", (1.0,), None)),
        ({"data": {"ndarray": [1.0]}, "meta": []}, ("", "", (1.0,), None)),
    ],
)
def test_seldon_answers(document, expected):
    assert outcome(document) == expected


@pytest.mark.parametrize(
    "document, problem",
    [
        (b"", "the body is not JSON"),
        (b"<html>", "the body is not JSON"),
        (b'{"data":', "the body is not JSON"),
        (b'{"data":{"ndarray":[1]}} x', "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[" * 100000, "the body is not JSON"),
        (b"[1]", "the body is not a JSON object"),
        ({}, "the answer holds no data"),
        ({"data": 3}, "the answer holds no data"),
        ({"data": {}}, "the answer holds no predictions"),
        ({"data": {"ndarray": []}}, "the answer holds no predictions"),
        ({"data": {"ndarray": [None]}}, "a prediction is null, or nested too deeply"),
        (b'{"data": {"ndarray": [NaN]}}', "a prediction is not finite"),
        (b'{"data": {"ndarray": [1, Infinity]}}', "a prediction is not finite"),
        (b'{"data": {"ndarray": [1' + b"0" * 400 + b"]}}", "a prediction is not finite"),
        ({"status": {"status": "FAILURE", "info": "x"}}, "the answer's status is FAILURE"),
    ],
)
def test_answers_that_count_as_errors(document, problem):
    assert outcome(document)[3] == problem


def test_the_gateway_knows_better_than_the_body():
    headers = {"x-monitml-predictor": "bad", "x-monitml-version": "v2"}
    document = {"data": {"ndarray": [1.0]}, "meta": PATH}
    assert outcome(document, headers=headers)[:2] == ("bad", "v2")
    assert outcome(document, headers={"x-monitml-predictor": "bad"})[:2] == ("bad", "0.1")


def test_v2_answers():
    document = {
        "model_name": "m",
        "model_version": "3",
        "outputs": [{"data": [1, 2]}, {"data": [[3.5]]}],
    }
    assert outcome(document, "v2") == ("m", "3", (1.0, 2.0, 3.5), None)
    assert outcome({"outputs": []}, "v2")[3] == "the answer holds no outputs"
    assert outcome({"outputs": [3]}, "v2")[3] == "a prediction is null, or nested too deeply"


def test_feedback_needs_no_data_and_raw_nothing():
    assert outcome({"meta": PATH}, "feedback") == ("good", "0.1", (), None)
    assert outcome(b"anything", "raw") == ("", "", (), None)


def test_compressed_answers_are_not_guessed_at():
    assert "compressed" in outcome(b"\x1f\x8b", headers={"content-encoding": "gzip"})[3]


def test_a_number_is_told_from_the_rest():
    assert split_number(b'{"data":{"ndarray":[484713.5]},"meta":{}}') == (
        b'{"data":{"ndarray":[\0]},"meta":{}}',
        484713.5,
    )
    assert split_number(b'{"tensor": {"values": [[-1e3]]}}')[1] == -1000.0
    for body in (
        b"",
        b'{"ndarray":[1,2]}',
        b'{"ndarray":[01]}',
        b'{"ndarray":["1"]}',
        b'{"ndarray":[1e999]}',
    ):
        assert split_number(body) is None


@pytest.mark.parametrize(
    "body, only",
    [
        (b'{"data":{"ndarray":[5]}}', True),
        (b'{"data":{"ndarray":[5],"ndarray":[5]}}', False),
        (b'{"data":{"ndarray":[5]},"data":{"ndarray":[5,6]}}', False),
    ],
)
def test_only_a_number_without_rivals_is_taken_out(body, only):
    assert is_only_number(*split_number(body), read_outcome("seldon", {}, body)) is only


def test_the_same_rest_means_the_same_place():
    first, second = b'{"ndarray":[5],"values":[]}', b'{"ndarray":[],"values":[5]}'
    assert split_number(first)[0] != split_number(second)[0]


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20), st.booleans()
)
def test_a_number_taken_out_is_the_one_that_is_read(number, tight):
    document = {"data": {"names": [], "ndarray": [number]}, "meta": PATH}
    body = json.dumps(document, separators=(",", ":") if tight else None).encode()
    assert split_number(body)[1] == read_outcome("seldon", {}, body).values[0]


parts = st.sampled_from(
    ["", "1", "-2.5", "1e9", "1e999", "01", "]", "[", ",", '"data":[7]', "\0", "ab"]
)


@given(st.lists(parts, max_size=4).map("".join))
def test_a_number_between_known_parts_is_the_one_taken_out(between):
    before, after = b'{"data":{"ndarray":[', b'],"names":[]}}'
    body = before + between.encode() + after
    found = split_number(body)
    fits = found is not None and found[0] == before + b"\0" + after
    assert number_between(body, before, after) == (found[1] if fits else None)


@pytest.mark.parametrize("body", [b'{"a":[1]', b"[1]}", b'{"a":[', b'{"a":[]}', b""])
def test_parts_that_overlap_or_are_cut_hold_no_number(body):
    assert number_between(body, b'{"a":[', b"]}") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            [
                "data",
                "ndarray",
                "tensor",
                "values",
                "meta",
                "requestPath",
                "status",
                "outputs",
                "model_name",
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)


@given(
    st.one_of(st.binary(), json_values.map(lambda value: json.dumps(value).encode())),
    st.sampled_from(["seldon", "feedback", "v2"]),
)
def test_any_body_has_an_outcome(body, protocol):
    found = read_outcome(protocol, {}, body)
    assert isinstance(found.predictor, str) and isinstance(found.version, str)
    assert all(isinstance(value, float) and value - value == 0 for value in found.values)
    assert found.problem is None or not found.values
