# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.data import (
    parse_data,
    take_column,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "text, names, rows",
    [
        ("a,b\n1,2.5\n3,x\n", ["a", "b"], [[1, 2.5], [3, "x"]]),
        ("\ufeffa,b\r\n1,2\r\n", ["a", "b"], [[1, 2]]),
        ("1,2\n3,4\n", [], [[1, 2], [3, 4]]),
        ("1\n\n2", [], [[1], [2]]),
        ('a,"b, c"\n1,"x"\n', ["a", "b, c"], [[1, "x"]]),
        ("a\n nan\n1_0\n", ["a"], [["nan"], ["1_0"]]),
        ('{"a": 1, "b": 2}\n{"b": 3, "a": 4}\n', ["a", "b"], [[1, 2], [4, 3]]),
        ("[1, 2]\n\n[3, 4]", [], [[1, 2], [3, 4]]),
    ],
)
def test_rows_are_read(text, names, rows):
    assert parse_data(text) == (names, rows)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a,b\n", "a header and no row"),
        ("1,2\n3\n", "line 2 of the data file has 1 fields"),
        ('"a', "not valid CSV"),
        ("[1\n", "line 1 of the data file is not valid JSON"),
        ('{"a": 1}\n{"b": 1}', "other keys"),
        ('{"a": 1}\n[1]', "not the form of the first"),
        ("[1]\n[1, 2]", "not the form of the first"),
        ("{}", "with values"),
        ("[1]\n3", "with values"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(LoadTestError, match=says):
        parse_data(text)


def test_a_column_is_taken_out():
    assert take_column(["a", "b", "c"], [[1, 2, 3], [4, 5, 6]], "b") == (
        ["a", "c"],
        [[1, 3], [4, 6]],
        [2, 5],
    )
    with pytest.raises(LoadTestError, match="no column d; its columns are a, b"):
        take_column(["a", "b"], [[1, 2]], "d")


@given(st.text())
def test_any_text_is_data_or_a_sentence(text):
    try:
        names, rows = parse_data(text)
    except LoadTestError:
        return
    assert rows and len({len(row) for row in rows}) == 1
    assert not names or len(names) == len(rows[0])
