# SPDX-License-Identifier: Apache-2.0
"""The command `harness foundry`: list, build, describe and prune artefacts, and add versions to the checkout."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from harness import home
from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.matrix.catalogue import Catalogue
    from harness.matrix.release import Release

_PAPERS = ("sbom", "provenance", "record-packages", "outdated")
_OF_ALL = ("list", "prune", "record-packages")
_ADDITIONS = ("add-kubernetes", "add-release")


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `foundry` to the parser of `harness`."""
    parser = command(
        commands, "foundry", _foundry, "list, build, describe or prune the artefacts built from package registries"
    )
    parser.add_argument(
        "action",
        metavar="ACTION",
        choices=("list", "build", "index", "prune", *_PAPERS, *_ADDITIONS),
        help="list: what is stored, missing or stale, with sizes; build: artefacts, with what they need; index: images "
        "for amd64 and arm64, as an archive to import; prune: remove what is stale; sbom: a bill of materials; "
        "provenance: what was built from what; record-packages: write the Debian packages of the base systems to "
        "clusters/nodes/packages.toml; outdated: modules of Go programs that have newer versions; add-kubernetes, "
        "add-release: teach the foundry another version",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="with build: artefacts (none: list the names); with index: images, such as operator-2.5.2; with sbom and "
        "provenance: kind and name of an artefact as `list` shows it (sbom without one: all of them); with outdated: "
        "Go tool modules (none: all that are stored); with add-kubernetes and add-release: a version",
    )
    run_options.declare(parser.add_argument, run_options.CONFIG)


def _foundry(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.evidence.ledger import ledger_folder, live_runs
    from harness.evidence.temporary import temporary
    from harness.foundry import harness_image, inventory
    from harness.foundry.store import Store
    from harness.internet.content import Content
    from harness.matrix import catalogue as catalogues

    if parsed.action == "record-packages":
        home.require_checkout("harness foundry record-packages")
    if parsed.names and parsed.action in _OF_ALL:
        raise UsageError(
            f"harness foundry {parsed.action} takes no names, and was given {', '.join(parsed.names)}",
            "omit them: it is about all artefacts",
        )
    wanted, console = run_options.settings_of(parsed), wide_console()
    known = catalogues.of(wanted)
    releases = (*known.releases, *known.copies())
    if parsed.action == "list":
        console.print(inventory.table(inventory.entries(wanted, releases, Content.of(wanted, known).kept())))
    elif parsed.action == "build":
        if not parsed.names:
            names = ", ".join(inventory.names(wanted, known.listed_environments(), releases))
            raise UsageError(
                "harness foundry build needs the names of the artefacts to build", f"the names are: {names}"
            )
        with temporary(wanted, programs=False):
            inventory.build(wanted, known.listed_environments(), releases, parsed.names, console.print)
        if harness_image.STEP in parsed.names:
            print(f"docker load --input {harness_image.archive(Store.of(wanted))}")
    elif parsed.action == "index":
        _index(wanted, releases, parsed.names, console)
    elif parsed.action in _PAPERS:
        _papers(wanted, parsed.action, parsed.names, console)
    elif parsed.action in _ADDITIONS:
        for line in _add_to_foundry(wanted, known, parsed.action, parsed.names, console.print):
            console.print(line, soft_wrap=True, highlight=False)
    else:
        live = live_runs(ledger_folder(wanted))
        if live:
            raise UsageError(
                f"run {live[0].run_id} (process {live[0].pid}) is using the registries", "prune after it has ended"
            )
        inventory.prune(wanted, releases, console.print, Content.of(wanted, known).kept())
    return 0


def _index(wanted: Settings, releases: Sequence[Release], names: Sequence[str], console: Console) -> None:
    """Build images for several architectures, and say how a run gets them."""
    from harness.evidence.temporary import temporary
    from harness.foundry import platforms
    from harness.foundry.store import Store

    if not names:
        known = ", ".join(platforms.names(releases))
        raise UsageError("harness foundry index needs the names of images", f"the names are: {known}")
    for name in names:
        with temporary(wanted, programs=False):
            reference, archive = platforms.build(Store.of(wanted), releases, name, console.print)
        print(f"harness images import {archive} --as {reference}")
    console.print(f"what is for {platforms.not_run()} has not been run: this machine cannot run it", soft_wrap=True)


def _papers(wanted: Settings, action: str, names: Sequence[str], console: Console) -> None:
    """Say what went into stored artefacts."""
    from harness.foundry import outdated, papers
    from harness.foundry.store import Store

    store = Store.of(wanted)
    if action == "record-packages":
        for line in papers.record_packages(store):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    elif action == "outdated":
        for shown in outdated.tables(store, names):
            console.print(shown)
    elif action == "sbom" and not names:
        console.print(papers.overview(store))
    elif len(names) != 1:
        raise UsageError(
            f"harness foundry {action} needs the name of one artefact", "`harness foundry list` shows them"
        )
    else:
        made = papers.of(store, names[0])
        print(made.sbom if action == "sbom" else made.provenance)


def _add_to_foundry(
    wanted: Settings, known: Catalogue, action: str, versions: Sequence[str], say: Callable[[str], None]
) -> Iterable[str]:
    """Add a version to the checkout; returns lines that say what was done and what to do next."""
    home.require_checkout(f"harness foundry {action}")
    if len(versions) != 1:
        example = "1.38.0" if action == "add-kubernetes" else "2.6.0"
        raise UsageError(f"harness foundry {action} needs one version", f"give it in full, such as {example}")
    (version,) = versions
    if action == "add-kubernetes":
        from harness.foundry import add_kubernetes

        return add_kubernetes.told(add_kubernetes.add_kubernetes(wanted, version, known.environments, say), version)
    from harness.foundry import add_release

    return add_release.told(add_release.add_release(wanted, version, known.releases, say), version)
