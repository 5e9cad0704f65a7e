# SPDX-License-Identifier: Apache-2.0
"""An audit of documents as lines for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from harness.audit.docs import DocumentAudit
from harness.audit.findings import Finding
from harness.evidence.markdown import plain
from harness.wording import counted

_PLACES_SHOWN = 3


def documents_lines(audit: DocumentAudit) -> Iterator[str]:
    """Each stale name in the format of compiler messages, then a summary line."""
    for it in audit.findings:
        yield plain(
            f"{audit.shown(it.file)}:{it.line}:{it.column}: {it.finding.severity.value}: {it.text}: {it.finding}"
        )
    said = f"{counted(len(audit.findings), 'stale reference')} in {counted(audit.files, 'file')}"
    excused = f"; {audit.excused} exempted by a marker" if audit.excused else ""
    unknown = f"; {counted(audit.unknown, 'name')} with a registry that is filled in elsewhere" if audit.unknown else ""
    left_out = f"; {_left_out(audit.left_out)}" if audit.left_out else ""
    yield plain(said + excused + unknown + left_out + _unread(audit.unread))


def _left_out(files: Sequence[str]) -> str:
    return f"{counted(len(files), 'file')} skipped, since they refer to the past: {some(files, ', ')}"


def _unread(kinds: Sequence[tuple[str, int]]) -> str:
    """The kinds of files that were not read, the most frequent first."""
    if not kinds:
        return ""
    number = sum(count for _, count in kinds)
    return f"; {counted(number, 'file')} not read: {some([f'{count} {kind}' for kind, count in kinds], ', ', 'kinds')}"


def documents_json(audit: DocumentAudit) -> str:
    """The same as JSON."""
    findings = [
        {
            "file": audit.shown(it.file),
            "line": it.line,
            "column": it.column,
            "text": it.text,
            **finding_json(it.finding),
        }
        for it in audit.findings
    ]
    counts = {"files": audit.files, "excused": audit.excused, "unknown": audit.unknown}
    skipped = {"left_out": list(audit.left_out), "unread": dict(audit.unread)}
    return json.dumps({"findings": findings, **counts, **skipped}, indent=2)


def finding_json(finding: Finding) -> dict[str, str]:
    """One finding for programs."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "replacement": finding.replacement,
    }


def some(items: Sequence[str], between: str, noun: str = "") -> str:
    """The first few; a summary is read by people, and --json has all."""
    more = len(items) - _PLACES_SHOWN
    return between.join(items[:_PLACES_SHOWN]) + (f"{between}and {more} more {noun}".rstrip() if more > 0 else "")
