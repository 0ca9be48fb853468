# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The s2i program itself, which Debian has no package of: found, or made once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess

from base_image import ROOT

_MODULE = "github.com/openshift/source-to-image"
_VERSION = "v1.5.1"
_PLACE = ROOT / ".cache" / "s2i"


def find_s2i():
    """(path, "") of MONITML_S2I, of the one on the PATH, or of one that Go makes; else ("", why not)."""
    given = os.environ.get("MONITML_S2I") or shutil.which("s2i")
    if given:
        return os.path.abspath(given), ""
    cure = "put s2i on the PATH, or name it in MONITML_S2I"
    if not shutil.which("go"):
        return "", f"no s2i on this machine, and no Go to make it with: {cure}"
    _PLACE.mkdir(parents=True, exist_ok=True)
    made = _PLACE / f"s2i-{_VERSION}"
    with (_PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not made.exists():
                _make(made)
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            return "", f"no s2i on this machine, and Go cannot make it ({last}): {cure}"
    return str(made), ""


def _make(made):
    """Builds it from its own lock, go.sum, which go install would not look at."""
    told = _go("mod", "download", "-json", f"{_MODULE}@{_VERSION}", cwd=_PLACE)
    source = json.loads(told)["Dir"]
    new = made.with_suffix(".new")
    options = ["-mod=readonly", "-tags", "containers_image_openpgp", "-o", str(new)]
    _go("build", *options, "./cmd/s2i", cwd=source)
    new.rename(made)


def _go(*arguments, cwd):
    return subprocess.run(
        ["go", *arguments],
        cwd=cwd,
        # No C compiler, whose libraries it would want.
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
