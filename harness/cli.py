# SPDX-License-Identifier: Apache-2.0
"""The `harness` command: run, bootstrap, doctor, matrix, foundry, images, charts, shell, registry, clean."""

from __future__ import annotations

import argparse
import difflib
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from harness import __version__, settings
from harness import options as run_options
from harness.commands import advise
from harness.commands import audit as audit_commands
from harness.commands import imports as import_commands
from harness.commands import registry as registry_commands
from harness.commands import report as report_commands
from harness.errors import HarnessError, UsageError
from harness.report.text import wide_console

if TYPE_CHECKING:
    from harness.matrix.catalogue import Catalogue

_EPILOG = """\
exit status: 0 all cells passed or are broken as known; 1 a cell failed; 2 wrong options or settings;
3 the host, an input or the harness failed. docs/glossary.md explains the words, docs/ the rest.
"""

_OF_A_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EINVAL})
"""What the system refuses because of a path that somebody gave."""

_OF_THE_HOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EIO})
"""What the system refuses because of the machine, and not because of a defect."""


_NEEDLESS_PLUGINS = ("anyio", "platformdirs", "pytest-kind")
"""Plugins of libraries that the harness uses otherwise: pytest would import them, and they are slow to import."""

# What is imported is no garbage: looking for some among a million objects takes a tenth of a short command's time.
gc.set_threshold(200_000, 10, 10)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    words, command = _split(sys.argv[1:] if argv is None else argv)
    _refuse_empty(parser, words)
    parsed, rest = parser.parse_known_args(words)
    if command:
        parsed.program = command
    if rest and parsed.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    logging.basicConfig(
        level=logging.DEBUG if parsed.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    if not parsed.verbose:
        # Retries are not worth a warning: when they are exhausted, the wait that fails reports it.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        return int(parsed.act(parsed, rest))
    except HarnessError as error:
        from harness.redaction.redactor import Redactor

        print(Redactor().text(f"{type(error).__name__}: {error}"), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 3
    except BrokenPipeError:
        # The reader, such as head, has what it wanted. What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        from harness.report import crash

        if isinstance(error, OSError) and error.errno in _OF_THE_HOST:
            where = f": {error.filename}" if error.filename else ""
            print(f"HostError: {error.strerror}{where}", file=sys.stderr)
            print("  next: free some disk, or give a folder that you may write to (HARNESS_CACHE)", file=sys.stderr)
        elif isinstance(error, OSError) and error.errno in _OF_A_PATH and error.filename:
            print(f"UsageError: {str(error.filename)[:200]}: {error.strerror}", file=sys.stderr)
            print("  next: check that path", file=sys.stderr)
            return 2
        else:
            crash.tell(error, sys.argv[1:] if argv is None else argv)
        return 3


def _refuse_empty(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """End with a usage error for an empty value: a variable that is not set must not select something else."""
    for number, word in enumerate(words):
        if "\0" in word:
            parser.error(f"{word!r} has a NUL byte, which no name can have")
        if word.startswith("--") and word.endswith("="):
            parser.error(f"{word} has an empty value; give one, or leave the option out")
        if not word.strip():
            before = words[number - 1] if number else ""
            option = before if before.startswith("-") else "an argument"
            parser.error(f"{option} has an empty value; give one, or leave it out")


def _split(words: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The arguments for argparse and, with `shell`, the command after `--`, whose options are not the harness's."""
    named = next((word for word in words if not word.startswith("-")), "")
    if named != "shell" or "--" not in words:
        return words, []
    at = list(words).index("--")
    return words[:at], list(words[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Will my Spark applications survive the move of the Spark Operator, on my Kubernetes?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"spark-operator-harness {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log every command that is run")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "run cells on real clusters; further options go to pytest (-k, -x, --lf, -n)")
    run_options.declare(run.add_argument, (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS))

    boot = _command(commands, "bootstrap", _bootstrap, "prepare this host: container engine, tools and images")
    boot.add_argument(
        "--first",
        action="store_true",
        help="prepare only what the first of these cells needs; `harness run --bootstrap` prepares the rest during "
        "the run",
    )
    run_options.declare(boot.add_argument, (*run_options.SELECTION_OPTIONS, *_SOURCE_AND_CONFIG))

    doctor = _command(commands, "doctor", _doctor, "check every prerequisite and say how to fix what is missing")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    run_options.declare(doctor.add_argument, run_options.CONFIG)

    matrix = _command(commands, "matrix", _matrix, "list the cells")
    matrix.add_argument("--json", action="store_true", help="print JSON for a CI job matrix")
    matrix.add_argument("--shards", type=int, metavar="N", help="split the cells into N shards of about equal duration")
    run_options.declare(matrix.add_argument, (*run_options.SELECTION_OPTIONS, *_JOBS, *_SOURCE_AND_CONFIG))

    foundry = _command(
        commands, "foundry", _foundry, "list, build or prune the artefacts built from package registries"
    )
    foundry.add_argument("action", choices=("list", "build", "prune", "add-kubernetes", "add-release"))
    foundry.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="with build: the artefacts to build (none: list the names); with add-kubernetes and add-release: a "
        "version",
    )
    run_options.declare(foundry.add_argument, run_options.CONFIG)

    shell = _command(commands, "shell", _shell, "open a shell in a kept cluster, or run the command after -- there")
    shell.add_argument("cell", nargs="?", metavar="CELL", help="a cell whose cluster was kept")
    shell.add_argument(
        "--run", metavar="ID", default="", help="the run whose kept cluster to use (default: the latest)"
    )
    shell.add_argument(
        "--node",
        nargs="?",
        const="",
        default=None,
        metavar="NAME",
        help="open the shell on a node (default: the first)",
    )
    shell.add_argument("--list", action="store_true", help="list the kept clusters of all runs")
    shell.set_defaults(program=[])
    run_options.declare(shell.add_argument, run_options.CONFIG)

    report_commands.declare(commands, _command)

    workflow = _command(commands, "workflow", _workflow, "generate the GitHub Actions workflows from the matrix")
    how = workflow.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write them to .github/workflows/")
    how.add_argument(
        "--check",
        action="store_true",
        help="show differences from the existing workflows; exit status 1 if there are any",
    )

    tool = _command(commands, "tool", _tool, "run a tool of the harness; build it first if it is not on PATH")
    tool.add_argument("name", metavar="NAME", help="kind, helm, kubectl, …; an unknown name lists them all")
    tool.add_argument(
        "arguments",
        nargs="*",
        metavar="ARGUMENT",
        help="after --: run the tool with these arguments; without them, print its path",
    )
    run_options.declare(tool.add_argument, run_options.CONFIG)

    registry_commands.declare(commands, _command)
    import_commands.declare(commands, _command)
    advise.declare(commands, _command)
    audit_commands.declare(commands, _command)

    clean = _command(
        commands, "clean", _clean, "remove everything that the harness has created on this machine, and prove it"
    )
    clean.add_argument("--run", metavar="ID", default=None, help="remove only what this run left behind or kept")
    clean.add_argument("--keep-cache", action="store_true", help="keep built images, tools and the engine's data")
    run_options.declare(clean.add_argument, run_options.CONFIG)
    return parser


_JOBS = tuple(option for option in run_options.RUN_OPTIONS if option.flag == "--jobs")
_SOURCE_AND_CONFIG = tuple(option for option in run_options.RUN_OPTIONS if option.flag in ("--source", "--config"))


def _command(commands: Any, name: str, act: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(act=act)
    return parser


def _run(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    import pytest

    from harness.run import setup

    options = run_options.read(parsed)
    _refuse_misspelt(rest)
    asked = setup.request(options)
    words = [
        # What --lf needs from the run before is kept with the rest of the cache, not in the checkout.
        *("-p", "harness.plugin", "-o", f"cache_dir={asked.settings.cache_dir / 'pytest'}"),
        *("--rootdir", str(settings.PROJECT_ROOT), "-c", str(settings.PROJECT_ROOT / "pyproject.toml")),
        # Without capture, so that what the run says about its clusters appears when it happens.
        *("-v", "--tb=short", "--capture=no", "-W", "default"),
        *(word for name in _NEEDLESS_PLUGINS for word in ("-p", f"no:{name}")),
        *run_options.words(options),
        *rest,
        str(settings.PROJECT_ROOT / "clusters" / "environments.toml"),
    ]
    status = pytest.main(words, plugins=[setup.Understood(request=asked)])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"UsageError: {' '.join(rest)} deselects all of the {len(asked.cells)} cells", file=sys.stderr)
        print("  next: list their ids with --collect-only", file=sys.stderr)
    elif status == pytest.ExitCode.USAGE_ERROR and rest:
        print("  next: `harness run --help` and `pytest --help` list the options", file=sys.stderr)
    # pytest's own words for a wrong command line, for nothing chosen and for Ctrl-C.
    others = {pytest.ExitCode.USAGE_ERROR: 2, pytest.ExitCode.NO_TESTS_COLLECTED: 2, pytest.ExitCode.INTERRUPTED: 3}
    return others[pytest.ExitCode(status)] if status in others else int(status)


def _refuse_misspelt(words: Sequence[str]) -> None:
    """Raise UsageError for an option that would go to pytest, but is a near miss of one of the harness's."""
    flags = [option.flag for option in (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS)]
    for word in words:
        close = difflib.get_close_matches(word.split("=")[0], flags, n=1, cutoff=0.85) if word.startswith("--") else []
        if close:
            raise UsageError(f"unknown option {word}; did you mean {close[0]}?", "`harness run --help` lists them")


def _bootstrap(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap.bootstrap import bootstrap
    from harness.evidence.temporary import temporary
    from harness.registries.sources import detect
    from harness.run import setup

    # As Ctrl-C, so that the programs which build something end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = setup.request(run_options.read(parsed))
    choice = detect(asked.settings, asked.options.source)
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
            to_be_continued=first,
        )
    return 0


def _doctor(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.bootstrap import doctor

    found = doctor.examine(run_options.settings_of(parsed))
    if parsed.json:
        print(doctor.as_json(found))
    else:
        wide_console().print(doctor.render(found))
    return 3 if any(item.status == "failure" for item in found) else 0


def _matrix(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.foundry.imported import Imports
    from harness.matrix import listing, shards
    from harness.matrix.estimate import Estimator
    from harness.matrix.select import unavailable_reason
    from harness.registries.sources import detect
    from harness.report.history import History
    from harness.run import setup

    asked = setup.request(run_options.read(parsed))
    wanted, cells = asked.settings, asked.cells
    learnt = History(wanted.cache_dir / "history.json").learnt()
    estimator = Estimator(learnt, slots=wanted.app_slots, path_slots=wanted.path_slots)
    if parsed.shards is not None and parsed.shards < 1:
        raise UsageError(f"--shards {parsed.shards} is not a valid shard count", "give a number of at least 1")
    parts = shards.shards(cells, estimator, parsed.shards, jobs=wanted.jobs) if parsed.shards else []
    if parsed.json:
        print(shards.as_json(parts) if parsed.shards else listing.as_json(cells, estimator))
        return 0
    source = detect(wanted, asked.options.source).kind
    imported = Imports.of(wanted).read().imported
    reasons = {cell.id: unavailable_reason(asked.catalogue, cell, source, imported) for cell in cells}
    console = wide_console()
    unavailable = {key: why for key, why in reasons.items() if why}
    console.print(listing.table(cells, estimator, unavailable=unavailable, shards=parts))
    public = source != "foundry"
    lines = listing.notes(cells, estimator, jobs=wanted.jobs, left_out=asked.left_out, public=public)
    for line in (*lines, *listing.shard_notes(parts)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0


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


def _shell(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.run import kept, shell

    wanted = run_options.settings_of(parsed)
    if parsed.list:
        wide_console().print(shell.listing(kept.kept_clusters(wanted)))
        return 0
    if parsed.cell is None:
        raise UsageError(
            "harness shell needs the id of a cell whose cluster was kept", "`harness shell --list` lists them"
        )
    found = kept.find(wanted, parsed.cell, parsed.run)
    if parsed.node is not None:
        return shell.open_node(found, parsed.node, parsed.program)
    return shell.open_shell(found, parsed.cell, parsed.program)


def _workflow(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness import stories
    from harness.ci import workflows
    from harness.matrix import catalogue as catalogues

    texts = workflows.render(catalogues.load(), stories.scenarios())
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

    if parsed.run:
        return 3 if clean_run(run_options.settings_of(parsed), parsed.run, say=print) else 0
    leaks = clean(run_options.settings_of(parsed), keep_cache=parsed.keep_cache, console=Console())
    return 3 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
