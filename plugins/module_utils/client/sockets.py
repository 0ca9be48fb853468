# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sockets for the load test: packet timestamps of the kernel, TLS over memory, plain errors.

The kernel notes when a packet came and went. Reading those notes (SO_TIMESTAMPING) takes the
generator's own waiting for a processor out of every measured time.
"""

from __future__ import annotations

import errno
import socket
import ssl
import struct

from .error import LoadTestError

# linux/net_tstamp.h; Python has no names for these. The option's number is that of every
# architecture but PA-RISC and SPARC.
SO_TIMESTAMPING = 37
_TX_SOFTWARE = 1 << 1
_RX_SOFTWARE = 1 << 3
_SOFTWARE = 1 << 4
_OPT_TSONLY = 1 << 11

MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)

# Three timespecs; the first is the software stamp.
unpack_stamp = struct.Struct("@qq").unpack_from
ANCILLARY_BYTES = socket.CMSG_SPACE(48) if hasattr(socket, "CMSG_SPACE") else 0
_ERROR_QUEUE_BYTES = 512

_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ECONNABORTED: "reset",
    errno.ETIMEDOUT: "connect_timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "no_local_port",
    errno.EMFILE: "no_file_descriptor",
    errno.ENFILE: "no_file_descriptor",
}


def error_kind(err):
    """The name under which an OSError is counted."""
    if isinstance(err, ssl.SSLError):
        return "tls"
    return _KINDS.get(err.errno, "socket")


def timestamping(sock, transmit):
    """Asks for the kernel's stamps; returns whether this machine gives them."""
    flags = _RX_SOFTWARE | _SOFTWARE | ((_TX_SOFTWARE | _OPT_TSONLY) if transmit else 0)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, flags)
    except OSError:
        return False
    return True


def transmit_stamp(sock):
    """The newest stamp of a sent packet in ns since 1970, or None where there is none yet."""
    stamp = None
    while True:
        try:
            ancillary = sock.recvmsg(0, _ERROR_QUEUE_BYTES, MSG_ERRQUEUE)[1]
        except OSError:
            return stamp
        for _level, kind, data in ancillary:
            if kind == SO_TIMESTAMPING and len(data) >= 16:
                seconds, nanoseconds = unpack_stamp(data)
                stamp = seconds * 1000000000 + nanoseconds


def tls_context(ca_file=None, validate=True):
    """An SSL context that offers HTTP/1.1 only."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as err:
        raise LoadTestError(
            "ca_file %s cannot be used (%s); give a file of PEM certificates." % (ca_file, err)
        )
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def find_address(target, timeout, context=None, server_name=None):
    """Resolves the target and connects once; returns (family, sockaddr) of an address that answers.

    A run that cannot reach its target should say so in a sentence, not in a table of errors.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        raise LoadTestError(
            "the host %s cannot be resolved (%s); check the name in url." % (target.host, err)
        )
    problem, connected = None, False
    for family, _type, _proto, _name, address in found:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(timeout)
                sock.connect(address)
                connected = True
                if context is not None:
                    with context.wrap_socket(sock, server_hostname=server_name or target.host):
                        pass
            return family, address
        except ssl.SSLCertVerificationError as err:
            raise LoadTestError(
                "the certificate of %s is not trusted (%s); give its authority as ca_file, or the name in "
                "it as tls_server_name." % (target.authority, err.verify_message)
            )
        except ssl.SSLError as err:
            raise LoadTestError(
                "%s does not speak TLS as asked (%s); check whether the url must begin with http://."
                % (target.authority, err.reason or err)
            )
        except OSError as err:
            if connected:
                raise LoadTestError(
                    "%s takes connections but does not speak TLS (%s); check whether the url must begin with http://."
                    % (target.authority, err)
                )
            problem = err
    raise LoadTestError(_unreachable(target, problem, timeout))


def _unreachable(target, err, timeout):
    if isinstance(err, ConnectionRefusedError):
        return (
            "nothing listens on %s (connection refused); start the server or correct the url."
            % target.authority
        )
    if isinstance(err, socket.timeout):
        return "%s did not answer within %g s; check the address and the firewall." % (
            target.authority,
            timeout,
        )
    return "%s cannot be reached (%s); check the url and the server." % (target.authority, err)


class TlsSocket:
    """TLS over a non-blocking socket, so that recvmsg() still brings the kernel's stamps.

    Has the methods of a socket that the engine uses. send() returns the length of its data
    when all of it went out, else -1: call it again with nothing when the socket is writable.
    """

    def __init__(self, sock, context, server_name):
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._unsent = b""
        self.fileno = sock.fileno
        self.close = sock.close
        self.getsockopt = sock.getsockopt

    def handshake(self):
        """One step; returns (done, whether the socket must become writable)."""
        try:
            while True:
                data = self._sock.recv(65536)
                if not data:
                    self._incoming.write_eof()
                    break
                self._incoming.write(data)
        except BlockingIOError:
            pass
        done = True
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        return done, self.send(b"") != 0

    def send(self, data):
        if data:
            self._tls.write(data)
        self._unsent += self._outgoing.read()
        if self._unsent:
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
            except BlockingIOError:
                pass
        return -1 if self._unsent else len(data)

    def recvmsg(self, size, ancillary_size, flags=0):
        if flags:
            return self._sock.recvmsg(size, ancillary_size, flags)
        data, ancillary, flags, _address = self._sock.recvmsg(max(size, 16384), ancillary_size)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        parts = []
        try:
            while True:
                part = self._tls.read(65536)
                if not part:
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            if data and not parts:
                raise BlockingIOError(errno.EAGAIN, "no whole TLS record yet")
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return b"".join(parts), ancillary, flags, None
