# SPDX-License-Identifier: Apache-2.0
"""Mends stale names in files: only what is between two offsets is replaced, so that everything else stays as it is.

A file is mended if three things hold of what would be written: the audit has nothing against the new names, it is as
valid as before where it is YAML, JSON or TOML, and no more values differ than were replaced.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml
from harness.audit.docs import DocumentAudit, Scanner
from harness.audit.findings import Severity
from harness.audit.stale import Edit, Stale
from harness.audit.walk import decoded
from harness.errors import UsageError
from harness.report.files import write_bytes_atomically
from harness.untrusted import check_yaml

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, kw_only=True)
class Mended:
    """A file with what it has and what it will have; `names` is the number of findings that this mends."""

    file: Path
    shown: str
    before: bytes
    after: bytes
    names: int

    @property
    def diff(self) -> str:
        """A unified diff, as `git apply` reads it."""
        old, new = (_LINE.findall(decoded(it)[0]) for it in (self.before, self.after))
        lines = difflib.unified_diff(old, new, f"a/{self.shown}", f"b/{self.shown}")
        return "".join(it if it.endswith("\n") else f"{it}\n\\ No newline at end of file\n" for it in lines)


def plan(audit: DocumentAudit, scanner: Scanner) -> list[Mended]:
    """What mending would make of each file with a finding that can be mended. Nothing is written.

    A link below the folder is left alone: what it leads to is another's, or is mended itself. Raises OSError for a
    file that cannot be read any more.
    """
    names = dict.fromkeys(it.file for it in audit.findings if it.edits)
    own = (it for it in names if not (audit.folder.is_dir() and audit.file(it).is_symlink()))
    made = (_planned(audit.file(it), it, audit.shown(it), scanner) for it in own)
    return [it for it in made if it]


def write(planned: Sequence[Mended]) -> None:
    """Write all of them, each by one rename; if one cannot be written, those before it are restored.

    Raises UsageError for a file that was changed since, and for one that cannot be written.
    """
    for it in planned:
        if it.file.read_bytes() != it.before:
            raise UsageError(f"{it.shown} was changed while it was mended", "run the command again")
    done: list[Mended] = []
    try:
        for it in planned:
            write_bytes_atomically(it.file.resolve(), it.after)
            done.append(it)
    except OSError as refused:
        for it in done:
            write_bytes_atomically(it.file.resolve(), it.before)
        raise UsageError(
            f"{planned[len(done)].shown} cannot be written: {refused.strerror}; no file was changed",
            "make it and its folder writable",
        ) from refused


def apply(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits, none of which lies across another."""
    for edit in sorted(edits, key=lambda it: -it.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _planned(file: Path, name: str, shown: str, scanner: Scanner) -> Mended | None:
    before = file.read_bytes()
    text, encoded = decoded(before)
    chart = scanner.chart_beside(file)
    found = [it for it in scanner.scan(text, name, chart).stale if it.edits]
    chosen = list(_apart(found))
    edits = {edit for it in chosen for edit in it.edits}
    mended = apply(text, edits)
    if (
        not chosen
        or _still_stale(mended, name, chart, scanner, text, _errors(chosen).total())
        or not _as_valid(name, text, mended, len(edits))
    ):
        return None
    return Mended(file=file, shown=shown, before=before, after=encoded(mended), names=len(chosen))


def _apart(found: Iterable[Stale]) -> Iterator[Stale]:
    """The findings whose edits do not contradict those of an earlier one."""
    taken: set[Edit] = set()
    for it in found:
        if all(
            edit in taken or all(edit.end <= one.start or one.end <= edit.start for one in taken) for edit in it.edits
        ):
            taken.update(it.edits)
            yield it


def _still_stale(mended: str, name: str, chart: str, scanner: Scanner, text: str, number: int) -> bool:
    """Whether the audit finds other errors in a mended text than those that were left, or more of them."""
    before, after = (_errors(scanner.scan(it, name, chart).stale) for it in (text, mended))
    return bool(after - before) or after.total() > before.total() - number


def _errors(found: Iterable[Stale]) -> Counter[tuple[str, str]]:
    return Counter((it.finding.rule, it.text) for it in found if it.finding.severity is Severity.ERROR)


def _as_valid(name: str, text: str, mended: str, number: int) -> bool:
    """Whether a text of a language that can be parsed differs in so many values and in nothing else."""
    parse = _PARSERS.get(Path(name).suffix.lower())
    if parse is None:
        return True
    try:
        before = parse(text)
    except (ValueError, yaml.YAMLError):
        # A template, or YAML of another kind: text is all that it is.
        return True
    try:
        return _differences(before, parse(mended), set()) <= number
    except (ValueError, yaml.YAMLError):
        return False


def _differences(one: Any, two: Any, seen: set[tuple[int, int]]) -> float:
    """In how many values two documents differ; infinite if their shapes do. What an alias stands for counts once."""
    if isinstance(one, yaml.Node):
        if (id(one), id(two)) in seen:
            return 0.0
        seen.add((id(one), id(two)))
        one, two = one.value, two.value
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        one, two = list(one.items()), list(two.items())
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        if len(one) != len(two):
            return float("inf")
        return sum(_differences(*both, seen) for both in zip(one, two, strict=True))
    return float(one != two)


def _yaml(text: str) -> list[yaml.Node]:
    return list(yaml.compose_all(check_yaml(text), Loader=libyaml.BaseLoader))


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": json.loads,
    ".toml": tomllib.loads,
}
