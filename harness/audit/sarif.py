# SPDX-License-Identifier: Apache-2.0
"""An audit of documents as SARIF 2.1.0, which code review tools show next to the lines.

The format is that of docs.oasis-open.org/sarif/sarif/v2.1.0; GitHub reads the subset that is written here
(docs.github.com, "SARIF support for code scanning").
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import __version__
from harness.audit.docs import DocumentAudit
from harness.audit.findings import RULES, Rule
from harness.audit.stale import Stale
from harness.evidence.markdown import plain
from harness.redaction.redactor import Redactor

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_ROOT = "SRCROOT"


def write(audit: DocumentAudit, file: Path) -> None:
    """Write the log. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(audit))


def text(audit: DocumentAudit) -> str:
    """The log with one run, with the rules that were violated."""
    broken = sorted({it.finding.rule for it in audit.findings})
    run = {
        "tool": {
            "driver": {
                "name": "spark-operator-harness audit docs",
                "semanticVersion": __version__,
                "rules": [_rule(RULES[name]) for name in broken],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The folder that was audited."}},
        },
        "results": [_result(it, broken.index(it.finding.rule)) for it in audit.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.meaning},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(it: Stale, index: int) -> dict[str, Any]:
    artifact = {"uri": quote(it.file), "uriBaseId": _ROOT}
    region = {"startLine": it.line, "startColumn": it.column, "endColumn": it.end}
    identity = hashlib.sha256(f"{it.finding.rule}\n{it.file}\n{it.text}".encode()).hexdigest()
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
