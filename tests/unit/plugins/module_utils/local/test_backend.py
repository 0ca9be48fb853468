# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import backend


@pytest.mark.parametrize(
    "wanted, runs, expected",
    [
        ("auto", True, "systemd"),
        ("auto", False, "supervisor"),
        ("systemd", False, "systemd"),
        ("supervisor", True, "supervisor"),
    ],
)
def test_the_backend_is_that_of_the_machine(wanted, runs, expected):
    assert backend.choose_backend(wanted, runs) == expected
