# SPDX-License-Identifier: Apache-2.0
"""Keys that a mapping of YAML has twice: one tool takes the first, others the last, and some refuse the file."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from harness.errors import UsageError

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, order=True)
class Doubled:
    """A key, and the lines where it is written the second and the first time, from 1."""

    line: int
    before: int
    key: str


def first(node: yaml.Node) -> Doubled | None:
    """The first key below a node that its mapping has twice; None where there is none."""
    return min(every(node), default=None)


def require_none(it: Doubled | None, file: object) -> None:
    """Raise UsageError for a key that a mapping of a file has twice."""
    if it is not None:
        raise UsageError(
            f"{file}:{it.line}: the key {it.key} stands in line {it.before} already",
            "write it once: which of both counts depends on the tool that reads the file",
        )


def every(node: yaml.Node) -> list[Doubled]:
    """All keys below a node that their mappings have twice. What is merged may be so in several steps."""
    found: list[Doubled] = []
    waiting, seen = [node], {id(node)}
    while waiting:
        it = waiting.pop()
        pairs = it.value if isinstance(it, yaml.MappingNode) else ()
        lines: dict[str, int] = {}
        for key, _ in pairs:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                line = key.start_mark.line + 1
                if key.value in lines:
                    found.append(Doubled(line, lines[key.value], key.value))
                lines.setdefault(key.value, line)
        inner = it.value if isinstance(it, yaml.SequenceNode) else [one for pair in pairs for one in pair]
        # An anchor's node is in the tree as often as it is named.
        fresh = [one for one in inner if id(one) not in seen]
        seen |= set(map(id, fresh))
        waiting += fresh
    return sorted(found)
