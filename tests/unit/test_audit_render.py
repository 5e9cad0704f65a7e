# SPDX-License-Identifier: Apache-2.0
"""What people are shown of an audit is short, however much was audited; programs are given all of it."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from harness.audit import render, told
from harness.audit.docs import DocumentAudit
from harness.audit.gather import Unreadable
from harness.audit.images import Audited, ImageAudit
from harness.audit.look import Seen

_MANY = [f"charts/a/CHANGELOG-{number}.md" for number in range(300)]


def _shown(audit: ImageAudit) -> str:
    console = Console(width=500)
    with console.capture() as captured:
        console.print(render.as_table(audit))
    return captured.get()


def test_files_that_were_skipped_are_counted_and_only_the_first_are_named() -> None:
    audit = DocumentAudit(folder=Path("docs"), findings=(), files=301, excused=0, left_out=tuple(_MANY))

    (summary,) = told.documents_lines(audit)

    assert summary.startswith("0 stale references in 301 files; 300 files skipped, since they refer to the past: ")
    assert summary.endswith(f"{_MANY[0]}, {_MANY[1]}, {_MANY[2]}, and 297 more")
    assert json.loads(told.documents_json(audit))["left_out"] == _MANY


def test_files_that_could_not_be_read_and_remarks_are_not_all_shown_either() -> None:
    audit = ImageAudit(
        subject="deploy",
        source="upstream",
        images=(),
        unreadable=tuple(Unreadable(where=it, why="not YAML") for it in _MANY),
        notes=tuple(f"remark {number}" for number in range(300)),
    )

    shown = _shown(audit)

    assert shown.count("warning unreadable: ") == 11
    assert shown.count("… and 290 more lines like these: --json has all") == 2
    assert "300 warnings" in shown
    assert len(json.loads(render.as_json(audit))["unreadable"]) == 300


def test_images_of_which_nothing_is_known_are_named_by_the_first_of_them() -> None:
    seen = Seen(state="unavailable", message="ghcr.io could not be reached")
    images = tuple(Audited(reference=f"ghcr.io/a/b:{it}", places=(), seen=seen, findings=()) for it in range(40))

    shown = _shown(ImageAudit(subject="deploy", source="upstream", images=images))

    assert "ghcr.io/a/b:0, ghcr.io/a/b:1, ghcr.io/a/b:2, and 37 more: ghcr.io could not be reached" in shown
