# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import name as names
from ansible_collections.monitml.stack.plugins.module_utils.image.errors import ImageError
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + "0123456789abcdef" * 4

word = st.text("abz09", min_size=1, max_size=3)
repositories = st.builds(
    lambda first, more: first + "".join(map("".join, more)),
    word,
    st.lists(st.tuples(st.sampled_from([".", "_", "__", "-", "---", "/"]), word), max_size=6),
)
tags = st.one_of(st.just(""), st.text("aZ9_", min_size=1, max_size=9), st.just("v1.0-rc.1"))
ports = st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format))
hosts = st.one_of(
    st.sampled_from(
        ["localhost", "registry.example.org", "10.0.0.1", "127.0.0.1", "a-b.c", "B.org"]
    ),
    st.ip_addresses(v=6).map("[{}]".format),
)


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("ubuntu:22.04", "docker.io", "library/ubuntu", "22.04", ""),
        ("me/app:1", "docker.io", "me/app", "1", ""),
        ("docker.io/ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("index.docker.io/me/app", "docker.io", "me/app", "", ""),
        ("registry-1.docker.io/me/app", "docker.io", "me/app", "", ""),
        ("host:5000", "docker.io", "library/host", "5000", ""),
        ("host:5000/x", "host:5000", "x", "", ""),
        ("host:5000/x:1", "host:5000", "x", "1", ""),
        ("host:5000/x/y:1@" + DIGEST, "host:5000", "x/y", "1", DIGEST),
        ("localhost/x", "localhost", "x", "", ""),
        ("Host.org/x", "host.org", "x", "", ""),
        ("[::1]:5000/x:1", "[::1]:5000", "x", "1", ""),
        ("[2001:db8::1]/x", "[2001:db8::1]", "x", "", ""),
        ("127.0.0.1:5000/x@" + DIGEST, "127.0.0.1:5000", "x", "", DIGEST),
        ("team/a__b-c.d", "docker.io", "team/a__b-c.d", "", ""),
    ],
)
def test_parts(text, registry, repository, tag, digest):
    assert names.parse(text) == names.ImageName(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/x",
        "x/",
        "a//b",
        "App",
        "Host/x",
        "host:5000/App",
        "x:",
        "x:-1",
        "x:" + "a" * 129,
        "x:1:2",
        "x@sha256:12",
        "x@" + DIGEST + "@" + DIGEST,
        "host:0/x",
        "host:65536/x",
        "host:x/y",
        "[::g]/x",
        "[::1/x",
        "-a.b/x",
        "a_b.c/x",
        "a b",
        "x\n",
        "é",
        "https://host/x",
        "https://me:secret@host/x",
        "h.org/" + "a" * 250,
    ],
)
def test_what_is_no_name_is_said_in_one_sentence(text):
    with pytest.raises(ImageError) as caught:
        names.parse(text)
    assert "is no name of an image: " in str(caught.value)
    assert "secret" not in str(caught.value)


@given(hosts, ports, repositories, tags, st.sampled_from(["", DIGEST]))
def test_a_name_with_a_registry_keeps_its_parts(host, port, repository, tag, digest):
    text = f"{host}{port}/{repository}"
    text += (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    name = names.parse(text)
    assert name == ((host + port).lower(), repository, tag, digest)
    assert names.parse(name.text) == name


@given(repositories, tags)
def test_a_name_of_docker_hub_survives_being_written(repository, tag):
    name = names.parse("docker.io/" + repository + (f":{tag}" if tag else ""))
    assert names.parse(name.text) == name and name.registry == "docker.io"


@given(st.text())
def test_any_text_is_a_name_or_refused(text):
    try:
        name = names.parse(text)
    except ImageError:
        return
    assert names.parse(name.text) == name


def test_where_a_registry_answers_and_keeps_credentials():
    assert names.parse("me/app").api == "registry-1.docker.io"
    assert names.parse("me/app").key == "https://index.docker.io/v1/"
    assert names.parse("h:5000/x").api == names.parse("h:5000/x").key == "h:5000"


def test_names_are_written_as_the_engine_does():
    assert names.parse("docker.io/library/ubuntu:1").text == "ubuntu:1"
    assert names.parse("docker.io/me/app").text == "me/app"
    assert names.parse("h:5000/x:1@" + DIGEST).text == "h:5000/x:1@" + DIGEST


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("localhost:5000", True),
        ("a.localhost", True),
        ("[::1]:5000", True),
        ("[2001:db8::1]", False),
        ("10.0.0.1:5000", False),
        ("localhost.example.org", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_loopback(registry, expected):
    assert names.is_loopback(registry) is expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("app:1", "", ""), "app:1"),
        (("app", "", ""), "app:latest"),
        (("app:1", "h:5000/x", ""), "h:5000/x:1"),
        (("app:1", "h:5000/x", "2"), "h:5000/x:2"),
        (("h:5000/x@" + DIGEST, "", "2"), "h:5000/x:2"),
        (("sha256:0123456789ab", "h:5000/x", "2"), "h:5000/x:2"),
        (("f" * 64, "me/x", "2"), "me/x:2"),
    ],
)
def test_target(options, expected):
    assert names.target(*options).text == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("app:1", "h:5000/x:2", ""), "give the tag as tag"),
        (("app:1", "h:5000/x@" + DIGEST, ""), "give the tag as tag"),
        (("app@" + DIGEST, "", ""), "has no tag to push it as"),
        (("sha256:0123456789ab", "h/x", ""), "give repository and tag"),
        (("sha256:0123456789ab", "", "1"), "give repository and tag"),
        (("app:1", "", "a/b"), "tag is 'a/b'"),
        (("app:1", "H:x/y", ""), "is no host"),
    ],
)
def test_a_target_that_is_none(options, told):
    with pytest.raises(ImageError, match=told):
        names.target(*options)
