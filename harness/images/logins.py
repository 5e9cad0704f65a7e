# SPDX-License-Identifier: Apache-2.0
"""The login of this machine for a registry host, wherever its user keeps it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, SecretStr

from harness.errors import CommandError
from harness.home import expanded
from harness.images import login, login_stores
from harness.images.credentials import Credentials

GHCR = "ghcr.io"
_NO_ROWS: Mapping[str, TokenFile] = MappingProxyType({})


class TokenFile(BaseModel):
    """A row of `[logins."ghcr.io"]` in harness.toml: a user and a file, only for its owner, with the token in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = ""
    token_file: Path


@dataclass(frozen=True, kw_only=True)
class Login:
    """Credentials, and where they were found, for messages."""

    credentials: Credentials
    origin: str


def find(host: str, rows: Mapping[str, TokenFile] = _NO_ROWS, repository: str = "") -> Login | None:
    """The login for a repository of a registry host, or for the host as a whole: of its row in harness.toml, else what
    DOCKER_AUTH_CONFIG, `docker login`, a credential helper or `podman login` has, else for ghcr.io the GITHUB_TOKEN of
    a workflow; None where there is none.

    Raises SettingsError for a token file that others can read or a broken configuration, CommandError for a helper that
    fails.
    """
    row = rows.get(host)
    if row is not None:
        return _login(login.from_file(expanded(row.token_file), row.username), str(row.token_file))
    try:
        stored = login_stores.find(host, repository)
    except CommandError:
        # A helper that fails keeps no later place from being read.
        if of_workflow := _of_workflow(host):
            return of_workflow
        raise
    return _login(*stored) if stored else _of_workflow(host)


def _login(found: Credentials, origin: str) -> Login:
    return Login(credentials=found.model_copy(update={"origin": origin}), origin=origin)


def namespace(host: str, rows: Mapping[str, TokenFile], repository: str) -> str:
    """The part of a repository that has a login of its own (`acme/team`); empty where that of the host counts."""
    return "" if host in rows else login_stores.namespace(host, repository)


def credentials(host: str, rows: Mapping[str, TokenFile] = _NO_ROWS, repository: str = "") -> Credentials | None:
    """The same without its origin."""
    found = find(host, rows, repository)
    return found.credentials if found else None


def for_pulls(
    host: str, rows: Mapping[str, TokenFile] = _NO_ROWS, repository: str = ""
) -> tuple[Credentials | None, str]:
    """The same where a credential helper that fails is one that knows nothing, and why there is no login where there
    seems to be one: the helper failed, or a variable names what is not there.

    `docker pull` goes on without a login then (docker/cli, cli/command/registry.go, ResolveAuthConfig), and what is
    public needs none: docker-credential-secretservice fails on each server without a desktop.
    """
    try:
        found = credentials(host, rows, repository)
    except CommandError as failed:
        return None, failed.message
    return found, "" if found else login_stores.named_in_vain()


def _of_workflow(host: str) -> Login | None:
    """GITHUB_TOKEN, which a step of GitHub Actions has only where its workflow says so."""
    if host != GHCR or os.environ.get("GITHUB_ACTIONS") != "true":
        return None
    token = login.token_in(os.environ.get("GITHUB_TOKEN", ""), "GITHUB_TOKEN")
    if not token:
        return None
    user = os.environ.get("GITHUB_ACTOR") or "token"
    return _login(Credentials(username=user, password=SecretStr(token)), "GITHUB_TOKEN")
