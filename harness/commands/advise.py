# SPDX-License-Identifier: Apache-2.0
"""The command `harness advise`: whether an upgrade is safe, from the latest results of this machine's runs."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.errors import UsageError
from harness.untrusted import check_yaml

if TYPE_CHECKING:
    from harness import settings
    from harness.matrix.catalogue import Catalogue
    from harness.matrix.model import Release
    from harness.report.advice import Sentence
    from harness.report.advice_values import End
    from harness.report.path_results import Report

log = logging.getLogger(__name__)

_CONFIG = tuple(option for option in run_options.RUN_OPTIONS if option.flag in ("--values", "--config"))


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `advise` to the parser of `harness`."""
    parser = command(
        commands, "advise", _advise, "say whether an upgrade is safe, from the latest results on this machine"
    )
    parser.add_argument("--from", dest="origin", required=True, metavar="RELEASE", help="the release that is installed")
    parser.add_argument("--to", dest="target", required=True, metavar="RELEASE", help="the release to upgrade to")
    parser.add_argument("--json", action="store_true", help="print JSON")
    run_options.declare(parser.add_argument, _CONFIG)


def _advise(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.matrix import behaviour
    from harness.matrix import catalogue as catalogues
    from harness.releases.values import load_values, merge
    from harness.report import advice_text, advice_values
    from harness.report.advice import advise
    from harness.report.text import wide_console

    asked = run_options.read(parsed)
    wanted, known = run_options.settings_of(parsed), catalogues.load()
    origin, target = _end(wanted, known, parsed.origin), _end(wanted, known, parsed.target)
    cannot = require_edge(known, origin, target)
    sentences: list[Sentence] = []
    if asked.values:
        values = merge(*map(load_values, asked.values))
        sentences = advice_values.judge(values, origin, target, known.upgrades.notes)
    found = advise(
        origin.name,
        target.name,
        latest_first(wanted.reports_dir),
        upgrades=known.upgrades,
        changes=behaviour.changes(origin.release, target.release) if origin.release and target.release else (),
        values=sentences,
        cannot=cannot,
    )
    if parsed.json:
        print(found.model_dump_json(indent=2))
    else:
        console = wide_console()
        for line in advice_text.lines(found):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    return found.answer.exit_status


def latest_first(reports_dir: Path) -> list[Report]:
    """The reports below a folder, the latest first; one that cannot be read is skipped, with a warning."""

    from harness.report.path_results import Report
    from harness.report.writer import RESULTS, read

    found = []
    for file in sorted(reports_dir.glob(f"*/{RESULTS}")):
        if file.parent.is_symlink():
            continue
        try:
            found.append(Report(folder=str(file.parent), run=read(file)))
        except (OSError, ValueError) as unreadable:
            log.warning("%s is skipped: %s", file, str(unreadable).splitlines()[0])
    return sorted(found, key=lambda report: report.run.started, reverse=True)


def require_edge(known: Catalogue, origin: End, target: End) -> str:
    """Why no run can upgrade from one to the other, although advice is possible; empty when one can.

    Raises UsageError if it is not an upgrade, and for a release without a row that is not older than all with one.
    """
    from harness.matrix.versions import numbers

    if origin.name == target.name:
        raise UsageError(f"--from and --to are both {origin.name}", "give two different releases")
    if numbers(origin.name) > numbers(target.name):
        raise UsageError(
            f"{target.name} is older than {origin.name}: Helm goes back by rollback",
            f"`harness advise --from {target.name} --to {origin.name}` also covers the rollback",
        )
    without = [end.name for end in (origin, target) if end.release is None]
    if not without:
        return ""
    oldest = min(numbers(row.version) for row in known.releases)
    for name in without:
        if numbers(name) > oldest:
            known.release(name)
    return f"no run can upgrade from {origin.name} to {target.name}: charts/releases.toml has no row for {without[0]}"


def _end(wanted: settings.Settings, known: Catalogue, name: str) -> End:
    from harness.matrix import edges
    from harness.report.advice_values import End

    if not edges.is_release(name):
        raise UsageError(
            f"{name!r} is not a release name", "give a version (2.5.2) or a relocated release (2.2.1@docker.io)"
        )
    if any(row.version == name.partition("@")[0] for row in known.releases):
        release = known.release(name)
        return End(name=release.name, release=release, defaults=_defaults(wanted, release))
    return End(name=name)


def _defaults(wanted: settings.Settings, release: Release) -> dict[str, Any] | None:
    """The values of a release's chart if it is on this machine: imported, or packaged by the foundry."""
    import yaml

    from harness.imports import at_hand
    from harness.releases import chart_files

    found = at_hand.chart(wanted, release)
    if found is None:
        return None
    data = yaml.safe_load(check_yaml(chart_files.text(found.path, "values.yaml") or ""))
    return data if isinstance(data, dict) else None
