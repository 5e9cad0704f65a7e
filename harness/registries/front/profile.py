# SPDX-License-Identifier: Apache-2.0
"""Profiles: how public registries respond, read from clusters/registries.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import UsageError
from harness.matrix.own_rows import NONE, REGISTRIES, OwnRows
from harness.settings import PROJECT_ROOT
from harness.toml_merge import Named
from harness.toml_source import TomlSource
from harness.wording import did_you_mean, nearest

PROFILES_FILE = PROJECT_ROOT / "clusters" / "registries.toml"

Visibility = Literal["private", "public"]

Case = Literal[
    "no-credentials",
    "wrong-credentials",
    "anonymous-denied",
    "scope-missing",
    "package-denied",
    "creation-denied",
    "token-ended",
    "delete-unsupported",
    "limit-anonymous",
    "limit-user",
]
"""Why a request is refused. `token-ended`: the registry's token, or the personal one behind it, is no longer valid.
`creation-denied`: the package does not exist, and this token may not create one."""


class Answer(BaseModel):
    """How a registry refuses; the keys are explained in clusters/registries.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Literal["token", "registry"]
    status: int = Field(ge=400, le=599)
    code: str = ""
    message: str
    error: str = ""
    shape: Literal["errors", "details"] = "errors"


class Limits(BaseModel):
    """Pulls within `window` seconds: by one address without a login, by one user with a login."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anonymous: int = Field(ge=0)
    user: int = Field(ge=0)
    window: int = Field(ge=1)


class Profile(BaseModel):
    """One table of clusters/registries.toml; the keys are explained there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    names: tuple[str, ...]
    service: str
    bearer_form: Literal["opaque", "jwt"]
    token_seconds: int = Field(ge=1)
    personal_prefix: str
    token_post: bool
    checks_user: bool
    new_packages: Visibility
    hides_missing: bool
    deletes: bool
    token_host: str = ""
    blob_host: str = ""
    limits: Limits | None = None
    answers: Mapping[Case, Answer]

    @model_validator(mode="after")
    def _complete(self) -> Profile:
        needed = set(get_args(Case)) - {"creation-denied"}
        if not self.limits:
            needed -= {"limit-anonymous", "limit-user"}
        if self.deletes:
            needed -= {"delete-unsupported"}
        if missing := sorted(needed - set(self.answers)):
            raise ValueError(f"answers are missing for {', '.join(missing)}")
        return self

    def with_limits(self, limits: Limits | None) -> Profile:
        """The same registry with other pull limits. Raises UsageError for one that has none."""
        if limits is not None and "limit-user" not in self.answers:
            raise UsageError(f"{self.host} has no pull limits", "use the profile docker.io")
        return self.model_copy(update={"limits": limits})


def profiles(file: Path = PROFILES_FILE, own: OwnRows = NONE) -> dict[str, Profile]:
    """All profiles by registry host, with a user's `own`. Raises CatalogueError with file, line and key."""
    found = TomlSource.read(file).tables(Profile, "host")
    for source in own.files.get(REGISTRIES, ()):
        added = Named(file=source.file, text=source.text)
        added.check_names(found)
        found |= added.tables(Profile, "host")
    return found


def profile(host: str, own: OwnRows = NONE) -> Profile:
    """The profile of one registry host. Raises UsageError with the names that there are."""
    known = profiles(own=own)
    if host not in known:
        hint = did_you_mean(nearest(host, known, 0.5))
        raise UsageError(f"unknown profile {host!r}{hint}", f"the profiles are: {', '.join(sorted(known))}")
    return known[host]
