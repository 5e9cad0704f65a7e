# SPDX-License-Identifier: Apache-2.0
"""Files next to a report that its page shows or links to: the evidence and the pull benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.report.model import RunResult
from harness.report.picture import PullRow

PULLS = "bench-pull.json"
"""The results of `nox -s bench -- pull`: in a report's folder, or next to the report folders."""

_FIRST_PAGES = ("summary.md", "findings.json", "lock.json")
_BUNDLE = ".tar.gz"
_NOTES = {"node": "node", "containerd": "containerd", "rounds": "rounds", "interval": "interval"}
_ROWS = TypeAdapter(tuple[PullRow, ...])


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """`evidence` has, for each existing folder of evidence, the files to read first, relative to the report's folder.

    `pulls` are the rows of the pull benchmark, `pulls_from` says where they come from, or why they cannot be read;
    `pulls_notes` are its own remarks: the node, stand-ins for registries, how its intervals are calculated.
    """

    evidence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pulls: tuple[PullRow, ...] = ()
    pulls_from: str = ""
    pulls_notes: Mapping[str, str] = field(default_factory=dict)


def find(folder: Path, run: RunResult) -> Attachments:
    """The attachments that exist now."""
    evidence = {}
    named = [name for cell in run.cells for name in (cell.evidence, *(it.evidence for it in cell.retries)) if name]
    for name in dict.fromkeys(named):
        files = [f"{name}/{first}" for first in _FIRST_PAGES] + [name + _BUNDLE]
        evidence[name] = tuple(file for file in files if (folder / file).is_file())
    file = pulls_file(folder)
    return replace(_read(file) if file else Attachments(), evidence=evidence)


def pulls_file(folder: Path) -> Path | None:
    """The pull benchmark that belongs to a report, if there is one."""
    return next((file for file in (folder / PULLS, folder.parent / PULLS) if file.is_file()), None)


def _read(file: Path) -> Attachments:
    try:
        document = json.loads(file.read_text())
        document = document if isinstance(document, dict) else {"rows": document}
        rows = _ROWS.validate_python(document["rows"])
        measured = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, ValueError, KeyError) as wrong:
        # ValidationError and JSON's errors are ValueErrors. A benchmark that is unreadable must not cost the report.
        said = f"{wrong.error_count()} fields are invalid" if isinstance(wrong, ValidationError) else str(wrong)
        return Attachments(pulls_from=f"{file.name} cannot be read: {type(wrong).__name__}: {said}")
    notes = {name: str(document[key]) for key, name in _NOTES.items() if isinstance(document.get(key), str | int)}
    stand_ins = document.get("stand_ins")
    if isinstance(stand_ins, dict) and "profile" in stand_ins:
        notes["stand-ins"] = str(stand_ins["profile"])
    return Attachments(pulls=rows, pulls_from=f"{file.name} of {measured:%Y-%m-%d %H:%M} UTC", pulls_notes=notes)
