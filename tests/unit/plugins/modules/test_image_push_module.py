# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module with an engine that only pretends, and a registry that does what that one says."""

from __future__ import annotations

import base64
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.module_utils.image.errors import ImageError
from ansible_collections.monitml.stack.plugins.modules import image_push
from stub_registry import DIGEST, OTHER, error, held, serving

MINE, THEIRS = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Engine:
    """Knows images by name; a push makes the stub hold the image's digest."""

    host = "unix:///pretended"

    def __init__(self, stub, place):
        self.images = {"app:1": MINE}
        self.calls = []
        self.failures = []
        self.broken = set()
        self.lost = False
        self._stub, self._place = stub, place

    def image(self, name):
        if name not in self.images and name not in self.images.values():
            return None
        identifier = self.images.get(name, name)
        tags = [tag for tag, one in self.images.items() if one == identifier]
        return {"Id": identifier, "RepoTags": tags, "RepoDigests": []}

    def call(self, name, *arguments, **options):
        self.calls.append((name, *arguments, options))
        if name in self.broken:
            raise ImageError(f"{name} is broken.")
        if name == "tag":
            identifier, place, tag = arguments
            self.images[f"{place}:{tag}"] = identifier
        elif name == "remove_image":
            self.images.pop(arguments[0], None)
        elif name == "push" and self.lost:
            return None
        elif name == "push" and self.failures:
            raise self.failures.pop(0)
        elif name == "push":
            self._stub.put(f"HEAD /v2/app/manifests/{options['tag']}", held())
            return [{"aux": {"Digest": DIGEST}}, {"id": "a", "status": "Pushed"}]
        return None

    def stream(self, lines):
        return lines

    def names(self):
        return [call[0] for call in self.calls]


class World:
    def __init__(self, stub, address, capsys, monkeypatch):
        self.stub, self.place = stub, f"{address}/app"
        self.engine = Engine(stub, self.place)
        self.slept = []
        self._capsys = capsys
        monkeypatch.setattr(image_push, "Engine", lambda _host, _seconds: self.engine)
        # Where a test of an action plugin ran before in this process, they would go to its display.
        self.warnings = []
        monkeypatch.setattr(
            image_push.AnsibleModule, "warn", lambda _module, text: self.warnings.append(text)
        )
        monkeypatch.setattr(image_push.time, "sleep", self.slept.append)

    def run(self, check=False, **options):
        arguments = {"name": "app:1", "repository": self.place, **options}
        arguments["_ansible_check_mode"] = check
        with patch_module_args(arguments), pytest.raises(SystemExit) as caught:
            image_push.main()
        return caught.value.code, json.loads(self._capsys.readouterr().out)


@pytest.fixture
def world(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as (stub, address):
        yield World(stub, address, capsys, monkeypatch)


def test_a_push_tags_pushes_and_takes_the_tag_away(world):
    code, result = world.run()
    assert code == 0 and result["changed"] and result["digest"] == DIGEST
    assert result["reference"] == f"{world.place}@{DIGEST}" and result["layers_pushed"] == 1
    assert world.engine.names() == ["tag", "push", "remove_image"]
    assert world.engine.images == {"app:1": MINE} and "diff" not in result


def test_check_mode_asks_only(world):
    code, result = world.run(check=True)
    assert code == 0 and result["changed"] and result["digest"] == ""
    assert world.engine.calls == []


def test_the_same_image_is_not_pushed(world):
    world.stub.put("HEAD /v2/app/manifests/1", held(OTHER))
    manifest = {"schemaVersion": 2, "config": {"digest": MINE}}
    path = f"GET /v2/app/manifests/{OTHER}"
    world.stub.put(path, (200, {}, json.dumps(manifest).encode()))
    code, result = world.run()
    assert code == 0 and not result["changed"] and result["digest"] == OTHER
    assert world.engine.calls == []


def test_a_tag_of_another_image_is_put_back(world):
    world.engine.images[f"{world.place}:1"] = THEIRS
    assert world.run()[0] == 0
    assert world.engine.images == {"app:1": MINE, f"{world.place}:1": THEIRS}


@pytest.mark.parametrize("passing", [True, False])
def test_a_failed_push_leaves_no_tag(world, passing):
    world.engine.failures = [ImageError("No.", passing) for _try in range(9)]
    code, result = world.run(retries=2)
    assert code == 1 and result["msg"] == "No."
    assert world.engine.names().count("push") == (3 if passing else 1)
    assert world.slept == ([1, 2] if passing else [])
    assert world.engine.images == {"app:1": MINE}


def test_an_image_that_went_meanwhile_is_no_unchanged_one(world):
    world.stub.put("HEAD /v2/app/manifests/1", held(OTHER))
    world.engine.lost = True
    code, result = world.run()
    assert code == 1 and "lost" in result["msg"] and world.engine.images == {"app:1": MINE}


def test_a_failed_tag_is_not_pushed(world):
    world.engine.broken = {"tag"}
    code, result = world.run()
    assert code == 1 and result["msg"] == "tag is broken." and "push" not in world.engine.names()


def test_a_tag_that_cannot_be_taken_away_hides_nothing(world):
    world.engine.broken = {"remove_image"}
    code, result = world.run()
    assert code == 0 and result["changed"]
    assert "was left behind: remove_image is broken." in " ".join(world.warnings)
    world.engine.failures = [ImageError("No.")]
    assert world.run(tag="2")[1]["msg"] == "No."


def authentication(world):
    return next(call[-1]["auth_config"] for call in world.engine.calls if call[0] == "push")


def test_the_engine_looks_for_no_login_of_its_own(world):
    world.run()
    assert authentication(world) == {}


def test_the_engine_gets_what_was_given(world):
    world.run(username="me", password="pw-3a")
    expected = {"username": "me", "password": "pw-3a", "serveraddress": world.place.split("/")[0]}
    assert authentication(world) == expected


def test_the_engine_gets_the_token_of_a_login(world, tmp_path):
    entry = {"auths": {world.place.split("/")[0]: {"identitytoken": "kept-3a"}}}
    (tmp_path / "config.json").write_text(json.dumps(entry))
    _code, result = world.run()
    assert authentication(world)["identitytoken"] == "kept-3a"
    assert "kept-3a" not in json.dumps(result)


def test_a_password_of_a_login_is_never_shown(world, tmp_path):
    auth = base64.b64encode(b"me:pw-3a").decode()
    entry = {"auths": {world.place.split("/")[0]: {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(entry))
    world.engine.failures = [ImageError("The engine says: pw-3a is wrong.")]
    assert "pw-3a" not in json.dumps(world.run()[1])


@pytest.mark.parametrize("on_existing", ["keep", "fail"])
def test_another_image_stays(world, on_existing):
    world.stub.put("HEAD /v2/app/manifests/1", held(OTHER))
    code, result = world.run(on_existing=on_existing)
    assert world.engine.calls == [] and code == (on_existing == "fail")
    if on_existing == "fail":
        assert OTHER in result["msg"] and "choose a new tag" in result["msg"]
    else:
        assert (result["changed"], result["action"], result["digest"]) == (False, "keep", OTHER)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "none:1"}, "has no image none:1"),
        ({"name": "a:b:c"}, "is no name of an image"),
        ({"username": "me"}, "comes without a password"),
        ({"password": "x-3a"}, "username"),
        ({"username": "me", "password": "x-3a", "password_file": "/x"}, "mutually exclusive"),
        ({"retries": -1}, "retries must be 0"),
        ({"timeout": 0}, "timeout more than 0"),
        ({"ca_file": "/nowhere"}, "ca_file is /nowhere"),
    ],
)
def test_bad_options(world, options, told):
    code, result = world.run(**options)
    assert code == 1 and told in result["msg"] and world.engine.calls == []


def test_a_registry_that_refuses(world):
    world.stub.put("HEAD", error(403, "DENIED", "no"))
    code, result = world.run()
    assert code == 1 and "does not let an anonymous client read app" in result["msg"]


def test_without_the_sdk(world, monkeypatch):
    monkeypatch.setattr(image_push, "IMPORT_ERROR", "no docker")
    code, result = world.run()
    assert code == 1 and "docker" in result["msg"] and world.engine.calls == []
