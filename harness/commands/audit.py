# SPDX-License-Identifier: Apache-2.0
"""The `harness audit` command: image references, and documents that contain them."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from harness import options as run_options
from harness import settings
from harness.errors import UsageError
from harness.evidence.temporary import temporary
from harness.report.text import wide_console
from harness.wording import counted

_SOURCE = tuple(option for option in run_options.RUN_OPTIONS if option.flag == "--source")


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `audit` with its actions to the parser of `harness`."""
    audit = command(commands, "audit", None, "find image references that are stale or do not exist")
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")

    images = command(actions, "images", _images, "check every image of a release, chart, values, manifests or cluster")
    what = images.add_mutually_exclusive_group()
    what.add_argument(
        "--release", metavar="NAME", help="a release of charts/releases.toml, with its sample applications"
    )
    what.add_argument("--chart", metavar="CHART", type=Path, help="a chart's folder or .tgz")
    what.add_argument(
        "--manifests",
        metavar="DIR",
        type=Path,
        action="append",
        help="a folder of manifests, or a single file (may be repeated)",
    )
    what.add_argument("--context", metavar="NAME", help="pods and applications of the cluster of a kubeconfig context")
    images.add_argument(
        "--values",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="values file: merged by Helm's rules with --release or --chart, otherwise checked on its own (may be "
        "repeated)",
    )
    images.add_argument("--json", action="store_true", help="print JSON")
    run_options.declare(images.add_argument, (*_SOURCE, *run_options.CONFIG))

    docs = command(actions, "docs", _docs, "find stale references in text files of any kind")
    docs.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="a folder or a file")
    docs.add_argument("--sarif", metavar="FILE", type=Path, help="write the findings as SARIF 2.1.0, for code review")
    docs.add_argument("--changelogs", action="store_true", help="include changelogs, which refer to the past")
    how = docs.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON")
    how.add_argument("--diff", action="store_true", help="print what --fix would change, and change nothing")
    how.add_argument(
        "--fix",
        action="store_true",
        help="replace stale references by the current name of the same version, and print the diff",
    )
    how.add_argument(
        "--emit", choices=("renovate", "kyverno"), help="print a rule for this tool that rejects former names"
    )


def _images(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.audit import images, render
    from harness.audit.homes import Homes
    from harness.audit.look import Eyes
    from harness.matrix import catalogue as catalogues
    from harness.registries.source_choice import detect

    options = run_options.read(parsed)
    wanted = settings.load(file=options.config)
    choice = detect(wanted, options.source)
    known = catalogues.of(wanted)
    homes = Homes(known.releases)
    # What a kubeconfig holds is written into files, for which only a ledger can answer.
    with temporary(wanted) if parsed.context else nullcontext():
        subject = _subject(parsed, wanted, choice.kind, known, homes)
    with _registries(wanted, choice.kind) as mirrors, Eyes(choice.kind, mirrors, token_files=wanted.logins) as eyes:
        seen = eyes.look_at(images.wanted(subject.mentions))
    audit = images.ImageAudit(
        subject=subject.name,
        source=str(choice),
        images=images.audit(subject.mentions, seen, homes),
        unreadable=subject.unreadable,
        notes=(str(choice), *subject.notes),
    )
    if parsed.json:
        print(render.as_json(audit))
    else:
        wide_console().print(render.as_table(audit))
    return audit.exit_status


def _docs(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.audit import docs, told
    from harness.audit.homes import Homes
    from harness.matrix import catalogue as catalogues

    homes = Homes(catalogues.releases_of(settings.load()))
    if parsed.emit and (parsed.folder or parsed.sarif or parsed.changelogs):
        raise UsageError(
            "--emit prints a rule and reads nothing: it takes no folder, --sarif or --changelogs", "leave them out"
        )
    if parsed.emit:
        from harness.audit import emit

        print(emit.EMITTED[parsed.emit](homes))
        return 0
    if parsed.folder is None:
        raise UsageError("harness audit docs needs something to check", "give a folder or a file")
    audit = docs.audit(parsed.folder, homes, histories=parsed.changelogs)
    if parsed.fix or parsed.diff:
        audit = _mended(audit, homes, parsed)
    if parsed.sarif:
        from harness.audit import sarif

        try:
            sarif.write(audit, parsed.sarif)
        except OSError as refused:
            raise UsageError(f"{parsed.sarif} cannot be written: {refused.strerror}", "give another file") from refused
    if parsed.json:
        print(told.documents_json(audit))
    else:
        print("\n".join(told.documents_lines(audit)))
    return audit.exit_status


def _mended(audit: Any, homes: Any, parsed: argparse.Namespace) -> Any:
    """Print the diff; with --fix, write it, and audit again."""
    from harness.audit import docs, mend
    from harness.evidence.markdown import plain

    planned = mend.plan(audit, docs.Scanner(homes))
    for it in planned:
        for line in it.diff.split("\n")[:-1]:
            # A carriage return is a part of the line for whoever applies the diff.
            print(plain(line.removesuffix("\r")), end="\r\n" if line.endswith("\r") else "\n")
    if not (planned and parsed.fix):
        return audit
    mend.write(planned)
    print(f"mended {sum(it.names for it in planned)} in {counted(len(planned), 'file')}")
    return docs.audit(parsed.folder, homes, histories=parsed.changelogs)


def _subject(parsed: argparse.Namespace, wanted: settings.Settings, kind: Any, known: Any, homes: Any) -> Any:
    from harness.audit import subjects
    from harness.bootstrap import tools
    from harness.releases import charts

    if (parsed.manifests or parsed.context) and parsed.values:
        raise UsageError("--values can only be combined with --release or --chart", "omit one of the options")
    if parsed.manifests:
        return subjects.of_manifests(parsed.manifests, homes)
    if parsed.context:
        return subjects.of_context(parsed.context)
    if parsed.values and not (parsed.release or parsed.chart):
        return subjects.of_values(parsed.values, homes)
    if not (parsed.release or parsed.chart):
        raise UsageError(
            "harness audit images needs something to check",
            "give --release, --chart, --values, --manifests or --context",
        )
    # A release, a chart or values that are none are told before anything is built.
    chart = charts.from_path(parsed.chart) if parsed.chart else None
    if parsed.release:
        known.release(parsed.release)
    helm = tools.ensure(wanted, ["helm"])["helm"].path
    if chart:
        return subjects.of_chart(chart, helm, parsed.values)
    with temporary(wanted) as scratch:
        return subjects.of_release(known, parsed.release, kind, wanted, helm, parsed.values, scratch)


@contextmanager
def _registries(wanted: settings.Settings, kind: Any) -> Iterator[Any]:
    """The mirror map of the source; within the block, the foundry's images are served."""
    from harness.bootstrap import tools
    from harness.images.mirrors import Mirror, MirrorMap
    from harness.registries import local

    if kind != "foundry":
        yield wanted.mirror_map if kind == "mirror" else MirrorMap()
        return
    storage = wanted.cache_dir / "registry"
    hosts = local.stored_hosts(storage)
    if not hosts:
        yield MirrorMap()
        return
    binary = tools.ensure(wanted, ["registry"])["registry"].path
    with _heeding_sigterm(), temporary(wanted) as scratch, ExitStack() as stack:
        served = {
            host: stack.enter_context(local.serve(binary, storage / host, scratch / f"{host}.log", readonly=True)).url
            for host in hosts
        }
        yield MirrorMap(mirrors={host: Mirror(url=url) for host, url in served.items()})


@contextmanager
def _heeding_sigterm() -> Iterator[None]:
    """Make SIGTERM interrupt the block as Ctrl-C does, so that servers started in it are stopped."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
