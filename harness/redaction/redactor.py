# SPDX-License-Identifier: Apache-2.0
"""Redacts whatever leaves the harness: names of secrets stay, their values become ***, public certificates stay.

What is recognised, in logs, messages, command lines and documents: values of fields, options, variables, properties
and headers whose name says so (`harness/redaction/secret_names.py`), keys and tokens of a form of their own and private
keys (`secret_forms.py`), the data of Kubernetes Secrets, each of these in JSON, YAML, XML and base64 too, and secrets
that the caller names.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from harness.redaction import (
    secret_blocks,
    secret_documents,
    secret_forms,
    secret_lines,
    secret_mentions,
    secret_partial,
    secret_yaml,
)
from harness.redaction.secret_names import MASK

__all__ = ["MASK", "Redactor"]

# What is encoded in what is encoded; deeper, a secret would be found by nobody.
_MAX_DEPTH = 5
_CHUNK = 4_000_000
_REMEMBERED = 400
_COLOUR = re.compile(r"\x1b\[[\d;:]*[A-Za-z]?")


@dataclass(frozen=True)
class Redactor:
    """Redacts text and values.

    `literals` are values that are secret wherever they appear, also base64- or URL-encoded.
    """

    literals: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """A whole text without its secrets."""
        return _Pass(self.literals).text(text)

    def value(self, value: Any) -> Any:
        """A value of mappings, sequences and scalars without its secrets; names in it say which those are."""
        return secret_documents.Walk(_Pass(self.literals).text).value(value)

    def masked(self, value: Any) -> tuple[Any, tuple[str, ...]]:
        """A value without each scalar that has a secret in it, and the JSON pointers (RFC 6901) of those."""
        walk = secret_documents.WholeWalk(_Pass(self.literals).text)
        return walk.value(value), tuple(walk.pointers)

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Lines, with or without their ends, without their secrets; their number may shrink."""
        for chunk in _chunks(lines):
            yield from io.StringIO(self.text(chunk), newline="")

    def file(self, source: Path, target: Path) -> None:
        """Copy a file without its secrets. Bytes that are not UTF-8 are kept unless they are in a secret."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            source.open(encoding="utf-8", errors="surrogateescape", newline="") as reader,
            target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as writer,
        ):
            writer.writelines(self.lines(reader))

    def tree(self, source: Path, target: Path) -> list[Path]:
        """Copy a folder without its secrets and return the new files. Links and special files are skipped."""
        written = []
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    copy = target / path.relative_to(source)
                    self.file(path, copy)
                    written.append(copy)
        return written


class _Pass:
    """One pass over a text, which remembers short strings that come again and again."""

    def __init__(self, literals: Sequence[str]) -> None:
        self._literals = _encodings(literals)
        self._known: dict[str, str] = {}
        self._depth = 0

    def text(self, text: str) -> str:
        """The text without its secrets."""
        if len(text) > _REMEMBERED:
            return self._redact(text)
        if text not in self._known:
            self._known[text] = self._redact(text)
        return self._known[text]

    def _redact(self, text: str) -> str:
        if "\x1b[" in text:
            return self._coloured(text)
        for literal in self._literals:
            text = text.replace(literal, MASK)
        if self._depth >= _MAX_DEPTH:
            return text
        self._depth += 1
        try:
            if "\0" in text:
                # The environment of a process, as the kernel has it
                return "\0".join(map(self.text, text.split("\0")))
            whole = secret_documents.in_json(text, self.text)
            return whole if whole is not None else secret_partial.redacted(text, self._loose)
        finally:
            self._depth -= 1

    def _coloured(self, text: str) -> str:
        """Text with colours, which only lines without a secret keep: a colour may stand within a name."""
        plain = _COLOUR.sub("", text)
        redacted = self._redact(plain)
        if redacted == plain:
            return text
        lines = redacted.splitlines(keepends=True)
        before = plain.splitlines(keepends=True)
        if len(lines) != len(before):
            return redacted
        coloured = text.splitlines(keepends=True)
        if len(coloured) != len(before):
            return redacted
        return "".join(old if new == bare else new for new, bare, old in zip(lines, before, coloured, strict=True))

    def _loose(self, text: str) -> str:
        """Text that is no JSON as a whole."""
        text = secret_forms.redact(secret_forms.unescaped(text, self.text))
        if secret_mentions.mentions(text):
            text = secret_blocks.blocks(text, self._yaml)
            text = secret_documents.in_lines(text, self.text, secret_mentions.worth_a_look)
            text = secret_blocks.in_lines(text)
            text = secret_lines.redact(text)
        return secret_forms.decoded(text, self.text)

    def _yaml(self, text: str) -> str | None:
        return secret_yaml.in_yaml(text, self.text) if secret_mentions.mentions(text) else text


def _chunks(lines: Iterable[str]) -> Iterator[str]:
    """The lines together, cut where something new begins, so that a file of any size needs little memory."""
    chunk: list[str] = []
    size = 0
    for line in lines:
        if size > _CHUNK and (
            size > 4 * _CHUNK or (line[:1] not in " \t}]-" and not secret_partial.goes_on(chunk[-1]))
        ):
            yield "".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield "".join(chunk)


def _encodings(literals: Sequence[str]) -> tuple[str, ...]:
    """The forms in which a secret may be written, the longest first."""
    forms: set[str] = set()
    for literal in filter(None, literals):
        encoded = base64.b64encode(literal.encode()).decode()
        forms |= {
            literal,
            quote(literal, safe=""),
            quote_plus(literal),
            json.dumps(literal)[1:-1],
            html.escape(literal, quote=False),
        }
        forms |= {encoded, encoded.rstrip("="), encoded.replace("+", "-").replace("/", "_")}
    return tuple(sorted(forms, key=len, reverse=True))
