# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a build is lent and allowed, none of which ends up in its image."""

from __future__ import annotations

import configparser
import os
import shutil
import tempfile
from dataclasses import dataclass, field

from .errors import ImageError

_CA = "/run/monitml-ca.crt"
# Of this machine: pip takes one bundle, and the CA of a company's index does not stand for all others.
_SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Settings:
    """What a build is lent and allowed; none of it ends up in the image.

    ca_file       a CA bundle, for an index behind a proxy that ends TLS
    pip_config    a pip.conf, which may hold an index's password
    network       the engine's network for builds
    memory_bytes  limit of memory, 0 for none
    log           called with each line that a build writes
    """

    ca_file: str = ""
    pip_config: str = ""
    network: str = "bridge"
    memory_bytes: int = 0
    log: object = field(default=lambda line: None)


class Lent:
    """What a build is lent, as files that are mounted into its container and gone after it."""

    def __init__(self, settings):
        self._settings = settings
        self._directory = None
        self.binds = []

    def __enter__(self):
        given = self._settings
        if not (given.ca_file or given.pip_config):
            return self
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(given.pip_config)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ImageError(
                "pip_config %s cannot be read: %s." % (given.pip_config, error)
            ) from error
        self._directory = tempfile.mkdtemp(prefix="monitml-lent-")
        if given.ca_file:
            if not parser.has_section("global"):
                parser.add_section("global")
            parser.set("global", "cert", _CA)
            self._lend(_CA, *filter(os.path.exists, (_SYSTEM, given.ca_file)))
        path = os.path.join(self._directory, "pip.conf")
        with open(path, "w", encoding="utf-8") as stream:
            parser.write(stream)
        self.binds.append("%s:/etc/pip.conf:ro" % path)
        return self

    def _lend(self, where, *paths):
        # A copy: a bundle is often a link out of the directory that it seems to be in.
        copy = os.path.join(self._directory, os.path.basename(where))
        with open(copy, "wb") as stream:
            for path in dict.fromkeys(map(os.path.realpath, paths)):
                with open(path, "rb") as bundle:
                    stream.write(bundle.read() + b"\n")
        self.binds.append("%s:%s:ro" % (copy, where))

    def __exit__(self, *unused):
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
