# SPDX-License-Identifier: Apache-2.0
"""The error for a certificate that is not trusted: who issued it, what is trusted instead, and the way out."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import RegistryError
from harness.host import clock
from harness.kube import pull_messages
from harness.late import x509
from harness.registries.presented import Presented, name_of, presented

# Of OpenSSL, x509_vfy.h: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH; X509_V_ERR_CERT_HAS_EXPIRED;
# and what is said where no trusted certificate leads to the one that was presented.
_OF_ANOTHER_NAME = (62, 64)
_EXPIRED = 10
_BY_NOBODY = (7, 18, 19, 20, 21)


def untrusted(
    blamed: str, host: str, url: str, tls: ssl.SSLCertVerificationError, ca: Path | None = None
) -> RegistryError:
    """The error for the server of an address, who is asked what it presents. `ca` is the file with its CA, if any."""
    seen = presented(url)
    what = f"the certificate of {blamed} is not trusted: {tls.verify_message}"
    why = f"; {seen.why()}" if seen else ""
    if tls.verify_code in _OF_ANOTHER_NAME:
        name = urlsplit(url).hostname or host
        named = f" It names {', '.join(seen.names[:5])}." if seen and seen.names else ""
        return RegistryError(
            f"{what.rstrip('.')}.{named}",
            f"ask the server by a name that its certificate has, or have it issued for {name}",
        )
    if seen and seen.is_the_clock:
        return RegistryError(what + why, f"set this machine's clock ({clock.how_to_set()})")
    if seen and not seen.expired:
        if ca and (about_ca := _about(ca, seen, tls)):
            return RegistryError(what + about_ca[0], about_ca[1])
        return RegistryError(
            what + why,
            f"if {seen.issuer} is a proxy of yours that looks into TLS, add its CA to this machine's certificates "
            f'(update-ca-certificates, or SSL_CERT_FILE); else have ca of [mirrors."{host}"] in harness.toml name the '
            "PEM file of that CA",
        )
    step = pull_messages.read(f"x509: {tls.verify_message}", image=f"{host}/image").next_step
    return RegistryError(what + why, step)


def _about(ca: Path, seen: Presented, tls: ssl.SSLCertVerificationError) -> tuple[str, str] | None:
    """What is wrong with the file that should have the CA, and the way out; None where it is not about that."""
    held = _held(ca)
    named = list(dict.fromkeys(name_of(it.subject) for it in held))
    if tls.verify_code == _EXPIRED:
        over = [it for it in held if it.not_valid_after_utc < datetime.now(UTC)]
        if not over:
            return None
        told = f"; not its own, but that of {name_of(over[0].subject)} in {ca}, valid until {_day(over[0])} UTC"
        return told, f"have {ca} hold the CA's new certificate"
    if tls.verify_code not in _BY_NOBODY or not held:
        return None
    if seen.issuer in named:
        told = f"; it was issued by {seen.issuer}, and {ca} has a CA of this name with another key"
        return told, f"have {ca} hold the certificate that this CA has now"
    told = f"; it was issued by {seen.issuer}, and {ca} has {', '.join(named[:3])}"
    return told, (
        f"have {ca} hold the certificate of {seen.issuer}, if that is the registry's CA or a proxy of yours that looks "
        f"into TLS; if a CA in {ca} has issued that one, have the server send it along with its own"
    )


def _held(ca: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(ca.read_bytes())
    except (OSError, ValueError):
        # OpenSSL has read it: what this cannot read is only not told.
        return []


def _day(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
