# SPDX-License-Identifier: Apache-2.0
"""The errors for a registry's refusals and timeouts; their next steps are in clusters/pull-messages.toml."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import RegistryError
from harness.images.references import image_host
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.by_proxy import proxy_for
from harness.registries.error_words import said as said_by
from harness.registries.presented import ahead
from harness.registries.untrusted_certificates import untrusted

_GRANT = "package settings, Manage Actions access: add the repository with the role Write"
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# Addresses of content as clusters/pull-messages.toml tells them apart.
_BLOB = f"https://registry/v2/image/blobs/sha256:{'0' * 64}"
_STORAGE = f"https://storage/sha256/{'0' * 64}/data"
# Go, net/http/server.go; nginx, ngx_http_special_response.c; Apache, modules/ssl/ssl_engine_kernel.c
_TO_TLS = re.compile(
    r"HTTP request (was sent )?to (an )?(HTTPS|SSL-enabled) (server|port)|speaking plain HTTP to an SSL", re.I
)
_LONGEST_WAIT = 10
"""Digits of a number of seconds that means something."""
# OpenSSL's reasons where the other side does not speak TLS at all.
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH",
    "UNKNOWN_PROTOCOL",
)
_NOTHING_IN_COMMON = ("PROTOCOL", "HANDSHAKE_FAILURE", "CIPHER", "INSUFFICIENT_SECURITY", "WRONG_SSL_VERSION")
# What a name or an address may have, as far as there is a server to be asked by it.
_NAME = re.compile(r"[\w.-]+|[\w.:%-]*:[\w.:%-]*")
# Of httpcore and h11.
_NO_ANSWER = re.compile(r"without sending a response|illegal status line")
# nginx, ngx_http_special_response.c, for a client without a certificate where it wants one.
_WANTS_CERTIFICATE = re.compile(r"no required SSL certificate|the SSL certificate error", re.I)
_ALONE = "clients with a certificate of their own alone, which neither this nor the nodes have"
_OTHERWISE = "ask who runs it for an address without, or use a mirror (harness.toml)"
_STRANGER = (
    "the package exists, and this repository or account may not write to it, as after a first push by hand: "
    f"{_GRANT}; or push with a token of somebody who has that role"
)
# RFC 9110, 15.5.8.
_WITH_LOGIN = (
    "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT (HTTP_PROXY for what is asked without TLS), "
    "with what is special in them percent-encoded"
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
    said = said_by(response)
    proxy = proxy_for(str(response.url)) if response.url.scheme == "http" else ""
    if proxy and status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return RegistryError(f"{_by_proxy(proxy, server)} did not let it through: {said or status}", _WITH_LOGIN)
    if proxy:
        # Without TLS, a proxy answers in the server's place.
        server = f"{server.rstrip(',')}, asked by the proxy {proxy},"
    step = _step(response, host, said)
    seconds = retry_after(response)
    if status in _BUSY and seconds is not None:
        step = f"wait {seconds:.0f} s; {step}"
    page = " with a web page" if is_page(response) else ""
    # What a storage refuses is about an address that the registry signed, and a page is a proxy's: neither is about the
    # login or the image.
    about = 0 if status in (401, 403) and (page or _is_of_storage(response)) else status
    return RegistryError(
        f"{server} answered {status}{page} for {asked_for}" + (f": {said}" if said else ""),
        f"{hint}; {step}" if hint else step,
        status=about,
    )


def of_token_server(refused: RegistryError, host: str, response: httpx.Response) -> RegistryError:
    """The same about a token server's response, of which only a refusal, a limit and a failure are about the image.

    That it answers 404 does not make an image missing.
    """
    status = refused.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
        return refused
    if response.request.method == "POST" and status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        # It has only the older of the two ways to get a token, which takes a password.
        step = f"the login is an identity token, which this server does not take: docker login {host} with a password"
        return RegistryError(refused.message, f"{step} or an access token")
    return RegistryError(refused.message, pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host))


def is_page(response: httpx.Response) -> bool:
    """Whether an answer is a web page, which no registry sends: a proxy's, a portal's, or another server's.

    Not one that says how to log in, as a web server has in front of a registry.
    """
    if response.request.method == "HEAD" or "www-authenticate" in response.headers:
        return False
    begins = response.content[:200].lstrip().lower()
    return says_page(response) or begins.startswith((b"<!doctype html", b"<html"))


def says_page(response: httpx.Response) -> bool:
    """Whether an answer, which need not be read for this, says that it is a web page."""
    return "html" in response.headers.get("content-type", "").lower()


def of_page(response: httpx.Response, who: str, host: str) -> RegistryError:
    """The error for a web page where a registry's answer should be: what a portal or a proxy wants to be seen first."""
    return RegistryError(
        f"{who} answered {response.status_code} with a web page for {response.url.path}, which no registry does: "
        f"{said_by(response) or 'an empty one'}",
        pull_messages.next_step(pull_messages.NOT_A_REGISTRY, host),
    )


def is_registrys(response: httpx.Response) -> bool:
    """Whether a refusal can be a registry's: it has errors with codes (distribution specification), or says nothing."""
    try:
        errors = json.loads(response.content)["errors"] if response.content.strip() else [{"code": "none is told"}]
        return any(it["code"] for it in errors)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _step(response: httpx.Response, host: str, said: str) -> str:
    status = response.status_code
    if status == HTTPStatus.BAD_REQUEST and _TO_TLS.search(said):
        return pull_messages.next_step(pull_messages.PLAIN_HTTP, host)
    if status == HTTPStatus.BAD_REQUEST and _WANTS_CERTIFICATE.search(said):
        return f"it takes {_ALONE}: {_OTHERWISE}"
    if is_page(response) and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return pull_messages.next_step(pull_messages.NOT_A_REGISTRY, host)
    meant = pull_messages.of_status(status, host)
    if "/blobs/" in _first_path(response):
        address = _STORAGE if _is_of_storage(response) else _BLOB
        told = f"unexpected status from GET request to {address}: {status}"
        meant = pull_messages.read(told, image=f"{host}/image")
    # What no node can be told, such as 204, is odd all the same.
    return meant.next_step if meant.is_recognised else pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host)


def _first_path(response: httpx.Response) -> str:
    return (response.history or [response])[0].url.path


def _is_of_storage(response: httpx.Response) -> bool:
    """Whether another host answered, to which a registry led for content."""
    if not response.history or "/blobs/" not in _first_path(response):
        return False
    return response.url.netloc != response.history[0].url.netloc


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of `Retry-After`, which is a number of them or a date (RFC 9110, 10.2.3); None without one.

    A date is read by the server's own clock, as far as it tells that.
    """
    asked = response.headers.get("retry-after", "")
    if asked.isdecimal():
        if len(asked) > _LONGEST_WAIT:
            return None
        return float(asked)
    seconds = (ahead(asked) - ahead(response.headers.get("date", ""))).total_seconds()
    return seconds if ahead(asked) and seconds > 0 else None


def unreachable(server: str, host: str, error: httpx.HTTPError, ca: Path | None = None) -> RegistryError:
    """The error for a server that did not answer at all: the one that was asked, or the one that it pointed to.

    Of a certificate that is not trusted, the server is asked who issued it; `ca` is the file with the CA of `server`.
    """
    url = _asked(error)
    blamed = _blamed(server, url)
    causes = list(_causes(error))
    proxy = proxy_for(url)
    tls = next((it for it in causes if isinstance(it, ssl.SSLError)), None)
    if tls is not None and proxy.startswith("https://") and _speaks_no_tls(tls):
        return RegistryError(
            f"{_by_proxy(proxy, blamed)} failed the TLS handshake: {tls.reason}",
            "write http:// in HTTPS_PROXY: its scheme says how the proxy itself is asked, and not what for",
        )
    if isinstance(tls, ssl.SSLCertVerificationError):
        return untrusted(blamed, host, url, tls, ca if blamed == server else None)
    if tls is not None:
        return RegistryError(
            f"{blamed} failed the TLS handshake: {tls.reason or tls}",
            _after_handshake(tls, host, urlsplit(url).hostname or host),
        )
    if isinstance(error, httpx.TooManyRedirects):
        return RegistryError(
            f"{blamed} redirects without end", pull_messages.next_step(pull_messages.NOT_A_REGISTRY, host)
        )
    if isinstance(error, httpx.DecodingError | httpx.UnsupportedProtocol):
        return RegistryError(
            f"{blamed} cannot be understood: {_words(error)}",
            pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host),
        )
    name = urlsplit(url).hostname or host
    if "location header" in str(error) or not _NAME.fullmatch(name):
        # httpx says so of some, and takes what is wrong in others for a part of the name.
        return RegistryError(
            f"{server} redirects to what is no address: {_words(error) if _NAME.fullmatch(name) else url}",
            pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host),
        )
    if isinstance(error, httpx.ProxyError) or (proxy and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)):
        return RegistryError(
            f"{_by_proxy(proxy, blamed)} did not let it through: {_words(error)}",
            _WITH_LOGIN
            if "407" in _words(error)
            else f"check HTTPS_PROXY and NO_PROXY, and whether the proxy allows {urlsplit(url).hostname}",
        )
    unknown = next((it for it in causes if isinstance(it, socket.gaierror)), None)
    if unknown is not None:
        return RegistryError(
            f"{blamed} could not be reached: the name {name} is not known to this machine's name servers ({unknown})",
            f"compare `getent hosts {name}` with that of another name; ask who runs the name server, or use a mirror "
            "(harness.toml) or --source foundry",
        )
    late = isinstance(error, httpx.TimeoutException)
    if late and proxy:
        # Whether the proxy keeps silent, or whoever is behind it, is not to be seen from here.
        return RegistryError(
            f"{_by_proxy(proxy, blamed)} did not bring an answer in time: {_words(error)}",
            f"check HTTPS_PROXY and NO_PROXY, and whether the proxy reaches {urlsplit(url).hostname}",
        )
    if late:
        return RegistryError(
            f"{blamed} did not answer in time: {_words(error)}", pull_messages.next_step(pull_messages.TIMEOUT, host)
        )
    if isinstance(error, httpx.ConnectError):
        return RegistryError(
            f"{blamed} could not be reached: {_words(error)}",
            pull_messages.next_step(pull_messages.REGISTRY_AWAY, host),
        )
    step = pull_messages.next_step(pull_messages.CONNECTION_LOST, host)
    if _NO_ANSWER.search(str(error)) and urlsplit(url).scheme == "http":
        # Some that speak TLS say so; others hang up, or send an alert.
        step = f"{step}; or {pull_messages.next_step(pull_messages.PLAIN_HTTP, host)}"
    return RegistryError(f"the connection to {blamed} broke off: {_words(error)}", step)


def _by_proxy(proxy: str, blamed: str) -> str:
    return f"the proxy {proxy}, by which this machine reaches {blamed.rstrip(',')},"


def _speaks_no_tls(tls: ssl.SSLError) -> bool:
    return any(it in (tls.reason or "") for it in _NO_TLS)


def _after_handshake(tls: ssl.SSLError, host: str, name: str) -> str:
    reason = tls.reason or ""
    if _speaks_no_tls(tls):
        return pull_messages.next_step(pull_messages.PLAIN_HTTP, host)
    if "CERTIFICATE_REQUIRED" in reason:
        return f"it takes {_ALONE}: {_OTHERWISE}"
    if "EOF" in reason or not reason:
        return pull_messages.next_step(pull_messages.CONNECTION_LOST, host)
    ask = pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host)
    if "UNRECOGNIZED_NAME" in reason:
        return f"{ask}; the server that was found by the name {name} does not serve this name"
    if any(it in reason for it in _NOTHING_IN_COMMON):
        # Up to TLS 1.2, a server that misses a client's certificate says no more than that the handshake failed.
        also = f"; or it takes {_ALONE}" if "HANDSHAKE_FAILURE" in reason else ""
        return f"{ask}; the two have no version of TLS in common, or no cipher{also}"
    return ask


def _asked(error: httpx.HTTPError) -> str:
    """The address of the request that failed, which may be the target of a redirect; empty where nobody knows."""
    try:
        return str(error.request.url)
    except RuntimeError:
        return ""


def _blamed(server: str, url: str) -> str:
    """The server, or the other one that it redirected to, for messages."""
    target = urlsplit(url).netloc
    known = _alike(target) in {_alike(it) for it in re.split(r"[^\w.:\[\]-]+", server)}
    return server if not target or known else f"{target}, to which {server} redirects,"


def _alike(netloc: str) -> str:
    """A server in the one way of writing it: an address may have capital letters, and the port that it has anyway."""
    return image_host(re.sub(r":(80|443)$", "", netloc.lower()))


def _words(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
