# SPDX-License-Identifier: Apache-2.0
"""An audit of images as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from harness.audit.findings import Severity
from harness.audit.images import Audited, ImageAudit
from harness.audit.told import finding_json, some
from harness.report.text import plain
from harness.wording import counted

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
_LINES_SHOWN = 10


def as_json(audit: ImageAudit) -> str:
    """The whole audit; docs/audit.md explains the keys."""
    return json.dumps(
        {
            "subject": audit.subject,
            "source": audit.source,
            "images": [_image(it) for it in audit.images],
            "unreadable": [{"where": it.where, "why": it.why} for it in audit.unreadable],
            "notes": list(audit.notes),
            "summary": {
                "images": len(audit.images),
                "unavailable": audit.unavailable,
                **{f"{it.value}s": audit.count(it) for it in Severity},
            },
        },
        indent=2,
    )


def as_table(audit: ImageAudit) -> RenderableType:
    """The images with their registries' answers, then the findings from worst to best, then a summary line."""
    table = Table("image", "state", "digest", "platforms", "signatures and attestations")
    for image in audit.images:
        table.add_row(escape(plain(image.reference)), *map(escape, _columns(image)))
    lines = [*_findings(audit), *_unavailable(audit)]
    unreadable = [escape(plain(f"{it.where}: {it.why}")) for it in audit.unreadable]
    lines += [f"[yellow]warning[/] unreadable: {it}" for it in _first(unreadable)]
    lines += _first([escape(plain(note)) for note in audit.notes])
    return Group(table, *lines, escape(summary(audit)))


def summary(audit: ImageAudit) -> str:
    """One line: `3 images of release 2.5.2: 1 error, 0 warnings, 4 notes; 3 unavailable (nothing is known about
    them)`."""
    counts = ", ".join(counted(audit.count(it), it.value) for it in Severity)
    unknown = f"; {audit.unavailable} unavailable (nothing is known about them)" if audit.unavailable else ""
    return f"{counted(len(audit.images), 'image')} of {audit.subject}: {counts}{unknown}"


def _columns(image: Audited) -> tuple[str, str, str, str]:
    seen = image.seen
    if seen is None:
        malformed = any(it.rule == "malformed" for it in image.findings)
        return "malformed" if malformed else "not looked up: no tag", "", "", ""
    state = f"{seen.state}, private" if seen.private else seen.state
    if seen.stand_in:
        state = f"{seen.state}; built here"
    proofs = [f"{it.kind} ({it.way})" for it in seen.proofs]
    told = ", ".join(dict.fromkeys(proofs)) or ("not looked up" if seen.unproven else "none")
    return state, seen.digest[:19], ", ".join(seen.platforms), told if seen.digest else ""


def _findings(audit: ImageAudit) -> Iterator[str]:
    rows = [(finding, image) for image in audit.images for finding in image.findings]
    order = list(Severity)
    for finding, image in sorted(rows, key=lambda it: order.index(it[0].severity)):
        colour = _COLOURS[finding.severity]
        said = escape(plain(f"{image.reference}: {finding}"))
        yield f"[{colour}]{finding.severity.value}[/] {finding.rule}: {said}"
        if finding.severity is not Severity.NOTE:
            yield escape(plain(f"    at {_places(image)}"))


def _unavailable(audit: ImageAudit) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for image in audit.images:
        if image.seen and image.seen.state == "unavailable":
            reasons.setdefault(image.seen.message, []).append(image.reference)
    for why, images in reasons.items():
        yield escape(plain(f"unavailable: {some(images, ', ')}: {why}"))


def _places(image: Audited) -> str:
    return some(image.places, "; ")


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _LINES_SHOWN
    return [*lines[:_LINES_SHOWN], *([f"… and {more} more lines like these: --json has all"] if more > 0 else [])]


def _image(image: Audited) -> dict[str, Any]:
    made: dict[str, Any] = {"reference": image.reference, "places": list(image.places)}
    seen = image.seen
    if seen:
        made |= {"state": seen.state, "message": seen.message, "server": seen.server}
    if seen and seen.digest:
        made |= {
            "stand_in": seen.stand_in,
            "digest": seen.digest,
            "media_type": seen.media_type,
            "size": seen.size,
            "private": seen.private,
            "platforms": list(seen.platforms),
            "artifact": seen.artifact,
            "labels": dict(seen.labels),
            "annotations": dict(seen.annotations),
            "proofs": [
                {"kind": it.kind, "way": it.way, "digest": it.digest, "artifact_type": it.artifact_type}
                for it in seen.proofs
            ],
            "unproven": seen.unproven,
        }
    return {**made, "findings": [finding_json(it) for it in image.findings]}
