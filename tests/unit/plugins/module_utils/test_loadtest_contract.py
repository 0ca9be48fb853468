# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, strategies as st

from ansible_collections.monitml.stack.plugins.module_utils._loadtest_contract import parse_contract
from ansible_collections.monitml.stack.plugins.module_utils._loadtest_error import LoadTestError


def contract(*features):
    return parse_contract(json.dumps({"features": list(features)}))


def rows(parsed, count=200):
    rng = random.Random(1)
    return [parsed.row(rng) for _each in range(count)]


def test_names_and_values_follow_the_features():
    parsed = contract(
        {"name": "grade", "dtype": "INT", "ftype": "continuous", "range": [1, 13]},
        {"name": "lat", "dtype": "FLOAT", "ftype": "continuous", "range": [47.1, 47.8]},
        {"name": "waterfront", "ftype": "categorical", "values": [0, 1]},
        {"name": "city", "dtype": "STRING", "ftype": "categorical", "values": ["a", "b"]},
    )
    assert parsed.names == ["grade", "lat", "waterfront", "city"]
    for grade, lat, waterfront, city in rows(parsed):
        assert isinstance(grade, int) and 1 <= grade <= 13
        assert 47.1 <= lat <= 47.8 and round(lat, 3) == lat
        assert waterfront in (0, 1) and city in ("a", "b")
    grades, lats = zip(*(row[:2] for row in rows(parsed)))
    assert set(grades) == set(range(1, 14)) and min(lats) < 47.15 and max(lats) > 47.75


def test_every_category_is_drawn():
    parsed = contract({"name": "x", "ftype": "categorical", "values": [1, 2, 3]})
    assert {row[0] for row in rows(parsed)} == {1, 2, 3}


@pytest.mark.parametrize(
    "bounds, low, high",
    [(["inf", "inf"], None, None), (["inf", 3], None, 3), ([3, "inf"], 3, None)],
)
def test_open_ends_have_tails(bounds, low, high):
    values = [
        row[0] for row in rows(contract({"name": "x", "ftype": "continuous", "range": bounds}))
    ]
    assert low is None or min(values) >= low
    assert high is None or max(values) <= high
    assert max(values) - min(values) > 1


def test_repeat_and_shape_make_columns():
    parsed = contract(
        {"name": "x", "ftype": "continuous", "range": [0, 1], "repeat": 2},
        {"name": "y", "ftype": "continuous", "range": [0, 1], "shape": [3]},
        {"name": "z", "ftype": "continuous", "range": [0, 1], "shape": [2, 4]},
    )
    assert parsed.names == ["x1", "x2", "y_1", "y_2", "y_3", "z_1", "z_2"]
    row = parsed.row(random.Random(1))
    assert len(row) == 7 and len(row[5]) == 4


def test_the_seed_decides_the_rows():
    parsed = contract({"name": "x", "ftype": "continuous"})
    assert rows(parsed) == rows(parsed)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "describes no features"),
        ("{}", "describes no features"),
        ('{"features": []}', "describes no features"),
        ('{"features": [1]}', "must be a mapping"),
        ('{"features": [{"name": 3, "ftype": "continuous"}]}', "name that is no text"),
        ('{"features": [{"name": "x"}]}', "ftype must be continuous or categorical"),
        ('{"features": [{"name": "x", "ftype": "categorical"}]}', "needs a list 'values'"),
        (
            '{"features": [{"name": "x", "ftype": "categorical", "values": []}]}',
            "needs a list 'values'",
        ),
        (
            '{"features": [{"name": "x", "ftype": "continuous", "dtype": "BLOB"}]}',
            "dtype must be one of",
        ),
        (
            '{"features": [{"name": "x", "ftype": "continuous", "dtype": "STRING"}]}',
            "a STRING is categorical",
        ),
        ('{"features": [{"name": "x", "ftype": "continuous", "range": [1]}]}', "a list of two"),
        ('{"features": [{"name": "x", "ftype": "continuous", "range": [2, 1]}]}', "runs backwards"),
        ('{"features": [{"name": "x", "ftype": "continuous", "range": ["a", 1]}]}', "a number or"),
        ('{"features": [{"name": "x", "ftype": "continuous", "range": [NaN, 1]}]}', "a number or"),
        ('{"features": [{"name": "x", "ftype": "continuous", "repeat": 0}]}', "repeat must be"),
        ('{"features": [{"name": "x", "ftype": "continuous", "shape": [0]}]}', "shape must be"),
        ('{"features": [{"name": "x", "ftype": "continuous", "shape": 3}]}', "shape must be"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(LoadTestError, match=says):
        parse_contract(text, "contract.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "ftype", "dtype", "range", "values", "shape", "repeat"]),
        inner,
        max_size=5,
    ),
    max_leaves=10,
)


@given(
    st.one_of(
        json_values,
        st.builds(lambda features: {"features": features}, st.lists(json_values, max_size=3)),
    )
)
def test_any_json_is_a_contract_or_a_sentence(document):
    try:
        parsed = parse_contract(json.dumps(document))
    except LoadTestError:
        return
    if len(parsed.names) < 1000:
        assert len(parsed.row(random.Random(0))) == len(parsed.names)
