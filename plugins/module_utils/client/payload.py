# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where requests go and what they say: URLs, headers and bodies, rendered before the run.

Rendering beforehand keeps JSON and string work out of the time that is measured.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from .error import LoadTestError

PROTOCOLS = ("seldon", "feedback", "v2", "raw")
PAYLOAD_TYPES = ("ndarray", "tensor")

# These describe the message itself; another value would make the request say something untrue.
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "expect", "te", "upgrade")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Target:
    """A parsed URL: ``tls``, ``host``, ``port``, ``path`` (with the query) and ``url``."""

    def __init__(self, url, tls, host, port, path):
        self.url = url
        self.tls = tls
        self.host = host
        self.port = port
        self.path = path

    @property
    def authority(self):
        """Value of the Host header."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else "%s:%d" % (host, self.port)


def parse_url(url):
    """Returns the Target of ``url``; raises LoadTestError for one that cannot be sent to."""
    if not url or not url.strip():
        raise LoadTestError("url is empty; say where to send the requests.")
    url = url.strip()
    if re.search(r"[\x00-\x20\x7f]", url):
        raise LoadTestError("url %r holds a blank or a control character; encode it as %%20." % url)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as err:
        raise LoadTestError("url %s cannot be read (%s)." % (url, err))
    if parts.scheme not in ("http", "https"):
        raise LoadTestError("url %s must begin with http:// or https://." % url)
    if not host:
        raise LoadTestError("url %s names no host; write http://HOST:PORT/PATH." % url)
    if port == 0:
        raise LoadTestError(
            "url %s names port 0, which nothing listens on; give the real one." % url
        )
    if parts.username is not None:
        raise LoadTestError(
            "the url holds a user name, which would be logged; use headers or token_file."
        )
    try:
        host = host if ":" in host else host.encode("idna").decode("ascii")
        path = (parts.path or "/").encode("ascii").decode("ascii")
        query = parts.query.encode("ascii").decode("ascii")
    except UnicodeError:
        raise LoadTestError("url %s holds letters that must be percent-encoded." % url)
    tls = parts.scheme == "https"
    path += "?" + query if query else ""
    return Target(url, tls, host, port or (443 if tls else 80), path)


def compact(value):
    """JSON without blanks; NaN and infinity are no JSON and raise LoadTestError."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as err:
        raise LoadTestError("the payload cannot be written as JSON (%s)." % err)


def body(protocol, rows, names=(), payload_type="ndarray", truth=None, reward=None):
    """The body of one request as text, for ``rows`` (a list of lists) under ``protocol``.

    ``truth`` (one value per row) and ``reward`` belong to feedback.
    """
    if protocol == "v2":
        return compact({"inputs": _v2_inputs(rows, names)})
    request = {"data": _seldon_data(rows, names, payload_type)}
    if protocol != "feedback":
        return compact(request)
    feedback = {"request": request}
    if reward is not None:
        feedback["reward"] = reward
    if truth is not None:
        feedback["truth"] = {"data": {"ndarray": truth}}
    return compact(feedback)


def _seldon_data(rows, names, payload_type):
    data = {"names": list(names)}
    if payload_type == "tensor":
        data["tensor"] = {"shape": _shape(rows), "values": list(_flat(rows))}
    else:
        data["ndarray"] = rows
    return data


def _v2_inputs(rows, names):
    """One tensor where every value is a number, else one input per column."""
    if all(_is_number(value) for value in _flat(rows)):
        return [
            {
                "name": "predict",
                "shape": _shape(rows),
                "datatype": "FP64",
                "data": list(_flat(rows)),
            }
        ]
    inputs = []
    for at, column in enumerate(zip(*rows)):
        numbers = all(_is_number(value) for value in column)
        inputs.append(
            {
                "name": names[at] if at < len(names) and names[at] else "input-%d" % at,
                "shape": [len(column), 1],
                "datatype": "FP64" if numbers else "BYTES",
                "data": list(column) if numbers else [str(value) for value in column],
            }
        )
    return inputs


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shape(rows):
    shape = []
    while isinstance(rows, list):
        shape.append(len(rows))
        rows = rows[0] if rows else None
    return shape


def _flat(value):
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def header_lines(target, headers, token=None):
    """The head of every request up to its Content-Length, as bytes.

    ``headers`` is a mapping of the user's own; ``token`` becomes a bearer token.
    """
    lines = {
        "host": ("Host", target.authority),
        "user-agent": ("User-Agent", "monitml.stack/load_test"),
        "accept": ("Accept", "application/json"),
        # An answer that must be inflated first would cost us more than it costs the server.
        "accept-encoding": ("Accept-Encoding", "identity"),
        "content-type": ("Content-Type", "application/json"),
    }
    if token is not None:
        lines["authorization"] = ("Authorization", "Bearer " + token)
    for name, value in headers.items():
        name, value = str(name), str(value)
        if not _TOKEN.fullmatch(name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise LoadTestError("header %r holds characters that HTTP does not allow." % name)
        if name.lower() in _OWN_HEADERS:
            raise LoadTestError("header %s is set by load_test itself; leave it out." % name)
        lines[name.lower()] = (name, value)
    try:
        return "".join("%s: %s\r\n" % line for line in lines.values()).encode("latin-1")
    except UnicodeError:
        raise LoadTestError("a header holds characters outside Latin-1; encode them first.")


def render(target, method, head, text):
    """One whole HTTP/1.1 request as bytes; ``head`` from header_lines(), ``text`` the body."""
    data = text.encode("utf-8")
    first = "%s %s HTTP/1.1\r\n" % (method, target.path)
    return b"%s%sContent-Length: %d\r\n\r\n%s" % (first.encode("ascii"), head, len(data), data)
