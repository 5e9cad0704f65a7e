# SPDX-License-Identifier: Apache-2.0
"""The command `harness foundry`: lists, builds and prunes artefacts, and adds versions that it is to build."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console

if TYPE_CHECKING:
    from harness import settings
    from harness.matrix.catalogue import Catalogue


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `foundry` to the parser of `harness`."""
    foundry = command(commands, "foundry", _foundry, "list, build or prune the artefacts built from package registries")
    foundry.add_argument("action", choices=("list", "build", "prune", "add-kubernetes", "add-release"))
    foundry.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="with build: the artefacts to build (none: list the names); with add-kubernetes and add-release: a "
        "version",
    )
    run_options.declare(foundry.add_argument, run_options.CONFIG)


def _foundry(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.evidence.ledger import ledger_folder, live_runs
    from harness.evidence.temporary import temporary
    from harness.foundry import inventory
    from harness.matrix import catalogue as catalogues

    wanted, known, console = run_options.settings_of(parsed), catalogues.load(), wide_console()
    releases = (*known.releases, *known.copies())
    if parsed.action == "list":
        console.print(inventory.table(inventory.entries(wanted, releases)))
    elif parsed.action == "build":
        if not parsed.names:
            names = ", ".join(inventory.names(wanted, known.environments, releases))
            raise UsageError(
                "harness foundry build needs the names of the artefacts to build", f"the names are: {names}"
            )
        with temporary(wanted, programs=False):
            inventory.build(wanted, known.environments, releases, parsed.names, console.print)
    elif parsed.action in ("add-kubernetes", "add-release"):
        for line in _add_to_foundry(wanted, known, parsed.action, parsed.names, console.print):
            console.print(line, soft_wrap=True, highlight=False)
    else:
        live = live_runs(ledger_folder(wanted))
        if live:
            raise UsageError(
                f"run {live[0].run_id} (process {live[0].pid}) is using the registries", "prune after it has ended"
            )
        inventory.prune(wanted, releases, console.print)
    return 0


def _add_to_foundry(
    wanted: settings.Settings, known: Catalogue, action: str, versions: Sequence[str], say: Callable[[str], None]
) -> Iterable[str]:
    """Add a version to the checkout; returns lines that say what was done and what to do next."""
    if len(versions) != 1:
        raise UsageError(f"harness foundry {action} needs one version", "give it in full, such as 1.38.0 or 2.5.2")
    (version,) = versions
    if action == "add-kubernetes":
        from harness.foundry import add_kubernetes

        return add_kubernetes.told(add_kubernetes.add_kubernetes(wanted, version, known.environments, say), version)
    from harness.foundry import add_release

    return add_release.told(add_release.add_release(wanted, version, known.releases, say), version)
