# SPDX-License-Identifier: Apache-2.0
"""What a server presents whose certificate is not trusted: who signed it, and what time it is there.

Asked without verification, without a login, and only for a message: nothing that is fetched so is used.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from harness.late import httpx, x509
from harness.registries.by_proxy import transport

_SECONDS = 5.0
_SKEW = timedelta(minutes=5)
"""Clocks that differ by less are right enough for certificates and tokens."""


@dataclass(frozen=True, kw_only=True)
class Presented:
    """A certificate's issuer, names and validity, and by how much the server's clock is ahead of this machine's."""

    issuer: str
    begins: datetime
    ends: datetime
    ahead: timedelta
    names: tuple[str, ...] = ()

    def why(self) -> str:
        """Why the certificate is not valid here, as far as that tells it; empty where nothing stands out."""
        now = datetime.now(UTC)
        there = now + self.ahead
        if abs(self.ahead) > _SKEW and not self.begins <= now <= self.ends and self.begins <= there <= self.ends:
            return (
                f"this machine's clock is {_shown(self.ahead)}: it says {now:%Y-%m-%d %H:%M}, and the server's "
                f"{there:%Y-%m-%d %H:%M} (UTC)"
            )
        if now < self.begins:
            return f"it is valid from {self.begins:%Y-%m-%d %H:%M} UTC"
        if now > self.ends:
            return f"it was valid until {self.ends:%Y-%m-%d %H:%M} UTC"
        return f"it was issued by {self.issuer}"

    @property
    def expired(self) -> bool:
        """Whether it is not valid now, by this machine's clock."""
        return not self.begins <= datetime.now(UTC) <= self.ends

    @property
    def is_the_clock(self) -> bool:
        """Whether it would be valid by the server's own clock."""
        return self.why().startswith("this machine's clock")


def presented(url: str) -> Presented | None:
    """Look at what the server of an https address presents; None where nothing answers within 5 s."""
    if urlsplit(url).scheme != "https":
        return None
    try:
        with (
            httpx.Client(timeout=_SECONDS, trust_env=False, transport=transport(_trusting_anybody())) as client,
            client.stream("GET", url) as response,
        ):
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            certificate = x509.load_der_x509_certificate(tls.getpeercert(True))
            said = response.headers.get("date", "")
    except (httpx.HTTPError, ValueError, AttributeError):
        return None
    return Presented(
        issuer=name_of(certificate.issuer),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        ahead=ahead(said),
        names=_names(certificate),
    )


def _trusting_anybody() -> ssl.SSLContext:
    """The one thing that is wanted is the certificate that is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = map(str, named.get_values_for_type(x509.IPAddress))
    return (*named.get_values_for_type(x509.DNSName), *addresses)


def ahead(date: str) -> timedelta:
    """By how much the clock of whoever sent this Date header is ahead of this machine's; nothing without one."""
    try:
        there = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return timedelta()
    return there - datetime.now(UTC) if there.tzinfo else timedelta()


def wrong_clock(date: str) -> str:
    """How wrong this machine's clock is by a Date header, in words; empty where it is right enough."""
    off = ahead(date)
    return _shown(off) if abs(off) > _SKEW else ""


def _shown(off: timedelta) -> str:
    hours = abs(off).total_seconds() / 3600
    amount = f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
    return f"{amount} {'behind' if off > timedelta() else 'ahead'}"


def name_of(subject: x509.Name) -> str:
    """Whose certificate it is, or who issued it, for messages."""
    named = {it.rfc4514_attribute_name: str(it.value) for it in subject}
    return ", ".join(dict.fromkeys(named[it] for it in ("CN", "O") if it in named)) or "somebody without a name"
