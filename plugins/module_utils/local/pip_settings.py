# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pip.conf means to uv, which reads none: the uv.toml of the same settings. Pure."""

from __future__ import annotations

import configparser
import json
import re

# pip's setting -> uv's. Several values stand in one, parted by blanks or lines.
_ONE = {"index-url": "index-url"}
_MANY = {
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "trusted-host": "allow-insecure-host",
}
_CREDENTIALS = re.compile(r"(://)[^/\s@]+@")


class PipConfigError(Exception):
    """A sentence about a pip.conf that cannot be read."""


def read(text):
    """The settings of the text of a pip.conf, as pip install takes them: its own above all's."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # Not the parser's own words, which show the line, and a password may be in it.
        line = getattr(error, "lineno", None) or (getattr(error, "errors", None) or [("?",)])[0][0]
        raise PipConfigError("it is no pip.conf: line %s is neither [section] nor name = value" % line) from None
    found = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update((key.replace("_", "-"), value or "") for key, value in parser.items(section))
    return found


def uv_toml(settings):
    """Text of the uv.toml that has uv do what pip does with settings.

    As pip does, uv then takes the best version of all indexes, and not that of the first which
    knows the name.
    """
    lines = ['index-strategy = "unsafe-best-match"']
    for name, other in _ONE.items():
        if settings.get(name):
            lines.append("%s = %s" % (other, json.dumps(settings[name])))
    for name, other in _MANY.items():
        if settings.get(name):
            lines.append("%s = %s" % (other, json.dumps(settings[name].split())))
    for name in ("http-proxy", "https-proxy"):
        if settings.get("proxy"):
            lines.append("%s = %s" % (name, json.dumps(settings["proxy"])))
    if _is_set(settings.get("no-index")):
        lines.append("no-index = true")
    if _is_set(settings.get("pre")):
        lines.append('prerelease = "allow"')
    for name in ("no-binary", "only-binary"):
        words = settings.get(name, "").replace(",", " ").split()
        uv_name = {"no-binary": "no-binary", "only-binary": "no-build"}[name]
        if ":all:" in words:
            lines.append("%s = true" % uv_name)
        elif words and words != [":none:"]:
            lines.append("%s-package = %s" % (uv_name, json.dumps(words)))
    return "\n".join(lines) + "\n"


def uv_environment(settings):
    """Variables that say the rest to uv."""
    found = {}
    timeout = settings.get("timeout") or settings.get("default-timeout")
    for name, value in (("UV_HTTP_TIMEOUT", timeout), ("UV_HTTP_RETRIES", settings.get("retries"))):
        if value:
            found[name] = value
    if settings.get("client-cert"):
        found["SSL_CLIENT_CERT"] = settings["client-cert"]
    return found


def _is_set(word):
    return (word or "").lower() in ("1", "true", "yes", "on")


def without_credentials(text):
    """A text with no user and no password in its addresses."""
    return _CREDENTIALS.sub(r"\1****@", text)


def two_lines(said):
    """What uv says of a failure, in the two lines that tell: what failed, and why."""
    lines = [line.rstrip() for line in said.splitlines()]
    first = next((i for i, line in enumerate(lines) if line.startswith("error:")), None)
    if first is None:
        kept = [line for line in lines if line.strip()]
        return kept[-2:] or ["uv said nothing."]
    causes = []
    for line in lines[first + 1 :]:
        if not line.strip():
            break
        if line.lstrip().startswith("cause:"):
            causes.append(line.split("cause:", 1)[1].strip())
        elif causes:
            causes[-1] += " " + line.strip()
    told = [lines[first].removeprefix("error:").strip()]
    if causes:
        told.append(next((one for one in causes if one.startswith("Because")), causes[-1]))
    errors = [line for line in lines[first + 1 :] if re.match(r"\s*\w*Error\b", line)]
    if errors and not told[-1].startswith("Because"):
        # What builds a package has told it to uv.
        told[1:] = [errors[-1].strip()]
    return told
