# SPDX-License-Identifier: Apache-2.0
"""A private CA and the certificates that a local registry presents: a valid and an expired one."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.images.credentials import write_secret

_GOOD_FOR = timedelta(days=30)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """PEM files: the CA's certificate, and chain and key (0600) of the valid and of the expired server certificate."""

    ca: Path
    good: tuple[Path, Path]
    expired: tuple[Path, Path]


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A CA; its key exists in memory only."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def authority() -> Authority:
    """A new CA."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spark-operator-harness local registry CA")])
    made = (
        _builder(subject, subject, key.public_key(), now - 4 * _A_DAY, now + _GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(key=key, certificate=made)


def make(
    folder: Path, names: Sequence[str], addresses: Sequence[str], *, signed_by: Authority | None = None
) -> Certificates:
    """Create two server certificates for these DNS names and addresses, signed by this CA or a new one."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = datetime.now(UTC)
    ca = signed_by or authority()
    key, subject = ca.key, ca.certificate.subject
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.pem)

    def server(name: str, begins: datetime, ends: datetime) -> tuple[Path, Path]:
        own = ec.generate_private_key(ec.SECP256R1())
        told = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        signed = (
            _builder(told, subject, own.public_key(), begins, ends)
            .add_extension(x509.SubjectAlternativeName(_alternatives(names, addresses)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        chain = folder / f"{name}.pem"
        chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        secret = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return chain, write_secret(folder / f"{name}-key.pem", secret.decode())

    return Certificates(
        ca=ca_file,
        good=server("server", now - _A_DAY, now + _GOOD_FOR),
        expired=server("expired", now - 3 * _A_DAY, now - _A_DAY),
    )


def server_context(certificates: Certificates, expired: Callable[[], bool]) -> ssl.SSLContext:
    """A TLS context that calls `expired` at each handshake to choose between the two certificates."""
    good, old = _context(certificates.good), _context(certificates.expired)

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Called for every handshake, also by clients that connect to an address and send no name.
        if expired():
            connection.context = old

    good.sni_callback = choose
    return good


def _context(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    addresses = [*addresses, *(it for it in names if _is_address(it))]
    dns = [x509.DNSName(name) for name in dict.fromkeys((*names, "localhost")) if not _is_address(name)]
    return [*dns, *(x509.IPAddress(ipaddress.ip_address(it)) for it in dict.fromkeys(addresses))]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
