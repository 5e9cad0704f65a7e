# SPDX-License-Identifier: Apache-2.0
"""Names as typed by users: globs, exclusions, and suggestions for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from harness.errors import UsageError
from harness.wording import counted, did_you_mean

_GLOB = frozenset("*?[")
_MOST_LISTED = 30
_FEW, _SHORT = 6, 2

NOT = "!"
"""Prefix of a name or glob to exclude."""


def refuse_empty_exclusions(given: Mapping[str, Sequence[str]]) -> None:
    """Raise UsageError for a `!` alone among the names of an option."""
    for option, names in given.items():
        if any(it.strip() == NOT for it in names):
            raise UsageError(
                f"{option} '{NOT}' excludes nothing", f"write what to exclude behind it: {option} '{NOT}NAME'"
            )


def is_glob(name: str) -> bool:
    """Whether the name has a wildcard in it."""
    return not _GLOB.isdisjoint(name)


def unknown(what: str, name: str, known: Iterable[str], several: str = "") -> UsageError:
    """The error for an unknown name, with suggestions and the whole list. `several` is more than one of `what`."""
    names = list(known)
    parts = [it.strip() for it in name.split(",")]
    if len(parts) > 1 and set(parts) <= set(names):
        return UsageError(
            f"there is no {what} named {name!r}: these are {counted(len(parts), what, several)}",
            "give the option once for each of them",
        )
    meant = did_you_mean(" or ".join(_meant(name, names)))
    return UsageError(f"there is no {what} named {name!r}{meant}", f"the {several or f'{what}s'} are: {_listed(names)}")


def _meant(name: str, known: Sequence[str]) -> list[str]:
    """At most three names that this may have been meant for: those that it begins, else near ones, else those that it
    is a part of.
    """
    plain = name.lower().replace("_", "-")
    begun = [it for it in known if it.startswith((f"{plain}.", f"{plain}-"))]
    if 0 < len(begun) <= _FEW:
        return begun[:-4:-1]
    near = difflib.get_close_matches(plain, known, n=3, cutoff=0.6)
    part = plain.rstrip("s")
    return near or [it for it in known if len(part) > _SHORT and part in it][:3]


def covers(patterns: Sequence[str], name: str) -> bool:
    """Whether names and globs match this name; `!pattern` excludes, on its own from everything."""
    return _covers(tuple(patterns), name)


@lru_cache(maxsize=100_000)
def _covers(patterns: tuple[str, ...], name: str) -> bool:
    # Asked a million times for a few thousand pairs, since cells are a product.
    wanted, unwanted = _apart(patterns)
    return _any(wanted, name) and not any(fnmatchcase(name, pattern) for pattern in unwanted)


def matching(what: str, patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known names that the patterns match, in the order of `known`.

    Names and globs add up; `!pattern` excludes, on its own from everything. Raises UsageError for a name
    that is unknown, for a glob that matches nothing, and when nothing is left.
    """
    wanted, unwanted = _apart(patterns)
    for pattern in (*wanted, *unwanted):
        if any(fnmatchcase(name, pattern) for name in known):
            continue
        if is_glob(pattern):
            raise UsageError(
                f"no {what} matches {pattern!r}",
                f"the {what}s are: {_listed(known)}; quote globs in a shell",
            )
        raise unknown(what, pattern, known)
    left = [name for name in known if covers(patterns, name)]
    if not left:
        raise UsageError(f"{' '.join(patterns)} leaves no {what}", "exclude less, or add names")
    return left


def effective(patterns: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The patterns without globs that exclude unknown names: a row may provide for future ones."""
    return tuple(
        pattern
        for pattern in patterns
        if not (pattern.startswith(NOT) and is_glob(pattern))
        or any(fnmatchcase(name, pattern.removeprefix(NOT)) for name in known)
    )


def _apart(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Including patterns, and excluding patterns without their prefix."""
    unwanted = [pattern.removeprefix(NOT) for pattern in patterns if pattern.startswith(NOT)]
    return [pattern for pattern in patterns if not pattern.startswith(NOT)], unwanted


def _any(patterns: Sequence[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_MOST_LISTED]) or "none"
    return f"{listed} … {len(names)} in all" if len(names) > _MOST_LISTED else listed
