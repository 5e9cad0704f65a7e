# SPDX-License-Identifier: Apache-2.0
"""Authentication and authorization: the registry's challenge, its token service, access rights."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.registries.front.access import Route, basic, bearer, judge, spoken, visibility_of, wanted
from harness.registries.front.profile import Answer, Case, Profile, Visibility
from harness.registries.tokens import Access, Accounts, Grants, Issuer, PersonalToken, Right


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The sender of a request. `grants` come from a token of the token service; None for user name and password."""

    token: PersonalToken | None = None
    grants: Grants | None = None

    @property
    def user(self) -> str:
        """The owner of the token, empty for anonymous."""
        return self.token.user if self.token else ""


NOBODY = Caller(grants={})
"""The anonymous caller."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error response, ready to be sent."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Authorizer:
    """Authenticates and authorizes as a registry's profile says. `exists` tells whether a repository exists."""

    def __init__(
        self,
        profile: Profile,
        accounts: Accounts,
        packages: dict[str, Visibility],
        exists: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.profile = profile
        self.accounts = accounts
        self.packages = packages
        self._issuer = Issuer(profile.bearer_form, profile.service, profile.token_seconds)
        self._exists = exists

    def caller(self, authorization: str) -> Caller | Case:
        """The sender of this Authorization header, or why it is refused."""
        if not authorization:
            return "no-credentials"
        given = basic(authorization)
        if given:
            # Neither registry documents this. A node's hosts.toml can only send a fixed header, though, and a mirror
            # must take what a mirror map says.
            token = self.accounts.find(*given, checks_user=self.profile.checks_user)
            return Caller(token=token) if token else "token-ended"
        access = self._issuer.read(bearer(authorization))
        if access is None:
            return "token-ended"
        if not access.user:
            return Caller(grants=access.grants)
        holder = self.accounts.current(access.user)
        if holder is None and self.profile.bearer_form == "opaque":
            return "token-ended"
        return Caller(token=holder or self.accounts.of(access.user), grants=access.grants)

    async def refuses(self, caller: Caller, right: Right, repository: str) -> Case | None:
        """Why the registry does not let a caller do this."""
        granted = caller.grants is not None and right in caller.grants.get(repository, ())
        if self.profile.bearer_form == "jwt" and granted:
            return None
        case = await self._judge(caller.token, right, repository)
        if case is None and caller.grants is not None and not granted:
            # It would be given a token for this, but has brought another. An opaque one of a user is good for all.
            narrow = self.profile.bearer_form == "jwt" or caller.token is None
            return "no-credentials" if narrow else None
        return case

    async def token_for(
        self, credentials: tuple[str, str] | None, scopes: Sequence[str]
    ) -> tuple[Caller, bytes] | tuple[Caller, Refusal]:
        """The response of the token service: JSON text with the token, or a refusal."""
        token = None
        if credentials is not None:
            token = self.accounts.find(*credentials, checks_user=self.profile.checks_user)
            if token is None:
                return NOBODY, self.refusal("wrong-credentials")
        caller = Caller(token=token, grants={})
        grants: dict[str, frozenset[Right]] = {}
        for it in wanted(scopes):
            allowed: set[Right] = set()
            for right in it.rights:
                case = await self._judge(token, right, it.repository)
                if case is None:
                    allowed.add(right)
                elif self.profile.answers[case].at == "token":
                    return caller, self.refusal(case, right=right)
            grants[it.repository] = frozenset(allowed) | grants.get(it.repository, frozenset())
        secret = self._issuer.issue(Access(user=caller.user, grants=grants))
        answer = {
            "token": secret,
            "access_token": secret,
            "expires_in": self._issuer.seconds,
            "issued_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        return caller, json.dumps(answer).encode()

    def refusal(
        self,
        case: Case,
        *,
        host: str = "",
        route: Route | None = None,
        right: Right = "pull",
        headers: Mapping[str, str] | None = None,
    ) -> Refusal:
        """The response for a case; with `host`, the requested address, a 401 of the registry includes the challenge."""
        answer = self.profile.answers[case]
        told = dict(headers or {})
        if host and answer.status == 401:
            told["WWW-Authenticate"] = self._challenge(host, route, right, answer.error)
        return Refusal(status=answer.status, body=_body(answer, route, right), headers=told)

    def _challenge(self, host: str, route: Route | None, right: Right, error: str) -> str:
        by_name = host in self.profile.names and self.profile.token_host
        parts = {"realm": f"https://{by_name or host}/token", "service": self.profile.service}
        if route and route.repository:
            actions = "pull,push" if right == "push" else right
            parts["scope"] = f"repository:{route.repository}:{actions}"
        if error:
            parts["error"] = error
        return "Bearer " + ",".join(f'{key}="{value}"' for key, value in parts.items())

    async def _judge(self, token: PersonalToken | None, right: Right, repository: str) -> Case | None:
        seen = visibility_of(self.packages, repository, self.profile.new_packages)
        return judge(self.profile, token, right, repository, seen, exists=await self._exists(repository))


def error_body(code: str, message: str, detail: object = None) -> bytes:
    """An error in the format of the distribution specification."""
    error: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return json.dumps({"errors": [error]}).encode()


def _body(answer: Answer, route: Route | None, right: Right) -> bytes:
    message = spoken(answer.message, right)
    if answer.shape == "details":
        return json.dumps({"details": message}).encode()
    detail = None
    if answer.status == 401 and route and route.repository:
        detail = [{"Type": "repository", "Class": "", "Name": route.repository, "Action": right}]
    return error_body(answer.code, message, detail)
