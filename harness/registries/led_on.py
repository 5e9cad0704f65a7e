# SPDX-License-Identifier: Apache-2.0
"""Where a registry leads a push on to: another address of its own, or another server, which gets no login."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from harness.errors import RegistryError
from harness.late import httpx

if TYPE_CHECKING:
    from harness.registries.connection import Connection

MOST = 5
"""How often a push is led on."""
_CORRECT = (
    "have the registry's operator correct the address that it takes for its own (its external URL; Host and "
    "X-Forwarded-Proto of a proxy before it)"
)
_THE_SAME_AGAIN = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
"""After any other redirect, clients go on with a GET (RFC 9110, 15.4), which pushes nothing."""


def pushed_on(client: Connection, response: httpx.Response) -> str:
    """The address at which a push is to be tried again; empty where the answer is the last one.

    Raises RegistryError where it leads to another server, or to what is no push.
    """
    location = response.headers.get("location", "")
    if not response.is_redirect or not location:
        return ""
    target = client.led_to(str(response.url), location)
    if client.is_own(target) and response.status_code in _THE_SAME_AGAIN:
        return target
    there = httpx.URL(target)
    raise RegistryError(
        f"{client.server} answered {response.status_code} to a push, and leads to {there.scheme}://"
        f"{there.netloc.decode()}{there.path}",
        f"give DST the name that it has there ({there.netloc.decode()}/…); or {_CORRECT}",
        status=response.status_code,
    )


def completing(location: str, digest: str) -> httpx.URL:
    """The address at which an upload is completed: with the query that the registry wrote, which it may have signed."""
    url = httpx.URL(location).copy_with(fragment=None)
    return url.copy_with(query=b"&".join(it for it in (url.query, f"digest={digest}".encode()) if it))


def continued(client: Connection, put: httpx.URL, why: str, status: int = 0) -> RegistryError:
    """The error for an upload that a registry continues at another server, which did not take it."""
    return RegistryError(
        f"{client.server} continues an upload at {put.scheme}://{put.netloc.decode()}, which gets no login: {why}",
        _CORRECT,
        status=status,
    )
