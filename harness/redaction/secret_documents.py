# SPDX-License-Identifier: Apache-2.0
"""Finds secrets in documents by their structure: JSON, YAML, and values in memory.

JSON is read, changed and written again. YAML is read by its parser, which says where each scalar is, and only those
that are secrets are written anew: comments, order and layout stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from harness.redaction.secret_names import MASK, is_harmless, is_secret

Redact = Callable[[str], str]
_NAMES = ("name", "key", "Name", "Key", "NAME", "KEY")
_VALUES = frozenset({"value", "Value", "VALUE", "stringValue", "plain", "plaintext"})
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_FLAG = re.compile(r"--?(?=[A-Za-z])([\w.-]+)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\n]*", re.MULTILINE)
_SECRET_TYPES = ("Opaque", "kubernetes.io/", "helm.sh/release", "bootstrap.kubernetes.io/")


class Walk:
    """Goes through a value of mappings, sequences and scalars, and masks the secrets in it.

    `inner` redacts a string that no name says anything about. `pointers` are the places of what was masked
    (RFC 6901).
    """

    def __init__(self, inner: Redact) -> None:
        self.pointers: list[str] = []
        self._inner = inner

    def value(self, value: Any, name: str = "", pointer: str = "") -> Any:
        """The value without its secrets; `name` is what it is called."""
        if isinstance(value, Mapping | Pairs):
            return self._mapping(value, pointer, name)
        if isinstance(value, list | tuple):
            return self._sequence(value, name, pointer)
        if value is None or isinstance(value, bool):
            return value
        if name and is_secret(name) and not is_harmless(str(value), name):
            return self.masked(value, pointer)
        if not isinstance(value, str):
            return value
        said = self._inner(value)
        return value if said == value else self.changed(value, said, pointer)

    def masked(self, value: Any, pointer: str) -> Any:
        """What stands in the place of a secret."""
        self.pointers.append(pointer)
        return MASK

    def changed(self, value: str, said: str, pointer: str) -> Any:
        """What stands in the place of a string with a secret in it."""
        self.pointers.append(pointer)
        return said

    def _mapping(
        self, value: Mapping[Any, Any] | Pairs, pointer: str, called: str = "", *, in_list: bool = False
    ) -> dict[Any, Any]:
        named = next((str(it) for it in map(value.get, _NAMES) if isinstance(it, str)), called)
        of_secret = in_list or _is_secret_object(value)
        listed = value.get("kind") == "SecretList"
        made = {}
        for key, item in value.items():
            place = f"{pointer}/{_escaped(str(key))}"
            if of_secret and key in ("data", "stringData"):
                made[key] = self._all(item, place)
            elif listed and key == "items":
                # Items of a SecretList have no kind of their own.
                made[key] = [self._mapping(it, f"{place}/{at}", in_list=True) for at, it in enumerate(_mappings(item))]
            elif key in _VALUES and named and is_secret(named):
                made[key] = self.value(item, named, place)
            else:
                made[key] = self.value(item, str(key), place)
        return made

    def _sequence(self, value: Sequence[Any], name: str, pointer: str) -> list[Any]:
        made, flag = [], ""
        if len(value) == 2 and isinstance(value[0], str) and value[0].lower() in _HEADERS:
            # A header as a pair.
            return [value[0], self.value(value[1], value[0], f"{pointer}/1")]
        for number, item in enumerate(value):
            is_text = isinstance(item, str)
            about = flag if is_text and flag and not item.startswith("-") else name
            made.append(self.value(item, about, f"{pointer}/{number}"))
            found = _FLAG.fullmatch(item) if is_text else None
            flag = found[1] if found else ""
        return made

    def _all(self, value: Any, pointer: str) -> Any:
        """Everything in the data of a Secret."""
        if isinstance(value, Mapping | Pairs):
            return {key: self._all(it, f"{pointer}/{_escaped(str(key))}") for key, it in value.items()}
        if isinstance(value, list | tuple):
            return [self._all(it, f"{pointer}/{number}") for number, it in enumerate(value)]
        return value if value in (None, "", "null", "{}", MASK) else self.masked(value, pointer)


class WholeWalk(Walk):
    """Masks the whole of a string that has a secret in it."""

    def changed(self, value: str, said: str, pointer: str) -> Any:
        """What stands in the place of a string with a secret in it."""
        return self.masked(value, pointer)


def in_json(text: str, inner: Redact) -> str | None:
    """A text that is JSON as a whole, without its secrets; None when it is none."""
    bare = text.strip()
    if bare[:1] not in ("{", "["):
        return None
    try:
        document = json.loads(bare)
        walk = Walk(inner)
        made = walk.value(document)
    except (ValueError, RecursionError):
        return None
    if not walk.pointers:
        return text
    start = text.index(bare[0])
    said = _dumped(made, bare)
    if "\\u003c" in bare or "\\u0026" in bare:
        # Go writes JSON so that it can be part of HTML.
        said = said.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text[:start] + said + text[start + len(bare) :]


def in_lines(text: str, inner: Redact, is_worth: Callable[[str], bool]) -> str:
    """The text without the secrets in JSON that is part of its lines, such as the fields of a log's message."""
    if '"' not in text:
        return text
    return "".join(_in_line(line, inner) if '"' in line and is_worth(line) else line for line in text.splitlines(True))


def _in_line(line: str, inner: Redact) -> str:
    parts, at = [], 0
    for found in re.finditer(r'\{\s*"|\[\s*[{"]', line):
        if found.start() < at:
            continue
        try:
            _, end = _DECODER.raw_decode(line, found.start())
        except (ValueError, RecursionError):
            continue
        parts += [line[at : found.start()], in_json(line[found.start() : end], inner) or line[found.start() : end]]
        at = end
    return _STRING.sub(lambda found: _in_string(found[0], inner), "".join([*parts, line[at:]]))


def _in_string(quoted: str, inner: Redact) -> str:
    """A string of JSON with several lines or with quotes in it, such as a field of a log."""
    try:
        said = json.loads(quoted, strict=False)
    except ValueError:
        return quoted
    made = inner(said)
    return quoted if made == said else json.dumps(made, ensure_ascii="\\ud" in quoted.lower())


_STRING = re.compile(r'"(?=[^"]*\\)(?:\\.|[^"\\])*"')
_DECODER = json.JSONDecoder()


def _dumped(value: Any, like: str) -> str:
    """JSON laid out as it was."""
    # Half a character, which JSON can name, cannot be written in UTF-8.
    ascii_only = "\\ud" in like.lower()
    indent = re.match(r"[{\[]\r?\n([ \t]+)", like)
    if indent:
        return json.dumps(value, indent=indent[1], ensure_ascii=ascii_only)
    spaced = bool(re.search(r'"\s*:\s', like))
    return json.dumps(value, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=ascii_only)


class Leaf(str):
    """A scalar of YAML, and where it is in its text."""

    start: int
    end: int
    style: str
    anchor: str

    @classmethod
    def of(cls, event: yaml.ScalarEvent) -> Leaf:
        """The scalar of an event of the parser."""
        leaf = cls(event.value)
        leaf.start, leaf.end = _place(event)
        leaf.style, leaf.anchor = event.style or "", event.anchor or ""
        return leaf


class Pairs:
    """A mapping of YAML, which may have a key twice, and where it is in its text."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self._pairs: list[tuple[Any, Any]] = []

    def add(self, key: Any, value: Any) -> None:
        """Add a pair."""
        self._pairs.append((str(key) if isinstance(key, Leaf) else _Unnamed(), value))

    def items(self) -> Iterator[tuple[Any, Any]]:
        """All pairs."""
        return iter(self._pairs)

    def get(self, key: str) -> Any:
        """The first value of a key; None when it has none."""
        return next((value for name, value in self._pairs if name == key), None)


class _Unnamed:
    """A key that is no scalar."""

    def __str__(self) -> str:
        return ""


class _YamlWalk(Walk):
    """Collects what is to be written in the place of which part of the text."""

    def __init__(self, inner: Redact, text: str) -> None:
        super().__init__(inner)
        self.edits: list[tuple[int, int, str]] = []
        self._text = text

    def masked(self, value: Any, pointer: str) -> Any:
        self._write(value, f'"{MASK}"')
        return MASK

    def changed(self, value: str, said: str, pointer: str) -> Any:
        if isinstance(value, Leaf) and value.style not in ("|", ">"):
            self._write(value, json.dumps(said, ensure_ascii=False))
        return said

    def value(self, value: Any, name: str = "", pointer: str = "") -> Any:
        """See above; text in a block is redacted as it is laid out."""
        if isinstance(value, Leaf) and value.style in ("|", ">") and not (name and is_secret(name)):
            self._block(value)
            return value
        return super().value(value, name, pointer)

    def _all(self, value: Any, pointer: str) -> Any:
        """Everything in the data of a Secret, with its comments."""
        before = len(self.edits)
        made = super()._all(value, pointer)
        if isinstance(value, Pairs):
            taken = [(start, end) for start, end, _ in self.edits[before:]]
            # A comment may stand before the first name.
            start = self._text.rfind(":", 0, value.start) + 1
            for found in _COMMENT.finditer(self._text, start, value.end):
                if not any(start <= found.start() < end for start, end in taken):
                    self.edits.append((found.start(), found.end(), ""))
        return made

    def _block(self, leaf: Leaf) -> None:
        source = self._text[leaf.start : leaf.end]
        head, newline, body = source.partition("\n")
        indent = min((len(it) - len(it.lstrip(" ")) for it in body.splitlines() if it.strip()), default=0)
        plain = "".join(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in body.splitlines(True))
        said = self._inner(plain)
        if said != plain:
            laid_out = "".join(" " * indent + line if line.strip() else line for line in said.splitlines(True))
            self.edits.append((leaf.start, leaf.end, head + newline + laid_out))

    def _write(self, leaf: Leaf, said: str) -> None:
        source = self._text[leaf.start : leaf.end]
        anchor = f"&{leaf.anchor} " if leaf.anchor else ""
        self.edits.append((leaf.start, leaf.end, anchor + said + source[len(source.rstrip()) :]))


def in_yaml(text: str, inner: Redact) -> str | None:
    """A text that is YAML, without its secrets; None when it is none."""
    walk = _YamlWalk(inner, text)
    try:
        # Bytes that were not UTF-8 are no YAML, and are kept.
        for document in _documents(_SURROGATE.sub("?", text)):
            walk.value(document)
    except (yaml.YAMLError, RecursionError, _NotAsWritten):
        return None
    for start, end, said in sorted(walk.edits, reverse=True):
        text = text[:start] + said + text[end:]
    return text


def _is_where_it_says(leaf: Leaf, event: yaml.ScalarEvent, text: str) -> bool:
    """Whether a plain scalar is in its place in the text; of others it cannot be told."""
    source = text[leaf.start : leaf.end]
    return bool(leaf.style or leaf.anchor or event.tag or "\n" in source) or source.strip() == leaf


def _place(event: yaml.Event) -> tuple[int, int]:
    if event.start_mark is None or event.end_mark is None:
        raise _NotAsWritten
    return event.start_mark.index, event.end_mark.index


class _NotAsWritten(Exception):
    """The parser's places are not those of the text."""


def _documents(text: str) -> Iterator[Any]:
    """The documents of a text, without recursion. Raises yaml.YAMLError."""
    stack: list[Any] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            leaf = Leaf.of(event)
            if not _is_where_it_says(leaf, event, text):
                raise _NotAsWritten
            done: Any = leaf
        elif isinstance(event, yaml.AliasEvent):
            done = None
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            stack.append((Pairs(_place(event)[0]) if is_mapping else [], []))
            continue
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = stack.pop()[0]
            if isinstance(done, Pairs):
                done.end = _place(event)[1]
        else:
            continue
        if not stack:
            yield done
        else:
            into, waiting = stack[-1]
            _put(into, waiting, done)


def _put(into: Any, waiting: list[Any], done: Any) -> None:
    """Add a value to a sequence, or a key or its value to a mapping."""
    if isinstance(into, list):
        into.append(done)
    elif waiting:
        into.add(waiting.pop(), done)
    else:
        waiting.append(done if done is not None else _Unnamed())


def _is_secret_object(value: Mapping[Any, Any] | Pairs) -> bool:
    if value.get("kind") is not None:
        return bool(value.get("kind") == "Secret")
    kind = value.get("type")
    return isinstance(kind, str) and kind.startswith(_SECRET_TYPES)


def _mappings(value: Any) -> list[Any]:
    return [it for it in value if isinstance(it, Mapping | Pairs)] if isinstance(value, list) else []


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
