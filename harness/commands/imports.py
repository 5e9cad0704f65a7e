# SPDX-License-Identifier: Apache-2.0
"""The commands `harness images` and `harness charts`: import, list and remove."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import options as run_options
from harness import settings
from harness.errors import UsageError
from harness.report.text import wide_console


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `images` and `charts` with their actions to the parser of `harness`."""
    images = command(commands, "images", None, "manage images from files, for hosts without access to a registry")
    actions = images.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = command(
        actions,
        "import",
        _import_image,
        "import an image from a tar file: an OCI layout or the output of `docker save`",
    )
    add.add_argument("file", metavar="FILE", type=Path, help="the tar file")
    add.add_argument(
        "--as", dest="reference", metavar="REF", required=True, help="the image's full name, docker.io/owner/name:tag"
    )
    listing = command(actions, "list", _list_images, "list the imported images")
    remove = command(actions, "remove", _remove_image, "remove an imported image")
    remove.add_argument("reference", metavar="REF", help="the image's full name")
    charts = command(
        commands, "charts", None, "manage charts from files, for hosts without access to a chart repository"
    )
    chart_actions = charts.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_chart = command(chart_actions, "import", _import_chart, "import the operator's chart from a .tgz")
    add_chart.add_argument("file", metavar="FILE", type=Path, help="the .tgz")
    chart_listing = command(chart_actions, "list", _list_charts, "list the imported charts")
    remove_chart = command(chart_actions, "remove", _remove_chart, "remove an imported chart")
    remove_chart.add_argument("version", metavar="VERSION", help="the chart's version")
    for parser in (add, listing, remove, add_chart, chart_listing, remove_chart):
        run_options.declare(parser.add_argument, run_options.CONFIG)


def _import_image(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.imports import images

    console = wide_console()
    made = images.add(run_options.settings_of(parsed), parsed.file, parsed.reference, say=console.print)
    console.print(f"imported {made.reference} ({', '.join(made.platforms)}), {made.digest}")
    return 0


def _list_images(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.foundry import imported
    from harness.imports import images

    known = imported.Imports.of(run_options.settings_of(parsed)).read()
    wide_console().print(images.table(known) if known.images else "no image has been imported")
    return 0


def _remove_image(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.imports import images

    wanted = run_options.settings_of(parsed)
    _refuse_while_in_use(wanted)
    print(f"removed {images.remove(wanted, parsed.reference).reference}")
    return 0


def _import_chart(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.imports import charts
    from harness.matrix import catalogue

    wanted = run_options.settings_of(parsed)
    made = charts.add(wanted, parsed.file, catalogue.of(wanted).releases)
    print(f"imported the chart {made.version}, sha256:{made.content}")
    return 0


def _list_charts(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.foundry import imported
    from harness.imports import charts

    known = imported.Imports.of(run_options.settings_of(parsed)).read()
    wide_console().print(charts.table(known) if known.charts else "no chart has been imported")
    return 0


def _remove_chart(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.imports import charts

    print(f"removed the chart {charts.remove(run_options.settings_of(parsed), parsed.version).version}")
    return 0


def _refuse_while_in_use(wanted: settings.Settings) -> None:
    from harness.evidence.ledger import ledger_folder, live_runs

    live = live_runs(ledger_folder(wanted))
    if live:
        raise UsageError(
            f"run {live[0].run_id} (process {live[0].pid}) is using the registries",
            "remove it after that run has ended",
        )
