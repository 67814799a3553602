"""Certificates for TLS on 127.0.0.1, of an authority made for the occasion."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


_MAY_SIGN_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def write_certificates(authority: Path, server: Path) -> None:
    """Make an authority, and a certificate of it for 127.0.0.1 with its key, both for a day.

    With all that RFC 5280 (section 4.2.1) asks of them, as Python 3.13 does, too.
    """
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root, leaf = _name("Authority of the tests"), _name("127.0.0.1")
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    above = (
        _builder(root, root, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_MAY_SIGN_CERTIFICATES, critical=True)
        .add_extension(identifier, critical=False)
    )
    below = (
        _builder(leaf, root, server_key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    authority.write_bytes(_sign(above, authority_key))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(key + _sign(below, authority_key))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    names = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    times = names.not_valid_before(now - day).not_valid_after(now + day)
    return times.serial_number(x509.random_serial_number()).public_key(key)


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
