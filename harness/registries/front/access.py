# SPDX-License-Identifier: Apache-2.0
"""Access control for packages: pure decisions, with the registry's profile as data."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from harness.registries.front.faults import Target
from harness.registries.front.profile import Case, Profile, Visibility
from harness.registries.tokens import PersonalToken, Right

_ROUTE = re.compile(
    r"/v2/(?P<name>[^?]+?)/(?:(?P<kind>manifests|blobs|referrers)/(?P<rest>[^/]+)|(?P<tags>tags/list)"
    r"|(?P<uploads>blobs/uploads)/?(?P<upload>.*))"
)
_RIGHTS: Mapping[str, Right] = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
_KNOWN_RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "pull": ("pull",),
    "push": ("push",),
    "delete": ("delete",),
    "*": ("pull", "push", "delete"),
}
_SPOKEN: Mapping[Right, str] = {"pull": "read", "push": "write", "delete": "delete"}


@dataclass(frozen=True, kw_only=True)
class Route:
    """The target of a request. `repository` is empty for `/v2/` and for the token service."""

    target: Target
    repository: str = ""
    reference: str = ""

    def right(self, method: str) -> Right:
        """The right that this request needs."""
        if self.target == "uploads":
            # Asking for an upload, cancelling it: parts of a push.
            return "push"
        return _RIGHTS.get(method, "push")

    def is_pull(self, method: str) -> bool:
        """Whether Docker Hub counts it: the GET of a manifest."""
        return method == "GET" and self.target == "manifests"


def route(path: str) -> Route | None:
    """The route of a path of the distribution API; None for other paths."""
    if path in ("/v2", "/v2/"):
        return Route(target="base")
    found = _ROUTE.fullmatch(path)
    if found is None:
        return None
    if found["uploads"] is not None:
        return Route(target="uploads", repository=found["name"], reference=found["upload"])
    if found["tags"]:
        return Route(target="tags", repository=found["name"])
    if found["kind"] == "referrers":
        return Route(target="tags", repository=found["name"], reference=found["rest"])
    target: Target = "manifests" if found["kind"] == "manifests" else "blobs"
    return Route(target=target, repository=found["name"], reference=found["rest"])


def is_name(repository: str) -> bool:
    """Whether this can be the name of a repository: a path without segments that lead elsewhere."""
    return all(segment not in ("", ".", "..") for segment in unquote(repository).split("/"))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A scope that a client requests from the token service: `repository:NAME:pull,push`."""

    repository: str
    rights: tuple[Right, ...]


def wanted(scopes: Sequence[str]) -> list[Wanted]:
    """The repositories of `scope` parameters, each of which may hold several; other types are ignored."""
    found = []
    for word in (word for scope in scopes for word in scope.split()):
        kind, _, rest = word.partition(":")
        # A name may hold a port: what was behind the last colon are the actions.
        name, _, actions = rest.rpartition(":")
        if kind.partition("(")[0] == "repository" and name:
            rights = [right for action in actions.split(",") for right in _KNOWN_RIGHTS.get(action, ())]
            found.append(Wanted(repository=name, rights=tuple(dict.fromkeys(rights))))
    return found


def judge(
    profile: Profile, caller: PersonalToken | None, right: Right, package: str, visibility: Visibility, *, exists: bool
) -> Case | None:
    """Why a caller (None: anonymous) may not do this with a package; None when it is allowed.

    `visibility` is that of the package, or what it will be after its first push.
    """
    if caller is None:
        return None if right == "pull" and visibility == "public" and exists else "anonymous-denied"
    if not (caller.allows(right) or (right == "pull" and visibility == "public")):
        return "scope-missing"
    if not caller.reaches(package) and not (right == "pull" and visibility == "public"):
        return "package-denied"
    if right == "push" and not exists and not caller.creates and "creation-denied" in profile.answers:
        return "creation-denied"
    # Who may push there finds out by looking what is there already.
    if not exists and profile.hides_missing and right != "push" and not caller.allows("push"):
        return "package-denied"
    return None


def visibility_of(packages: Mapping[str, Visibility], package: str, otherwise: Visibility) -> Visibility:
    """The visibility of a package: by its name in `packages`, else by the first matching glob, else `otherwise`."""
    if package in packages:
        return packages[package]
    return next((seen for glob, seen in packages.items() if fnmatch.fnmatchcase(package, glob)), otherwise)


def spoken(message: str, right: Right) -> str:
    """A refusal with the right filled in, in GitHub's terms: read, write, delete."""
    return message.replace("{right}", _SPOKEN[right])


def basic(header: str) -> tuple[str, str] | None:
    """User and password of an `Authorization: Basic …` header; None when it is not one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def bearer(header: str) -> str:
    """The token of an `Authorization: Bearer …` header; empty when it is not one."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
