# SPDX-License-Identifier: Apache-2.0
"""Addresses of proxies, as the environment and kubeconfigs have them."""

from __future__ import annotations


def with_scheme(proxy: str) -> str:
    """The address with a scheme: one without is of HTTP, as for curl and for programs in Go."""
    return proxy if "://" in proxy else f"http://{proxy}"


def without_login(proxy: str) -> str:
    """The address without its user and password, for messages."""
    scheme, mark, rest = proxy.rpartition("://")
    # The last @ is before the host: what is special in a password is not always encoded.
    return f"{scheme}{mark}{rest.rpartition('@')[2].partition('/')[0]}"
