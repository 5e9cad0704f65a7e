# SPDX-License-Identifier: Apache-2.0
"""Which addresses are asked by the proxy of the environment, and which without."""

from __future__ import annotations

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from harness.images.proxy_addresses import with_scheme, without_login
from harness.images.references import is_loopback

_SPOKEN = ("http", "https", "socks5", "socks5h")


def is_direct(host: str) -> bool:
    """Whether a host is asked without a proxy, whatever proxies there are.

    An address is so, too, if a range in NO_PROXY has it, as for Helm, nodes and other programs in Go
    (golang.org/x/net/http/httpproxy); httpx and urllib know no ranges. A name is not looked up for that.
    """
    if not host or is_loopback(host) or urllib.request.proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address in it for it in _ranges())


def proxy_for(url: str) -> str:
    """The proxy of the environment for an address, without its login; empty without one."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all") or ""
    return "" if not found or is_direct(parts.hostname or "") else without_login(with_scheme(found))


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
    parts = urlsplit(with_scheme(proxy))
    try:
        return parts.scheme in _SPOKEN and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # A port that is none
        return False


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
