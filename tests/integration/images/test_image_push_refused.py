# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""image_push where it cannot push; what real registries cannot do here, a stub does."""

from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.modules import image_push
from pushing import Pusher
from stub_registry import OTHER, error, held, serving

pytestmark = pytest.mark.usefixtures("no_login")


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
