# SPDX-License-Identifier: Apache-2.0
"""The errors for a registry's refusals and timeouts; their next steps are in clusters/pull-messages.toml."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from harness import causes
from harness.errors import RegistryError
from harness.kube import pull_messages
from harness.late import httpx


def answered(server: str, host: str, response: httpx.Response, asked_for: str, hint: str = "") -> RegistryError:
    """The error for an unexpected response: `ghcr.io answered 404 for a/b:1: MANIFEST_UNKNOWN …`.

    `host` is the registry host whose mirror or credentials the user would set; `hint` is put before the next step.
    """
    status = response.status_code
    said = _said(response)
    step = pull_messages.of_status(status, host).next_step
    retry_after = response.headers.get("retry-after", "")
    if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after.isdecimal():
        step = f"wait {retry_after} s; {step}"
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
            pull_messages.read(f"x509: {tls.verify_message}", image=f"{host}/image").next_step,
        )
    if tls is not None:
        return RegistryError(
            f"{server} failed the TLS handshake: {tls.reason or tls}",
            pull_messages.next_step(pull_messages.PLAIN_HTTP, host),
        )
    late = isinstance(error, httpx.TimeoutException)
    what = "did not answer in time" if late else "could not be reached"
    return RegistryError(
        f"{server} {what}: {str(error) or type(error).__name__}",
        pull_messages.next_step(pull_messages.TIMEOUT if late else pull_messages.REGISTRY_AWAY, host),
    )


def _said(response: httpx.Response) -> str:
    """The errors of a response by the distribution specification, code and message; else the beginning of its text."""
    if response.request.method == "HEAD":
        return ""
    try:
        errors = json.loads(response.content)["errors"]
        lines = [f"{it['code']} {it.get('message') or ''}".strip() for it in errors]
    except (ValueError, KeyError, TypeError):
        text = re.sub(r"<[^>]*>", " ", response.text)
        lines = [causes.shortened(text, 200)]
    return "; ".join(line for line in lines if line)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
