# SPDX-License-Identifier: Apache-2.0
"""Which names and globs mean an environment, whose name may end in properties."""

from __future__ import annotations

from functools import lru_cache

from harness.matrix.names import NOT, covers


def base(name: str, properties: tuple[str, ...]) -> str:
    """The name without the properties."""
    return name.removesuffix("".join(f"-{it}" for it in properties))


# Both are asked a hundred thousand times for a few hundred pairs, since cells are a product.
@lru_cache(maxsize=10_000)
def named_by(name: str, properties: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Whether names and globs mean it: with properties, only those that end in all of them do."""
    suffix = "".join(f"-{it}" for it in properties)
    unwanted = [it for it in patterns if it.startswith(NOT)]
    wanted = [it for it in patterns if it.endswith(suffix) and it not in unwanted]
    return bool(wanted or not suffix) and covers((*wanted, *unwanted), name)


@lru_cache(maxsize=10_000)
def concerned_by(name: str, properties: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Whether what holds for the environments of these names and globs holds for it, too."""
    plain = base(name, properties)
    names = (plain, *(f"{plain}-{it}" for it in properties))
    return named_by(name, properties, patterns) or any(covers(patterns, it) for it in names)
