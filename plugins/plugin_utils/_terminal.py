# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether somebody watches ansible-playbook, who would like to see how far it is."""

from __future__ import annotations

import os


def stdout_is_terminal():
    """Whether ansible-playbook writes to a terminal.

    Tasks run in a child whose own stdout is /dev/null, so the parent's is looked at.
    """
    try:
        descriptor = os.open(
            "/proc/%d/fd/1" % os.getppid(), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
        )
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)
