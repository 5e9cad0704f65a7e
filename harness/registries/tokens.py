# SPDX-License-Identifier: Apache-2.0
"""Tokens of a local registry: personal access tokens, and the short-lived tokens that clients get in exchange.

A token is kept in memory and, on request, in a file of mode 0600. It never appears in a repr, a log or argv.
"""

from __future__ import annotations

import fnmatch
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from harness.errors import UsageError
from harness.images.credentials import write_secret
from harness.late import jwt

Right = Literal["pull", "push", "delete"]
"""What a request does, in terms of the token service's scopes."""

PackageScope = Literal["read:packages", "write:packages", "delete:packages"]

SCOPES: tuple[PackageScope, ...] = get_args(PackageScope)

# As GitHub's settings page ticks them: who may write may read. Deleting is a right of its own.
_RIGHTS: Mapping[PackageScope, frozenset[Right]] = {
    "read:packages": frozenset({"pull"}),
    "write:packages": frozenset({"pull", "push"}),
    "delete:packages": frozenset({"delete"}),
}
_USER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Grants = Mapping[str, frozenset[Right]]
"""Repository → allowed actions."""


@dataclass(frozen=True, kw_only=True)
class PersonalToken:
    """A personal access token. `expires` is in seconds since the epoch; `packages` are globs of repositories.

    Without `creates` it may push to packages that there are, and create none.
    """

    user: str
    secret: str = field(repr=False)
    scopes: frozenset[PackageScope]
    packages: tuple[str, ...] = ("*",)
    expires: float | None = None
    revoked: bool = False
    creates: bool = True

    def allows(self, right: Right) -> bool:
        """Whether its scopes cover this right."""
        return any(right in _RIGHTS[scope] for scope in self.scopes)

    def reaches(self, package: str) -> bool:
        """Whether its owner has access to this package at all."""
        return any(fnmatch.fnmatchcase(package, glob) for glob in self.packages)

    def usable(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return not self.revoked and (self.expires is None or now < self.expires)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a token of the token service stands for: a user (empty: anonymous) and the granted scopes."""

    user: str
    grants: Grants


class Accounts:
    """The personal access tokens of a registry, one per user; safe to use from several threads.

    They start with `prefix`, so that redaction and secret scanners recognize them.
    """

    def __init__(self, prefix: str, *, clock: Callable[[], float] = time.time) -> None:
        self._prefix = prefix
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, PersonalToken] = {}

    def issue(
        self,
        user: str,
        scopes: Sequence[str],
        *,
        seconds: float | None = None,
        packages: Sequence[str] = ("*",),
        creates: bool = True,
        secret: str = "",
    ) -> PersonalToken:
        """Give a user a new token, in place of an old one; `seconds` until it expires, 0 or less: it has already.

        Raises UsageError for an invalid name or scope.
        """
        if not _USER.fullmatch(user):
            raise UsageError(f"{user!r} is not a valid user name", "use letters, digits, '.', '_' and '-'")
        token = PersonalToken(
            user=user,
            secret=secret or self._prefix + "".join(secrets.choice(_ALPHABET) for _ in range(36)),
            scopes=frozenset(_scope(it) for it in scopes),
            packages=tuple(packages),
            creates=creates,
            expires=None if seconds is None else self._clock() + seconds,
        )
        with self._lock:
            self._tokens[user] = token
        return token

    def revoke(self, user: str) -> None:
        """Revoke a user's token immediately. Raises UsageError when the user has none."""
        with self._lock:
            self._tokens[user] = replace(self._known(user), revoked=True)

    def expire(self, user: str) -> None:
        """Let a user's token expire now. Raises UsageError when the user has none."""
        with self._lock:
            self._tokens[user] = replace(self._known(user), expires=self._clock())

    def of(self, user: str) -> PersonalToken:
        """The token of a user, usable or not. Raises UsageError when the user has none."""
        with self._lock:
            return self._known(user)

    def current(self, user: str) -> PersonalToken | None:
        """The usable token of a user."""
        with self._lock:
            token = self._tokens.get(user)
        return token if token and token.usable(self._clock()) else None

    def find(self, user: str, secret: str, *, checks_user: bool) -> PersonalToken | None:
        """The usable token with this secret. Without `checks_user` it is found whatever the user name is."""
        with self._lock:
            tokens = list(self._tokens.values())
        for token in tokens:
            same = hmac.compare_digest(token.secret.encode(), secret.encode())
            if same and (not checks_user or token.user == user):
                return token if token.usable(self._clock()) else None
        return None

    @property
    def users(self) -> tuple[str, ...]:
        """The users that have a token, sorted."""
        with self._lock:
            return tuple(sorted(self._tokens))

    @property
    def secrets(self) -> list[str]:
        """All tokens, for redaction."""
        with self._lock:
            return [token.secret for token in self._tokens.values()]

    def write(self, folder: Path) -> dict[str, Path]:
        """Write each user's token to `<folder>/<user>` (mode 0600, no line end) and return the files by user."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {user: write_secret(folder / user, self.of(user).secret) for user in self.users}

    def _known(self, user: str) -> PersonalToken:
        if user not in self._tokens:
            known = ", ".join(sorted(self._tokens)) or "none"
            raise UsageError(f"{user!r} has no token", f"users with a token: {known}")
        return self._tokens[user]


class Issuer:
    """Issues and verifies the short-lived tokens of a token service.

    `opaque` tokens are looked up here; `jwt` tokens hold what was granted, signed with a key that only this object has.
    """

    def __init__(
        self, form: Literal["opaque", "jwt"], service: str, seconds: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.seconds = seconds
        self._form = form
        self._service = service
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._opaque: dict[str, tuple[float, Access]] = {}

    def issue(self, access: Access) -> str:
        """A new token, good for `seconds`."""
        now = self._clock()
        if self._form == "opaque":
            token = secrets.token_urlsafe(48)
            with self._lock:
                self._opaque = {key: it for key, it in self._opaque.items() if it[0] > now}
                self._opaque[token] = (now + self.seconds, access)
            return token
        claims = {
            "iss": "spark-operator-harness",
            "sub": access.user,
            "aud": self._service,
            "iat": int(now),
            "exp": int(now + self.seconds),
            "access": [
                {"type": "repository", "name": name, "actions": sorted(rights)}
                for name, rights in access.grants.items()
            ],
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str) -> Access | None:
        """What a token stands for; None when it was not issued here or has expired."""
        now = self._clock()
        if self._form == "opaque":
            with self._lock:
                expires, access = self._opaque.get(token, (0.0, None))
            return access if now < expires else None
        try:
            # Whether it has expired is a question to our own clock, which tests set.
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=self._service,
                options={"verify_exp": False, "verify_iat": False},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return None
        if now >= claims["exp"]:
            return None
        return Access(user=claims["sub"], grants={it["name"]: frozenset(it["actions"]) for it in claims["access"]})


def _scope(text: str) -> PackageScope:
    for scope in SCOPES:
        if text == scope:
            return scope
    raise UsageError(f"unknown scope {text!r}", f"the scopes are: {', '.join(SCOPES)}")
