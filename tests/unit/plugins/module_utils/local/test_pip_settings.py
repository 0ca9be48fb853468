# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import tomllib

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import pip_settings as pip


def toml(text):
    return tomllib.loads(pip.uv_toml(pip.read(text)))


def test_what_pip_is_told_uv_is_told():
    said = toml(
        "[global]\nindex-url = https://u:p%40w@mirror/simple\nextra_index_url =\n  https://a/simple\n  https://b/simple\n"
        "trusted-host = a b\nproxy = http://proxy:3128\nno-binary = :all:\nonly-binary = x,y\npre = yes\nno-index = 1\n"
        "find-links = /opt/wheels\n"
    )
    assert said == {
        "index-strategy": "unsafe-best-match",
        "index-url": "https://u:p%40w@mirror/simple",
        "extra-index-url": ["https://a/simple", "https://b/simple"],
        "find-links": ["/opt/wheels"],
        "allow-insecure-host": ["a", "b"],
        "http-proxy": "http://proxy:3128",
        "https-proxy": "http://proxy:3128",
        "no-index": True,
        "prerelease": "allow",
        "no-binary": True,
        "no-build-package": ["x", "y"],
    }


def test_what_is_for_install_stands_above():
    assert pip.read("[global]\ntimeout = 5\nretries = 1\n[install]\ntimeout = 9\n[freeze]\ntimeout = 1\n")["timeout"] == "9"
    assert pip.uv_environment(pip.read("[global]\ndefault-timeout = 5\nretries = 1\nclient-cert = /c\n")) == {
        "UV_HTTP_TIMEOUT": "5",
        "UV_HTTP_RETRIES": "1",
        "SSL_CLIENT_CERT": "/c",
    }


def test_nothing_said_is_nothing_changed():
    assert toml("") == {"index-strategy": "unsafe-best-match"}


@pytest.mark.parametrize(("text", "line"), [("[global]\npass-word\n", 2), ("pass-word = 1\n", 1)])
def test_what_is_no_pip_conf_is_told_without_its_words(text, line):
    with pytest.raises(pip.PipConfigError) as caught:
        pip.read(text)
    assert "pass-word" not in str(caught.value) and f"line {line}" in str(caught.value)


def test_addresses_lose_their_passwords():
    assert pip.without_credentials("at https://me:word@host/x and git+ssh://git@h") == "at https://****@host/x and git+ssh://****@h"


UNSOLVED = """\
error: No solution found when resolving dependencies
  cause: Because pandas==3 depends on numpy>=2 and you require pandas==3, we can conclude that you require numpy>=2.
         And because you require numpy<2, we can conclude that your requirements are unsatisfiable.

hint: something
"""
UNTRUSTED = """\
warning: something
error: Failed to fetch: https://host/acme/
  cause: error sending request for url
  cause: invalid peer certificate: UnknownIssuer
"""
UNBUILT = """\
error: The build backend returned an error
  cause: Call to `build` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 1, in <module>
         RuntimeError: boom
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            UNSOLVED,
            [
                "No solution found when resolving dependencies",
                "Because pandas==3 depends on numpy>=2 and you require pandas==3, we can conclude that you require numpy>=2."
                " And because you require numpy<2, we can conclude that your requirements are unsatisfiable.",
            ],
        ),
        (UNTRUSTED, ["Failed to fetch: https://host/acme/", "invalid peer certificate: UnknownIssuer"]),
        (UNBUILT, ["The build backend returned an error", "RuntimeError: boom"]),
        ("error: no python", ["no python"]),
        ("a\nb\n\nc\n", ["b", "c"]),
        ("", ["uv said nothing."]),
    ],
)
def test_what_uv_says_is_told_in_two_lines(said, told):
    assert pip.two_lines(said) == told
