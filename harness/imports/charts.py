# SPDX-License-Identifier: Apache-2.0
"""Imports packaged charts of the operator, identified by version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from harness.errors import UnavailableError, UsageError
from harness.foundry.imported import ImportedChart, Imports, Records
from harness.matrix.names import unknown
from harness.matrix.release import ChartSource, Release
from harness.releases import charts
from harness.releases.charts import CHART_NAME, Chart
from harness.settings import Settings
from harness.untrusted import no_file


def add(settings: Settings, file: Path, releases: Sequence[Release]) -> ImportedChart:
    """Import a .tgz of the operator's chart. Importing the same content again changes nothing.

    Raises UsageError if it is not the chart of a known release, or if its version exists with other content.
    """
    if not file.is_file():
        raise UsageError(no_file("the chart", file), "give the path of a .tgz; `helm package` writes one")
    chart = charts.from_path(file)
    if chart.name != CHART_NAME:
        raise UsageError(f"{file} is the chart {chart.name}", f"the operator's chart is named {CHART_NAME}")
    if chart.version not in [release.version for release in releases]:
        raise unknown("release", chart.version, (release.version for release in releases))
    imports = Imports.of(settings)
    with imports.changing():
        known = imports.read()
        there = known.chart(chart.version)
        if there and there.content == chart.sha256 and imports.chart_file(there).is_file():
            return there
        if there and there.content != chart.sha256:
            raise UsageError(
                f"a chart {chart.version} with different content was imported from {there.file} "
                f"(sha256:{there.content[:12]}…; this one is sha256:{chart.sha256[:12]}…)",
                f"remove that one first: `harness charts remove {chart.version}`",
            )
        made = ImportedChart(
            version=chart.version,
            content=chart.sha256,
            file=file.name,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            imported=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        charts.pack(chart, imports.chart_file(made))
        others = tuple(it for it in known.charts if it.version != made.version)
        imports.write(known.model_copy(update={"charts": (*others, made)}))
    return made


def remove(settings: Settings, version: str) -> ImportedChart:
    """Remove an imported chart. Raises UsageError with the existing ones."""
    imports = Imports.of(settings)
    with imports.changing():
        known = imports.read()
        found = known.chart(version)
        if found is None:
            raise unknown("imported chart", version, (it.version for it in known.charts))
        imports.write(known.model_copy(update={"charts": tuple(it for it in known.charts if it is not found)}))
        imports.chart_file(found).unlink(missing_ok=True)
    return found


def find(settings: Settings, version: str) -> Chart | None:
    """The imported chart of a version; None when none was imported.

    Raises UnavailableError when its file is missing or has changed.
    """
    imports = Imports.of(settings)
    known = imports.read().chart(version)
    if known is None:
        return None
    chart = charts.from_path(
        imports.chart_file(known),
        origin=ChartSource.IMPORTED,
        reference=known.obtained,
    )
    if chart.sha256 != known.content:
        raise UnavailableError(
            f"the imported chart {version} has digest sha256:{chart.sha256}, expected sha256:{known.content}",
            f"import it again: `harness charts remove {version}`, then `harness charts import {known.file}`",
        )
    return chart


def table(known: Records) -> Table:
    """The imported charts as `harness charts list` shows them."""
    shown = Table(title_justify="left")
    for title in ("version", "content", "from", "imported"):
        shown.add_column(title, overflow="fold")
    for it in known.charts:
        shown.add_row(it.version, f"sha256:{it.content[:12]}", it.file, it.imported)
    return shown
