# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""image_push with real engines and real registries."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pushing import PASSWORD, USER, Pusher

ROOT = Path(__file__).resolve().parents[3]


pytestmark = pytest.mark.usefixtures("no_login")


def test_a_first_push_and_the_same_again(pusher, tiny_image, dockerd):
    first = pusher.push(tiny_image)
    assert first["changed"] and first["action"] == "push" and first["digest_before"] == ""
    assert first["digest"] == pusher.digest()
    assert first["reference"] == f"{pusher.repository}@{first['digest']}"
    assert (first["layers_pushed"], first["layers_existing"]) == (1, 0)
    assert first["image_id"] == dockerd.id_of(tiny_image)
    assert first["diff"]["after"] == first["digest"] + "\n" and first["diff"]["before"] == ""
    again = pusher.push(tiny_image)
    assert not again["changed"] and again["action"] == "unchanged"
    assert again["digest"] == again["digest_before"] == first["digest"]
    assert again["reference"] == first["reference"]
    assert again["diff"]["before"] == again["diff"]["after"]


def test_the_digest_is_the_one_that_pulls_it(pusher, tiny_image, dockerd):
    done = pusher.push(tiny_image)
    identifier = dockerd.id_of(tiny_image)
    dockerd.client.remove_image(tiny_image, force=True)
    account = {"username": USER, "password": PASSWORD}
    dockerd.client.pull(pusher.repository, tag=done["digest"], auth_config=account)
    assert dockerd.id_of(done["reference"]) == identifier
    dockerd.client.remove_image(done["reference"], force=True)


def test_a_new_tag_changes_although_its_layers_are_there(pusher, tiny_image):
    first = pusher.push(tiny_image)
    second = pusher.push(tiny_image, tag="2")
    assert second["changed"] and second["digest_before"] == ""
    assert second["digest"] == first["digest"] == pusher.digest("2")
    assert (second["layers_pushed"], second["layers_existing"]) == (0, 1)


def test_a_tag_moves(pusher, tiny_image, dockerd):
    first = pusher.push(tiny_image)
    dockerd.import_image(tiny_image)
    second = pusher.push(tiny_image)
    assert second["changed"] and second["digest_before"] == first["digest"] != second["digest"]
    assert pusher.digest() == second["digest"]
    assert second["diff"]["before"] == first["digest"] + "\n"


def test_an_image_that_somebody_else_pushed_is_unchanged(pusher, tiny_image, dockerd):
    # The engine forgets the digest with its tag: only the manifest tells that it is the same.
    first = pusher.push(tiny_image)
    known = dockerd.client.inspect_image(tiny_image)["RepoDigests"]
    assert not [one for one in known if one.startswith(pusher.repository)]
    assert not pusher.push(tiny_image)["changed"] and pusher.digest() == first["digest"]


def test_the_name_alone_says_where_to_push(pusher, dockerd):
    name = f"{pusher.repository}:7"
    dockerd.import_image(name)
    first = pusher.push(name, repository="")
    assert first["digest"] == pusher.digest("7")
    known = dockerd.client.inspect_image(name)["RepoDigests"]
    assert known == [first["reference"]]
    # Found by the engine's own knowledge this time.
    assert not pusher.push(name, repository="")["changed"]
    assert dockerd.id_of(name)
    dockerd.client.remove_image(name, force=True)


def test_an_image_without_a_tag_stays(pusher, tiny_image, dockerd):
    identifier = dockerd.id_of(tiny_image)
    # The name is another's now.
    dockerd.import_image(tiny_image)
    assert dockerd.client.inspect_image(identifier)["RepoTags"] == []
    pusher.push(identifier, tag="1", leaves_tag=True)
    assert dockerd.id_of(identifier) == identifier
    dockerd.client.remove_image(identifier, force=True)


def test_a_local_tag_gets_back_what_it_named(pusher, tiny_image, dockerd):
    mine = dockerd.import_image(f"{pusher.repository}:1")
    done = pusher.push(tiny_image)
    assert dockerd.id_of(f"{pusher.repository}:1") == mine != done["image_id"]
    dockerd.client.remove_image(f"{pusher.repository}:1", force=True)


@pytest.mark.parametrize("on_existing", ["replace", "keep", "fail"])
def test_on_existing(pusher, tiny_image, dockerd, on_existing):
    first = pusher.push(tiny_image, on_existing=on_existing)
    assert first["changed"], "a new tag is pushed whatever happens to those that exist"
    assert not pusher.push(tiny_image, on_existing=on_existing)["changed"]
    dockerd.import_image(tiny_image)
    if on_existing == "fail":
        told = pusher.refuse(tiny_image, on_existing=on_existing)
        assert "already holds another image" in told and first["digest"] in told
    else:
        second = pusher.push(tiny_image, on_existing=on_existing)
        assert second["changed"] == (on_existing == "replace")
        assert second["action"] == ("push" if on_existing == "replace" else "keep")
        assert second["digest"] == pusher.digest()
    assert (pusher.digest() == first["digest"]) == (on_existing != "replace")


def test_check_mode_tells_the_truth(pusher, tiny_image, dockerd):
    planned = pusher.push(tiny_image, check=True)
    assert planned["changed"] and planned["action"] == "push" and pusher.digest() is None
    assert planned["digest"] == planned["reference"] == ""
    assert "known after" in planned["diff"]["after"]
    first = pusher.push(tiny_image)
    assert not pusher.push(tiny_image, check=True)["changed"]
    dockerd.import_image(tiny_image)
    assert pusher.push(tiny_image, check=True)["changed"]
    assert not pusher.push(tiny_image, check=True, on_existing="keep")["changed"]
    pusher.refuse(tiny_image, check=True, on_existing="fail")
    pusher.refuse("there-is-none:1", check=True)
    assert pusher.digest() == first["digest"]


def login(path, registry, password=PASSWORD):
    entry = {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}
    path.write_text(json.dumps({"auths": {registry.address: entry}}))
    return str(path)


def test_credentials_come_from_a_login_or_a_file(pusher, tiny_image, no_login, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    options = {"password": None, "password_file": str(tmp_path / "password")}
    assert pusher.push(tiny_image, tag="file", **options)["changed"]
    nobody = {"username": None, "password": None}
    named = login(tmp_path / "mine.json", pusher.registry)
    assert pusher.push(tiny_image, tag="named", config_path=named, **nobody)["changed"]
    login(no_login, pusher.registry)
    assert pusher.push(tiny_image, tag="default", **nobody)["changed"]
    # What is given counts more than what a login left.
    login(no_login, pusher.registry, "wrong")
    assert pusher.push(tiny_image, tag="given")["changed"]


def test_podman_pushes_too(podman, registry, capsys):
    name = f"localhost/tiny-{secrets.token_hex(4)}:1"
    podman.import_image(name)
    pusher = Pusher(podman, registry, capsys)
    first = pusher.push(name)
    assert first["changed"] and first["digest"] == pusher.digest()
    assert not pusher.push(name)["changed"]
    assert pusher.push(name, tag="2")["changed"] and pusher.digest("2") == first["digest"]
    podman.import_image(name)
    assert pusher.push(name)["digest_before"] == first["digest"]
    assert "refused the credentials" in pusher.refuse(name, password="wrong-one")
    podman.client.remove_image(name, force=True)


def test_podman_and_a_read_only_registry(podman, new_registry, capsys):
    name = f"localhost/tiny-{secrets.token_hex(4)}:1"
    podman.import_image(name)
    pusher = Pusher(podman, new_registry(read_only=True), capsys)
    assert "read-only" in pusher.refuse(name)


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Push
      monitml.stack.image_push:
        name: {name}
        repository: {repository}
        engine_host: {host}
        ca_file: {ca}
        username: {user}
        password: "{{{{ lookup('env', 'TEST_PASSWORD') }}}}"
"""


class Watch(threading.Thread):
    """Looks for a word in the command lines of this machine's processes."""

    def __init__(self, word):
        super().__init__(daemon=True)
        self._word, self._done = word.encode(), threading.Event()
        self.looked, self.found = 0, []

    def run(self):
        while not self._done.wait(0.002):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    try:
                        line = Path(entry.path, "cmdline").read_bytes()
                    except OSError:
                        continue
                    self.looked += 1
                    if self._word in line:
                        self.found.append(line)

    def stop(self):
        self._done.set()
        self.join()


def test_the_password_is_in_no_output_and_no_command_line(pusher, tiny_image, tmp_path):
    (tmp_path / "play.yml").write_text(
        PLAYBOOK.format(
            name=tiny_image,
            repository=pusher.repository,
            host=pusher.engine.host,
            ca=pusher.registry.ca_file,
            user=USER,
        )
    )
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local"]
    command += ["-vvv", tmp_path / "play.yml", "-e", f"ansible_python_interpreter={sys.executable}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    for password, succeeds in ((PASSWORD, True), ("wrong-" + PASSWORD, False)):
        watch = Watch(PASSWORD)
        watch.start()
        done = subprocess.run(
            command,
            env={**environment, "TEST_PASSWORD": password},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        watch.stop()
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        assert watch.looked and not watch.found
    assert pusher.digest()
