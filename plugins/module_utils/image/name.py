# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of images: <registry>/<repository>:<tag>@<digest>. Pure.

The rules are those of Docker's reference grammar
(https://github.com/distribution/reference/blob/main/reference.go), the defaults Docker's own.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from .errors import ImageError

HUB = "docker.io"
# Docker Hub's API lives at another host than its name says, its credentials under a third.
_HUB_API = "registry-1.docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = (HUB, "index.docker.io", _HUB_API)

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(r"%s(?:/%s)*" % (_COMPONENT, _COMPONENT))
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(
    r"(?P<host>%s(?:\.%s)*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]+))?" % (_LABEL, _LABEL)
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_IDENTIFIER = re.compile(r"sha256:[0-9a-f]{12,64}|[0-9a-f]{64}")
_LONGEST = 255


class ImageName(NamedTuple):
    """Parts of a name; tag and digest are "" where it has none.

    registry is a host with its port, in lower case, and Docker Hub's is always "docker.io";
    repository has the "library/" that Docker Hub's own images hide.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def place(self):
        """Registry and repository as the engine writes them, which hides Docker Hub's host."""
        if self.registry != HUB:
            return "%s/%s" % (self.registry, self.repository)
        plain = self.repository.removeprefix("library/")
        if "/" not in plain:
            return plain
        # Shortened, a repository such as a.b/c would be taken for one of the registry a.b.
        return (
            "%s/%s" % (HUB, self.repository)
            if is_registry(plain.split("/")[0])
            else self.repository
        )

    @property
    def text(self):
        """The whole name."""
        tag = ":" + self.tag if self.tag else ""
        return self.place + tag + ("@" + self.digest if self.digest else "")

    @property
    def api(self):
        """Host, with its port, that answers for the registry."""
        return _HUB_API if self.registry == HUB else self.registry

    @property
    def key(self):
        """Key of the registry's credentials in Docker's configuration."""
        return _HUB_KEY if self.registry == HUB else self.registry


def is_identifier(text):
    """Whether it names an image by its Id rather than by a name."""
    return bool(_IDENTIFIER.fullmatch(text))


def is_registry(part):
    """Whether the first part of a name, before its first slash, is a registry.

    Docker also takes a word with capital letters for one; the SDK takes it for a user of Docker
    Hub, so that parse() refuses what would go to one or the other.
    """
    return "." in part or ":" in part or part == "localhost"


def is_loopback(registry):
    """Whether a registry is on this very machine, where Docker does without TLS too."""
    found = _HOST.fullmatch(registry)
    host = found["host"].strip("[]") if found else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def parse(text):
    """ImageName of a text. Raises ImageError."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _refused(text, "'%s' is no digest such as sha256:0123..." % digest)
    registry, repository = HUB, rest
    first, slash, more = rest.partition("/")
    if slash and is_registry(first):
        registry, repository = first, more
    # Only here, after the registry with its port is gone, does a colon begin a tag.
    repository, colon, tag = repository.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _refused(text, "'%s' is no tag: use up to 128 letters, digits, _, . and -" % tag)
    return _made(text, registry.lower(), repository, tag, digest)


def _made(text, registry, repository, tag, digest):
    if registry in _HUB_NAMES:
        registry = HUB
        if "/" not in repository:
            repository = "library/" + repository
    elif not _is_host(registry):
        raise _refused(text, "'%s' is no host with or without a port" % registry)
    if not _REPOSITORY.fullmatch(repository):
        raise _refused(
            text,
            "the repository '%s' must be of lower case letters and digits, joined by . _ - and /"
            % repository.removeprefix("library/"),
        )
    if len(registry) + 1 + len(repository) > _LONGEST:
        raise _refused(text, "it has more than %d characters" % _LONGEST)
    return ImageName(registry, repository, tag, digest)


def _is_host(registry):
    found = _HOST.fullmatch(registry)
    if not found or int(found["port"] or 1) not in range(1, 65536):
        return False
    if not found["host"].startswith("["):
        return True
    try:
        return bool(ipaddress.IPv6Address(found["host"].strip("[]")))
    except ValueError:
        return False


def _refused(text, why):
    # The part before a name is where people put a password by mistake: never show it.
    shown = text if "://" not in text else "an address with ://"
    return ImageError("'%s' is no name of an image: %s." % (shown, why))


def target(name, repository, tag):
    """ImageName that an image is pushed as.

    name        of the local image, or its Id
    repository  where it goes, without a tag; "" is where its name says
    tag         "" is that of its name, else "latest"
    """
    if is_identifier(name):
        if not repository or not tag:
            raise ImageError(
                "'%s' is an image's Id, which does not say where to push it: give repository and "
                "tag as well." % name
            )
        source = None
    else:
        source = parse(name)
    place = parse(repository) if repository else source
    if repository and (place.tag or place.digest):
        raise ImageError(
            "repository is '%s': leave out what follows the name, and give the tag as tag."
            % repository
        )
    wanted = tag or (source.tag if source else "")
    if not wanted and source.digest:
        raise ImageError("'%s' has no tag to push it as: give one as tag." % name)
    wanted = wanted or "latest"
    if not _TAG.fullmatch(wanted):
        raise ImageError(
            "tag is '%s', which is none: use up to 128 letters, digits, _, . and -." % wanted
        )
    return ImageName(place.registry, place.repository, wanted)
