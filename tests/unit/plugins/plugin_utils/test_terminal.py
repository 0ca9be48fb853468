# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import pty

from ansible_collections.monitml.stack.plugins.plugin_utils import _terminal


def test_the_terminal_is_that_of_the_parent(monkeypatch):
    controller, terminal = pty.openpty()
    try:
        for descriptor, expected in ((terminal, True), (os.open(os.devnull, os.O_WRONLY), False)):
            path = "/proc/%d/fd/%d" % (os.getpid(), descriptor)
            real = os.open
            monkeypatch.setattr(
                _terminal.os, "open", lambda _path, flags, real=real, path=path: real(path, flags)
            )
            assert _terminal.stdout_is_terminal() is expected
            monkeypatch.setattr(_terminal.os, "open", real)
    finally:
        os.close(controller)
        os.close(terminal)
