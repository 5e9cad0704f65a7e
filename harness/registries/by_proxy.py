# SPDX-License-Identifier: Apache-2.0
"""Which addresses are asked through the proxy of the environment, and which without."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from urllib.parse import urlsplit

from harness.images.proxy_addresses import with_scheme, without_login
from harness.images.references import is_loopback

_SPOKEN = ("http", "https", "socks5", "socks5h")


def is_direct(host: str, port: int | None = None) -> bool:
    """Whether a host is asked without a proxy, whatever proxies there are.

    So is, too, what NO_PROXY has as `*.example.com`, with its port, or as an address in a range: as for Helm, nodes and
    other programs in Go (golang.org/x/net/http/httpproxy). httpx and urllib know none of these. A name is not looked up
    for that.
    """
    if not host or is_loopback(host) or _is_named(host.lower(), port):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address in it for it in _ranges())


def is_direct_for(url: str) -> bool:
    """The same for an address."""
    parts = urlsplit(url)
    return is_direct(parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme))


def proxy_for(url: str) -> str:
    """The proxy of the environment for an address, without its login; empty without one."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all") or ""
    return "" if not found or is_direct_for(url) else without_login(with_scheme(found))


def unusable() -> str:
    """A proxy of the environment that httpx cannot speak to, without its login; empty where there is none.

    It wants to know them all before it asks for anything. `socks://`, which GNOME writes into ALL_PROXY, is a scheme of
    no protocol.
    """
    for name, found in urllib.request.getproxies().items():
        if name in ("http", "https", "all") and not _is_usable(found):
            return without_login(with_scheme(found))
    return ""


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(with_scheme(proxy))
        return not re.search(r"\s", proxy) and parts.scheme in _SPOKEN and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # An address or a port that is none
        return False


def _is_named(host: str, port: int | None) -> bool:
    for it in _exceptions():
        if it == "*":
            return True
        name, _, number = it.rpartition(":") if it.count(":") == 1 or "]:" in it else (it, "", "")
        if number not in ("", str(port)):
            continue
        # With a dot in front, the name itself is not meant.
        below = name.startswith(("*.", "."))
        bare = name.strip("[]").removeprefix("*").removeprefix(".")
        if bare and (host.endswith(f".{bare}") or (host == bare and not below)):
            return True
    return False


def _exceptions() -> list[str]:
    listed = urllib.request.getproxies_environment().get("no", "").split(",")
    return [it.strip().lower() for it in listed if it.strip() and "/" not in it]


def _ranges() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The ranges of addresses in NO_PROXY."""
    found = []
    for it in urllib.request.getproxies_environment().get("no", "").split(","):
        if "/" in it:
            try:
                found.append(ipaddress.ip_network(it.strip(), strict=False))
            except ValueError:
                # What is no range excepts nothing, as in Go.
                continue
    return found
