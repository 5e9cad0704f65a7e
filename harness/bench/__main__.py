# SPDX-License-Identifier: Apache-2.0
"""The command line of the measurements."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from harness.bench import matrix, pull, smoke
from harness.errors import HarnessError
from harness.report.text import wide_console


class Measured(Protocol):
    """What a measurement came to; as text, it says so in a line."""

    @property
    def holds(self) -> bool:
        """Whether it is what it must be."""

    def write(self, file: Path) -> None:
        """Write everything as JSON."""


class Measurement(Protocol):
    """A module that measures."""

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add the options."""

    def run(self, parsed: argparse.Namespace, console: Console) -> Measured:
        """Measure and print. Raises HarnessError."""


MEASUREMENTS: Mapping[str, Measurement] = {"smoke": smoke, "matrix": matrix, "pull": pull}
"""Name → module."""

_DEFAULT = "smoke"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write. 0 when it is what it must be, 1 when it is not, else an error's exit status."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__, allow_abbrev=False)
    names = parser.add_subparsers(dest="measurement", metavar="MEASUREMENT", required=True, help=f"default: {_DEFAULT}")
    for name, module in MEASUREMENTS.items():
        about = (module.__doc__ or "").partition("\n")[0]
        sub = names.add_parser(name, help=about, description=module.__doc__, allow_abbrev=False)
        sub.add_argument("--output", type=Path, default=None, help="write what was measured to this JSON file")
        module.declare(sub)
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, _DEFAULT)
    parsed = parser.parse_args(words)
    # As Ctrl-C, so that clusters are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = wide_console()
    try:
        outcome = MEASUREMENTS[parsed.measurement].run(parsed, console)
    except HarnessError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("ended early; what was made is removed", file=sys.stderr)
        return 130
    console.print(str(outcome))
    if parsed.output:
        outcome.write(parsed.output)
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
