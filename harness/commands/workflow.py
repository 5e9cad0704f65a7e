# SPDX-License-Identifier: Apache-2.0
"""The command `harness workflow`: the GitHub Actions workflows, generated from the matrix."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness import home, settings

if TYPE_CHECKING:
    from harness import options as run_options


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `workflow` to the parser of `harness`."""
    workflow = command(commands, "workflow", _workflow, "generate the GitHub Actions workflows from the matrix")
    how = workflow.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write them to .github/workflows/")
    how.add_argument(
        "--check",
        action="store_true",
        help="show differences from the existing workflows; exit status 1 if there are any",
    )
    how.add_argument(
        "--for-operator",
        nargs="?",
        const="",
        metavar="OWNER/NAME@COMMIT",
        help="print a workflow for a repository of the operator, which tries each pull request with this harness",
    )


def _workflow(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness import stories
    from harness.ci import workflows
    from harness.matrix import catalogue as catalogues

    if parsed.write or parsed.check:
        home.require_checkout("harness workflow")
    if parsed.for_operator is not None:
        text = workflows.for_operator(catalogues.of(settings.load()), parsed.for_operator or workflows.HARNESS)
        print(text, end="")
        return 0
    texts = workflows.render(catalogues.of(settings.load()), stories.scenarios())
    if parsed.write:
        for file in workflows.write(texts):
            print(f"wrote {file}")
    elif parsed.check:
        differences = workflows.differences(texts)
        print(
            "\n".join([*differences, "next: harness workflow --write"])
            if differences
            else "the workflows are up to date"
        )
        return 1 if differences else 0
    else:
        print("\n".join(texts.values()), end="")
    return 0
