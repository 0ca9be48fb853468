# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests whose body is compressed: gzip is unpacked, anything else refused with what is taken."""

from __future__ import annotations

import gzip
import io
import zlib

# A kilobyte can unpack to a megabyte: what comes out has a limit of its own.
UNPACKED_BYTES_MAX = 64 * 1024 * 1024


class Refused(Exception):
    """A body that is not taken. status: of the answer."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


def unpack(environ):
    """Puts the unpacked body in place of a compressed one in a WSGI ENVIRON. Refused: it cannot be."""
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding in ("", "identity"):
        return
    if coding not in ("gzip", "x-gzip"):
        sentence = "The Content-Encoding %s is not taken: send the body as it is, or as gzip."
        raise Refused(415, sentence % coding)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(environ["wsgi.input"].read())) as stream:
            body = stream.read(UNPACKED_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(400, "The body is not gzip, as its Content-Encoding says: %s." % error) from error
    if len(body) > UNPACKED_BYTES_MAX:
        sentence = "The body unpacks to more than %d bytes: send fewer rows in a request."
        raise Refused(413, sentence % UNPACKED_BYTES_MAX)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    del environ["HTTP_CONTENT_ENCODING"]
