# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""image_push with a real engine and real registries; what those cannot do here, a stub does."""

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
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import image_push
from conftest import PASSWORD, USER

from stub_registry import OTHER, error, held, serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_login(tmp_path, monkeypatch):
    """What the person who runs the tests is logged in to is not theirs."""
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker/config.json"


class Pusher:
    """Runs the module for one repository that nobody else uses."""

    def __init__(self, engine, registry, capsys):
        self.engine = engine
        self.registry = registry
        self.path = f"tests/{secrets.token_hex(4)}"
        self.repository = f"{registry.address}/{self.path}"
        self._capsys = capsys

    def run(self, name, check=False, leaves_tag=False, **options):
        """(whether it succeeded, result)."""
        arguments = {
            "name": name,
            "repository": self.repository,
            "engine_host": self.engine.host,
            "username": USER,
            "password": PASSWORD,
            "retries": 0,
            "ca_file": str(self.registry.ca_file) if self.registry.tls else None,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }
        given = {key: value for key, value in arguments.items() if value is not None}
        before = self.engine.client.images()
        with patch_module_args(given), pytest.raises(SystemExit) as caught:
            image_push.main()
        out, err = self._capsys.readouterr()
        assert PASSWORD not in out + err
        result = json.loads(out.replace("\n", " "))
        assert "Traceback" not in out + err, out + err
        if not leaves_tag:
            assert tags(self.engine.client.images()) == tags(before)
        return caught.value.code == 0, result

    def push(self, name, **options):
        done, result = self.run(name, **options)
        assert done, result["msg"]
        return result

    def refuse(self, name, **options):
        """The sentence that it fails with."""
        done, result = self.run(name, **options)
        assert not done, result
        assert "\n" not in result["msg"] and len(result["msg"]) < 600
        return result["msg"]

    def digest(self, tag="1"):
        return self.registry.digest(self.path, tag)


def tags(images):
    return sorted(tag for image in images for tag in image["RepoTags"] or [])


@pytest.fixture
def pusher(dockerd, registry, capsys):
    return Pusher(dockerd, registry, capsys)


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
    assert not dockerd.client.inspect_image(tiny_image)["RepoDigests"]
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


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"password": "wrong-one"}, "refused the credentials of pusher"),
        ({"username": None, "password": None}, "wants credentials"),
        ({"password": None}, "comes without a password"),
        ({"password": None, "password_file": "/nowhere/pw"}, "/nowhere/pw, which cannot be read"),
        ({"username": None, "password": None, "config_path": "/nowhere/c"}, "config_path is"),
        ({"ca_file": "/nowhere/ca"}, "ca_file is /nowhere/ca"),
        ({"name": "there-is-none:1"}, "has no image there-is-none:1: build or pull it"),
        ({"name": "UPPER"}, "is no name of an image"),
        ({"tag": "a/b"}, "tag is 'a/b'"),
        ({"engine_host": "unix:///nowhere/s"}, "No container engine answers at unix:///nowhere/s"),
        ({"retries": -1}, "retries must be"),
        ({"timeout": 0}, "timeout more than 0"),
    ],
)
def test_bad_input(pusher, tiny_image, options, told):
    name = options.pop("name", tiny_image)
    assert told in pusher.refuse(name, **options)
    assert pusher.digest() is None


def test_nothing_reaches_an_engine_that_may_not_be_used(pusher, tiny_image, tmp_path):
    (tmp_path / "s").write_text("")
    assert "container engine" in pusher.refuse(tiny_image, engine_host=f"unix://{tmp_path}/s")


def test_a_registry_that_is_down(dockerd, new_registry, tiny_image, capsys):
    registry = new_registry()
    pusher = Pusher(dockerd, registry, capsys)
    registry.stop()
    told = pusher.refuse(tiny_image)
    assert registry.address in told and "check its address, and that it runs" in told
    registry.start()
    assert pusher.push(tiny_image)["changed"]


def test_a_read_only_registry(dockerd, new_registry, tiny_image, capsys):
    registry = new_registry()
    pusher = Pusher(dockerd, registry, capsys)
    first = pusher.push(tiny_image)
    registry.restart(read_only=True)
    assert not pusher.push(tiny_image)["changed"], "nothing has to be written"
    assert "read-only" in pusher.refuse(tiny_image, tag="2")
    dockerd.import_image(tiny_image)
    assert "read-only" in pusher.refuse(tiny_image)
    assert pusher.digest() == first["digest"]


def test_a_registry_without_tls(dockerd, new_registry, tiny_image, capsys):
    registry = new_registry(tls=False, host=dockerd.address)
    pusher = Pusher(dockerd, registry, capsys)
    assert "does not speak TLS" in pusher.refuse(tiny_image)
    # Asked without it, ours does and the engine, which was not told to, does not.
    assert "does not speak TLS" in pusher.refuse(tiny_image, plain_http=True)


def test_a_registry_without_tls_on_this_machine(dockerd, new_registry, tiny_image, capsys):
    pusher = Pusher(dockerd, new_registry(tls=False), capsys)
    nobody = {"username": None, "password": None}
    assert pusher.push(tiny_image, **nobody)["digest"] == pusher.digest()
    assert not pusher.push(tiny_image, plain_http=True, **nobody)["changed"]


def test_a_ca_that_is_not_trusted(dockerd, new_registry, tiny_image, capsys):
    registry = new_registry(trusted=False, host=dockerd.address)
    pusher = Pusher(dockerd, registry, capsys)
    told = pusher.refuse(tiny_image, ca_file=None)
    assert f"The certificate of {registry.address} is not trusted" in told and "ca_file" in told
    assert "certs.d" in pusher.refuse(tiny_image), "ours trusts it now, and the engine does not"
    assert pusher.digest() is None


def test_what_the_engine_trusts_is_trusted(dockerd, new_registry, tiny_image, capsys):
    registry = new_registry(host=dockerd.address)
    assert Pusher(dockerd, registry, capsys).push(tiny_image, ca_file=None)["changed"]


@pytest.fixture
def stub(dockerd, capsys):
    """A Pusher to a stub that takes all layers, and that Stub."""
    with serving() as (made, address):

        class AtStub:
            ca_file, tls = "", False

            def __init__(self):
                self.address = address

        pusher = Pusher(dockerd, AtStub(), capsys)
        upload = f"/v2/{pusher.path}/blobs/uploads/"
        made.put("GET /v2/", (200, {}, b"{}")).put("HEAD", (200, {}, b""))
        made.put(
            f"POST {upload}", (202, {"Location": upload + "1", "Docker-Upload-UUID": "1"}, b"")
        )
        made.put(f"PATCH {upload}1", (202, {"Location": upload + "1", "Range": "0-0"}, b""))
        made.put(f"PUT {upload}1", (201, {}, b""))
        yield pusher, made


def manifest(pusher, tag="1"):
    return f"/v2/{pusher.path}/manifests/{tag}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        # As Amazon's registry, Harbor and Docker's own write it.
        (
            error(
                400,
                "TAG_INVALID",
                "The image tag '1' already exists in the repository and cannot be overwritten "
                "because the repository is immutable.",
            ),
            "does not let a tag be moved",
        ),
        (
            error(
                412,
                "PRECONDITION",
                "Failed to process request due to 'app:1' configured as immutable.",
            ),
            "does not let a tag be moved",
        ),
        (error(403, "DENIED", "requested access to the resource is denied"), "rights"),
        (error(500, "UNKNOWN", "unknown error"), "may be because it is full"),
        (error(507, "UNKNOWN", "no space left on device"), "full"),
        (error(429, "TOOMANYREQUESTS", "too many requests"), "limits how often"),
        (error(405, "UNSUPPORTED", "The operation is unsupported."), "read-only"),
    ],
)
def test_a_registry_that_refuses_the_manifest(stub, tiny_image, answer, told):
    pusher, made = stub
    made.put(f"HEAD {manifest(pusher)}", held(OTHER))
    made.put(f"GET /v2/{pusher.path}/manifests/{OTHER}", (404, {}, b""))
    made.put(f"PUT {manifest(pusher)}", answer)
    assert told in pusher.refuse(tiny_image)


def test_a_push_is_tried_again_where_that_is_worth_it(stub, tiny_image, monkeypatch):
    pusher, made = stub
    slept = []
    monkeypatch.setattr(image_push.time, "sleep", slept.append)
    made.put(f"HEAD {manifest(pusher)}", (404, {}, b""), held(OTHER))
    busy = error(503, "UNAVAILABLE", "service unavailable")
    done = (201, {"Docker-Content-Digest": OTHER}, b"")
    made.put(f"PUT {manifest(pusher)}", busy, busy, done)
    result = pusher.push(tiny_image, retries=2)
    assert result["changed"] and [one for one in slept if one >= 1] == [1, 2]
    # The stub does not hold what was sent to it, as if somebody else had pushed meanwhile.
    assert "somebody else" in json.dumps(result["warnings"])


def test_a_push_that_left_nothing_is_no_success(stub, tiny_image):
    pusher, made = stub
    made.put(f"HEAD {manifest(pusher)}", (404, {}, b""))
    made.put(f"PUT {manifest(pusher)}", (201, {"Docker-Content-Digest": OTHER}, b""))
    assert "is not there after a push" in pusher.refuse(tiny_image)


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
