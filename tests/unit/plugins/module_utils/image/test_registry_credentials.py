# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import name as names
from ansible_collections.monitml.stack.plugins.module_utils.image import (
    registry_credentials as credentials,
)
from ansible_collections.monitml.stack.plugins.module_utils.image.errors import ImageError
from ansible_collections.monitml.stack.plugins.module_utils.image.registry import Credentials

HUB = names.parse("me/app")
PRIVATE = names.parse("h.org:5000/app")


def auth(username, password):
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    path = tmp_path / "config.json"

    def write(content):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    write.path = path
    return write


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("https://index.docker.io/v1/", HUB),
        ("docker.io", HUB),
        ("h.org:5000", PRIVATE),
        ("https://h.org:5000", PRIVATE),
        ("https://h.org:5000/v2/", PRIVATE),
    ],
)
def test_a_login_is_found(config, key, name):
    path = config({"auths": {"other.org": auth("no", "no"), key: auth("me", "a:b é")}})
    for given in ("", path):
        assert credentials.configured(name, given) == Credentials("me", "a:b é")


def test_a_login_by_token(config):
    config({"auths": {"h.org:5000": {"identitytoken": "kept"}}})
    assert credentials.configured(PRIVATE, "") == Credentials(identity_token="kept")


@pytest.mark.parametrize(
    "content",
    [{}, {"auths": {}}, {"auths": {"other.org": auth("a", "b")}}, {"auths": {"h.org:5000": {}}}],
)
def test_no_login(config, content):
    config(content)
    assert credentials.configured(PRIVATE, "") == Credentials()


def test_a_named_configuration_without_a_login_leaves_the_default_one_alone(config, tmp_path):
    config({"auths": {"h.org:5000": auth("me", "pw")}})
    (tmp_path / "other.json").write_text("{}")
    assert credentials.configured(PRIVATE, str(tmp_path / "other.json")) == Credentials()


def test_settings_of_docker_are_no_logins(config):
    config({"psFormat": "table", "HttpHeaders": {"a": "b"}, "proxies": {"default": {}}})
    assert credentials.configured(PRIVATE, "") == Credentials()


def test_a_missing_configuration_matters_only_where_it_was_named(config, tmp_path):
    assert credentials.configured(PRIVATE, "") == Credentials()
    with pytest.raises(ImageError, match="config_path is .*, which cannot be read: No such file"):
        credentials.configured(PRIVATE, str(tmp_path / "config.json"))


def test_the_home_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(
        json.dumps({"auths": {"h.org:5000": auth("me", "pw")}})
    )
    assert credentials.configured(PRIVATE, "").username == "me"


# The SDK says on top that a helper is missing.
@pytest.mark.filterwarnings("ignore:docker-credential-:UserWarning")
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        {"auths": []},
        {"auths": {"h.org:5000": "text"}},
        {"auths": {"h.org:5000": {"auth": "c2VjcmV0"}}},
        {"auths": {"h.org:5000": {"auth": "!"}}},
        {"auths": {"h.org:5000": {"auth": 1}}},
        {"credsStore": "there-is-no-such-helper"},
        {"credHelpers": {"h.org:5000": "there-is-no-such-helper"}},
    ],
)
def test_a_broken_configuration_is_not_taken_for_an_empty_one(config, content):
    path = config(content)
    if content == {"auths": []}:
        assert credentials.configured(PRIVATE, "") == Credentials()
        return
    with pytest.raises(ImageError) as caught:
        credentials.configured(PRIVATE, "")
    assert f"The Docker configuration {path} cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_credential_helper_is_asked(config, tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-ours"
    answer = '{"ServerURL": "%s", "Username": "me", "Secret": "of %s"}'
    helper.write_text(f"#!/bin/sh\nread one\nprintf '{answer}' \"$one\" \"$one\"\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    config({"credHelpers": {"h.org:5000": "ours"}})
    assert credentials.configured(PRIVATE, "") == Credentials("me", "of h.org:5000")
    config({"credsStore": "ours"})
    assert credentials.configured(HUB, "") == Credentials("me", "of https://index.docker.io/v1/")


def test_what_is_given(tmp_path):
    (tmp_path / "password").write_text(" pw \n")
    path = str(tmp_path / "password")
    assert credentials.given(None, None, None) is None
    assert credentials.given("me", "pw", None) == Credentials("me", "pw")
    assert credentials.given("me", None, path) == Credentials("me", " pw ")


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff", "no text")]
)
def test_a_password_file_without_one(tmp_path, content, told):
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(ImageError, match=told):
        credentials.given("me", None, str(tmp_path / "password"))
