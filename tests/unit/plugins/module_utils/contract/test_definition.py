# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import math
import random

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract.definition import (
    Column,
    ContractError,
    contract_problems,
    parse_contract,
)
from hypothesis import given
from hypothesis import strategies as st


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
    with pytest.raises(ContractError, match=says):
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
    except ContractError:
        return
    if len(parsed.names) < 1000:
        assert len(parsed.row(random.Random(0))) == len(parsed.names)


# -- for a deployment ----------------------------------------------------------------------------


CONTRACT = {
    "features": [
        {"name": "grade", "dtype": "INT", "ftype": "continuous", "range": [1, 13]},
        {"name": "waterfront", "dtype": "INT", "ftype": "categorical", "values": [0, 1]},
    ],
    "targets": [{"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}],
}


def test_a_sound_contract_has_no_problem():
    assert contract_problems(CONTRACT) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features": []}, "'features' is missing or empty"),
        ({"targets": None}, "'targets' is missing or empty"),
        ({"features": [3]}, "features[0] is no JSON object"),
        ({"features": [{"dtype": "X", "ftype": "continuous", "range": [0, 1]}]}, "dtype is 'X'"),
        ({"features": [{"dtype": "INT", "ftype": "categorical"}]}, "needs its 'values'"),
        ({"features": [{"dtype": "INT", "ftype": "continuous", "range": [2, 1]}]}, "two numbers"),
        ({"features": [{"dtype": "INT", "ftype": "continuous"}]}, "two numbers"),
        (
            {"features": [{"dtype": "INT", "ftype": "continuous", "range": ["a", {}]}]},
            "two numbers",
        ),
    ],
)
def test_a_malformed_contract_is_told_by_place(change, told):
    found = contract_problems({**CONTRACT, **change})
    assert any(told in sentence for sentence in found), found
    assert contract_problems([]) != []


# -- values --------------------------------------------------------------------------------------


def column(**entry):
    return contract({"name": "x", "ftype": "continuous", **entry}).features[0]


@pytest.mark.parametrize(
    "entry, value, problem",
    [
        ({"range": [0, 10]}, 10, None),
        ({"range": [0, 10]}, 10.5, "is 10.5, above 10"),
        ({"range": [0, 10]}, -1, "is -1, below 0"),
        ({"range": [0, "inf"]}, 1e300, None),
        ({"range": ["inf", 0]}, -1e300, None),
        ({}, float("nan"), "is NaN, no finite number"),
        ({}, float("inf"), "is Infinity, no finite number"),
        ({}, 10**400, "no finite number"),
        ({}, "5", 'is "5", no number'),
        ({}, None, "is null, no number"),
        ({}, True, "is true, no number"),
        ({"dtype": "INT"}, 3.0, None),
        ({"dtype": "INT"}, 3.5, "is 3.5, no whole number"),
        ({"ftype": "categorical", "dtype": "INT", "values": [0, 1]}, 1.0, None),
        ({"ftype": "categorical", "dtype": "INT", "values": [0, 1]}, 2, "is 2, none of 0, 1"),
        ({"ftype": "categorical", "values": list(range(20))}, 20, "11 and 8 more"),
        ({"ftype": "categorical", "values": ["a", "b"]}, "a", None),
        ({"ftype": "categorical", "values": ["a", "b"]}, "c", 'is "c", none of "a", "b"'),
        ({"ftype": "categorical", "values": ["a", "b"]}, 1, "is 1, no text"),
        ({"shape": [1, 2]}, [0.5, 1.5], None),
        ({"shape": [1, 2]}, [0.5], "is no list of 2"),
        ({"shape": [1, 2]}, 0.5, "is no list of 2"),
        ({"shape": [1, 2], "range": [0, 1]}, [0.5, 1.5], "is 1.5, above 1"),
    ],
)
def test_what_is_wrong_with_a_value_is_said(entry, value, problem):
    found = column(**entry).fault(value)
    assert found is None if problem is None else problem in found[1]


ends = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def entries(draw):
    entry = {"name": draw(st.text(max_size=5)), "dtype": draw(st.sampled_from(["INT", "FLOAT"]))}
    kind = draw(st.sampled_from(["closed", "low", "high", "open", "numbers", "texts"]))
    low, high = sorted([draw(ends), draw(ends)])
    if kind == "numbers":
        whole = st.lists(st.integers(), min_size=1, max_size=4)
        entry.update(ftype="categorical", values=draw(whole))
    elif kind == "texts":
        texts = st.lists(st.text(max_size=3), min_size=1, max_size=4)
        entry.update(ftype="categorical", dtype="STRING", values=draw(texts))
    else:
        if entry["dtype"] == "INT":
            low, high = math.floor(low), math.ceil(high)
        ranges = {"closed": [low, high], "low": [low, "inf"], "high": ["inf", high]}
        entry.update(ftype="continuous", range=ranges.get(kind, ["inf", "inf"]))
    entry["repeat"] = draw(st.integers(1, 3))
    entry["shape"] = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    return entry


@given(st.lists(entries(), min_size=1, max_size=4), st.integers())
def test_what_is_drawn_from_a_contract_fits_it(features, seed):
    parsed = contract(*features)
    assert len(parsed.names) == sum(entry["repeat"] * entry["shape"][0] for entry in features)
    for _row in range(5):
        row = parsed.row(random.Random(seed))
        assert [one.fault(value) for one, value in zip(parsed.features, row)] == [None] * len(row)


def test_rounding_does_not_leave_the_range():
    one = column(range=[47.15555, 47.15556])
    assert {one.draw(random.Random(seed)) for seed in range(9)} == {47.15556}
    assert column(dtype="INT", range=[0.6, 1.4]).draw(random.Random(0)) == 1


@pytest.mark.parametrize(
    "change, says",
    [
        ({"dtype": "INT", "range": [0.2, 0.8]}, "no whole number in the range"),
        ({"outside": "maybe"}, "outside must be one of answer, refuse"),
        ({"shape": [10**9]}, "shape must be"),
        ({"shape": [10**6], "repeat": 10**6}, "more than 1000000 columns"),
        ({"range": [0, 10**400]}, "a number or"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, says):
    with pytest.raises(ContractError, match=says):
        column(**change)


# -- targets -------------------------------------------------------------------------------------


def with_targets(*targets, **more):
    features = [{"name": "x", "ftype": "continuous", "range": [0, 1]}]
    text = json.dumps({"features": features, "targets": list(targets), **more})
    return parse_contract(text, targets=True)


def test_targets_are_unfolded_and_named_as_seldon_does():
    one = {"name": "t", "ftype": "continuous"}
    parsed = with_targets({**one, "repeat": 3}, one, {**one, "shape": [2]})
    assert [each.name for each in parsed.targets] == ["t:0", "t:1", "t:2", "t", "t_1", "t_2"]
    assert [each.feature for each in parsed.targets] == [1, 1, 1, 2, 3, 3]


def test_targets_are_required_only_where_asked():
    with pytest.raises(ContractError, match="describes no targets"):
        with_targets()
    assert contract({"ftype": "continuous"}).targets == []


def test_what_to_do_outside_goes_from_the_feature_to_the_contract():
    features = [{"ftype": "continuous", "outside": "answer"}, {"ftype": "continuous"}]
    parsed = parse_contract(json.dumps({"features": features, "outside": "refuse"}))
    assert [parsed.outside_of(each) for each in parsed.features] == ["answer", "refuse"]
    assert contract({"ftype": "continuous"}).outside_of(Column("FLOAT")) is None


def test_what_is_private_is_so_or_not():
    for private, said in ((True, []), (False, []), ("yes", ["features[0]: private is 'yes'; write true or false."])):
        feature = {**CONTRACT["features"][0], "private": private}
        assert contract_problems({**CONTRACT, "features": [feature]}) == said


def test_a_deployment_finds_what_only_parsing_does():
    bad = {**CONTRACT, "targets": [{**CONTRACT["targets"][0], "repeat": 0}]}
    assert contract_problems(bad) == [
        "target 1 of it (price): repeat must be made of whole numbers above 0, not [0]."
    ]
