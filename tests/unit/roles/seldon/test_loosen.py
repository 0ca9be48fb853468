# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).resolve().parents[4] / "roles/seldon/files"


def loosen(packages, toml):
    (packages / "serving.toml").write_text(toml, encoding="utf-8")
    command = [sys.executable, str(FILES / "loosen.py"), str(packages / "serving.toml")]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_requirements_are_replaced_and_a_linked_file_is_not_touched(tmp_path):
    about = tmp_path / "acme-1.0.dist-info"
    about.mkdir()
    text = "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\nRequires-Dist: numpy (<2)\nRequires-Dist: idna\n\nAbout it.\n"
    cached = tmp_path / "cached"
    cached.write_text(text, encoding="utf-8")
    os.link(cached, about / "METADATA")
    (about / "RECORD").write_text("acme-1.0.dist-info/METADATA,,\n", encoding="utf-8")
    toml = '[[dependency-metadata]]\nname = "acme"\nversion = "%s"\nrequires-dist = ["numpy", "idna"]\n'
    done = loosen(tmp_path, toml % "1.0")
    assert done.returncode == 0, done.stderr
    assert (about / "METADATA").read_text(encoding="utf-8") == (
        "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\nRequires-Dist: numpy\nRequires-Dist: idna\n\nAbout it.\n"
    )
    assert cached.read_text(encoding="utf-8") == text
    done = loosen(tmp_path, toml % "2.0")
    assert done.returncode == 1 and "is of acme 2.0, and 1.0 is installed" in done.stderr
