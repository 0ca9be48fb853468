# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How training data is spread: the shares equal those that numpy computes."""

from __future__ import annotations

import numpy as np
import pytest
from ansible_collections.monitml.stack.plugins.module_utils.contract import reference
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.lists(st.one_of(st.integers(-50, 50), st.floats(-1e12, 1e12)), min_size=1, max_size=300)


@given(NUMBERS)
def test_shares_of_numbers_equal_numpys(values):
    found = reference.of_numbers(values)
    bounds = np.array(found["bins"], dtype=float)
    counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(bounds) + 1)
    assert found["rows"] == len(values)
    assert found["shares"] == pytest.approx(counts / len(values), abs=1e-6)
    assert list(bounds) == sorted(set(bounds)) and 1 <= len(bounds) < reference.QUANTILES


def test_quantiles_hold_as_many_rows_each():
    found = reference.of_numbers(list(range(1000)))
    assert found["bins"] == [99 + 100 * part for part in range(9)] and set(found["shares"]) == {0.1}


def test_the_largest_value_is_no_bound_as_nothing_lies_above_it():
    assert reference.of_numbers([1, 7, 7, 7, 7, 7, 7, 7, 7, 7])["bins"] == [1]
    assert reference.of_numbers([7.0, 7.0]) == {"rows": 2, "bins": [7], "shares": [1.0, 0.0]}


def test_rare_categories_are_one_and_nothing_is_missing():
    counts = {f"c{number:02}": 100 - number for number in range(30)} | {"": 50}
    found = reference.of_categories(counts)
    rows = sum(counts.values())
    assert found["values"] == [f"c{number:02}" for number in range(20)] and found["rows"] == rows
    assert found["shares"][3] == pytest.approx(97 / rows, abs=1e-6)
    assert found["other"] == pytest.approx(sum(100 - n for n in range(20, 30)) / rows, abs=1e-6)
    assert found["missing"] == pytest.approx(50 / rows, abs=1e-6)
    assert sum(found["shares"]) + found["other"] + found["missing"] == pytest.approx(1, abs=1e-5)
    assert "other" not in reference.of_categories({0: 3, 1: 4})
