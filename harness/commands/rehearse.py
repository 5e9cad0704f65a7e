# SPDX-License-Identifier: Apache-2.0
"""The command `harness rehearse`: a site's move to another release, tried on a cluster that is made like the site's."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.rehearsal.plan import Plan
    from harness.settings import Settings, SourceKind

_TAKEN = ("--source", "--bootstrap", "--keep", "--share", "--jobs", "--seed", "--config")
_OPTIONS = tuple(option for option in run_options.RUN_OPTIONS if option.flag in _TAKEN)


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `rehearse` to the parser of `harness`."""
    parser = command(
        commands,
        "rehearse",
        _rehearse,
        "try a site's move to another release, and the way back, on a cluster made from a snapshot of the site",
    )
    parser.add_argument("--site", type=Path, required=True, metavar="DIR", help="the snapshot of the site")
    parser.add_argument("--to", dest="target", required=True, metavar="RELEASE", help="the release to move to")
    parser.add_argument(
        "--from",
        dest="origin",
        default="",
        metavar="RELEASE",
        help="begin with this release, not the site's own",
    )
    parser.add_argument(
        "--applications",
        type=int,
        metavar="N",
        help="rehearse N of the site's applications (default: as many as processors and memory allow)",
    )
    parser.add_argument(
        "--release-name",
        default="",
        metavar="NAME",
        help="the Helm release, where a site has several of the operator, also as NAMESPACE/NAME",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="the folder for the run's inputs (default: the snapshot's name, followed by -rehearsal)",
    )
    parser.add_argument("--plan", action="store_true", help="write that folder, print what would be run, and exit")
    run_options.declare(parser.add_argument, _OPTIONS)


def _rehearse(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.commands import run
    from harness.rehearsal import folder

    if parsed.applications is not None and parsed.applications < 0:
        raise UsageError(f"--applications {parsed.applications} is not a valid number", "give 0 or more")
    given = run_options.read(parsed)
    wanted = run_options.settings_of(parsed)
    made = _planned(parsed, given, wanted)
    output = parsed.output or parsed.site.with_name(f"{parsed.site.resolve().name}-rehearsal")
    options = folder.write(output, made, given)
    _tell(made, output)
    if parsed.plan:
        return 0
    before = _latest(wanted)
    status = run.cells(options)
    if _latest(wanted) == before:
        # The run has told why it has no report; the latest one is that of an earlier rehearsal.
        return status
    return _judged(made, wanted, options, status)


def _latest(wanted: Settings) -> Path:
    # Path.resolve refuses a link that leads to itself, which the run replaces.
    return Path(os.path.realpath(wanted.reports_dir / "latest"))


def _planned(parsed: argparse.Namespace, given: run_options.RunOptions, wanted: Settings) -> Plan:
    from harness.advice import site
    from harness.foundry.imported import Imports
    from harness.late import psutil
    from harness.matrix import catalogue
    from harness.registries.source_choice import detect
    from harness.rehearsal import choice, plan

    reading = site.read(parsed.site, parsed.release_name)
    source = detect(wanted, given.source).kind
    free = psutil.virtual_memory().available >> 20
    room = choice.fitting(wanted.processors, free)
    asked = plan.Asked(
        reading=reading,
        target=parsed.target,
        applications=room if parsed.applications is None else parsed.applications,
        source=source,
        has=_images(wanted, source),
        origin=parsed.origin,
        imported=Imports.of(wanted).read().imported,
        room=room,
    )
    return plan.plan(asked, catalogue.of(wanted))


def _images(wanted: Settings, source: SourceKind) -> Callable[[str], bool]:
    """Whether an application's image can be had, asked of the registry that answers, or of what the foundry has."""
    from harness.apps.samples import chart_values
    from harness.foundry.imported import Imports
    from harness.images.references import ImageReference
    from harness.registries.sources import source_for

    @cache
    def has(image: str) -> bool:
        try:
            name = ImageReference.parse(image).canonical
            if source == "foundry":
                return name in chart_values().spark.images.values() or name in Imports.of(wanted).read().imported.images
            return bool(source_for(source, wanted).resolve(name))
        except HarnessError:
            return False

    return has


def _tell(made: Plan, output: Path) -> None:
    print(f"rehearsal of {made.reading.site.context or 'a cluster'}: {made.origin} → {made.target}: {output}")
    for kind, number in made.applications.counts.items():
        print(f"  {number} {kind}")
    for move in made.moves:
        print(f"  {move.what}: {move.path}")
    for it in made.otherwise:
        print(f"  different from the site: {it}")


def _judged(made: Plan, wanted: Settings, options: run_options.RunOptions, status: int) -> int:
    """Add to the report of the run what it amounts to, and print it."""
    from harness import stories
    from harness.advice import ask
    from harness.rehearsal import outcome
    from harness.report import rehearsal
    from harness.report.path_results import Report
    from harness.report.text import wide_console
    from harness.report.writer import RESULTS, read, rehearsed

    folder = _latest(wanted)
    run = read(folder / RESULTS) if (folder / RESULTS).is_file() else None
    if run is None or run.selection != tuple(run_options.words(options)):
        return status
    advice = ask.answer(
        ask.Question(
            settings=wanted,
            origin=made.origin,
            target=made.target,
            reports=[Report(folder=str(folder), run=run)],
            site=made.reading,
        )
    )
    summaries = {name: it.summary for name, it in stories.scenarios().items()}
    result = outcome.outcome(made, run, advice, summaries)
    rehearsed(folder, run, result, share=options.share)
    console = wide_console()
    for line in rehearsal.lines(result):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return outcome.exit_status(result, run.leaks)
