# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import csv
import io
import json
import random

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract.definition import (
    ContractError,
    contract_problems,
    parse_contract,
)
from ansible_collections.monitml.stack.plugins.module_utils.contract.from_data import (
    contract_text,
    describe_data,
    read_number,
)
from hypothesis import given
from hypothesis import strategies as st


def described(text, targets=("y",), **options):
    return describe_data(io.StringIO(text), list(targets), **options)


def column(cells, **options):
    """The entry for a column x of these cells."""
    table = io.StringIO()
    csv.writer(table).writerows([["x", "y"], *([cell, 1] for cell in cells)])
    table.seek(0)
    return describe_data(table, ["y"], **options)["features"][0]


@pytest.mark.parametrize(
    "cells, dtype, key, wanted",
    [
        (range(9), "INT", "range", [0, 8]),
        (["-3", " +4 ", *range(6)], "INT", "range", [-3, 5]),
        ([1, 0, 1], "INT", "values", [0, 1]),
        (["1.0", "2"], "FLOAT", "range", [1.0, 2]),
        (["1e3", ".5", "2."], "FLOAT", "range", [0.5, 1000.0]),
        (["b", "a", "b"], "STRING", "values", ["a", "b"]),
        (["b", "", "7"], "STRING", "values", ["", "7", "b"]),
        (["True", "False"], "STRING", "values", ["False", "True"]),
        (["1_000", "2"], "STRING", "values", ["1_000", "2"]),
        (["٣", "٤"], "STRING", "values", ["٣", "٤"]),
    ],
)
def test_a_column_is_what_its_cells_are(cells, dtype, key, wanted):
    entry = column(cells)
    assert (entry["dtype"], entry[key]) == (dtype, wanted)
    assert entry["ftype"] == ("categorical" if key == "values" else "continuous")


def test_how_many_whole_numbers_are_categories_can_be_told():
    assert column([0, 1], max_categories=0)["range"] == [0, 1]
    assert column(range(9), max_categories=9)["values"] == list(range(9))


def test_columns_keep_their_order_or_the_one_that_is_given():
    text = "b,y,a,z\n1.5,7,2.5,3\n1.5,8,2.5,3\n"
    found = described(text, targets=["z", "y"], max_categories=0)
    assert [each["name"] for each in found["features"]] == ["b", "a"]
    assert [each["name"] for each in found["targets"]] == ["z", "y"]
    found = described(text, features=["a", "b"])
    assert [each["name"] for each in found["features"]] == ["a", "b"]


def test_predictions_of_whole_numbers_need_not_be_whole():
    text = "x,y\n" + "".join("%d,%d\n" % (n, n) for n in range(9))
    found = described(text)
    assert found["features"][0]["dtype"] == "INT" and found["targets"][0]["dtype"] == "FLOAT"
    assert described("x,y\n1,0\n2,1\n")["targets"][0]["dtype"] == "INT"


@pytest.mark.parametrize(
    "text, options, says",
    [
        ("", {}, "it is empty"),
        ("x,y\n", {}, "a header and no rows"),
        ("1,2\n3,4\n", {}, "let it name the columns"),
        ("x,x,y\n1,2,3\n", {}, 'the column "x" more than once'),
        ("x,z\n1,2\n", {}, "lacks the columns y; it has x, z"),
        ("x,y\n1,2\n", {"features": ["q"]}, "lacks the columns q"),
        ("x,y\n1,2\n", {"features": ["x", "y"]}, "y is named as a feature and as a target"),
        ("x,y\n1,2\n", {"features": ["x", "x"]}, "x is named twice"),
        ("x,y\n1,2\n", {"targets": []}, "targets is empty"),
        ("y\n1\n", {}, "no feature left"),
        ("x,y\n1\n", {}, "row 1 has 1 columns, the header has 2"),
        ("x,y\n1,2\n,3\n", {}, 'row 2, column x: "" is no value'),
        ("x,y\n1.5,2\nNaN,3\n", {}, 'row 2, column x: "NaN" is no value'),
        ("x,y\n1e999,2\n", {}, "beyond what numbers"),
        ("x,y\n%s,2\n" % ("9" * 400), {}, "beyond what numbers"),
        ('x,y\n"1,2\n', {}, "not valid CSV"),
        ("x,y\n" + "".join("n%d,1\n" % n for n in range(1001)), {}, "more than 1000 different"),
    ],
)
def test_what_is_wrong_with_the_data_is_said(text, options, says):
    with pytest.raises(ContractError, match=says):
        described(text, **{"targets": ["y"], **options})


@pytest.mark.parametrize(
    "cell, value",
    [
        ("5", 5),
        (" 5.0", 5.0),
        ("-.5e1", -5.0),
        ("", None),
        (".", None),
        ("inf", None),
        ("1 2", None),
    ],
)
def test_cells_are_numbers_or_text(cell, value):
    assert read_number(cell) == value and type(read_number(cell)) is type(value)


numbers = st.one_of(
    st.lists(st.integers(-(10**9), 10**9), min_size=6, max_size=6),
    st.lists(st.integers(), min_size=6, max_size=6),
    st.lists(st.integers(0, 2), min_size=6, max_size=6),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6),
)
texts = st.lists(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=4),
    min_size=6,
    max_size=6,
)


@given(st.lists(numbers | texts, min_size=2, max_size=5), st.integers(0, 4), st.integers())
def test_data_keeps_its_contract_and_so_do_rows_of_it(columns, max_categories, seed):
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    names = ["c%d" % number for number in range(len(columns))]
    writer.writerow(names)
    writer.writerows(zip(*columns))
    table.seek(0)
    try:
        document = describe_data(table, names[-1:], max_categories=max_categories)
    except ContractError as err:
        # Only text without a word in it is refused.
        assert "is no value" in str(err)
        return
    text = contract_text(document)
    assert json.loads(text) == document and contract_problems(document) == []
    contract = parse_contract(text, targets=True)
    assert contract.names == names[:-1]
    for row in zip(*columns):
        for cell, one in zip(row, contract.features + contract.targets):
            value = cell if one.dtype != "STRING" else str(cell)
            if isinstance(cell, str) and one.dtype != "STRING":
                value = read_number(cell)
            assert one.fault(value) is None
    rng = random.Random(seed)
    for one, value in zip(contract.features, contract.row(rng)):
        assert one.fault(value) is None
