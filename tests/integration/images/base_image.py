# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A base image from Debian's packages, the project's builder on it, and modules as Ansible runs them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from run_module import run_module

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "images"
BASE = "monitml-test/base:bookworm"
BUILDER = "monitml-test/builder:1"
# Where a proxy ends TLS on this machine, its CA has to be lent to builds as well.
CA_FILE = os.environ.get("PIP_CERT", "")


def base_archive(name="bookworm", packages="python3,python3-venv,ca-certificates"):
    """Path of a root file system of Debian with some packages, made once."""
    path = CACHE / f"{name}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            new = CACHE / "new.tar"
            command = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={packages}",
                "bookworm",
            ]
            subprocess.run([*command, str(new)], check=True)
            new.rename(path)
    return str(path)


def import_base(engine, name=BASE):
    """Has the engine know the base image."""
    if not engine.id_of(name):
        repository, tag = name.rsplit(":", 1)
        engine.client.import_image(
            base_archive(), repository=name if engine.podman else repository, tag=tag
        )
    return name


def builder_files():
    """What the role images puts into the builder."""
    servers = sorted((ROOT / "roles/canary/files").glob("serve*.py"))
    files = {
        "install": ROOT / "files/builder/install",
        "bin/assemble": ROOT / "files/builder/assemble",
        "bin/run": ROOT / "files/builder/run",
        **{
            name: ROOT / "roles/seldon/files" / name
            for name in ("serving.txt", "serving.in", "serving.toml", "loosen.py")
        },
        **{
            f"runtime/monitml_{name}.py": ROOT / f"plugins/module_utils/serving/prediction_{name}.py"
            for name in ("metrics", "features")
        },
        **{f"runtime/{path.name}": path for path in servers},
    }
    return [{"src": str(path), "path": name} for name, path in files.items()]


def make_builder(engine, name=BUILDER, **options):
    """Result of s2i_builder with the files of the role."""
    arguments = {"base": import_base(engine), "files": builder_files(), "engine_host": engine.host}
    return run_module("s2i_builder", name=name, ca_file=CA_FILE, **{**arguments, **options})


def play(playbook, *arguments, variables=None, check=True):
    """Runs a playbook of the collection with variables on top of the local inventory."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"playbooks/{playbook}.yml"]
    command += ["--extra-vars", json.dumps(variables or {}), *arguments]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text, text
    if check:
        assert done.returncode == 0, text
    return text


def changes(text):
    """How many tasks changed something, as a play's recap tells."""
    return sum(int(word.split("=")[1]) for word in text.split() if word.startswith("changed="))


def read_record(path):
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))["monitml_images"]
