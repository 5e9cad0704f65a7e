# SPDX-License-Identifier: Apache-2.0
"""The command `harness run`: pytest with the harness's plugin, on the cells that were asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness import home, settings
from harness import options as run_options
from harness.errors import UsageError
from harness.wording import did_you_mean, nearest

_PYTEST_CONFIG = home.PACKAGE / "cells.ini"
"""The configuration of pytest for cells, in the place of any that is in the current folder."""

_OF_OTHER_TESTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
"""Variables by which a user's own tests get options and plugins."""


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `run` to the parser of `harness`."""
    run = command(
        commands,
        "run",
        _run,
        "run cells, each a scenario on an install or upgrade, on real clusters; further options go to pytest (-k, -x, "
        "--lf, -n)",
    )
    run_options.declare(run.add_argument, (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS))


def _run(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    _refuse_misspelt(rest)
    return cells(run_options.read(parsed), rest)


def cells(options: run_options.RunOptions, rest: Sequence[str] = ()) -> int:
    """Run the cells that the options choose, with further words for pytest, and return the exit status."""
    from harness.run import run_host, setup

    asked = setup.request(options)
    for variable in _OF_OTHER_TESTS:
        os.environ.pop(variable, None)
    understood = setup.Understood(request=asked, host=run_host.ahead(asked))
    import pytest

    words = [
        # What --lf needs from the run before is kept with the rest of the cache, not in the current folder.
        *("-p", "harness.plugin", "-o", f"cache_dir={asked.settings.cache_dir / 'pytest'}"),
        # Nothing of the tests that may be in the current folder, and no plugin of an environment that cells share.
        *("--rootdir", str(Path.cwd()), "-c", str(_PYTEST_CONFIG), "--noconftest"),
        *("--disable-plugin-autoload", "-p", "xdist"),
        # Without capture, so that what the run says about its clusters appears when it happens.
        *("-v", "--tb=short", "--capture=no", "-W", "default"),
        *run_options.words(replace(options, kubeconfig=None)),
        *rest,
        str(settings.PROJECT_ROOT / "clusters" / "environments.toml"),
    ]
    status = pytest.main(words, plugins=[understood])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"UsageError: {' '.join(rest)} deselects all of the {len(asked.cells)} cells", file=sys.stderr)
        print("  next: list their ids with --collect-only", file=sys.stderr)
    elif status == pytest.ExitCode.USAGE_ERROR and rest:
        print("  next: `harness run --help` and `pytest --help` list the options", file=sys.stderr)
    # pytest's own words for a wrong command line, for nothing chosen and for Ctrl-C.
    others = {pytest.ExitCode.USAGE_ERROR: 2, pytest.ExitCode.NO_TESTS_COLLECTED: 2, pytest.ExitCode.INTERRUPTED: 3}
    return others[pytest.ExitCode(status)] if status in others else int(status)


_TO_LIST = ("--dry-run", "--list", "--plan")
"""What others call it to say what would be done."""


def _refuse_misspelt(words: Sequence[str]) -> None:
    """Raise UsageError for what would go to pytest, but is a near miss of an option of the harness's, or the name of a
    path or the id of a cell without its option.
    """
    flags = [option.flag for option in (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS)]
    for before, word in pairwise(("", *words)):
        if word in _TO_LIST:
            raise UsageError(
                f"unknown option {word}", "`harness matrix` with the same options lists the cells of a run"
            )
        if near := nearest(word.partition("=")[0], flags, 0.85) if word.startswith("--") else "":
            raise UsageError(f"unknown option {word}{did_you_mean(near)}", "`harness run --help` lists them")
        # What stands behind an option may be its value, as with pytest's -k.
        is_value = before.startswith("-") or word.startswith("-") or Path(word).exists()
        option = "" if is_value else _option_of(word)
        if option:
            raise UsageError(f"{word} stands without an option", f"write {option} {word}")


def _option_of(word: str) -> str:
    """The option for the name of a path or the id of a cell; empty for other words."""
    from harness.matrix import path_names

    parts = word.split("/")
    if len(parts) == 3 and path_names.parse(parts[1]):
        return "--cell"
    return "--path" if path_names.parse(word) else ""
