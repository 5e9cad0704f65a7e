# SPDX-License-Identifier: Apache-2.0
"""The errors for a registry's refusals and timeouts; their next steps are in clusters/pull-messages.toml."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from harness import causes
from harness.errors import RegistryError
from harness.host import clock
from harness.images.references import image_host
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.by_proxy import proxy_for
from harness.registries.presented import ahead, presented

_GRANT = "package settings, Manage Actions access: add the repository with the role Write"
_STRANGER = (
    "the package exists, and this repository or account may not write to it, as after a first push by hand: "
    f"{_GRANT}; or push with a token of somebody who has that role"
)
# RFC 9110, 15.5.8.
_WITH_LOGIN = (
    "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, with what is special in them percent-encoded"
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
    seconds = retry_after(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS and seconds is not None:
        step = f"wait {seconds:.0f} s; {step}"
    return RegistryError(
        f"{server} answered {status} for {asked_for}" + (f": {said}" if said else ""),
        f"{hint}; {step}" if hint else step,
        status=status,
    )


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of `Retry-After`, which is a number of them or a date (RFC 9110, 10.2.3); None without one.

    A date is read by the server's own clock, as far as it tells that.
    """
    asked = response.headers.get("retry-after", "")
    if asked.isdecimal():
        return float(asked)
    seconds = (ahead(asked) - ahead(response.headers.get("date", ""))).total_seconds()
    return seconds if ahead(asked) and seconds > 0 else None


def unreachable(server: str, host: str, error: httpx.HTTPError) -> RegistryError:
    """The error for a server that did not answer at all: the one that was asked, or the one that it pointed to.

    Of a certificate that is not trusted, the server is asked who issued it.
    """
    url = _asked(error)
    blamed = _blamed(server, url)
    causes = list(_causes(error))
    tls = next((it for it in causes if isinstance(it, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return _untrusted(blamed, host, url, tls)
    if tls is not None:
        return RegistryError(
            f"{blamed} failed the TLS handshake: {tls.reason or tls}",
            pull_messages.next_step(pull_messages.PLAIN_HTTP, host),
        )
    proxy = proxy_for(url)
    if isinstance(error, httpx.ProxyError) or (proxy and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)):
        return RegistryError(
            f"the proxy {proxy}, by which this machine reaches {blamed.rstrip(',')}, did not let it through: "
            f"{_words(error)}",
            _WITH_LOGIN
            if "407" in _words(error)
            else f"check HTTPS_PROXY and NO_PROXY, and whether the proxy allows {urlsplit(url).hostname}",
        )
    unknown = next((it for it in causes if isinstance(it, socket.gaierror)), None)
    if unknown is not None:
        name = urlsplit(url).hostname or host
        return RegistryError(
            f"{blamed} could not be reached: the name {name} is not known to this machine's name servers ({unknown})",
            f"compare `getent hosts {name}` with that of another name; ask who runs the name server, or use a mirror "
            "(harness.toml) or --source foundry",
        )
    late = isinstance(error, httpx.TimeoutException)
    what = "did not answer in time" if late else "could not be reached"
    return RegistryError(
        f"{blamed} {what}: {_words(error)}",
        pull_messages.next_step(pull_messages.TIMEOUT if late else pull_messages.REGISTRY_AWAY, host),
    )


def _untrusted(blamed: str, host: str, url: str, tls: ssl.SSLCertVerificationError) -> RegistryError:
    seen = presented(url, proxies=bool(proxy_for(url)))
    why = f"; {seen.why()}" if seen else ""
    if seen and seen.is_the_clock:
        step = f"set this machine's clock ({clock.how_to_set()})"
    elif seen and not seen.expired:
        step = (
            f"if {seen.issuer} is a proxy of yours that looks into TLS, add its CA to this machine's certificates "
            f'(update-ca-certificates, or SSL_CERT_FILE); else put the CA under ca of [mirrors."{host}"] in '
            "harness.toml"
        )
    else:
        step = pull_messages.read(f"x509: {tls.verify_message}", image=f"{host}/image").next_step
    return RegistryError(f"the certificate of {blamed} is not trusted: {tls.verify_message}{why}", step)


def _asked(error: httpx.HTTPError) -> str:
    """The address of the request that failed, which may be the target of a redirect; empty where nobody knows."""
    try:
        return str(error.request.url)
    except RuntimeError:
        return ""


def _blamed(server: str, url: str) -> str:
    """The server, or the other one that it redirected to, for messages."""
    target = urlsplit(url).netloc
    named = {image_host(it) for it in re.split(r"[^\w.:\[\]-]+", server)}
    known = image_host(target) in named
    return server if not target or known else f"{target}, to which {server} redirects,"


def _words(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


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
