# SPDX-License-Identifier: Apache-2.0
"""Where a user's values files set a key: the file, and the line in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from harness.errors import UsageError
from harness.releases import doubled_keys, umbrella
from harness.releases.values import Loader, profile_name, text_of
from harness.untrusted import check_yaml

_MERGE = "tag:yaml.org,2002:merge"
_LITERAL = "|"


def place(files: Sequence[str], key: str, below: str = "") -> str:
    """The last of the files that sets a key of the operator's chart, with the line: `prod.yaml, line 12`.

    `key` is written with dots between its steps and numbers of items in brackets; where only a key above it is found,
    it is that one's line. `below` is --values-key. A profile and a file that cannot be read have no lines. Empty where
    no file has anything of the key.
    """
    steps = umbrella.names(below) if below else []
    found = [(depth, number, line, file) for number, file in enumerate(files) for depth, line in _in(file, steps, key)]
    if not found:
        return ""
    _, _, line, file = max(found)
    return f"{file}, line {line}"


def written(files: Sequence[str], key: str, below: str = "") -> str:
    """What the last of the files that sets a key has there, letter by letter; empty for what is no plain value."""
    steps = umbrella.names(below) if below else []
    found = [it for file in files for it, _ in [_root(file, steps)] if it is not None]
    nodes = (it for root in reversed(found) if (it := _exact(root, key)) is not None)
    node = next(nodes, None)
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def doubled(files: Sequence[str], below: str = "") -> Iterator[str]:
    """Keys that a mapping of a file has twice, in words: Helm takes the last of both without a word."""
    steps = umbrella.names(below) if below else []
    for file in files:
        root, above = _root(file, steps)
        for it in doubled_keys.every(root) if root is not None else ():
            lines = f"lines {above + it.before} and {above + it.line}"
            yield f"{it.key} stands twice in one mapping ({file}, {lines}): Helm takes the last alone"


def _in(file: str, below: Sequence[str], key: str) -> Iterator[tuple[int, int]]:
    """How many characters of the key a file has, and the line of the last step of these; nothing where it has none."""
    root, above = _root(file, below)
    depth, line = _deepest(root, above, key)
    if depth:
        yield depth, line


def _root(file: str, below: Sequence[str]) -> tuple[yaml.Node | None, int]:
    """What a file has below these keys, and how many lines stand above the text that it is in; none of a profile."""
    if profile_name(Path(file)):
        return None, 0
    try:
        node = yaml.compose(check_yaml(text_of(Path(file))), Loader=Loader)
        return _below(node, list(below), 0) or (None, 0)
    except (UsageError, yaml.YAMLError):
        return None, 0


def _exact(node: yaml.Node, key: str) -> yaml.Node | None:
    for name, _, inner in _pairs(node):
        if name == key:
            return inner
        if key.startswith(f"{name}.") and (found := _exact(inner, key.removeprefix(f"{name}."))) is not None:
            return found
    return None


def _below(node: yaml.Node | None, steps: list[str], above: int) -> tuple[yaml.Node, int] | None:
    """The node below these keys, and how many lines stand above the text that it is in, which may be one in YAML."""
    for number, step in enumerate(steps):
        node = next((it for key, _, it in _pairs(node) if key == step), None)
        if isinstance(node, yaml.ScalarNode) and node.style == _LITERAL:
            above += node.start_mark.line + 1
            return _below(yaml.compose(check_yaml(node.value), Loader=Loader), steps[number + 1 :], above)
    return None if node is None else (node, above)


def _deepest(node: yaml.Node | None, above: int, key: str) -> tuple[int, int]:
    """How many characters of the key there are below a node, and the line of the last step of these."""
    best = (0, 0)
    for name, mark, inner in _pairs(node):
        rest = key.removeprefix(name)
        if key.startswith(name) and rest[:1] in ("", ".", "["):
            depth, line = _deepest(inner, above, rest.removeprefix(".")) if rest else (0, 0)
            best = max(best, (len(name) + depth, line or above + mark.line + 1), key=lambda it: it[0])
    return best


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Mark, yaml.Node]]:
    """The keys of a mapping, or the numbers of the items of a list in brackets, each with its place.

    What counts comes first: of a key that stands there twice the last, and before all that is merged.
    """
    if isinstance(node, yaml.SequenceNode):
        yield from ((f"[{number}]", it.start_mark, it) for number, it in enumerate(node.value))
    if not isinstance(node, yaml.MappingNode):
        return
    merged = [it for key, it in node.value if key.tag == _MERGE]
    for key, inner in reversed(node.value):
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            yield key.value, key.start_mark, inner
    for it in merged:
        for one in it.value if isinstance(it, yaml.SequenceNode) else [it]:
            yield from _pairs(one)
