# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong with images, as sentences with cause and cure. Pure.

The engine's API has one status for most failures and tells them apart in prose only, also in the
middle of a stream that began with 200; so here, and only here, texts are looked at. One that is
not known is passed on as it came.
"""

from __future__ import annotations

import re

LOG_LINES = 12


class ImageError(Exception):
    """Something that a person can put right; the message is a sentence that says how.

    passing is whether the same may succeed a little later by itself.
    """

    def __init__(self, message, passing=False):
        super().__init__(message)
        self.passing = passing


# Pattern in the engine's words -> what to do. The first that fits counts.
_CURES = (
    (
        r"no space left on device",
        "The disk of the engine is full: free some, for example with 'docker system prune'.",
    ),
    (
        r"no basic auth credentials|authentication required|unauthorized|incorrect username or password",
        "The registry refused the credentials: log in, or correct username and password.",
    ),
    (
        r"^denied|registry: denied|to the resource is denied|forbidden|insufficient_scope",
        "The registry does not let this account write there: check the name of the repository and the account's rights.",
    ),
    (
        r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake",
        "The registry does not speak TLS: give it a certificate, or list it as insecure in the engine's configuration.",
    ),
    (
        r"x509|certificate",
        "The certificate of the registry is not trusted: put its CA into the engine's certs.d/<registry>/ca.crt.",
    ),
    (
        r"connection refused|no route to host|i/o timeout|network is unreachable",
        "The registry does not answer there: check its address and that it runs.",
    ),
    (
        r"no such host|server misbehaving|name resolution",
        "The name of the registry cannot be resolved: correct it, or the machine's DNS.",
    ),
    (
        r"read.?only|method not allowed|\b405\b|^unsupported$|registry: unsupported",
        "The registry is read-only: push to another, or end its maintenance.",
    ),
    (
        r"immutable|already exists and cannot be overwritten|TAG_INVALID",
        "The registry does not let a tag be moved: choose a new version, or set on_existing to keep.",
    ),
    (r"toomanyrequests|rate limit", "The registry limits how often one may ask: wait, or log in."),
    (
        r"manifest unknown|pull access denied|repository does not exist|No such image",
        "There is no such image: correct its name, or build or pull it first.",
    ),
    (
        r"commit digest|failed commit on ref",
        "What was sent is not there after a push: the registry kept something else; look at its log and try again.",
    ),
    (
        r"unknown blob|blob upload unknown|registry: (?:unknown|unavailable)|connection reset|internal server error|\b50[02347]\b|unexpected EOF",
        "The registry failed, which may be because it is full or restarting: look at its log and try again.",
    ),
)

# No 500: a full registry answers so, after which the engine has already tried for a minute.
_PASSING = re.compile(
    r"toomanyrequests|registry: unavailable|connection reset|unexpected EOF|TLS handshake timeout|\b50[234]\b",
    re.IGNORECASE,
)


def is_passing(text):
    """Whether what the engine says may pass by itself."""
    return bool(_PASSING.search(str(text)))


def explain(text):
    """The engine's words with the cure, as one sentence or two."""
    text = " ".join(str(text).split()).rstrip(".")
    for pattern, cure in _CURES:
        if re.search(pattern, text, re.IGNORECASE):
            return "%s The engine says: %s." % (cure, text)
    return "The engine says: %s." % text


def unreachable(host, error):
    """A sentence for an engine that does not answer at its address."""
    text = " ".join(str(error).split())
    if re.search("permission denied|PermissionError", text, re.IGNORECASE):
        return (
            "The container engine at %s may not be used by this user: become root, or join the group that owns "
            "the socket." % host
        )
    if re.search("timed out|Timeout", text):
        return "The container engine at %s did not answer in time: see whether it hangs." % host
    return (
        "No container engine answers at %s: start Docker or Podman's service, or give its address as "
        "engine_host. (%s)" % (host, text[:300])
    )


# What pip says of requirements that exclude each other: what asks for what, one line each.
_ASKS = re.compile(r"^\s+(?:The user requested |\S+ \S+ depends on )")


def resolver_words(log):
    """What pip says of why it found no packages that go together, in two lines; "" where it did."""
    lines = log.splitlines()
    asked = [line.strip() for line in lines if _ASKS.match(line)]
    errors = [line.partition("ERROR: ")[2].strip() for line in lines if line.startswith("ERROR: ")]
    if asked:
        return "%s\n%s" % (errors[0] if errors else "The requirements exclude each other.", "; ".join(dict.fromkeys(asked)))
    none = [one for one in errors if one.startswith("No matching distribution")]
    return none[0] if none else ""


def tail(log, lines=LOG_LINES):
    """The last lines of a log that say something, long ones cut."""
    kept = [line.rstrip() for line in log.splitlines() if line.strip()]
    return "\n".join(line if len(line) <= 300 else line[:297] + "..." for line in kept[-lines:])
