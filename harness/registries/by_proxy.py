# SPDX-License-Identifier: Apache-2.0
"""Which addresses are asked through the proxy of the environment, and which without."""

from __future__ import annotations

import ipaddress
import re
import ssl
import threading
import urllib.request
from typing import cast
from urllib.parse import urlsplit

from harness.images.proxy_addresses import with_scheme, without_login
from harness.images.references import is_loopback
from harness.late import httpx

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
    found = _with_login(url)
    return without_login(found) if found else ""


def _with_login(url: str) -> str:
    proxies = urllib.request.getproxies()
    found = proxies.get(urlsplit(url).scheme) or proxies.get("all") or ""
    return "" if not found or is_direct_for(url) else with_scheme(found)


def transport(verify: ssl.SSLContext) -> httpx.BaseTransport:
    """What sends each request, also one that a redirect asks for, by the environment's proxy for its address.

    httpx would read the environment by itself. It raises InvalidURL then for what NO_PROXY may have, such as a range of
    IPv6 or a name in letters of other languages, and would not heed what `is_direct` does.
    """
    # It has what httpx calls of a transport; to be one in name, httpx would have to be loaded with this module.
    return cast("httpx.BaseTransport", _ByEnvironment(verify))


class _ByEnvironment:
    """Transports by the proxy that they use. May be used by several threads."""

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._verify = verify
        self._lock = threading.Lock()
        self._by_proxy: dict[str, httpx.HTTPTransport] = {}

    def __enter__(self) -> _ByEnvironment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises httpx.HTTPError."""
        proxy = _with_login(str(request.url))
        try:
            chosen = self._through(proxy)
        except (ValueError, httpx.InvalidURL) as broken:
            raise httpx.ProxyError(f"it is no address of a proxy: {broken}", request=request) from broken
        return chosen.handle_request(request)

    def _through(self, proxy: str) -> httpx.HTTPTransport:
        with self._lock:
            if proxy not in self._by_proxy:
                self._by_proxy[proxy] = httpx.HTTPTransport(
                    verify=self._verify, trust_env=False, proxy=httpx.Proxy(proxy) if proxy else None
                )
            return self._by_proxy[proxy]

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            used, self._by_proxy = list(self._by_proxy.values()), {}
        for it in used:
            it.close()


def unusable(url: str) -> str:
    """The proxy for an address, without its login, where that is none that httpx can speak to; else empty.

    `socks://`, which GNOME writes into ALL_PROXY, is a scheme of no protocol. Raises ValueError for what is no address,
    such as one with a port above 65535, whether there is a proxy or not.
    """
    _ = urlsplit(url).port
    found = _with_login(url)
    return without_login(found) if found and not _is_usable(found) else ""


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
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
