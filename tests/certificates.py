# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of a day for the registries of tests."""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificates(directory, host):
    """Puts a CA, ca.crt, and a certificate for an address, server.crt and .key, in a directory."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(name, issuer, key, signer, *extensions):
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = named(f"CA of a test {secrets.token_hex(4)}")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    directory = Path(directory)
    (directory / "ca.crt").write_bytes(
        certificate(
            ca,
            ca,
            root,
            root,
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (usage, True),
        )
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    (directory / "server.crt").write_bytes(
        certificate(named(host), ca, key, root, (address, False))
    )
    (directory / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
