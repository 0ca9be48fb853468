# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract.definition import read_contract
from ansible_collections.monitml.stack.plugins.module_utils.contract_test import check
from ansible_collections.monitml.stack.plugins.module_utils.contract_test.check import Answer
from ansible_collections.monitml.stack.plugins.module_utils.serving import (
    prediction_metrics as metrics,
)
from hypothesis import given
from hypothesis import strategies as st

X = {"name": "x", "ftype": "continuous", "range": [0, 1]}
PRICE = {"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}
CLASS = {"name": "class", "dtype": "INT", "ftype": "categorical", "values": [0, 1, 2]}
LABEL = {"name": "label", "dtype": "STRING", "ftype": "categorical", "values": ["cat", "dog"]}


def targets(*entries):
    return read_contract({"features": [X], "targets": list(entries)}, targets=True).targets


def answer(code=200, **document):
    return Answer(code, json.dumps(document))


def ndarray(rows, **more):
    return answer(data={"ndarray": rows, **more})


def tensor(shape, values):
    return answer(data={"tensor": {"shape": shape, "values": values}})


@pytest.mark.parametrize(
    "given_targets, sent, given_answer, rows",
    [
        ([PRICE], 2, ndarray([1.5, 2]), [[1.5], [2]]),
        ([PRICE], 2, ndarray([[1.5], [2]]), [[1.5], [2]]),
        ([PRICE], 1, ndarray([1.5]), [[1.5]]),
        ([PRICE, CLASS], 1, ndarray([1.5, 2]), [[1.5, 2]]),
        ([PRICE, CLASS], 2, ndarray([[1.5, 2], [0, 0]]), [[1.5, 2], [0, 0]]),
        ([PRICE], 2, tensor([2], [1.5, 2.0]), [[1.5], [2.0]]),
        ([PRICE, CLASS], 2, tensor([2, 2], [1.5, 2, 0, 0]), [[1.5, 2], [0, 0]]),
        ([{**PRICE, "shape": [2, 2]}], 1, tensor([1, 2, 2], [1, 2, 3, 4]), [[[1, 2], [3, 4]]]),
        ([LABEL], 2, ndarray(["cat", "dog"]), [["cat"], ["dog"]]),
        ([PRICE], 0, ndarray([]), []),
        ([PRICE], 0, tensor([0], []), []),
        ([{**PRICE, "repeat": 2}], 1, ndarray([[1, 2]], names=["price:0", "price:1"]), [[1, 2]]),
        ([PRICE], 1, ndarray([[1]], names=["t:0"]), [[1]]),
        ([PRICE], 1, ndarray([1], names=[]), [[1]]),
    ],
)
def test_a_sound_answer_has_no_fault(given_targets, sent, given_answer, rows):
    assert check.judge(given_answer, targets(*given_targets), sent) == (rows, [])


@pytest.mark.parametrize(
    "given_targets, sent, given_answer, kind, says",
    [
        ([PRICE], 1, Answer(problem="Silence."), "answer", "Silence."),
        ([PRICE], 1, answer(500, status={"info": "It  broke."}), "status", "HTTP 500 (It broke)."),
        ([PRICE], 1, Answer(502, "<html>bad gateway</html>"), "status", "HTTP 502 (<html>bad"),
        ([PRICE], 1, Answer(302, ""), "status", "HTTP 302."),
        ([PRICE], 1, Answer(200, "oops"), "json", "no JSON."),
        ([PRICE], 1, Answer(200, "[" * 100000), "json", "no JSON."),
        ([PRICE], 1, Answer(200, "[]"), "json", "no JSON object"),
        (
            [PRICE],
            1,
            answer(status={"status": "FAILURE", "info": "no"}),
            "failure",
            "FAILURE (no).",
        ),
        ([PRICE], 1, answer(status={"status": 1}), "failure", "FAILURE."),
        ([PRICE], 1, answer(strData="5"), "data", "holds strData where"),
        ([PRICE], 1, answer(), "data", "holds nothing where"),
        ([PRICE], 1, answer(data={}), "data", "neither a tensor nor"),
        ([PRICE], 1, ndarray(5), "data", "neither a tensor nor"),
        ([PRICE], 1, tensor([2], [1]), "data", "shape [2] for 1 values"),
        ([PRICE], 1, tensor(None, [1]), "data", "shape null"),
        ([PRICE], 1, tensor([1], 5), "data", "no list of values"),
        ([PRICE], 2, ndarray([1.5]), "rows", "answered 1 row for 2."),
        ([PRICE], 1, ndarray([1.5, 2]), "rows", "answered 2 rows for 1."),
        ([PRICE], 1, ndarray([[1, 2]]), "columns", "2 columns; its contract has 1 target."),
        ([PRICE, CLASS], 1, ndarray([[1]]), "columns", "1 column; its contract has 2 targets."),
        ([PRICE], 2, ndarray([[1], 2]), "columns", "mixes rows and single values"),
        ([PRICE], 1, ndarray([[1]], names=["a", "b"]), "names", 'names its columns ["a", "b"]'),
        ([PRICE], 1, ndarray([[1]], names=["cost"]), "names", 'the contract names them ["price"]'),
        ([PRICE], 1, ndarray([[1]], names="price"), "names", "names its columns"),
        ([PRICE], 1, ndarray([-1]), "range", "price is -1, below 0."),
        ([PRICE], 1, ndarray(["1"]), "dtype", 'price is "1", no number.'),
        ([PRICE], 1, ndarray([None]), "dtype", "price is null, no number."),
        ([PRICE], 1, ndarray([float("nan")]), "dtype", "price is NaN, no finite number."),
        ([CLASS], 1, ndarray([1.5]), "dtype", "class is 1.5, no whole number."),
        ([CLASS], 1, ndarray([3]), "values", "class is 3, none of 0, 1, 2."),
        ([LABEL], 1, ndarray([1]), "dtype", "label is 1, no text."),
        ([LABEL], 1, ndarray(["cow"]), "values", 'label is "cow", none of "cat", "dog".'),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(given_targets, sent, given_answer, kind, says):
    _rows, (fault,) = check.judge(given_answer, targets(*given_targets), sent)
    assert fault.check == kind and says in fault.message


def test_a_fault_of_many_rows_is_one_with_the_first_of_them():
    rows, (fault,) = check.judge(ndarray([1, -1, -2, -3]), targets(PRICE), 4)
    assert (fault.row, len(rows)) == (1, 4)
    assert fault.message == "price is -1, below 0, as in 2 more rows."
    told = check.violation(fault, [[0.1], [0.2], [0.3], [0.4]], ndarray([1, -1, -2, -3]))
    assert told["input"] == [[0.2]] and told["check"] == "range"


def test_what_is_returned_is_cut_off():
    told = check.violation(check.Fault("json", "No."), [["x" * 5000]], Answer(200, "y" * 5000))
    assert len(told["input"]) == len(told["answer"]) == 600


@pytest.mark.parametrize(
    "one, other, at",
    [
        ([[1]], [[1.0]], None),
        ([[1], [2]], [[1], [3]], 1),
        ([[1]], [[1], [2]], 1),
        ([[float("nan")]], [[float("nan")]], None),
    ],
)
def test_answers_are_compared(one, other, at):
    assert check.differing(one, other) == at


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["data", "ndarray", "tensor", "shape", "values", "names", "status", "info"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(
    json_values | st.builds(lambda data: {"data": data}, json_values),
    st.integers(0, 3),
    st.sampled_from([200, 400, 500]),
)
def test_any_answer_is_sound_or_has_a_fault(document, sent, status):
    given_answer = Answer(status, json.dumps(document))
    rows, faults = check.judge(given_answer, targets(PRICE, CLASS), sent)
    assert rows is not None or faults
    for fault in faults:
        assert fault.check in check.CHECKS and fault.message.endswith(".")
        json.dumps(check.violation(fault, [[1]] * sent, given_answer))
    check.is_answered(given_answer)
    check.judge_feedback(given_answer)


# -- metrics -------------------------------------------------------------------------------------

TEXT = """# HELP monitml_prediction Predicted values.
monitml_prediction_count{model="a\\"b",output="price"} 5
monitml_prediction_count{output="price",model="c"} 2
monitml_prediction_count{output="other"} 9.0
monitml_prediction_min{output="price"} NaN
up 1
broken one
"""


def counters(text=TEXT):
    return check.read_counters(Answer(200, text))


def test_counters_are_read_and_summed():
    samples = counters()
    assert check.total(samples, "monitml_prediction_count", output="price") == 7
    assert check.total(samples, "monitml_prediction_count") == 16
    assert check.total(samples, "up") == 1 and check.total(samples, "down") is None


@pytest.mark.parametrize("given_answer", [Answer(503, "no"), Answer(problem="Silence.")])
def test_metrics_that_cannot_be_read_are_a_fault(given_answer):
    with pytest.raises(check.Fault, match="metrics cannot be read"):
        check.read_counters(given_answer)


@pytest.mark.parametrize(
    "count, says",
    [
        ("12", None),
        ("7", "grew by 0.0 for 5 of rows: not every one counts"),
        ("17", "grew by 10.0 for 5 of rows: it counts twice"),
        ("1", "grew by -6.0 for 5 of rows: the server started anew"),
        (None, "no series monitml_prediction_count"),
    ],
)
def test_counters_must_grow_by_what_was_sent(count, says):
    after = "" if count is None else 'monitml_prediction_count{output="price"} %s\n' % count
    expected = check.expected_counts(targets(PRICE), 5)
    found = check.count_faults(counters(), counters(after), expected, "rows")
    assert [says in fault.message for fault in found] == ([] if says is None else [True])


def test_the_series_are_those_of_our_servers():
    """As the counters that watch() keeps say it, for numbers, repeated targets and text."""
    layout = metrics.Layout.from_contract({"targets": [{**PRICE, "repeat": 2}, {}]})
    expected = check.expected_counts(targets({**PRICE, "repeat": 2}, {**PRICE, "name": ""}), 1)
    assert [labels["output"] for _name, labels, _rows in expected] == [
        n for n, _b in layout.outputs
    ]
    assert {name for name, _labels, _rows in expected} == {"monitml_prediction_count"}
    ((name, labels, rows),) = check.expected_counts(targets(PRICE, LABEL), 3)
    assert (name, labels, rows) == (metrics.PREDICTION_NON_NUMERIC, {}, 3)
    names = [name for name, _labels, _rows in check.expected_feedback([0.0, 1.0])]
    assert names == [metrics.FEEDBACK, metrics.FEEDBACK_REWARD]
