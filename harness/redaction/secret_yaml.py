# SPDX-License-Identifier: Apache-2.0
"""Finds secrets in YAML by its structure: its parser says where each scalar is, and only secrets are written anew.

Comments, order and layout stay.
"""

from __future__ import annotations

import bisect
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

from harness import libyaml
from harness.redaction.secret_documents import NAMES, Pairs, Place, Redact, Walk
from harness.redaction.secret_mentions import worth_a_look
from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_parts import worth_parsing

_SURROGATE = re.compile("[\ud800-\udfff]")
_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\n]*", re.MULTILINE)


# What `kubectl get -o yaml` prints: a list whose items are independent of each other.
_ITEMS = re.compile(r"(?:^|\n)items:\n(?=( *)- )")
_SECRET = re.compile(
    r"""\bkind: *["']?Secret|^[ -]*type: *["']?(?:Opaque|kubernetes\.io/|helm\.sh/|bootstrap\.)""", re.MULTILINE
)
_OF_SECRET = re.compile(r"\bkind\b.*\bSecret|\btype\b.*(?:Opaque|kubernetes\.io/|helm\.sh/|bootstrap\.)")
_SIMPLE = re.compile(r"^\s*(?:- )*([\w.-]+):(?: +([\w./:@-]*))?\s*$")


def in_yaml(text: str, inner: Redact) -> str | None:
    """A text that is YAML, without its secrets; None when it is none."""
    lines = list(io.StringIO(text, newline="\n"))
    telling = _telling(lines)
    if not telling:
        return text
    items = _items(text)
    if len(items) > 1:
        redacted = list(_each_item(items, lines, telling, inner))
        if None not in redacted:
            return "".join(filter(None, redacted))
    return _in_documents(text, lines, telling, inner)


def _each_item(
    items: Sequence[str], lines: Sequence[str], telling: Sequence[int], inner: Redact
) -> Iterator[str | None]:
    begin = 0
    for item in items:
        end = begin + item.count("\n") + (item[-1:] not in ("", "\n"))
        within = telling[bisect.bisect_left(telling, begin) : bisect.bisect_left(telling, end)]
        yield _in_documents(item, lines[begin:end], [it - begin for it in within], inner) if within else item
        begin = end


def _items(text: str) -> list[str]:
    """What is before the items of a list, each of these, and what follows; nothing where it must be read as a whole."""
    found = _ITEMS.search(text)
    if found is None or _SECRET.search(text):
        return []
    indent = found[1]
    begins = [found.end(), *(it.end() for it in re.finditer(rf"\n(?={indent}- )", text) if it.end() > found.end())]
    after = re.compile(rf"\n(?={indent}[^ \n-])" if not indent else rf"\n(?! {{{len(indent)}}}|\n)(?=.)")
    end = after.search(text, begins[-1])
    last = end.end() if end else len(text)
    ends = [*begins[1:], last]
    if any(after.search(text, start, stop) for start, stop in zip(begins[:-1], ends[:-1], strict=True)):
        return []
    return [text[: begins[0]], *(text[start:stop] for start, stop in zip(begins, ends, strict=True)), text[last:]]


def _telling(lines: list[str]) -> list[int]:
    """The lines by which something in them or beside them is to be known; a form of its own is found without."""
    found = {number for number in worth_a_look(lines) if _tells(lines[number])}
    return sorted(
        found.union(
            number for number, line in enumerate(lines) if "kind" in line or "type" in line if _OF_SECRET.search(line)
        )
    )


def _tells(line: str) -> bool:
    simple = _SIMPLE.match(line)
    if simple is None:
        return True
    key, value = simple[1], simple[2] or ""
    if not value and key == "serviceAccountToken":
        # A volume that every pod has.
        return False
    if key == "path" and "/" in value:
        # JSON patch (RFC 6902)
        return value.startswith("/stringData/") or is_secret(value.rpartition("/")[2])
    if key in NAMES:
        return is_secret(value)
    return key == "stringData" or (is_secret(key) and not (value and is_harmless(value, key)))


def _in_documents(text: str, lines: Sequence[str], telling: Sequence[int], inner: Redact) -> str | None:
    part = worth_parsing(lines, telling)
    walk = _YamlWalk(inner, part.text)
    try:
        # Bytes that were not UTF-8 are no YAML, and are kept.
        for document in _documents(_SURROGATE.sub("?", part.text)):
            if isinstance(document, _Leaf):
                # Lines of text, which happen to be indented.
                return None
            walk.value(document)
    except (yaml.YAMLError, RecursionError, _NotAsWritten):
        return None
    parts, at = [], 0
    for start, end, new in sorted(walk.edits):
        parts += [text[at : part.place(start)], new]
        at = part.place(end - 1) + 1
    return "".join([*parts, text[at:]])


class _Leaf(str):
    """A plain scalar, and where it is in its text."""

    __slots__ = ("end", "start")
    start: int
    end: int
    style: str = ""
    anchor: str = ""


class _StyledLeaf(_Leaf):
    """A scalar in quotes or in a block, or one with an anchor or a tag."""

    __slots__ = ("anchor", "style")
    style: str
    anchor: str


class _Pairs(Pairs):
    """A mapping, and where it is in its text."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = self.end = start


class _Unnamed:
    """A key that is no scalar."""

    def __str__(self) -> str:
        return ""


class _NotAsWritten(Exception):
    """The parser's places are not those of the text."""


class _YamlWalk(Walk):
    """Collects what is to be written in the place of which part of the text."""

    def __init__(self, inner: Redact, text: str) -> None:
        super().__init__(inner)
        self.edits: list[tuple[int, int, str]] = []
        self._text = text

    def masked(self, value: Any, place: Place) -> Any:
        """See above."""
        self._write(value, f'"{MASK}"')
        return MASK

    def changed(self, value: str, redacted: str, place: Place) -> Any:
        """See above."""
        if isinstance(value, _Leaf) and value.style not in ("|", ">"):
            source = self._text[value.start : value.end]
            laid_out = self._inner(source) if "\n" in source and not value.style else ""
            if laid_out.split() == redacted.split():
                # Over several lines, as `kubectl describe` prints a command
                redacted = laid_out.rstrip()
                self.edits.append((value.start, value.start + len(source.rstrip()), redacted))
                return redacted
            is_plain = not value.style and redacted[0] != "*" and "\n" not in redacted
            self._write(value, redacted if is_plain else json.dumps(redacted, ensure_ascii=False))
        return redacted

    def value(self, value: Any, name: str = "", place: Place = None) -> Any:
        """See above; text in a block is redacted as it is laid out."""
        if isinstance(value, _Leaf) and value.style in ("|", ">") and not (name and is_secret(name)):
            self._block(value)
            return value
        return super().value(value, name, place)

    def _all(self, value: Any, place: Place) -> Any:
        """Everything in the data of a Secret, with its comments."""
        before = len(self.edits)
        made = super()._all(value, place)
        if isinstance(value, _Pairs):
            taken = [(start, end) for start, end, _ in self.edits[before:]]
            # A comment may stand before the first name.
            start = self._text.rfind(":", 0, value.start) + 1
            for found in _COMMENT.finditer(self._text, start, value.end):
                if not any(start <= found.start() < end for start, end in taken):
                    self.edits.append((found.start(), found.end(), ""))
        return made

    def _block(self, leaf: _Leaf) -> None:
        source = self._text[leaf.start : leaf.end]
        head, newline, body = source.partition("\n")
        indent = min((len(it) - len(it.lstrip(" ")) for it in body.splitlines() if it.strip()), default=0)
        plain = "".join(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in body.splitlines(True))
        redacted = self._inner(plain)
        if redacted != plain:
            laid_out = "".join(" " * indent + line if line.strip() else line for line in redacted.splitlines(True))
            self.edits.append((leaf.start, leaf.end, head + newline + laid_out))

    def _write(self, leaf: _Leaf, text: str) -> None:
        source = self._text[leaf.start : leaf.end]
        anchor = f"&{leaf.anchor} " if leaf.anchor else ""
        self.edits.append((leaf.start, leaf.end, anchor + text + source[len(source.rstrip()) :]))


def _documents(text: str) -> Iterator[Any]:
    """The documents of a text, without recursion. Raises yaml.YAMLError, and _NotAsWritten.

    Events are asked for one by one: `yaml.parse` looks at each before it hands it on, and takes three times as long.
    """
    loader = libyaml.Loader(text)
    stack: list[tuple[_Pairs | list[Any], list[Any]]] = []
    next_event: Callable[[], Any] = loader.get_event
    try:
        while (kind := type(event := next_event())) is not yaml.StreamEndEvent:
            if kind is yaml.ScalarEvent:
                done: Any = _leaf(event, text)
            elif kind is yaml.MappingStartEvent:
                stack.append((_Pairs(event.start_mark.index), []))
                continue
            elif kind is yaml.SequenceStartEvent:
                stack.append(([], []))
                continue
            elif kind is yaml.MappingEndEvent:
                done = stack.pop()[0]
                done.end = event.end_mark.index
            elif kind is yaml.SequenceEndEvent:
                done = stack.pop()[0]
            elif kind is yaml.AliasEvent:
                done = None
            else:
                continue
            if stack:
                _put(*stack[-1], done)
            else:
                yield done
    finally:
        loader.dispose()


def _leaf(event: Any, text: str) -> _Leaf:
    start, end = event.start_mark.index, event.end_mark.index
    source = text[start:end]
    if not event.style and source == event.value:
        leaf = _Leaf(source)
        leaf.start, leaf.end = start, end
        return leaf
    leaf = _StyledLeaf(event.value)
    leaf.start, leaf.end, leaf.style, leaf.anchor = start, end, event.style or "", event.anchor or ""
    if not (leaf.style or leaf.anchor or event.tag or "\n" in source or source.strip() == leaf):
        # Whether a plain scalar is in its place can be told; of others it cannot.
        raise _NotAsWritten
    return leaf


def _put(into: _Pairs | list[Any], waiting: list[Any], done: Any) -> None:
    """Add a value to a sequence, or a key or its value to a mapping."""
    if isinstance(into, list):
        into.append(done)
    elif waiting:
        into.add(waiting.pop(), done)
    else:
        waiting.append(done if isinstance(done, _Leaf) else _Unnamed())
