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

from harness import named_files
from harness.bench import audit, copies, matrix, pull, repeat, scale, smoke, upstream, verdicts
from harness.errors import HarnessError, HostError, UsageError
from harness.parser import Parser
from harness.redaction import terminal
from harness.report import crash
from harness.report.text import wide_console


class Measured(Protocol):
    """What a measurement came to; as text, it says so in a line."""

    @property
    def holds(self) -> bool:
        """Whether it is what it must be."""

    def write(self, file: Path) -> None:
        """Write everything as JSON."""


class Measurement(Protocol):
    """A module that measures.

    With `parsed.quick` it goes all its ways once, in the cheapest form that they have: whether it still works is what
    that shows, and no figure of it is judged.
    """

    QUICK: str
    """What --quick leaves of it, in a few words."""

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add the options."""

    def run(self, parsed: argparse.Namespace, console: Console) -> Measured:
        """Measure and print. Raises HarnessError."""


MEASUREMENTS: Mapping[str, Measurement] = {
    "smoke": smoke,
    "matrix": matrix,
    "pull": pull,
    "audit": audit,
    "copy": copies,
    "verdicts": verdicts,
    "repeat": repeat,
    "scale": scale,
    "upstream": upstream,
}
"""Name → module."""

_DEFAULT = "smoke"
_MEASURED, _LISTED = '"machine"', '"kind"'
"""What files of measurements have, and lists of rows."""


def parsed_words(words: Sequence[str]) -> argparse.Namespace:
    """The command line as options; without a measurement's name it is about the smoke."""
    parser = Parser(prog="nox -s bench --", description=__doc__, allow_abbrev=False)
    names = parser.add_subparsers(dest="measurement", metavar="MEASUREMENT", required=True, help=f"default: {_DEFAULT}")
    for name, module in MEASUREMENTS.items():
        about = (module.__doc__ or "").partition("\n")[0]
        sub = names.add_parser(name, help=about, description=module.__doc__, allow_abbrev=False)
        kept = getattr(module, "OUTPUT", "write the measurements to this JSON file")
        sub.add_argument("--output", type=Path, default=None, help=kept)
        sub.add_argument("--quick", action="store_true", help=f"{module.QUICK}; no limit is checked")
        module.declare(sub)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = [_DEFAULT, *words]
    return parser.parse_args(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write. 0 when it is what it must be, 1 when it is not, else an error's exit status."""
    parsed = parsed_words(sys.argv[1:] if argv is None else argv)
    # As Ctrl-C, so that clusters are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with terminal.redacted():
        return _measure(parsed)


def _measure(parsed: argparse.Namespace) -> int:
    console = wide_console()
    measurement = MEASUREMENTS[parsed.measurement]
    try:
        if parsed.output and measurement is not repeat:
            _require_place(parsed.output, _LISTED if getattr(parsed, "list", False) else _MEASURED)
            if measurement is scale:
                _require_place(parsed.output.with_suffix(".svg"), scale.chart.TITLE)
        outcome = measurement.run(parsed, console)
        console.print(str(outcome))
        if parsed.output:
            outcome.write(parsed.output)
    except HarnessError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted; everything it created was removed", file=sys.stderr)
        return 130
    except OSError as refused:
        print(f"HostError: {refused.filename or 'this machine'}: {refused.strerror}", file=sys.stderr)
        return HostError.exit_status
    except Exception as error:
        crash.tell(error, sys.argv[1:])
        return HarnessError.exit_status
    return 0 if outcome.holds else 1


def _require_place(file: Path, mark: str) -> None:
    """Raise UsageError where results cannot be written, or would take the place of what has not this mark of theirs:
    before minutes or hours are spent on them. Makes the folder.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if why := named_files.why_not(file):
            raise UsageError(f"--output {file} cannot be written: {why}", "give another file")
        named_files.require_own(file, mark)
    except OSError as refused:
        raise UsageError(
            f"--output {file} cannot be written: {refused.strerror}", "give another file, in a folder of yours"
        ) from refused


if __name__ == "__main__":
    sys.exit(main())
