# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a long build is, as a person at a terminal sees it, and nobody else."""

from __future__ import annotations

import json
import os
import pty
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from base_image import ROOT

SLOW = "import time\nprint('epoch one', flush=True)\ntime.sleep(4)\n"


def read_all(descriptor):
    parts = []
    while True:
        try:
            block = os.read(descriptor, 65536)
        except OSError:
            block = b""
        if not block:
            return b"".join(parts).decode()
        parts.append(block)


@pytest.fixture
def watch(dockerd, builder, small):
    """What ansible-playbook shows while it builds a model that trains for a few seconds."""
    names = []

    def run(terminal):
        # A word of its own, or the training of another test would do.
        (small / "train.py").write_text(f"{SLOW}# {secrets.token_hex(4)}\n", encoding="utf-8")
        names.append(f"monitml-test/slow:{secrets.token_hex(4)}")
        options = {
            "name": names[-1],
            "source": str(small),
            "builder": builder,
            "engine_host": dockerd.host,
        }
        command = [str(Path(sys.executable).with_name("ansible")), "localhost"]
        command += ["-m", "monitml.stack.s2i_image", "-a", json.dumps(options)]
        command += ["-e", f"ansible_python_interpreter={sys.executable}"]
        controller, end = pty.openpty() if terminal else os.pipe()
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
                stdout=end,
                stderr=subprocess.STDOUT,
            )
            os.close(end)
            text = read_all(controller)
            assert process.wait(timeout=120) == 0, text
            return text
        finally:
            os.close(controller)

    yield run
    for name in names:
        if dockerd.id_of(name):
            dockerd.client.remove_image(name, force=True)


def test_a_person_at_a_terminal_sees_how_far_a_build_is(watch):
    text = watch(terminal=True)
    assert "s: epoch one" in text
    assert text.index("epoch one") < text.index("CHANGED")


def test_a_log_that_nobody_watches_has_no_progress_in_it(watch):
    text = watch(terminal=False)
    assert "CHANGED" in text and "epoch one" not in text
