# SPDX-License-Identifier: Apache-2.0
"""The `harness report` command: merge the reports of runs, compare them, open one, serve one."""

from __future__ import annotations

import argparse
import logging
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.settings import port

if TYPE_CHECKING:
    from harness.report.model import RunResult

log = logging.getLogger(__name__)


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `report` with its actions to the parser of `harness`."""
    report = command(commands, "report", None, "work with the reports of runs")
    actions = report.add_subparsers(dest="action", required=True, metavar="ACTION")

    merge = command(actions, "merge", _merge, "merge several reports into one, such as the shards of a CI run")
    merge.add_argument(
        "folders", nargs="+", metavar="DIR", type=Path, help="report folders, or folders that contain some"
    )
    merge.add_argument(
        "--output", metavar="DIR", type=Path, help="the folder to write (default: next to the reports of runs)"
    )
    merge.add_argument(
        "--plan",
        metavar="FILE",
        type=Path,
        help="the output of `matrix --json --shards N`; each of its cells must have a result",
    )
    merge.add_argument(
        "--learn", action="store_true", help="use the durations of these cells for estimates in `matrix`"
    )
    run_options.declare(merge.add_argument, (*run_options.CONFIG, *run_options.SHARE))

    ship = command(
        actions,
        "ship",
        _ship,
        "print the upgrades of a report as rows of charts/results.toml, for `harness advise`, its installs as rows of "
        "charts/spark-results.toml, and paths with values profiles as rows of charts/profile-results.toml",
    )
    ship.add_argument(
        "run", nargs="?", default="", metavar="RUN", help="a run id or a report folder (default: the latest)"
    )
    ship.add_argument(
        "--as",
        dest="source",
        default="",
        metavar="WHERE",
        help="where the report is kept; this becomes `source` of the rows",
    )
    ship.add_argument(
        "--environments",
        action="store_true",
        help="print rows of charts/environment-results.toml and charts/way-results.toml",
    )
    run_options.declare(ship.add_argument, run_options.CONFIG)

    diff = command(
        actions, "diff", _diff, "compare two reports: which verdicts and figures changed by more than chance"
    )
    for name, text in (("before", "the first"), ("after", "the second")):
        diff.add_argument(
            name,
            metavar=name.upper(),
            help=f"{text}: a run id, a report folder, or a folder with several, taken together",
        )
    diff.add_argument("--all", dest="whole", action="store_true", help="also show what is the same or not sure")
    diff.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    run_options.declare(diff.add_argument, run_options.CONFIG)

    trend = command(actions, "trend", _trend, "write a page with the results of many runs over time")
    trend.add_argument(
        "folders", nargs="*", metavar="DIR", type=Path, help="folders with reports (default: where reports go)"
    )
    trend.add_argument(
        "--output", metavar="FILE", type=Path, help="the page to write (default: trend.html where reports go)"
    )
    run_options.declare(trend.add_argument, run_options.CONFIG)

    for name, act, text in (
        ("open", _open, "show a report's page in the browser, and print where it is"),
        ("serve", _serve, "serve a report read-only on this machine until Ctrl-C"),
    ):
        action = command(actions, name, act, text)
        action.add_argument(
            "run", nargs="?", default="", metavar="RUN", help="a run id or a report folder (default: the latest)"
        )
        run_options.declare(action.add_argument, run_options.CONFIG)
        if name == "serve":
            action.add_argument("--port", type=port, default=0, metavar="N", help="the port (default: a free one)")


def _merge(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.report import merge, summary
    from harness.report.history import History
    from harness.report.model import exit_status
    from harness.report.text import wide_console

    shards = merge.find(parsed.folders)
    merged = merge.merge(shards, planned=merge.planned_cells(parsed.plan) if parsed.plan else ())
    folder = parsed.output or run_options.settings_of(parsed).reports_dir / merged.run.run_id
    merge.write(merged, shards, folder, share=run_options.read(parsed).share)
    if parsed.learn:
        History(run_options.settings_of(parsed).cache_dir / "history.json").record(merged.run.cells)
    summary.terminal(merged.run, wide_console(), folder)
    return exit_status(merged.run)


def _ship(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness import stories
    from harness.report import ship, stored

    folder = stored.find(run_options.settings_of(parsed).reports_dir, parsed.run)
    report = ship.kept(folder, parsed.source or f"run {folder.name}")
    if parsed.environments:
        print(ship.toml(ship.path_rows(report)), end="")
        return 0
    usual = {name: it.spark for name, it in stories.scenarios().items() if it.sparks}
    for name, text in ship.files(report, usual).items():
        print(f"# charts/{name}\n{text}")
    return 0


def _diff(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    import json

    from harness.report import diff, diff_text
    from harness.report.text import wide_console

    reports = run_options.settings_of(parsed).reports_dir
    found = diff.compare(*(_gathered(reports, named) for named in (parsed.before, parsed.after)))
    if parsed.as_json:
        print(json.dumps(diff_text.as_json(found), indent=2))
    else:
        diff_text.terminal(found, wide_console(), whole=parsed.whole)
    return 1 if found.worse else 3 if found.unproved else 0


def _gathered(reports: Path, named: str) -> RunResult:
    """A report, or several in one folder as one. Raises UsageError."""
    from harness.report import merge, stored

    folder = Path(named) if Path(named).is_dir() else stored.find(reports, named)
    return merge.merge(merge.find([folder])).run


def _trend(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness import named_files
    from harness.errors import HostError, UsageError
    from harness.report import merge, trend, trend_page
    from harness.report.files import write_atomically

    reports = run_options.settings_of(parsed).reports_dir
    file = parsed.output or reports / "trend.html"
    try:
        named_files.require_own(file, trend_page.MARK)
    except OSError as error:
        raise HostError(f"cannot write {file}: {error}", "give another file to --output") from error

    def left_out(error: UsageError) -> None:
        log.warning("%s; it is left out", error.message)

    # Some of many nights were run by a harness of another version.
    runs = [it.run for it in merge.find(parsed.folders or [reports], left_out)]
    if not runs:
        raise UsageError("none of these reports can be read", "use the version of the harness that wrote them")
    try:
        write_atomically(file, trend_page.render(trend.of_runs(runs)))
    except OSError as error:
        raise HostError(f"cannot write {file}: {error}", "give another file to --output") from error
    print(file)
    return 0


def _open(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.report import stored

    folder = stored.find(run_options.settings_of(parsed).reports_dir, parsed.run)
    file = stored.write_page(folder)
    print(file, flush=True)
    if not webbrowser.open(file.as_uri()):
        print(
            f"no browser found; `harness report serve {folder.name}` serves the page to other programs on this machine"
        )
    return 0


def _serve(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from functools import partial

    from harness.report import stored
    from harness.report.serve import ReportServer

    folder = stored.find(run_options.settings_of(parsed).reports_dir, parsed.run)
    # A report that cannot be read is told here, and not to a browser alone.
    stored.page(folder)
    with ReportServer(folder, partial(stored.page, folder), parsed.port) as server:
        print(f"serving {folder} at {server.url}; stop with Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
