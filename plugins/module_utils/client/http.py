# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading HTTP/1.x answers from a stream of bytes, whatever their framing.

Written by hand because http.client reads from a blocking file: an engine on epoll gets
bytes in pieces and must know at once whether an answer is whole. Everything RFC 9112 lets a
server send is read (chunked with extensions and trailers, 1xx, no length, any case of a
header, folded lines, bare LF); everything else raises AnswerError, never another exception.
"""

from __future__ import annotations

import re

# Far above what a prediction needs, and low enough that a broken server cannot fill the memory.
MAX_HEAD_BYTES = 65536
MAX_BODY_BYTES = 64 * 1024 * 1024

CHUNKED = -1
UNTIL_CLOSE = -2

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)


class AnswerError(Exception):
    """``kind`` is the name under which the error is counted: malformed, too_large or closed."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind = kind


class Head:
    """The head of one answer.

    ``length`` is the number of bytes of the body, CHUNKED or UNTIL_CLOSE; ``keep`` tells
    whether the connection may be used again; ``headers`` maps lower-case names to text.
    """

    __slots__ = ("status", "length", "keep", "headers", "bodies", "templates", "template")

    def __init__(self, status, length, keep, headers):
        self.status = status
        self.length = length
        self.keep = keep
        self.headers = headers
        # For the engine: what bodies seen under this head meant, whole or but for their number.
        self.bodies = {}
        self.templates = {}
        self.template = None  # the last that fitted: what is before the number, after it, and whose


def parse_head(raw):
    """Returns the Head in ``raw``, the bytes before the empty line."""
    lines = re.split(rb"\r?\n", raw)
    match = _STATUS_LINE.fullmatch(lines[0])
    if not match:
        raise AnswerError("malformed", "not an HTTP/1 status line: %r" % lines[0][:60])
    status = int(match.group(2))
    headers = _fields(lines[1:])
    keep = _keeps_alive(match.group(1) == b"1", headers)
    length = _body_length(status, headers)
    if length == UNTIL_CLOSE:
        keep = False
    if "transfer-encoding" in headers and "content-length" in headers:
        # Two framings are how requests are smuggled; RFC 9112 6.1 says to close afterwards.
        keep = False
    return Head(status, length, keep, headers)


def _fields(lines):
    headers = {}
    name = None
    for line in lines:
        if line[:1] in (b" ", b"\t") and name:
            headers[name] += " " + line.strip().decode("latin-1")
            continue
        match = _FIELD.fullmatch(line)
        if not match:
            raise AnswerError("malformed", "not a header line: %r" % line[:60])
        name = match.group(1).decode("ascii").lower()
        value = match.group(2).decode("latin-1")
        headers[name] = "%s, %s" % (headers[name], value) if name in headers else value
    return headers


def _words(headers, name):
    return [word.strip().lower() for word in headers.get(name, "").split(",") if word.strip()]


def _keeps_alive(http11, headers):
    words = _words(headers, "connection")
    return "close" not in words and (http11 or "keep-alive" in words)


def _body_length(status, headers):
    if status < 200 or status in (204, 304):
        return 0
    codings = _words(headers, "transfer-encoding")
    if codings:
        return CHUNKED if codings[-1] == "chunked" else UNTIL_CLOSE
    lengths = set(_words(headers, "content-length"))
    if not lengths:
        return UNTIL_CLOSE
    text = lengths.pop()
    # isdigit() alone would take digits of other scripts, which int() reads too.
    if lengths or not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise AnswerError("malformed", "content-length is %r" % headers["content-length"][:60])
    if int(text) > MAX_BODY_BYTES:
        raise AnswerError("too_large", "an answer of %s bytes" % text)
    return int(text)


class AnswerReader:
    """Collects the pieces of one answer.

    ``feed(data)`` and ``finish()`` (the server closed) return the (Head, body) once whole, else
    None; what came after the answer is left in ``rest``. Both raise AnswerError.
    """

    def __init__(self):
        self._buffer = b""
        self._head = None
        self._parts = []
        self._size = 0
        self._chunk = None  # bytes still to come of a chunk; 0 in the trailer
        self.rest = b""

    @property
    def started(self):
        """Whether any byte of the answer has come."""
        return bool(self._buffer or self._head)

    def feed(self, data):
        self._buffer += data
        while self._head is None:
            if not self._read_head():
                return None
        if self._head.length == CHUNKED:
            return self._read_chunks()
        return self._read_plain()

    def finish(self):
        if self._head is not None and self._head.length == UNTIL_CLOSE:
            return self._whole()
        raise AnswerError("closed", "the server closed the connection before the answer was whole")

    def _read_head(self):
        match = _HEAD_END.search(self._buffer)
        if not match or match.start() > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise AnswerError("too_large", "a head of over %d bytes" % MAX_HEAD_BYTES)
            if self._buffer and not b"HTTP/1.".startswith(self._buffer[:7]):
                raise AnswerError("malformed", "not HTTP/1: %r" % self._buffer[:60])
            return False
        head = parse_head(self._buffer[: match.start()])
        self._buffer = self._buffer[match.end() :]
        if head.status == 101:
            raise AnswerError("malformed", "the server switched protocols without being asked")
        if head.status >= 200:
            self._head = head
        return bool(self._head or self._buffer)

    def _read_plain(self):
        wanted = self._head.length
        if wanted == UNTIL_CLOSE:
            self._take(len(self._buffer))
            return None
        self._take(min(len(self._buffer), wanted - self._size))
        return self._whole() if self._size == wanted else None

    def _read_chunks(self):
        while True:
            if self._chunk is None:
                line = self._line()
                if line is None:
                    return None
                match = _CHUNK_SIZE.fullmatch(line)
                if not match:
                    raise AnswerError("malformed", "not a chunk size: %r" % line[:60])
                self._chunk = int(match.group(1), 16)
                if self._chunk + self._size > MAX_BODY_BYTES:
                    raise AnswerError("too_large", "an answer of over %d bytes" % MAX_BODY_BYTES)
                if self._chunk == 0:
                    self._chunk = -1
            if self._chunk < 0:
                return self._read_trailer()
            taken = min(len(self._buffer), self._chunk)
            self._take(taken)
            self._chunk -= taken
            if self._chunk:
                return None
            # Only the line end that closes a chunk may follow it.
            if self._buffer[:1] == b"\n":
                self._buffer = self._buffer[1:]
            elif self._buffer[:2] == b"\r\n":
                self._buffer = self._buffer[2:]
            elif self._buffer in (b"", b"\r"):
                return None
            else:
                raise AnswerError("malformed", "no line end after a chunk")
            self._chunk = None

    def _read_trailer(self):
        while True:
            line = self._line()
            if line is None:
                return None
            if not line:
                return self._whole()
            if not _FIELD.fullmatch(line):
                raise AnswerError("malformed", "not a trailer line: %r" % line[:60])

    def _line(self):
        """Takes one line out of the buffer; None where its end has not come."""
        at = self._buffer.find(b"\n")
        if at < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise AnswerError("too_large", "a line of over %d bytes" % MAX_HEAD_BYTES)
            return None
        line, self._buffer = self._buffer[:at], self._buffer[at + 1 :]
        return line[:-1] if line.endswith(b"\r") else line

    def _take(self, count):
        if count:
            self._parts.append(self._buffer[:count])
            self._buffer = self._buffer[count:]
            self._size += count
            if self._size > MAX_BODY_BYTES:
                raise AnswerError("too_large", "an answer of over %d bytes" % MAX_BODY_BYTES)

    def _whole(self):
        self.rest = self._buffer
        return self._head, b"".join(self._parts)
