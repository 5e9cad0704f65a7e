# SPDX-License-Identifier: Apache-2.0
"""Certificates that a mirror's CA file does not lead to: which it is, who issued what, what nodes would take."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from registry_fakes import Answer, answering
from test_bad_networks import refusal, tls_server

from harness.errors import RegistryError
from harness.images.mirrors import Mirror
from harness.registries.front import certificates
from harness.registries.front.certificates import Authority, authority
from harness.registries.trusted import trusted

DAY = timedelta(days=1)
ISSUER = "spark-operator-harness local registry CA"


def certificate(signed_by: Authority, name: str, ends: timedelta) -> bytes:
    """One of a CA, in PEM."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(signed_by.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(signed_by.key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def refused(folder: Path, signed_by: Authority, ca: bytes) -> RegistryError:
    """What is said of a mirror whose certificate this authority has signed, with these certificates in its CA file."""
    made = certificates.make(folder / "made", ["localhost"], ["127.0.0.1"], signed_by=signed_by)
    (folder / "my-ca.pem").write_bytes(ca)
    with tls_server(folder, made.good, date=datetime.now(UTC)) as url:
        return refusal("ghcr.io", Mirror(url=url, ca=folder / "my-ca.pem"))


def test_a_file_with_another_ca_is_named_with_both(tmp_path: Path) -> None:
    error = refused(tmp_path, authority(), certificate(authority(), "Corporate Root", DAY))
    assert error.message.endswith(f"; it was issued by {ISSUER}, and {tmp_path}/my-ca.pem has Corporate Root")
    assert error.next_step.startswith(f"have {tmp_path}/my-ca.pem hold the certificate of {ISSUER}, if that is")


def test_one_with_a_ca_of_the_same_name_has_the_key_of_another(tmp_path: Path) -> None:
    error = refused(tmp_path, authority(), authority().pem)
    assert error.message.endswith(f"{tmp_path}/my-ca.pem has a CA of this name with another key")


def test_one_with_a_ca_that_is_over_says_until_when(tmp_path: Path) -> None:
    own = authority()
    error = refused(tmp_path, own, certificate(own, ISSUER, -DAY))
    assert f"; not its own, but that of {ISSUER} in {tmp_path}/my-ca.pem, valid until 20" in error.message
    assert error.next_step == f"have {tmp_path}/my-ca.pem hold the CA's new certificate"


def test_another_server_is_not_asked_for_by_the_mirrors_ca(tmp_path: Path) -> None:
    made = certificates.make(tmp_path / "made", ["localhost"], ["127.0.0.1"])
    (tmp_path / "my-ca.pem").write_bytes(certificate(authority(), "Corporate Root", DAY))
    with (
        tls_server(tmp_path, made.good, date=datetime.now(UTC)) as url,
        answering(lambda request: Answer(307, headers={"Location": url})) as mirror,
    ):
        error = refusal("ghcr.io", Mirror(url=f"http://{mirror.address}", ca=tmp_path / "my-ca.pem"))
    assert "my-ca.pem" not in str(error)


def test_what_is_in_the_file_is_trusted_as_it_is_by_nodes(tmp_path: Path) -> None:
    made = certificates.make(tmp_path / "made", ["localhost"], ["127.0.0.1"])
    with tls_server(tmp_path, made.good, date=datetime.now(UTC)) as url:
        error = refusal("ghcr.io", Mirror(url=url, ca=made.good[0]))
    # The server's own certificate: no CA, and what the server says is an answer.
    assert error.status == 401
    flags = trusted(made.ca, "ghcr.io").verify_flags
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not flags & ssl.VERIFY_X509_STRICT


def _no_more_than_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("change", [_no_more_than_tls_1_2, lambda context: None])
def test_a_server_that_wants_a_clients_certificate_is_told(
    tmp_path: Path, change: Callable[[ssl.SSLContext], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificates.make(tmp_path / "made", ["localhost"], ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(made.ca)
    change(context)
    monkeypatch.setattr(ssl, "SSLContext", lambda protocol: context)
    with tls_server(tmp_path, made.good, date=datetime.now(UTC)) as url:
        monkeypatch.undo()
        error = refusal("ghcr.io", Mirror(url=url, ca=made.ca))
    assert "it takes clients with a certificate of their own alone" in error.next_step


def test_a_web_server_that_wants_one_says_so() -> None:
    page = "<html><body><center>No required SSL certificate was sent</center><hr>nginx</body></html>"
    with answering(lambda request: Answer(400, page, {"Content-Type": "text/html"})) as server:
        assert refusal(server.address).next_step.startswith("it takes clients with a certificate of their own alone")
