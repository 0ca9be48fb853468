# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of the load test, for everything a user can put right."""

from __future__ import annotations


class LoadTestError(Exception):
    """Says in a sentence what is wrong with the input or the target, and the cure."""
