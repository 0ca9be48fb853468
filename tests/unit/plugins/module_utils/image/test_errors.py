# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image.errors import resolver_words

EXCLUDE = """\
Running assemble.
ERROR: Cannot install numpy<2 and pandas==3.1.1 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested numpy<2
    pandas 3.1.1 depends on numpy>=2.0.2; python_version < "3.14"

To fix this you could try to:
1. loosen the range of package versions you've specified
ERROR: ResolutionImpossible: for help visit the documentation
"""
NONE = """\
ERROR: Could not find a version that satisfies the requirement acme==1 (from versions: none)
ERROR: No matching distribution found for acme==1
"""


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            EXCLUDE,
            "Cannot install numpy<2 and pandas==3.1.1 because these package versions have conflicting dependencies.\n"
            'The user requested numpy<2; pandas 3.1.1 depends on numpy>=2.0.2; python_version < "3.14"',
        ),
        (NONE, "No matching distribution found for acme==1"),
        ("ERROR: something else\n", ""),
        ("", ""),
    ],
)
def test_what_pip_says_is_told_in_two_lines(log, told):
    assert resolver_words(log) == told
