# SPDX-License-Identifier: Apache-2.0
"""What a registry's refusal or silence means, and what to do about it."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator

import httpx

from harness.errors import RegistryError


def answered(server: str, host: str, response: httpx.Response, asked_for: str, hint: str = "") -> RegistryError:
    """The error for an answer that is not the wanted one: `ghcr.io answered 404 for a/b:1: MANIFEST_UNKNOWN …`.

    `host` is the registry host whose mirror or credentials the user would set; `hint` is put before the next step.
    """
    status = response.status_code
    said = _said(response)
    step = _next_step(status, host, response.headers.get("retry-after", ""))
    return RegistryError(
        f"{server} answered {status} for {asked_for}" + (f": {said}" if said else ""),
        f"{hint}; {step}" if hint else step,
        status=status,
    )


def unreachable(server: str, host: str, error: httpx.HTTPError) -> RegistryError:
    """The error for a server that did not answer at all."""
    causes = list(_causes(error))
    tls = next((it for it in causes if isinstance(it, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return RegistryError(
            f"the certificate of {server} is not trusted: {tls.verify_message}",
            f'put the PEM file of the CA that signed it under ca of [mirrors."{host}"] in harness.toml',
        )
    if tls is not None:
        return RegistryError(
            f"{server} does not speak TLS as asked: {tls.reason or tls}",
            "if it speaks plain HTTP, begin its address with http://",
        )
    what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "could not be reached"
    return RegistryError(
        f"{server} {what}: {str(error) or type(error).__name__}",
        f'check network and proxy, name a mirror under [mirrors."{host}"] in harness.toml, or use --source foundry',
    )


def _said(response: httpx.Response) -> str:
    """The errors of the distribution specification, each its code and message; else the beginning of the text."""
    if response.request.method == "HEAD":
        return ""
    try:
        errors = json.loads(response.content)["errors"]
        lines = [f"{it['code']} {it.get('message') or ''}".strip() for it in errors]
    except (ValueError, KeyError, TypeError):
        text = re.sub(r"<[^>]*>", " ", response.text)
        lines = [" ".join(text.split())[:200]]
    return "; ".join(line for line in lines if line)


def _next_step(status: int, host: str, retry_after: str) -> str:
    match status:
        case 401:
            return (
                f'log in (docker login {host}) or set username and password under [mirrors."{host}"]; '
                "some registries also say 401 for a repository that does not exist"
            )
        case 403:
            return "the account, or this network, may not pull it: ask who owns the repository, or use a mirror"
        case 404:
            return "check name and tag"
        case 429:
            wait = f"wait {retry_after} s, " if retry_after.isdecimal() else ""
            return f"the rate limit is used up: {wait}log in (docker login {host}), or use a mirror"
        case _ if status >= 500:
            return "the registry is in trouble: try again later, or use a mirror"
        case _:
            return "check that the address is a registry's"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
