# SPDX-License-Identifier: Apache-2.0
"""Which applications of a snapshot are rehearsed: each kind and state in proportion, the same ones every time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.sites.model import Object

MEMORY_MIB = 1000
"""What an application takes of the machine with its copy, beside the cluster and what runs along a path."""

_RESERVED_MIB = 6000
_PER_PROCESSOR = 3
_MOST, _LEAST = 24, 2


def fitting(processors: float, memory_mib: int) -> int:
    """How many applications fit a machine with so many processors and so much memory, in MiB."""
    by_memory = (memory_mib - _RESERVED_MIB) // MEMORY_MIB
    return max(_LEAST, min(int(processors * _PER_PROCESSOR), by_memory, _MOST))


def state_of(document: Object) -> str:
    """The state that the snapshot has of an application."""
    return str((document.get("status") or {}).get("state") or "")


def chosen(documents: Iterable[Object], count: int) -> list[Object]:
    """`count` of them, or all: at least one of each kind and state while there is room, then in proportion.

    Of those that are alike in this, the ones that lie evenly in the order of their names, so that all namespaces come.
    """
    alike: dict[tuple[str, str], list[Object]] = {}
    for it in documents:
        alike.setdefault((str(it["kind"]), state_of(it)), []).append(it)
    groups = [sorted(alike[key], key=_name) for key in sorted(alike)]
    found = [it for group, number in zip(groups, _shares(groups, count), strict=True) for it in _spread(group, number)]
    return sorted(found, key=lambda it: (_name(it), str(it["kind"])))


def _shares(groups: Sequence[Sequence[Object]], count: int) -> list[int]:
    """How many of each group: the largest groups first get one each, and what is left by the largest remainder."""
    total = sum(map(len, groups))
    if count >= total:
        return [len(it) for it in groups]
    by_size = sorted(range(len(groups)), key=lambda number: -len(groups[number]))
    shares = [0] * len(groups)
    for number in by_size[:count]:
        shares[number] = 1
    left = count - sum(shares)
    exact = [max(0.0, len(it) / total * count - 1) for it in groups]
    scale = left / sum(exact) if sum(exact) else 0.0
    for number, share in enumerate(exact):
        shares[number] += min(math.floor(share * scale), len(groups[number]) - shares[number])
    remainders = sorted(by_size, key=lambda number: -(exact[number] * scale % 1))
    while sum(shares) < count:
        number = next(it for it in remainders if shares[it] < len(groups[it]))
        shares[number] += 1
        remainders = [*(it for it in remainders if it != number), number]
    return shares


def _spread(group: Sequence[Object], number: int) -> list[Object]:
    return [group[at * len(group) // number] for at in range(number)]


def _name(document: Object) -> tuple[str, str]:
    metadata = document["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata["name"])
