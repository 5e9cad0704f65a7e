# SPDX-License-Identifier: Apache-2.0
"""The commands that prepare this machine and clean it: `bootstrap`, `doctor`, `tool`, `clean`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console

_SOURCE_AND_CONFIG = tuple(option for option in run_options.RUN_OPTIONS if option.flag in ("--source", "--config"))


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `bootstrap`, `doctor`, `tool` and `clean` to the parser of `harness`."""
    boot = command(commands, "bootstrap", _bootstrap, "prepare this host: container engine, tools and images")
    boot.add_argument(
        "--first",
        action="store_true",
        help="prepare only what the first of the selected cells needs; `harness run --bootstrap` prepares the rest "
        "during the run",
    )
    run_options.declare(boot.add_argument, (*run_options.SELECTION_OPTIONS, *_SOURCE_AND_CONFIG))

    doctor = command(commands, "doctor", _doctor, "check every prerequisite and say how to fix what is missing")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.add_argument(
        "--registries",
        action="store_true",
        help="check only the registries, within 10 s: do they answer, with which login, and how many pulls are left",
    )
    run_options.declare(doctor.add_argument, run_options.CONFIG)

    tool = command(commands, "tool", _tool, "run a tool of the harness; build it first if it is not on PATH")
    tool.add_argument("name", metavar="NAME", help="kind, helm, kubectl, …; an unknown name lists them all")
    tool.add_argument(
        "arguments",
        nargs="*",
        metavar="ARGUMENT",
        help="after --: run the tool with these arguments; without them, print its path",
    )
    run_options.declare(tool.add_argument, run_options.CONFIG)

    clean = command(
        commands, "clean", _clean, "remove everything that the harness has created on this machine, and prove it"
    )
    clean.add_argument("--run", metavar="ID", default=None, help="remove only what this run left behind or kept")
    clean.add_argument("--keep-cache", action="store_true", help="keep built images, tools and the engine's data")
    clean.add_argument(
        "--context",
        default=None,
        metavar="NAME",
        help="remove only what runs with --env existing left in the cluster of this context",
    )
    clean.add_argument(
        "--kubeconfig",
        default=None,
        metavar="FILE",
        help="with --context: a kubeconfig, or several, separated by colons (default: kubectl's)",
    )
    run_options.declare(clean.add_argument, run_options.CONFIG)


def _bootstrap(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap.bootstrap import bootstrap
    from harness.evidence.temporary import temporary
    from harness.matrix.path_names import by_argo_cd
    from harness.registries.source_choice import detect
    from harness.releases import ways
    from harness.run import setup

    # As Ctrl-C, so that the programs which build something end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = setup.request(run_options.read(parsed))
    if asked.existing is not None:
        raise UsageError(
            "an existing cluster needs no bootstrap, only Helm and kubectl",
            "harness tool helm; harness tool kubectl",
        )
    choice = asked.source or detect(asked.settings, asked.options.source)
    providers = tuple(dict.fromkeys(cell.environment.provider for cell in asked.cells))
    # From other sources nothing is built, and a run pulls what its cells need.
    first = bool(parsed.first) and choice.kind == "foundry"
    if first:
        asked = replace(asked, cells=asked.cells[:1])
    console = Console()
    console.print(str(choice), soft_wrap=True, highlight=False)
    with temporary(asked.settings, programs=False):
        bootstrap(
            asked.settings,
            source=choice.kind,
            environments=list(dict.fromkeys(cell.environment for cell in asked.cells)),
            releases=asked.releases,
            console=console,
            providers=providers,
            programs=ways.tools_of(cell.path for cell in asked.cells),
            spark_images=[image for cell in asked.cells for image in cell.scenario.images],
            argocd=any(by_argo_cd(cell.path) for cell in asked.cells),
            to_be_continued=first,
        )
    return 0


def _doctor(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap import doctor, prerequisite

    wanted = run_options.settings_of(parsed)
    found = doctor.registries(wanted) if parsed.registries else doctor.examine(wanted)
    if parsed.json:
        print(prerequisite.as_json(found))
    else:
        console = wide_console()
        console.print(prerequisite.render(found))
        if not parsed.registries:
            console.print(prerequisite.summary(found))
    return 3 if any(item.status == "failure" for item in found) else 0


def _tool(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap import tools

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found = tools.ensure(run_options.settings_of(parsed), [parsed.name], progress=say)[parsed.name]
    if parsed.arguments:
        # It takes the place of this process: its output, its signals and its exit status are its own.
        os.execv(found.path, [parsed.name, *parsed.arguments])  # noqa: S606  # a program of ours, and no shell
    print(found.path)
    return 0


def _clean(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.cleanup.clean import clean, clean_run

    if parsed.context:
        return _clean_cluster(parsed)
    if parsed.kubeconfig:
        raise UsageError("--kubeconfig needs --context", "add --context")
    if parsed.run:
        return 3 if clean_run(run_options.settings_of(parsed), parsed.run, say=print) else 0
    leaks = clean(run_options.settings_of(parsed), keep_cache=parsed.keep_cache, console=Console())
    return 3 if leaks else 0


def _clean_cluster(parsed: argparse.Namespace) -> int:
    """Clean a user's cluster, then this machine of what dead runs left, such as kubeconfigs, as the next run would."""
    from harness.bootstrap import tools
    from harness.cleanup.clean import clean_stale
    from harness.evidence.temporary import temporary
    from harness.existing.clean import clean
    from harness.kube.login import access

    wanted = run_options.settings_of(parsed)
    if parsed.keep_cache:
        raise UsageError(
            "--keep-cache and --context cannot be combined: with --context, only a cluster is cleaned",
            "leave out one of them",
        )
    with temporary(wanted) as folder:
        found = access(parsed.kubeconfig or wanted.cluster.kubeconfig, parsed.context)
        helm = tools.resolve(wanted, ["helm"])["helm"].path
        left = clean(wanted, found, helm=helm, folder=folder, run_id=parsed.run or "", say=print)
    for it in left:
        print(f"left: {it}")
    if not left:
        clean_stale(wanted, say=print)
    return 3 if left else 0
