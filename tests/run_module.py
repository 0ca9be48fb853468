# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module of the collection as Ansible does: a process that is given JSON and answers with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_module(module, check=False, prefix=(), **arguments):
    """Result of a module; options that are None are not given. A traceback fails the test.

    prefix: what the process is started with.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    given.update(_ansible_check_mode=check, _ansible_diff=True)
    done = subprocess.run(
        [*prefix, sys.executable, "-m", f"ansible_collections.monitml.stack.plugins.modules.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env=dict(os.environ, PYTHONPATH=str(ROOT / ".collections")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stdout + done.stderr
    return json.loads(done.stdout)
