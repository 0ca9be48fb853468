# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import csv
import io

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.labels.service import summary
from ansible_collections.monitml.stack.plugins.module_utils.labels.table import (
    COLUMNS,
    TableError,
    parse_when,
    read_list,
    read_table,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000.0


def read(text, **columns):
    return read_table(io.StringIO(text, newline=""), {**COLUMNS, **columns}, NOW)


def test_a_table_is_read_by_the_names_of_its_columns():
    text = 'price,sold,who,extra\r\n450000,2026-11-27,"a,b",x\r\n1,,c,y\r\n\r\n'
    assert read(text, id="who", truth="price", when="sold") == [
        {"id": "a,b", "truth": "450000", "row": None, "when": 1795737600.0, "where": "line 2"},
        {"id": "c", "truth": "1", "row": None, "when": None, "where": "line 3"},
    ]
    assert [(one["row"], one["when"]) for one in read("id,truth,row,when\na,1,0,5\na,2,1,\n")] == [(0, 5.0), (1, None)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,truth\n", "has a header and no rows"),
        ("id,price\na,1\n", "lacks the column truth; it has id, price. Say with id_column"),
        ("id;truth\na;1\n", "separated by semicolons"),
        ("id,truth\na\n", "line 2 has 1 columns, and the header has 2"),
        ("id,truth\n,1\n", "line 2: there is no id"),
        ("id,truth\na,\n", "line 2: the id a has no truth"),
        ("id,truth,row\na,1,first\n", "line 2: row is 'first', no whole number"),
        ("id,truth,when\na,1,27.11.2026\n", "line 2: when is '27.11.2026', no date: write 2026-12-31T10:00:00Z"),
        ("id,truth,when\na,1,1800000000000\n", "which is to come"),
        ("id,truth\na,1\nb,2\na,3\n", "line 2 and line 4 give the id a different truths, 1 and 3"),
        ("id,truth\n" + "a,\n" * 30, "And 10 more."),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text, words):
    with pytest.raises(TableError) as refused:
        read(text)
    assert words in str(refused.value)


def test_a_column_that_was_named_must_be_there():
    with pytest.raises(TableError, match="lacks the column sold"):
        read("id,truth\na,1\n", when="sold")


def test_the_same_twice_and_a_correction_with_its_time_are_no_mistake():
    assert len(read("id,truth\na,1\na,1\n")) == 2
    assert len(read("id,truth,when\na,1,10\na,2,20\n")) == 2
    assert len(read("id,truth,row\na,1,0\na,2,1\n")) == 2


def test_a_list_is_read_alike():
    (one,) = read_list([{"id": "a", "truth": {"price": 1}, "when": None, "row": None}], NOW)
    assert one == {"id": "a", "truth": {"price": 1}, "row": None, "when": None, "where": "label 1"}
    with pytest.raises(TableError, match="labels is empty"):
        read_list([], NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-27T10:00:00Z", 1795773600),
        ("2026-11-27T11:00:00+01:00", 1795773600),
        ("2026-11-27 10:00", 1795773600),
        ("1795773600.5", 1795773600.5),
        (1795773600, 1795773600),
        ("", None),
    ],
)
def test_times_are_read_as_utc_without_a_zone(text, seconds):
    assert parse_when(text, NOW) == seconds


@pytest.mark.parametrize("text", ["yesterday", "11/27/2026", "nan", "-5", "inf", "Z"])
def test_other_forms_of_a_time_are_refused(text):
    with pytest.raises(ValueError, match="no date"):
        parse_when(text, NOW)


@given(st.dictionaries(st.text(min_size=1).map(str.strip).filter(bool), st.integers(), min_size=1, max_size=20))
def test_whatever_is_written_as_csv_is_read_again(truths):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("id", "truth"), *truths.items()])
    try:
        found = read(stream.getvalue())
    except TableError as error:
        assert "no CSV" in str(error)  # a NUL
        return
    assert {one["id"]: one["truth"] for one in found} == {name: str(truth) for name, truth in truths.items()}


def test_what_came_of_labels_is_said_in_a_sentence():
    joined = [{"deployment": "h", "predictor": "good", "version": "v1", "labels": 3}]
    done = {"new": 2, "corrected": 1, "same": 0, "older": 0, "unknown": 1, "unknown_ids": ["x"], "joined": joined}
    assert summary(done) == (
        "Of 4 labels 2 new, 1 correct an earlier one, 1 fit no answer. They are joined: 3 to good v1."
        " Nobody knows, for example, the answer x."
    )
