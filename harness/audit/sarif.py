# SPDX-License-Identifier: Apache-2.0
"""An audit of documents as SARIF 2.1.0, which code review tools show next to the lines.

The format is that of docs.oasis-open.org/sarif/sarif/v2.1.0; GitHub reads the subset that is written here
(docs.github.com, "SARIF support for code scanning").
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import __version__, named_files
from harness.audit.docs import DocumentAudit
from harness.audit.findings import RULES, Rule
from harness.audit.stale import Stale
from harness.evidence.markdown import plain
from harness.redaction.redactor import Redactor

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_ROOT = "SRCROOT"
_NAME = "spark-operator-harness audit docs"
_MARK = f'"name": "{_NAME}"'
"""What such a log has, and a script that makes one does not."""


def write(audit: DocumentAudit, file: Path) -> None:
    """Write the log. Raises OSError, also where a file that is no such log is in its place."""
    named_files.require_own(file, _MARK)
    file.parent.mkdir(parents=True, exist_ok=True)
    named_files.write(file, text(audit))


def text(audit: DocumentAudit) -> str:
    """The log with one run, with the rules that were violated."""
    broken = sorted({it.finding.rule for it in audit.findings})
    way = _way_to(audit.folder)
    run = {
        "tool": {
            "driver": {
                "name": _NAME,
                "semanticVersion": __version__,
                "rules": [_rule(RULES[name]) for name in broken],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The checkout that was audited, or the folder in none."}},
        },
        "results": [_result(it, number, broken.index(it.finding.rule), way) for it, number in _numbered(audit)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _numbered(audit: DocumentAudit) -> Iterator[tuple[Stale, int]]:
    """Each finding with the number of those before it that say the same of the same file."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for it in audit.findings:
        key = (it.finding.rule, it.file, it.text)
        yield it, seen[key]
        seen[key] += 1


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.meaning},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _way_to(audited: Path) -> str:
    """The way from the root of the checkout to the folder that was audited: code review knows files by these paths."""
    folder = audited.resolve()
    folder = folder if folder.is_dir() else folder.parent
    root = next((it for it in (folder, *folder.parents) if (it / ".git").exists()), folder)
    return "" if root == folder else f"{folder.relative_to(root).as_posix()}/"


def _result(it: Stale, number: int, index: int, way: str) -> dict[str, Any]:
    artifact = {"uri": quote(os.fsencode(way + it.file)), "uriBaseId": _ROOT}
    region = {"startLine": it.line, "startColumn": it.column, "endColumn": it.end}
    told = f"{it.finding.rule}\n{it.file}\n{it.text}" + (f"\n{number}" if number else "")
    identity = hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()
    result: dict[str, Any] = {
        "ruleId": it.finding.rule,
        "ruleIndex": index,
        "level": it.finding.severity.value,
        "message": {"text": _said(f"{it.text}: {it.finding}")},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
        "partialFingerprints": {"staleReference/v1": identity},
    }
    if it.regions:
        replacements = [
            {
                "deletedRegion": {"startLine": one.line, "startColumn": one.column, "endColumn": one.end},
                "insertedContent": {"text": one.text},
            }
            for one in it.regions
        ]
        result["fixes"] = [
            {
                "description": {"text": f"write {it.finding.replacement}"},
                "artifactChanges": [{"artifactLocation": artifact, "replacements": replacements}],
            }
        ]
    return result


def _said(text: str) -> str:
    """A message: brackets in it are no links (SARIF 2.1.0, 3.11.6), and neither secrets nor terminal escapes stay."""
    return Redactor().text(plain(text)).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
