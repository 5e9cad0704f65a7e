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

_GRANT = "package settings, Manage Actions access: add the repository with the role Write"
_STRANGER = (
    "the package exists, and this repository or account may not write to it, as after a first push by hand: "
    f"{_GRANT}; or push with a token of somebody who has that role"
)
# What GHCR says to a push that the token's scope covers → the way out. By the reports that clusters/registries.toml
# names, and docs.github.com/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility
_GHCR_PUSHES = {
    "not allowed to create organization package": (
        "the package does not exist, and the organization lets no workflow or GitHub App create it: give the job "
        "`packages: write`, and let an owner allow it (organization settings, Packages, Package creation; and Actions, "
        "General, Workflow permissions: read and write); or make the first push with a member's personal access token "
        f"(classic, write:packages), then {_GRANT}"
    ),
    "not allowed to write organization package": (
        f"give the job `packages: write`; if it has that, the package belongs to another repository: {_GRANT}"
    ),
    "permission_denied: write_package": _STRANGER,
    "permission_denied: read_package": _STRANGER,
}


def refused_by_ghcr(said: str) -> str:
    """The way out of a push that GHCR refuses for the package's or organization's settings; else empty."""
    return next((step for words, step in _GHCR_PUSHES.items() if words in said.lower()), "")


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
