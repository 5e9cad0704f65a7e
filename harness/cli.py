# SPDX-License-Identifier: Apache-2.0
"""The `harness` command: its parser, and the exit status and message of whatever goes wrong."""

from __future__ import annotations

import argparse
import codecs
import errno
import gc
import io
import locale
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import __version__, named_files, process
from harness import options as run_options
from harness.commands import (
    advise,
    audit,
    cache,
    completion,
    foundry,
    imports,
    internet,
    machine,
    matrix,
    registry,
    rehearse,
    report,
    run,
    shell,
    snapshot,
    workflow,
)
from harness.errors import HarnessError, HostError, UsageError
from harness.parser import Parser
from harness.redaction import terminal
from harness.wording import did_you_mean, nearest, without_endless

_EPILOG = """\
exit status of run: 0 all cells passed or are broken as known; 1 a cell failed; 2 wrong options or settings;
3 the host, an input or the harness failed. docs/glossary.md explains the words, docs/ the rest.
"""

_OF_A_PATH = frozenset(
    {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENXIO}
)
"""What the system refuses because of a path that somebody gave."""

_OF_THE_HOST = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, *process.LIMITS}
)
"""What the system refuses because of the machine, and not because of a defect."""

_FREE_DISK = "free some disk, or give a folder that you may write to (HARNESS_CACHE)"
_LOOP = "Symlink loop from "
"""What Path.resolve says of one before Python 3.13, which leaves it to whoever opens the path (pathlib.py)."""
_MAY_NOT = frozenset({errno.EACCES, errno.EPERM})


# What is imported is no garbage: looking for some among a million objects takes a tenth of a short command's time.
gc.set_threshold(200_000, 10, 10)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. Nothing that it prints has a secret in it."""
    if argv is None:
        _speak_utf8()
    with terminal.redacted():
        try:
            return _flushed(_main(argv))
        except SystemExit as ended:
            # argparse has printed help, or what is wrong.
            raise SystemExit(_flushed(int(ended.code or 0))) from None


def _flushed(status: int) -> int:
    """The exit status, or 3 where what was printed cannot be written: at exit this would be 120, and no words."""
    try:
        print(end="", flush=True)
    except OSError as refused:
        _print_no_more()
        if isinstance(refused, BrokenPipeError):
            return 128 + signal.SIGPIPE
        step = _FREE_DISK if refused.errno == errno.ENOSPC else "print to a file or a terminal"
        return _told(HostError(f"standard output cannot be written: {refused.strerror}", step))
    return status


def _told(error: HarnessError) -> int:
    """Print an error, and return its exit status."""
    from harness.evidence import markdown

    # What a program or a file said moves no cursor of a terminal.
    print(markdown.plain(without_endless(f"{type(error).__name__}: {error}")), file=sys.stderr)
    return error.exit_status


def _print_no_more() -> None:
    """Let what is still buffered not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _speak_utf8() -> None:
    """Begin anew in Python's UTF-8 mode (PEP 540) where the locale has another encoding, as LANG=en_US has.

    Files of the project and of its users are in UTF-8, and what is printed has letters that others lack. Where the
    environment names an encoding for printing, such a letter becomes an escape.
    """
    if not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8" and sys.executable:
        # For Python programs that this one starts.
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - this very program
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _main(argv: Sequence[str] | None) -> int:
    words, command = _split(sys.argv[1:] if argv is None else argv)
    parser = _parser_for(words)
    _refuse_empty(parser, words)
    parsed, rest = parser.parse_known_args(words)
    if command:
        parsed.program = command
    if rest and parsed.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(rest)}{_meant(parser, words, rest)}")
    logging.basicConfig(
        level=logging.DEBUG if parsed.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    if not parsed.verbose:
        # Retries are not worth a warning: when they are exhausted, the wait that fails reports it.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        _require_current_folder()
        if parsed.command != "completion":
            _require_temporary_folder()
        return int(parsed.act(parsed, rest))
    except HarnessError as error:
        return _told(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 3
    except MemoryError:
        print(
            "HostError: this needs more memory than this machine, or a limit of this shell, leaves to it",
            file=sys.stderr,
        )
        print("  next: `ulimit -v` shows the limit; give smaller files, or end what takes the memory", file=sys.stderr)
        return 3
    except BrokenPipeError:
        # The reader, such as head, has what it wanted.
        _print_no_more()
        return 128 + signal.SIGPIPE
    except Exception as error:
        from harness.report import crash

        if isinstance(error, RuntimeError) and str(error).startswith(_LOOP):
            print(f"UsageError: {str(error).removeprefix(_LOOP)[:200]} is a link that leads to itself", file=sys.stderr)
            print("  next: remove that link, or give another path", file=sys.stderr)
            return 2
        if isinstance(error, OSError) and error.errno in _OF_THE_HOST:
            where = f": {error.filename}" if error.filename else ""
            print(f"HostError: {error.strerror}{where}", file=sys.stderr)
            step = "let this user use it, or give what it may" if error.errno in _MAY_NOT else _FREE_DISK
            print(f"  next: {process.LIMITS.get(error.errno, step)}", file=sys.stderr)
        elif isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
            # Of tempfile, which has tried them all, also where every one of them is full.
            print(f"HostError: {error.strerror}", file=sys.stderr)
            print("  next: free some disk, or set TMPDIR to a folder that you may write to", file=sys.stderr)
        elif isinstance(error, OSError) and error.errno in _OF_A_PATH and error.filename:
            print(f"UsageError: {str(error.filename)[:200]}: {error.strerror}", file=sys.stderr)
            print("  next: check that path", file=sys.stderr)
            return 2
        else:
            crash.tell(error, sys.argv[1:] if argv is None else argv)
        return 3


def _require_current_folder() -> None:
    """Raise UsageError where somebody has removed the current folder, from which each relative path begins."""
    try:
        Path.cwd()
    except FileNotFoundError as gone:
        raise UsageError("the current folder does not exist any more", "cd into another one") from gone


def _require_temporary_folder() -> None:
    """Raise HostError for a TMPDIR that is of no use: Python would take another folder, and Go end with it."""
    given = os.environ.get("TMPDIR")
    if not given:
        return
    folder = Path(given)
    if not folder.is_absolute():
        # It would be another folder for each program that is started in a folder of its own.
        why = "it is not an absolute path"
    elif not folder.is_dir():
        why = named_files.why_no_folder(folder) or "it does not exist"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = "this user may not write there"
    else:
        return
    raise HostError(
        f"environment variable TMPDIR: {given} cannot hold temporary files: {why}",
        "set it to a folder that you may write to, or unset it",
    )


def _meant(parser: argparse.ArgumentParser, words: Sequence[str], rest: Sequence[str]) -> str:
    """The option that an unknown one was meant for, in words; empty where nothing is near."""
    known: list[str] = []
    chosen: Any = parser
    for word in words:
        below = next((it for it in chosen._actions if isinstance(it, argparse._SubParsersAction)), None)
        chosen = below.choices.get(word, chosen) if below else chosen
        known += [flag for action in chosen._actions for flag in action.option_strings if flag.startswith("--")]
    options = (word.partition("=")[0] for word in rest if word.startswith("-"))
    near = filter(None, (nearest(f"--{option.lstrip('-')}", known) for option in options))
    return did_you_mean(" and ".join(dict.fromkeys(near)))


def _refuse_empty(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """End with a usage error for an empty value: a variable that is not set must not select something else."""
    for number, word in enumerate(words):
        if "\0" in word:
            parser.error(f"{word!r} has a NUL byte, which no name can have")
        option, given, value = word.partition("=")
        if word.startswith("--") and given and not value.strip():
            parser.error(f"{option} has an empty value; give one, or leave the option out")
        if not word.strip():
            before = words[number - 1] if number else ""
            option = before if before.startswith("-") else "an argument"
            parser.error(f"{option} has an empty value; give one, or leave it out")


def _split(words: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The arguments for argparse and, with `shell` or `internet`, the command after `--` with options of its own."""
    named = next((word for word in words if not word.startswith("-")), "")
    if named not in ("shell", "internet") or "--" not in words:
        return words, []
    at = list(words).index("--")
    return words[:at], list(words[at + 1 :])


def _parser_for(words: Sequence[str]) -> argparse.ArgumentParser:
    """What parses this command line: with no other command than its own, if it has one."""
    # What comes before a command may ask for the help that lists them all.
    named = words[0] if words and not words[0].startswith("-") else ""
    return _parser() if named == "completion" else _parser(only=named)


def _parser(only: str = "") -> argparse.ArgumentParser:
    """The parser of all commands, or of this one, where there is one of that name."""
    parser = Parser(
        prog="harness",
        description="Will my Spark applications survive the move of the Spark Operator, on my Kubernetes?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"spark-operator-harness {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log every command that is run")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(parent: Any, name: str, act: Any, text: str) -> Any:
        return _Undeclared() if only and parent is commands and name != only else _command(parent, name, act, text)

    for group in _GROUPS:
        group(commands, command)
    completion.declare(commands, command, lambda: parser)
    # Help, and what is said of a command that does not exist, list them all.
    return parser if not only or commands.choices else _parser()


class _Undeclared:
    """Takes the place of the parser of a command that nobody asks for: to make them all takes a short command longer
    than its work.
    """

    def __getattr__(self, name: str) -> _Undeclared:
        return self

    def __getitem__(self, name: str) -> _Undeclared:
        return self

    def __call__(self, *_: object, **__: object) -> _Undeclared:
        return self


_GROUPS: tuple[Callable[[Any, run_options.Command], None], ...] = (
    run.declare,
    machine.declare,
    matrix.declare,
    foundry.declare,
    shell.declare,
    report.declare,
    workflow.declare,
    registry.declare,
    imports.declare,
    cache.declare,
    snapshot.declare,
    advise.declare,
    rehearse.declare,
    internet.declare,
    audit.declare,
)
"""In the order of `harness --help`."""


def _command(commands: Any, name: str, act: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(act=act)
    return parser


if __name__ == "__main__":
    sys.exit(main())
