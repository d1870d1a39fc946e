"""Certificates of an authority of a test's own."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from configuration.model_address import AUTHORITY, CERTIFICATE, KEY

PEM = serialization.Encoding.PEM
# from Python 3.13 on, an authority without it is not trusted
SIGNS = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def make(folder: Path, authority: str = "authority") -> Path:
    """The folder, with the three files of ROLLOUT_MODEL_TLS and of a Secret."""
    folder.mkdir(parents=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate(authority, ca_key, authority, ca_key, [x509.BasicConstraints(ca=True, path_length=0), SIGNS])
    own = _certificate("model", key, authority, ca_key, [x509.SubjectAlternativeName([LOOPBACK])])
    (folder / AUTHORITY).write_bytes(ca.public_bytes(PEM))
    (folder / CERTIFICATE).write_bytes(own.public_bytes(PEM))
    pkcs8, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / KEY).write_bytes(key.private_bytes(PEM, pkcs8, no_password))
    return folder


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    identifiers = [
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
    ]
    for extension in [*extensions, *identifiers]:
        critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
