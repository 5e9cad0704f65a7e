# SPDX-License-Identifier: Apache-2.0
"""Requests to a registry: its address or its mirror's, TLS, logins and their tokens, retries."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Self
from urllib.parse import urljoin, urlsplit

from harness.errors import RegistryError, SettingsError
from harness.images import media_types
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror, api_root
from harness.images.references import DOCKER_HUB, ImageReference, is_loopback
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.answers import json_of, whole
from harness.registries.by_proxy import transport, unusable
from harness.registries.challenges import challenges, repository_in
from harness.registries.error_words import error_in
from harness.registries.in_time import begun
from harness.registries.pace import ANSWER_SECONDS, Body
from harness.registries.problems import answered, of_token_server, retry_after, unreachable
from harness.registries.refused_logins import Asking, at_another_server, step_after
from harness.registries.trusted import trusted
from harness.waiting import pause

_ACCEPT = {"Accept": ", ".join((*media_types.INDEXES, *media_types.MANIFESTS))}
_LONGEST_PAUSE = 10.0
_SERVERS = 3
"""How many servers may want a token for one request: the registry, and those where it leads to."""
_PATIENCE = 6
"""How many times as long as a read the whole of an answer may take."""


class Connection:
    """A connection to a registry host: to the host's mirror if there is one, else to the public registry.

    `timeout` is in seconds, for connecting and for each read. 429, 5xx and connections that break are retried up to
    `attempts` times, `Retry-After` honoured up to ten seconds. `ca` is the PEM file of the CA of a host without a
    mirror. May be used by several threads. Raises RegistryError where nothing answers, or the environment has a proxy
    that cannot be asked, and SettingsError for a CA file that cannot be used.
    """

    actions = "pull"
    """The actions that tokens are requested for: the last part of the scope."""

    no_login = ""
    """Why there is none where there should be one, for messages."""

    def __init__(
        self,
        mirror: Mirror | None,
        host: str,
        *,
        credentials: Credentials | None = None,
        ca: Path | None = None,
        timeout: float = 10.0,
        attempts: int = 3,
    ) -> None:
        self.host = host
        address = address_of(mirror, host)
        # Where there is a CA there is TLS, on this machine too.
        self.root = api_root(address.replace("http://", "https://", 1) if ca and mirror is None else address)
        self._credentials = (mirror.credentials if mirror else None) or credentials
        self._mirror = mirror
        self._attempts, self._timeout = attempts, timeout
        self._lock = threading.Lock()
        self._authorizations: dict[str, str] = {}
        if proxy := self._unusable_proxy():
            raise RegistryError(
                f"{self.server} cannot be asked while the environment has the proxy {proxy}",
                "write it with http://, https://, socks5:// or socks5h:// in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
            )
        self._ca = mirror.ca if mirror else ca
        verify = trusted(self._ca, host)
        self._http = httpx.Client(
            timeout=timeout, follow_redirects=True, trust_env=False, transport=transport(verify), verify=verify
        )
        # Harbor begins a session with each answer, and takes a push within one for that of a browser, which it refuses
        # without a CSRF token (src/server/middleware/csrf). Clients of registries keep no cookies.
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _unusable_proxy(self) -> str:
        try:
            return unusable(self.root)
        except ValueError as broken:
            raise RegistryError(
                f"{self.server} cannot be asked, since that is no address: {broken}", "correct the port behind the host"
            ) from broken

    @property
    def has_login(self) -> bool:
        """Whether it has one for a registry that asks for it."""
        return self._credentials is not None

    @property
    def _is_mirror(self) -> bool:
        return self._mirror is not None and self.root != api_root(address_of(None, self.host))

    @property
    def server(self) -> str:
        """The server's name for messages: `ghcr.io`, or `the mirror http://127.0.0.1:5000 of ghcr.io`."""
        if not self._is_mirror:
            return self.host
        return f"the mirror {self.root.removesuffix('/v2')} of {self.host}"

    def answered(self, response: httpx.Response, asked_for: str, hint: str = "", *, server: str = "") -> RegistryError:
        """The error for an unexpected response, with the way out for this login where it is about that."""
        error = answered(server or self._answering(response), self.host, response, asked_for, hint)
        asking = Asking(
            host=self.host,
            mirror=urlsplit(self.root).netloc if self._is_mirror else "",
            login=self._credentials,
            no_login=self.no_login,
            token_server=bool(server),
        )
        return RegistryError(error.message, step_after(response, error, asking), status=error.status)

    def _answering(self, response: httpx.Response, asked: str = "") -> str:
        """Who gave an answer, for messages: registries lead to other hosts, for content above all."""
        netloc, history = response.url.netloc.decode(), response.history
        if not history or netloc == history[0].url.netloc.decode():
            return asked or self.server
        return f"{netloc}, to which {asked or self.server} redirects,"

    def led_to(self, base: str, target: str) -> str:
        """Where a registry points to, from an address on. Raises RegistryError for what is no address."""
        try:
            address = urljoin(base, target)
            httpx.URL(address)
        except (ValueError, httpx.InvalidURL) as broken:
            raise RegistryError(
                f"{self.server} points to {target[:200]!r}, which is no address: {broken}",
                pull_messages.next_step(pull_messages.REGISTRY_ANSWER, self.host),
            ) from broken
        return address

    def _send(self, method: str, url: str, reference: ImageReference) -> httpx.Response:
        for attempt in range(1, self._attempts + 1):
            try:
                response = self._send_authorized(method, url, reference)
            except RegistryError as error:
                if attempt == self._attempts or not _has_passed(error):
                    raise
                pause(_backoff(attempt), what=f"{self.server} to answer again")
                continue
            seconds = _pause_before_next(response, attempt)
            if seconds is None or attempt == self._attempts:
                break
            pause(seconds, what=f"{self.server} to accept requests again")
        return response

    def _send_authorized(self, method: str, url: str, reference: ImageReference) -> httpx.Response:
        scope = self._scope(reference.repository)
        authorization = self._authorization(scope) if self.is_own(url) else None
        response = self._once(method, url, authorization)
        asked: set[bytes] = set()
        while granted := self._granted(response, scope, authorization, asked):
            refusal, authorization = response, granted
            response = self._once(method, str(refusal.url), granted)
            response.history = [*refusal.history, *response.history]
        return response

    def _granted(self, answer: httpx.Response, scope: str, tried: str | None, asked: set[bytes]) -> str:
        """The header to ask again with at the address that answered with a challenge; empty where that is none.

        `asked` has the servers that challenged this request already, each of which is heard once.
        """
        server = answer.url.netloc
        if answer.status_code != HTTPStatus.UNAUTHORIZED or server in asked or len(asked) == _SERVERS:
            return ""
        asked.add(server)
        if self.is_own(str(answer.url)):
            return self._renewed(answer, scope, tried)
        return self._of_another(answer, scope)

    def _scope(self, repository: str) -> str:
        return f"repository:{repository}:{self.actions}"

    def _authorization(self, scope: str) -> str | None:
        """The Authorization header for a first request within this scope; None if no token was requested yet."""
        with self._lock:
            return self._authorizations.get(scope)

    def _renewed(self, refusal: httpx.Response, scope: str, tried: str | None) -> str:
        """The header to try after a challenge, cached for later requests; empty when there is no other than `tried`."""
        granted = self._authorize(refusal, scope)
        if not granted or granted == tried:
            return ""
        with self._lock:
            self._authorizations[scope] = granted
        return granted

    def _once(self, method: str, url: str, authorization: str | None) -> httpx.Response:
        headers = _ACCEPT | ({"Authorization": authorization} if authorization else {})
        return self._answer_to(self._http.build_request(method, url, headers=headers), self.server)

    def _answer_to(
        self, request: httpx.Request, who: str, *, follow: bool = True, body: Body | bytes = b""
    ) -> httpx.Response:
        """The whole answer to a request with this content. Raises RegistryError, which names `who` was asked."""
        try:
            response = self._begun(request, follow=follow, body=body)
            try:
                return self._whole(response, who)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self.lost(error, who) from error

    def _begun(self, request: httpx.Request, *, follow: bool = True, body: Body | bytes = b"") -> httpx.Response:
        """The response to a request, whose content is to be read. Raises httpx.HTTPError."""
        seconds = ANSWER_SECONDS if body else _PATIENCE * self._timeout
        send = partial(self._http.send, request, stream=True, follow_redirects=follow)
        return begun(send, request, seconds=seconds, body=body)

    def lost(self, error: httpx.HTTPError, who: str = "") -> RegistryError:
        """The error for a server that did not answer, or not to the end; `who` was asked, if it was not this one."""
        return unreachable(who or self.server, self.host, error, None if who not in ("", self.server) else self._ca)

    def _whole(self, response: httpx.Response, who: str) -> httpx.Response:
        return whole(response, self._answering(response, who), self.host, seconds=_PATIENCE * self._timeout)

    def _authorize(self, refusal: httpx.Response, scope: str) -> str:
        """The Authorization header that a challenge asks for; empty without credentials for it.

        Also for a challenge by another server, to which the registry points: it has no say about the login.
        """
        schemes = challenges(refusal) if self.is_own(str(refusal.url)) else {}
        asked = schemes.get("bearer", {})
        if not asked.get("realm"):
            if "bearer" not in schemes or "basic" in schemes:
                known = self._credentials if "basic" in schemes else None
                return known.basic().get_secret_value() if known and known.has_password else ""
            raise RegistryError(
                f"{self.server} wants a token and does not say where to get it: its challenge has no realm",
                pull_messages.next_step(pull_messages.REGISTRY_ANSWER, self.host),
            )
        if self._credentials and self._credentials.registry_token.get_secret_value():
            return f"Bearer {self._credentials.registry_token.get_secret_value()}"
        realm = self.led_to(self.root, asked["realm"])
        scopes = self._scopes_asked(asked.get("scope", ""), scope)
        return self._token(realm, asked.get("service", ""), scopes, self.server, self._credentials)

    def _of_another(self, challenge: httpx.Response, scope: str) -> str:
        """The header that another server wants, to which the registry led: with a token that anybody gets there.

        So do nodes (containerd 2.2.9, core/remotes/docker/resolver.go: CheckRedirect), who pull by a name of somebody's
        own that leads to a public registry.
        """
        asked = challenges(challenge).get("bearer", {})
        if not asked.get("realm"):
            return ""
        realm = self.led_to(str(challenge.url), asked["realm"])
        there = challenge.url.netloc.decode()
        who = f"{self.server} redirects to {there}, and that"
        try:
            return self._token(realm, asked.get("service", ""), [asked.get("scope") or scope], who, None)
        except RegistryError as refused:
            if refused.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise
            step = at_another_server(there, self.host if self._is_mirror else "")
            raise RegistryError(refused.message, step, status=refused.status) from refused

    def _token(self, realm: str, service: str, scopes: Sequence[str], who: str, login: Credentials | None) -> str:
        """The header with a token that the token server of `who` gives. Raises RegistryError."""
        token_server = f"{who}'s token server {urlsplit(realm).netloc}"
        for attempt in range(1, self._attempts + 1):
            response = self._fetch_token(realm, service, scopes, token_server, login)
            # That it fails, whoever asks for the token tries again.
            seconds = _pause_before_next(response, attempt) if response.status_code == 429 else None
            if seconds is None or attempt == self._attempts:
                break
            pause(seconds, what=f"{self.server}'s token server to accept requests again")
        return f"Bearer {self._token_in(response, token_server, ' '.join(scopes))}"

    def _token_in(self, response: httpx.Response, who: str, scope: str) -> str:
        """The token that a token server answered with. Raises RegistryError, as a node fails without one."""
        if response.status_code != 200:
            raise of_token_server(self.answered(response, scope, server=who), self.host, response)
        answer = json_of(response, who, self.host)
        token = answer.get("token") or answer.get("access_token")
        # It becomes a header, and what is none there is no token.
        if isinstance(token, str) and token.isascii() and token.isprintable():
            return token
        raise RegistryError(
            f"{who} answered 200 without a token (`token` or `access_token`) that can be sent"
            + (f": {said}" if (said := error_in(answer)) else ""),
            pull_messages.next_step(pull_messages.REGISTRY_ANSWER, self.host),
        )

    def _scopes_asked(self, challenge: str, scope: str) -> Sequence[str]:
        """The scopes to ask for, as nodes do: a registry may have the repository below a project that only it knows."""
        name = repository_in(challenge, scope)
        if not name:
            return [scope]
        there = self._scope(name)
        return [there] if self._is_mirror else sorted({scope, there})

    def _fetch_token(
        self, realm: str, service: str, scopes: Sequence[str], who: str, login: Credentials | None
    ) -> httpx.Response:
        """Docker's token protocol (distribution docs, spec/auth/token and spec/auth/oauth)."""
        if login:
            self._require_trusted(realm)
        named = {"service": service} if service else {}
        identity = login.identity_token.get_secret_value() if login else ""
        if identity:
            form = {
                **named,
                "scope": " ".join(scopes),
                "grant_type": "refresh_token",
                "refresh_token": identity,
                "client_id": "harness",
            }
            # Where a token server redirects to, a form would be sent as well, with the token in it.
            return self._answer_to(self._http.build_request("POST", realm, data=form), who, follow=False)
        headers = {"Authorization": login.basic().get_secret_value()} if login else {}
        # A realm may have a query of its own.
        address = httpx.URL(realm).copy_merge_params({**named, "scope": list(scopes)})
        return self._answer_to(self._http.build_request("GET", address, headers=headers), who)

    def is_own(self, url: str) -> bool:
        """Whether an address is of this server itself, so that its login may be sent there: never from https to http.

        A registry can name others, to go on with an upload or a list, as containerd goes on there without a login
        (2.2.9, core/remotes/docker/pusher.go).
        """
        own, asked = httpx.URL(self.root), httpx.URL(url)
        if own.host != asked.host:
            return False
        upgraded = (own.scheme, asked.scheme) == ("http", "https")
        return upgraded or (own.scheme, own.port) == (asked.scheme, asked.port)

    def _require_trusted(self, realm: str) -> None:
        """Raise SettingsError rather than send the login to where the registry, or whoever answers for it, points.

        Never from https to http. A mirror's goes to no other host than the mirror's own and those of its row.
        """
        own, asked = urlsplit(self.root), urlsplit(realm)
        if own.scheme == "https" and asked.scheme != "https":
            raise SettingsError(
                f"{self.server} wants the login at {realm}, without encryption; it was not sent",
                "have the registry's operator correct its realm; until then leave out the login",
            )
        known = (own.hostname, *(self._mirror.token_servers if self._mirror else ()))
        if self._mirror and asked.hostname not in known and asked.netloc.lower() not in known:
            raise SettingsError(
                f"{self.server} wants the login at {realm}, another host; it was not sent",
                f'if that is its token server, add token_servers = ["{asked.netloc}"] to the mirror\'s row',
            )


def address_of(mirror: Mirror | None, host: str) -> str:
    """The server that answers for a registry host: its mirror's for this machine, or the public one's."""
    if mirror:
        return mirror.reachable_url
    if host == DOCKER_HUB:
        return "https://registry-1.docker.io"
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    return f"{'http' if is_loopback(name) else 'https'}://{host}"


def _pause_before_next(response: httpx.Response, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None when a retry makes no sense."""
    status = response.status_code
    if status != 429 and (status < 500 or status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED):
        return None
    asked = retry_after(response)
    seconds = _backoff(attempt) if asked is None else asked
    return seconds if seconds <= _LONGEST_PAUSE else None


def _backoff(attempt: int) -> float:
    """Seconds after a failed attempt, where the registry does not name them."""
    return float(0.5 * 2 ** (attempt - 1))


def _has_passed(error: RegistryError) -> bool:
    """Whether another attempt may well succeed: the connection broke, or the token server failed."""
    cause = error.__cause__
    lost = isinstance(cause, httpx.NetworkError | httpx.RemoteProtocolError)
    return error.status >= 500 or (lost and not isinstance(cause, httpx.ConnectError))
