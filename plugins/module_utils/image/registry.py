# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry of images: the only place that asks one, over HTTP, what it holds."""

from __future__ import annotations

import base64
import glob
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.parse
from typing import NamedTuple

from ansible.module_utils.urls import Request

from . import name as names
from . import registry_protocol as protocol
from .errors import ImageError

# Where Docker and Podman look for the CA of a registry.
_ENGINE_TRUST = ("/etc/docker/certs.d", "/etc/containers/certs.d")
_LARGEST_BYTES = 4 * 1024 * 1024


class Credentials(NamedTuple):
    """Of an account at a registry; identity_token is what a login left in place of a password."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    @property
    def account(self):
        """Who it is, for a sentence."""
        return self.username or ("the token of a login" if self.identity_token else "")


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes


class _NoTls(Exception):
    """The other side does not speak TLS."""


class Registry:
    """What one repository of a registry holds.

    name         ImageName of anything in the repository
    credentials  Credentials
    ca_file      trusted beside the system's CAs and those the engine trusts for this registry
    plain_http   whether to do without TLS; a registry on this machine may in any case
    retries      further tries after a lost connection, a 429 or a 5xx
    seconds      how long to wait for an answer
    clock        has time() and sleep()
    """

    def __init__(self, name, credentials, ca_file, plain_http, retries, seconds, clock):
        self._name = name
        self._credentials = credentials
        self._retries = retries
        self._clock = clock
        self._local = names.is_loopback(name.registry)
        self._scheme = "http" if plain_http else "https"
        self._authorization = ""
        self._http = Request(
            context=_context(name.registry, ca_file),
            timeout=seconds,
            use_proxy=not self._local,
            use_netrc=False,
            follow_redirects="safe",
            unredirected_headers=["Authorization"],
        )

    def digest(self, tag):
        """Digest that a tag has; "" where there is no such tag. Raises ImageError."""
        # Docker Hub counts a GET as a pull, and a HEAD not.
        answer = self._manifest("HEAD", tag)
        if answer.status == 404:
            return ""
        told = answer.headers.get("Docker-Content-Digest")
        if answer.status == 200 and told:
            return told
        if answer.status not in (200, 400, 405, 501):
            raise self._refused(answer)
        found = self._read(tag)
        return found[0] if found else ""

    def config_digest(self, digest):
        """Digest of the configuration of the image that a manifest's digest names, or ""."""
        found = self._read(digest)
        return protocol.config_digest(found[1]) if found else ""

    def _read(self, reference):
        """(digest, manifest) of a tag or digest; None where there is none."""
        answer = self._manifest("GET", reference)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._refused(answer)
        found = protocol.manifest_of(answer.body)
        if not found:
            raise ImageError(
                "%s answers, but not as a registry does: check its address." % self._name.registry
            )
        return found

    def _manifest(self, method, reference):
        path = "/v2/%s/manifests/%s" % (self._name.repository, reference)
        answer = self._ask(method, path)
        if answer.status == 401 and self._authorize(answer):
            answer = self._ask(method, path)
        return answer

    def _ask(self, method, path):
        headers = {"Accept": protocol.ACCEPT}
        if self._authorization:
            headers["Authorization"] = self._authorization
        try:
            return self._send(method, self._url(path), headers)
        except _NoTls as error:
            if not self._local:
                raise ImageError(
                    "The registry %s does not speak TLS: give it a certificate, or set plain_http "
                    "and list it as insecure in the engine's configuration." % self._name.registry
                ) from error
        self._scheme = "http"
        return self._send(method, self._url(path), headers)

    def _url(self, path):
        return "%s://%s%s" % (self._scheme, self._name.api, path)

    def _authorize(self, refused):
        """Does what a 401 asks for. Returns whether that is worth another try."""
        asked = protocol.challenges(refused.headers.get("Www-Authenticate"))
        known, before = self._credentials, self._authorization
        if "bearer" in asked:
            self._authorization = "Bearer " + self._token(asked["bearer"])
        elif "basic" in asked and known.username:
            self._authorization = self._basic()
        return self._authorization != before

    def _basic(self):
        pair = "%s:%s" % (self._credentials.username, self._credentials.password)
        return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")

    def _token(self, bearer):
        known = self._credentials
        url = protocol.token_url(bearer, self._name.repository, known.username)
        if not url:
            raise ImageError(
                "The registry %s asks for a token and does not say where to get it: see how it is "
                "set up." % self._name.registry
            )
        self._check_realm(url)
        headers, method, data = {}, "GET", None
        if known.identity_token:
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            method, url = "POST", url.partition("?")[0]
            data = urllib.parse.urlencode(
                dict(
                    query,
                    grant_type="refresh_token",
                    client_id="monitml.stack",
                    refresh_token=known.identity_token,
                )
            )
        elif known.username:
            headers["Authorization"] = self._basic()
        try:
            answer = self._send(method, url, headers, data)
        except _NoTls as error:
            raise ImageError("%s does not speak TLS." % url.partition("?")[0]) from error
        if answer.status != 200:
            raise self._refused(answer)
        return self._token_in(answer.body)

    def _token_in(self, body):
        try:
            found = json.loads(body)
            token = found.get("token") or found["access_token"]
            if isinstance(token, str) and token.isascii() and token.isprintable():
                return token
        except (ValueError, KeyError, AttributeError):
            pass
        raise ImageError(
            "The registry %s sent no token to go on with: look at its log." % self._name.registry
        )

    def _check_realm(self, url):
        """Sends no password in the clear to another machine because a registry asks for it."""
        parts = urllib.parse.urlsplit(url)
        host = "[%s]" % parts.hostname if ":" in (parts.hostname or "") else parts.hostname or ""
        if parts.scheme == "https" or self._scheme == "http" or names.is_loopback(host):
            return
        raise ImageError(
            "The registry %s asks for the password at %s, without TLS: have its administrator "
            "correct the realm." % (self._name.registry, host)
        )

    def _refused(self, answer):
        asked = protocol.challenges(answer.headers.get("Www-Authenticate"))
        return ImageError(
            protocol.refusal(
                self._name.registry,
                self._name.repository,
                answer.status,
                self._credentials.account,
                asked.get("bearer", {}).get("error", ""),
            )
        )

    def _send(self, method, url, headers, data=None):
        """Answer of the last try. Raises ImageError and _NoTls."""
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                answer = self._once(method, url, headers, data)
            except (ConnectionResetError, http.client.IncompleteRead) as error:
                if last:
                    raise ImageError(
                        "The connection to %s was lost %d times: see whether it is restarting, "
                        "and what stands in between." % (_host(url), attempt + 1)
                    ) from error
                answer = Answer(0, {}, b"")
            if answer.status and (last or not protocol.is_passing(answer.status)):
                return answer
            wait = protocol.wait_seconds(
                attempt, answer.headers.get("Retry-After"), self._clock.time()
            )
            if wait > protocol.LONGEST_WAIT_SECONDS:
                return answer
            self._clock.sleep(wait)
        raise AssertionError("retries is negative")

    def _once(self, method, url, headers, data):
        try:
            with self._http.open(method, url, headers=headers, data=data) as answer:
                return Answer(answer.status, answer.headers, answer.read(_LARGEST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, b"")
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, OSError):
                raise self._unreachable(url, reason) from error
            raise ImageError("Cannot ask %s: %s." % (_host(url), reason)) from error
        except ConnectionResetError:
            raise
        except OSError as error:
            raise self._unreachable(url, error) from error
        except http.client.IncompleteRead:
            raise
        except (http.client.HTTPException, ValueError) as error:
            raise ImageError(
                "%s answers, but not as a registry does: check its address." % _host(url)
            ) from error

    def _unreachable(self, url, error):
        """What to raise for a failed connection."""
        host = _host(url)
        if isinstance(error, ssl.SSLCertVerificationError):
            return ImageError(
                "The certificate of %s is not trusted (%s): give its CA as ca_file, and put it "
                "into the engine's certs.d/%s/ca.crt." % (host, error.verify_message, host)
            )
        if isinstance(error, (ConnectionResetError, ssl.SSLEOFError)):
            return ConnectionResetError(error.strerror)
        if isinstance(error, ssl.SSLError):
            return _NoTls()
        if isinstance(error, TimeoutError):
            return ImageError(
                "%s did not answer in time: check its address, and that it runs." % host
            )
        if isinstance(error, socket.gaierror):
            return ImageError(
                "The name of %s cannot be resolved: correct it, or the machine's DNS." % host
            )
        return ImageError(
            "%s does not answer (%s): check its address, and that it runs."
            % (host, error.strerror or error)
        )


def _host(url):
    return urllib.parse.urlsplit(url).netloc


def _context(registry, ca_file):
    """TLS that trusts the system's CAs, those of the engine for this registry, and ca_file."""
    context = ssl.create_default_context()
    known = [
        one
        for place in _ENGINE_TRUST
        for one in glob.glob(place + "/%s/*.crt" % glob.escape(registry))
    ]
    for path in known:
        try:
            context.load_verify_locations(path)
        except OSError:
            # The engine's own; where it is of no use, the registry is not trusted, which is said.
            continue
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ImageError(
                "ca_file is %s, which holds no certificates that can be read: %s."
                % (ca_file, error.strerror or error)
            ) from error
    return context
