# SPDX-License-Identifier: Apache-2.0
"""Names as a user types them: globs, and what was probably meant when nothing has that name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.errors import UsageError

_GLOB = frozenset("*?[")
_MOST_LISTED = 20


def is_glob(name: str) -> bool:
    """Whether the name has a wildcard in it."""
    return not _GLOB.isdisjoint(name)


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that nothing has: what was probably meant, and the whole list."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    listed = ", ".join(names[:_MOST_LISTED]) or "none"
    if len(names) > _MOST_LISTED:
        listed += f" … {len(names)} in all; `nox -s matrix` lists them"
    return UsageError(f"there is no {what} named {name!r}{meant}", f"the {what}s are: {listed}")


def matching(what: str, patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known names that any of the patterns stands for, in the order of `known`.

    Raises UsageError for a name that is not known, and for a glob that matches nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        hits = {name for name in known if fnmatchcase(name, pattern)} if is_glob(pattern) else {pattern} & set(known)
        if not hits and is_glob(pattern):
            raise UsageError(
                f"no {what} matches {pattern!r}",
                f"the {what}s are: {', '.join(known) or 'none'}; quote globs in a shell",
            )
        if not hits:
            raise unknown(what, pattern, known)
        chosen |= hits
    return [name for name in known if name in chosen]
