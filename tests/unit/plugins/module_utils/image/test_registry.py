# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import socket
import ssl
import threading
import urllib.parse

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import name as names
from ansible_collections.monitml.stack.plugins.module_utils.image.errors import ImageError
from ansible_collections.monitml.stack.plugins.module_utils.image.registry import (
    Credentials,
    Registry,
)
from stub_registry import DIGEST, error, held, serving

NOW = 1_700_000_000.0
ME = Credentials("me", "sécret")
BASIC = "Basic " + base64.b64encode("me:sécret".encode()).decode()
PATH = "/v2/team/app/manifests/1"


class Clock:
    def __init__(self):
        self.slept = []

    def time(self):
        return NOW + sum(self.slept)

    def sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def stub():
    with serving() as (made, address):
        made.address = address
        yield made


def registry(stub, credentials=Credentials(), retries=3, **options):
    clock = Clock()
    made = Registry(
        names.parse(f"{getattr(stub, 'address', stub)}/team/app:1"),
        credentials,
        options.get("ca_file"),
        options.get("plain_http", False),
        retries,
        options.get("seconds", 5),
        clock,
    )
    made.clock = clock
    return made


def bearer(stub, **more):
    realm = f"http://{stub.address}/token"
    text = f'Bearer realm="{realm}",service="registry.docker.io",scope="repository:team/app:pull"'
    return error(
        401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": text, **more}
    )


def token(text="t1", key="token"):
    return 200, {}, json.dumps({key: text}).encode()


def test_a_tag_is_looked_up_by_one_request_that_is_no_pull(stub):
    stub.put(f"HEAD {PATH}", held())
    assert registry(stub).digest("1") == DIGEST
    assert stub.requests == [f"HEAD {PATH}"]
    accept = stub.seen[0][2]["Accept"]
    for kind in (
        "docker.distribution.manifest.v2+json",
        "docker.distribution.manifest.list.v2+json",
        "oci.image.manifest.v1+json",
        "oci.image.index.v1+json",
    ):
        assert kind in accept


def test_a_tag_that_is_not_there(stub):
    assert registry(stub).digest("1") == ""


@pytest.mark.parametrize("status", [200, 400, 405, 501])
def test_where_HEAD_tells_no_digest_the_manifest_is_read(stub, status):
    body = b'{"schemaVersion": 2}'
    stub.put(f"HEAD {PATH}", (status, {}, b"")).put(f"GET {PATH}", (200, {}, body))
    assert registry(stub).digest("1") == "sha256:" + hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b"null"])
def test_what_is_no_manifest_is_no_registry(stub, body):
    stub.put(f"HEAD {PATH}", (200, {}, b"")).put(f"GET {PATH}", (200, {}, body))
    with pytest.raises(ImageError, match="not as a registry does"):
        registry(stub).digest("1")


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"schemaVersion": 2, "config": {"digest": DIGEST}}, DIGEST),
        ({"schemaVersion": 2, "manifests": []}, ""),
        ({"schemaVersion": 2, "config": {}}, ""),
    ],
)
def test_the_digest_of_the_configuration(stub, manifest, expected):
    path = f"GET /v2/team/app/manifests/{DIGEST}"
    stub.put(path, (200, {}, json.dumps(manifest).encode()))
    assert registry(stub).config_digest(DIGEST) == expected


def test_a_manifest_that_went_meanwhile_has_no_configuration(stub):
    assert registry(stub).config_digest(DIGEST) == ""


def test_basic_authentication_only_where_it_is_asked_for(stub):
    asked = error(401, "UNAUTHORIZED", "no", **{"WWW-Authenticate": 'Basic realm="r"'})
    stub.put(f"HEAD {PATH}", asked, held())
    assert registry(stub, ME).digest("1") == DIGEST
    assert "Authorization" not in stub.seen[0][2]
    assert stub.seen[1][2]["Authorization"] == BASIC


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_the_token_flow_of_docker_hub(stub, key):
    stub.put(f"HEAD {PATH}", bearer(stub), held()).put("GET /token", token(key=key))
    assert registry(stub, ME).digest("1") == DIGEST
    what, query, headers, _body = stub.seen[1]
    assert what == "GET /token" and headers["Authorization"] == BASIC
    assert dict(urllib.parse.parse_qsl(query)) == {
        "service": "registry.docker.io",
        "scope": "repository:team/app:pull",
        "account": "me",
    }
    assert stub.seen[2][2]["Authorization"] == "Bearer t1"


def test_a_token_for_everybody_needs_no_account(stub):
    stub.put(f"HEAD {PATH}", bearer(stub), held()).put("GET /token", token())
    assert registry(stub).digest("1") == DIGEST
    assert "Authorization" not in stub.seen[1][2] and "account" not in stub.seen[1][1]


def test_a_login_by_token_is_refreshed(stub):
    stub.put(f"HEAD {PATH}", bearer(stub), held()).put("POST /token", token(key="access_token"))
    assert registry(stub, Credentials(identity_token="kept")).digest("1") == DIGEST
    sent = dict(urllib.parse.parse_qsl(stub.seen[1][3].decode()))
    assert sent["grant_type"] == "refresh_token" and sent["refresh_token"] == "kept"
    assert sent["scope"] == "repository:team/app:pull"


def test_a_token_that_ran_out_during_a_long_push_is_got_anew(stub):
    stub.put(f"HEAD {PATH}", bearer(stub), held(), bearer(stub), held())
    stub.put("GET /token", token("t1"), token("t2"))
    asked = registry(stub, ME)
    assert (asked.digest("1"), asked.digest("1")) == (DIGEST, DIGEST)
    assert stub.seen[-1][2]["Authorization"] == "Bearer t2"


def test_a_token_is_used_again(stub):
    stub.put(f"HEAD {PATH}", bearer(stub), held()).put("GET /token", token())
    asked = registry(stub, ME)
    asked.digest("1"), asked.digest("1")
    assert stub.requests.count("GET /token") == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb"}', b'{"token": ""}']
)
def test_no_token_no_request(stub, body):
    stub.put(f"HEAD {PATH}", bearer(stub)).put("GET /token", (200, {}, body))
    with pytest.raises(ImageError, match="sent no token"):
        registry(stub, ME).digest("1")


def test_a_realm_that_is_none(stub):
    stub.put(
        f"HEAD {PATH}", error(401, "U", "no", **{"WWW-Authenticate": "Bearer realm=file:///etc"})
    )
    with pytest.raises(ImageError, match="does not say where to get it"):
        registry(stub, ME).digest("1")


@pytest.mark.parametrize(
    ("answer", "credentials", "told"),
    [
        (
            error(401, "U", "no", **{"WWW-Authenticate": "Basic realm=x"}),
            ME,
            "refused the credentials of me",
        ),
        (
            error(401, "U", "no", **{"WWW-Authenticate": "Basic realm=x"}),
            Credentials(),
            "wants credentials",
        ),
        (error(401, "U", "no"), Credentials(), "wants credentials"),
        (error(403, "DENIED", "no"), ME, "does not let me read team/app"),
        (error(418, "TEAPOT", "no"), ME, "answered HTTP 418"),
    ],
)
def test_refusals_say_what_to_do(stub, answer, credentials, told):
    stub.put(f"HEAD {PATH}", answer)
    with pytest.raises(ImageError, match=told) as caught:
        registry(stub, credentials).digest("1")
    assert "sécret" not in str(caught.value)


def test_a_token_without_the_right(stub):
    text = 'Bearer realm="http://%s/token",error="insufficient_scope"' % stub.address
    stub.put(f"HEAD {PATH}", bearer(stub), error(401, "U", "no", **{"WWW-Authenticate": text}))
    stub.put("GET /token", token())
    with pytest.raises(ImageError, match="does not let me read"):
        registry(stub, ME).digest("1")


def test_a_refused_login_at_the_token_server(stub):
    stub.put(f"HEAD {PATH}", bearer(stub)).put("GET /token", error(401, "U", "no"))
    with pytest.raises(ImageError, match="refused the credentials of me"):
        registry(stub, ME).digest("1")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(stub, status):
    stub.put(f"HEAD {PATH}", error(status, "X", "later"), error(status, "X", "later"), held())
    asked = registry(stub)
    assert asked.digest("1") == DIGEST and asked.clock.slept == [1, 2]


def test_a_lost_connection_is_tried_again(stub):
    stub.put(f"HEAD {PATH}", None, held())
    asked = registry(stub, plain_http=True)
    assert asked.digest("1") == DIGEST and asked.clock.slept == [1]


@pytest.mark.parametrize(
    ("after", "slept"),
    [
        ("7", 7),
        ("0", 0),
        (email.utils.formatdate(NOW + 9, usegmt=True), 9),
        (email.utils.formatdate(NOW - 9, usegmt=True), 0),
        ("soon", 1),
        ("-3", 1),
    ],
)
def test_the_registry_says_how_long_to_wait(stub, after, slept):
    stub.put(f"HEAD {PATH}", error(429, "TOOMANYREQUESTS", "x", **{"Retry-After": after}), held())
    asked = registry(stub)
    assert asked.digest("1") == DIGEST and asked.clock.slept == [slept]


def test_nobody_waits_for_hours(stub):
    stub.put(f"HEAD {PATH}", error(429, "TOOMANYREQUESTS", "x", **{"Retry-After": "21600"}))
    asked = registry(stub)
    with pytest.raises(ImageError, match="limits how often"):
        asked.digest("1")
    assert asked.clock.slept == [] and len(stub.seen) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error(429, "TOOMANYREQUESTS", "x"), "limits how often"),
        (error(503, "UNAVAILABLE", "x"), "failed with HTTP 503"),
        (None, r"was lost 3 times"),
    ],
)
def test_tries_end(stub, answer, told):
    stub.put(f"HEAD {PATH}", answer)
    asked = registry(stub, retries=2, plain_http=True)
    with pytest.raises(ImageError, match=told):
        asked.digest("1")
    assert len(stub.seen) == 3 and asked.clock.slept == [1, 2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_what_stays_is_asked_once(stub, status):
    stub.put(f"HEAD {PATH}", error(status, "X", "no")).put(f"GET {PATH}", error(403, "X", "no"))
    asked = registry(stub)
    if status == 404:
        assert asked.digest("1") == ""
    else:
        with pytest.raises(ImageError):
            asked.digest("1")
    assert stub.requests.count(f"HEAD {PATH}") == 1 and asked.clock.slept == []


def test_a_redirect_takes_no_credentials_along(stub):
    asked = error(401, "U", "no", **{"WWW-Authenticate": "Basic realm=x"})
    stub.put(f"HEAD {PATH}", asked, (307, {"Location": f"http://{stub.address}/moved"}, b""))
    stub.put("HEAD /moved", held())
    assert registry(stub, ME).digest("1") == DIGEST
    assert stub.seen[-1][0] == "HEAD /moved" and "Authorization" not in stub.seen[-1][2]


@pytest.mark.parametrize("realm", ["http://elsewhere.example.org/token", "http://[2001:db8::1]/t"])
def test_a_password_goes_nowhere_in_the_clear(realm):
    asked = registry("registry.example.org", ME)
    with pytest.raises(ImageError, match="without TLS"):
        asked._token({"realm": realm})
    for fine in ("https://elsewhere.example.org/token", "http://127.0.0.1:1/t", "http://[::1]/t"):
        asked._check_realm(fine)


def listening(serve):
    """Address of a server that handles one connection after the other by serve(socket)."""
    server = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                connection, _address = server.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    threading.Thread(target=run, daemon=True).start()
    return server, "127.0.0.1:%d" % server.getsockname()[1]


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "127.0.0.1:%d" % server.getsockname()[1]
    with pytest.raises(ImageError, match="does not answer .Connection refused."):
        registry(address).digest("1")


def test_nobody_answers():
    stop = threading.Event()
    server, address = listening(lambda _connection: stop.wait(5))
    with server, pytest.raises(ImageError, match="did not answer in time"):
        registry(address, seconds=0.2, plain_http=True).digest("1")
    stop.set()


def test_something_else_answers():
    server, address = listening(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"))
    with server, pytest.raises(ImageError, match="not as a registry does|was lost"):
        registry(address, plain_http=True, retries=0).digest("1")


def test_the_name_is_not_known():
    with pytest.raises(ImageError, match="cannot be resolved"):
        registry("registry.invalid").digest("1")


def test_without_tls_only_this_machine_is_asked(stub, monkeypatch):
    asked = registry(stub)
    monkeypatch.setattr(asked, "_local", False)
    with pytest.raises(ImageError, match="does not speak TLS"):
        asked.digest("1")
    assert stub.seen == []


def test_a_ca_file_that_is_none(tmp_path):
    (tmp_path / "ca").write_text("nothing")
    for path in (tmp_path / "ca", tmp_path / "missing"):
        with pytest.raises(ImageError, match="ca_file is "):
            registry("registry.example.org", ca_file=str(path))


def test_certificates_are_looked_at():
    context = registry("registry.example.org")._http.context
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
