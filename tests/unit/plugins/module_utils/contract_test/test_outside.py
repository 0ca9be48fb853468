# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import math
import random

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract.definition import read_contract
from ansible_collections.monitml.stack.plugins.module_utils.contract_test.check import Answer
from ansible_collections.monitml.stack.plugins.module_utils.contract_test.outside import (
    MAX_FEATURES,
    Case,
    judge_case,
    outside_cases,
)
from hypothesis import given
from hypothesis import strategies as st

NUMBER = {"name": "n", "dtype": "INT", "ftype": "continuous", "range": [1, 13]}
CHOICE = {"name": "c", "dtype": "INT", "ftype": "categorical", "values": [0, 1]}
TEXT = {"name": "t", "ftype": "categorical", "values": ["a", "no such category"]}
TARGET = {"name": "y", "ftype": "continuous"}


def contract(*features, **more):
    document = {"features": list(features), "targets": [TARGET], **more}
    return read_contract(document, targets=True)


def cases(*features, **more):
    return outside_cases(contract(*features, **more), random.Random(0))


def test_every_kind_of_bad_input_is_there():
    assert [case.what for case in cases(NUMBER, CHOICE, TEXT)] == [
        "n above its range (26)",
        "n below its range (-11)",
        "Text for n, which is a number",
        "NaN for n",
        "null for n",
        "An unknown category of c (2)",
        "Text for c, which is a number",
        "NaN for c",
        "null for c",
        'An unknown category of t ("no such category!")',
        "A number for t, which is text",
        "null for t",
        "A missing column",
        "An extra column",
        "A request without rows",
        "A request that is no JSON",
    ]


def test_open_ends_have_no_beyond():
    found = [case.what for case in cases({**NUMBER, "range": [1, "inf"]})]
    assert "n below its range (0)" in found and not any("above" in what for what in found)
    assert not any("range" in case.what for case in cases({"name": "n", "ftype": "continuous"}))
    widest = {"name": "n", "ftype": "continuous", "range": [-1.7e308, 1.7e308]}
    assert not any("range" in case.what for case in cases(widest))


def test_bodies_are_what_they_say():
    by_name = {case.what: case for case in cases(NUMBER, {**CHOICE, "shape": [1, 2]})}
    body = json.loads(by_name["n above its range (26)"].text)["data"]
    assert body["names"] == ["n", "c"] and body["ndarray"][0][0] == 26
    assert math.isnan(json.loads(by_name["NaN for n"].text)["data"]["ndarray"][0][0])
    assert json.loads(by_name["null for c"].text)["data"]["ndarray"][0][1] == [None, None]
    assert len(json.loads(by_name["A missing column"].text)["data"]["ndarray"][0]) == 1
    assert len(json.loads(by_name["An extra column"].text)["data"]["names"]) == 3
    assert json.loads(by_name["A request without rows"].text)["data"]["ndarray"] == []
    with pytest.raises(ValueError):
        json.loads(by_name["A request that is no JSON"].text)


def test_what_is_declared_goes_with_each_case():
    refuse = cases(NUMBER, {**CHOICE, "outside": "answer"}, outside="refuse")
    declared = {case.what: case.declared for case in refuse}
    assert declared["null for n"] == declared["A missing column"] == "refuse"
    assert declared["A request without rows"] == "refuse" and declared["null for c"] == "answer"
    declared = {case.what: case.declared for case in cases(NUMBER, outside="answer")}
    assert declared["null for n"] == declared["An extra column"] == "answer"
    assert declared["A request without rows"] is None
    assert declared["A request that is no JSON"] == "refuse"
    assert cases(NUMBER)[0].declared is None


def test_a_wide_contract_is_sampled_by_its_entries():
    many = [{**NUMBER, "name": "n%d" % number, "repeat": 2} for number in range(50)]
    found = [case.what for case in cases(*many) if case.what.startswith("null")]
    assert len(found) == MAX_FEATURES and all(what.endswith("1") for what in found)
    assert len(cases({**NUMBER, "repeat": 500})) == 9


@given(
    st.lists(
        st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4
    ),
    st.lists(st.text(max_size=3), min_size=1, max_size=3),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**6),
)
def test_no_case_keeps_the_contract(numbers, texts, low, width):
    features = [
        {"name": "a", "ftype": "categorical", "dtype": "FLOAT", "values": numbers},
        {"name": "b", "ftype": "categorical", "values": texts},
        {"name": "c", "ftype": "continuous", "dtype": "INT", "range": [low, low + width]},
        {"name": "d", "ftype": "continuous", "range": [low / 7, (low + width) / 7]},
    ]
    parsed = contract(*features)
    for case in outside_cases(parsed, random.Random(1)):
        if case.rows and len(case.sent[0]) == len(features):
            row = json.loads(case.text)["data"]["ndarray"][0]
            assert any(one.fault(value) for one, value in zip(parsed.features, row)), case.what


def judged(answer, declared=None, rows=1):
    case = Case("An input", "{}", [[1]], rows, declared)
    outcome, faults = judge_case(case, answer, contract(NUMBER).targets)
    return outcome, "".join(fault.message for fault in faults)


GOOD = Answer(200, '{"data": {"ndarray": [5]}}')


@pytest.mark.parametrize(
    "answer, declared, outcome, says",
    [
        (GOOD, None, "answered", ""),
        (GOOD, "answer", "answered", ""),
        (GOOD, "refuse", "answered", "An input was answered where the contract wants a refusal."),
        (Answer(400, "no"), None, "refused", ""),
        (Answer(400, "no"), "refuse", "refused", ""),
        (Answer(422, "no"), "answer", "refused", "was refused, where the contract wants an answer"),
        (Answer(200, '{"status": {"status": "FAILURE"}}'), None, "refused", ""),
        (Answer(200, '{"status": {"status": 1}}'), "answer", "refused", "wants an answer"),
        (
            Answer(500, "oh"),
            None,
            "failed",
            "An input made it fail: The model answered HTTP 500 (oh).",
        ),
        (Answer(500, "oh"), "refuse", "failed", "made it fail"),
        (Answer(302, ""), None, "failed", "made it fail"),
        (Answer(200, "oh"), None, "failed", "is no JSON"),
        (Answer(problem="Silence."), None, "failed", "An input got no answer: Silence."),
        (Answer(200, '{"data": {"ndarray": [5, 6]}}'), None, "answered", "answered 2 rows for 1"),
        (Answer(200, '{"data": {"ndarray": [[5, 6]]}}'), None, "answered", "answered 2 columns"),
        (Answer(200, '{"data": {}}'), None, "answered", "was answered wrongly"),
    ],
)
def test_what_a_model_did_is_judged(answer, declared, outcome, says):
    got, message = judged(answer, declared)
    assert got == outcome and says in message and bool(says) == bool(message)


def test_what_is_no_json_must_be_refused():
    assert judged(GOOD, "refuse", rows=None) == ("answered", "An input was answered nonetheless.")
