# SPDX-License-Identifier: Apache-2.0
"""The command `harness advise`: whether an upgrade is safe, and with which steps, also where nothing has run yet."""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.errors import UsageError
from harness.matrix.crd_modes import TOOLS

if TYPE_CHECKING:
    from harness.advice.ask import Question
    from harness.advice.site import Reading
    from harness.report.path_results import Report

log = logging.getLogger(__name__)

_OWN_HELP = {
    "--values": "the operator's values, or what deploys it: an Application, a HelmRelease, a helmfile.yaml, a "
    "Kustomization, an Ansible playbook, Terraform's JSON; or profile:NAME (may be repeated)",
    "--apps": "a folder with YAML files of your applications, which are compared with the CRDs and the webhook's rules "
    "of the new release",
    "--chart": "the chart of the new release, or the umbrella chart around it, to compare values and CRDs with: a .tgz "
    "or a folder",
}
"""Options of a run that mean something else where nothing is run."""

_TAKEN = (*_OWN_HELP, "--values-key", "--config")
_HELMS = {"helm3": 3, "helm4": 4}
"""Names for --tool that say which Helm it is."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,51}[a-z0-9])?")
"""What Helm accepts as the name of a release (helm/pkg/chartutil/validate_name.go)."""

_OPTIONS = tuple(
    replace(option, arguments={**option.arguments, "help": _OWN_HELP.get(option.flag, option.arguments["help"])})
    for option in run_options.RUN_OPTIONS
    if option.flag in _TAKEN
)


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `advise` to the parser of `harness`."""
    parser = command(
        commands,
        "advise",
        _advise,
        "say whether an upgrade is safe and with which steps; it changes nothing",
    )
    parser.add_argument("--from", dest="origin", metavar="RELEASE", help="the release that is installed")
    parser.add_argument("--to", dest="target", required=True, metavar="RELEASE", help="the release to upgrade to")
    parser.add_argument(
        "--tool",
        choices=(*TOOLS, *_HELMS),
        help="what you deploy with, or which Helm; the steps are commands of this tool (default: helm)",
    )
    parser.add_argument(
        "--site",
        type=Path,
        metavar="DIR",
        help="answer from a snapshot, which also names the installed release in place of --from",
    )
    parser.add_argument(
        "--context", metavar="NAME", default="", help="answer from the cluster of this context, which is only read"
    )
    parser.add_argument(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="with --context: a kubeconfig, or several, separated by colons (default: kubectl's)",
    )
    parser.add_argument(
        "--release-name",
        default="",
        metavar="NAME",
        help="the Helm release that the steps are about; of a site, one of several, also as NAMESPACE/NAME",
    )
    parser.add_argument(
        "--ask-registry",
        action="store_true",
        help="ask the registries, with HEAD requests, which no pull limit counts, for every image that is pulled "
        "after the upgrade",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    run_options.declare(parser.add_argument, _OPTIONS)


def _advise(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.advice import ask
    from harness.report import advice_text
    from harness.report.text import wide_console

    with _site(parsed) as reading:
        found = ask.answer(_question(parsed, reading))
    if parsed.json:
        print(found.model_dump_json(indent=2))
    else:
        console = wide_console()
        for line in advice_text.lines(found):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    return found.answer.exit_status


@contextmanager
def _site(parsed: argparse.Namespace) -> Iterator[Reading | None]:
    """The snapshot that is asked about: one that is there, or one that is taken for this answer alone."""
    from harness.advice import site
    from harness.commands.snapshot import taken

    if parsed.site and parsed.context:
        raise UsageError("--site and --context cannot be combined: both say what is installed", "omit one of them")
    if parsed.kubeconfig and not parsed.context:
        raise UsageError("--kubeconfig needs --context", "give --context, or omit it")
    if parsed.site:
        yield site.read(parsed.site, parsed.release_name)
    elif parsed.context:
        with tempfile.TemporaryDirectory(prefix="harness-advise-") as scratch:
            taken(parsed, Path(scratch) / "site")
            yield site.read(Path(scratch) / "site", parsed.release_name)
    else:
        yield None


def _question(parsed: argparse.Namespace, reading: Reading | None) -> Question:
    from harness.advice.ask import Question
    from harness.releases import umbrella

    home, slash, name = parsed.release_name.rpartition("/")
    if parsed.release_name and not (_NAME.fullmatch(name) and (not slash or (reading and _NAME.fullmatch(home)))):
        raise UsageError(
            f"--release-name {parsed.release_name!r} is not the name of a Helm release",
            "give it as `helm list --all-namespaces` shows it",
        )
    asked = run_options.read(parsed)
    if not asked.chart:
        umbrella.require_files(asked.values, asked.values_key)
    wanted = run_options.settings_of(parsed)
    return Question(
        settings=wanted,
        origin=parsed.origin or "",
        target=parsed.target,
        reports=tuple(latest_first(wanted.reports_dir)),
        tool="helm" if parsed.tool in _HELMS else parsed.tool,
        helm=_HELMS.get(parsed.tool, 0),
        values=asked.values,
        values_key=asked.values_key or "",
        apps=asked.apps,
        chart=Path(asked.chart) if asked.chart else None,
        site=reading,
        ask_registry=parsed.ask_registry,
        name=parsed.release_name,
        kubeconfig=parsed.kubeconfig,
    )


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
