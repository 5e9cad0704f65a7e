# SPDX-License-Identifier: Apache-2.0
"""Measures `harness registry copy` against `regctl image copy`, `oras cp -r` and `crane copy`: what arrives, and when.

All copy the same signed image of two platforms between two registries on this machine, in turn, each into an empty
one, and then again, when all is there. The ratio is that of the medians, against the fastest other way with which
everything arrives. Run as `nox -s bench -- copy`.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import __version__, process, settings
from harness.bench import copies_image
from harness.bench.outcome import Outcome
from harness.bootstrap import tools
from harness.errors import HarnessError, UsageError
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries import local, verify
from harness.registries.push import Transfer
from harness.report.median import METHOD, Median, median
from harness.settings import amount, positive

LIMIT = 3.0
"""The harness must not take longer than the fastest other way with which everything arrives, times this: Python has to
start, and each blob goes through a file, so that an interrupted copy goes on where it was."""

QUICK = "one round, with layers of 64 KiB"

OURS = "harness registry copy"

_MIB = 1 << 20
_QUICK_BYTES = 64 << 10
_SECONDS = 600.0
# What Docker Hub counts as a pull: https://docs.docker.com/docker-hub/usage/pulls
_COUNTED = re.compile(r'"GET \S*/v2/\S+/manifests/\S+ HTTP/[\d.]+" 200 ')


@dataclass(frozen=True, kw_only=True)
class Way:
    """A program that copies; `{src}`, `{dst}` in its words stand for references, `{from}`, `{to}` for their hosts."""

    name: str
    version: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Copied:
    """One copy into an empty registry, and one more of the same.

    `seconds` and `processor` are those of the first, `again` those of the second, `pulls` the manifests that this one
    got from SRC and from DST. `claims` is how many claims of `harness registry verify` hold, and out of how many, by
    what they are about; `error` is why there was no copy.
    """

    seconds: float = 0.0
    processor: float = 0.0
    again: float = 0.0
    pulls: tuple[int, int] = (0, 0)
    claims: Mapping[str, tuple[int, int]]

    @property
    def complete(self) -> bool:
        """Whether everything arrived."""
        return bool(self.claims) and all(there == wanted for there, wanted in self.claims.values())


@dataclass(frozen=True, kw_only=True)
class CopyOutcome(Outcome):
    """It holds, if the harness is also one of the ways with which everything arrives and counts nothing again."""

    complete: bool
    counted: int

    @property
    def holds(self) -> bool:
        """Whether all of this is so; of a quick one, only the time is not judged."""
        return super().holds and self.complete and not self.counted

    def __str__(self) -> str:
        arrived = "everything arrived" if self.complete else "NOT everything arrived"
        return f"{super().__str__()}; {arrived}; {self.counted} counted pulls when copied again"


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="copies with each program (default: 7)")
    parser.add_argument(
        "--layer-mib", type=amount, default=48.0, metavar="MIB", help="size of each of the 8 layers (default: 48)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed for the order within each round")


def run(parsed: argparse.Namespace, console: Console) -> CopyOutcome:
    """Measure and print the tables. Raises HarnessError where a program fails."""
    rounds, size = (1, _QUICK_BYTES) if parsed.quick else (parsed.rounds, int(parsed.layer_mib * _MIB))
    if size < 1:
        raise UsageError(f"--layer-mib {parsed.layer_mib} leaves no byte for a layer", "give a larger number")
    wanted = settings.load()
    registry = tools.ensure(wanted, ["registry"], progress=console.print)["registry"].path
    known = ways(wanted)
    found: dict[str, list[Copied]] = {it.name: [] for it in known}
    order = random.Random(parsed.seed)  # noqa: S311 - an order, not a secret
    with tempfile.TemporaryDirectory(prefix="soh-copies-") as scratch, _source(registry, Path(scratch), size) as source:
        for number in range(rounds):
            for way in order.sample(known, len(known)):
                found[way.name].append(_measured(way, registry, source, Path(scratch) / f"{number}"))
    console.print(arrived(found))
    console.print(took(found, f"{2 * copies_image.LAYERS} layers of {size / _MIB:g} MiB, {rounds} rounds"))
    return outcome(known, found, judged=not parsed.quick, layer_bytes=size)


def outcome(
    known: Sequence[Way], found: Mapping[str, Sequence[Copied]], *, judged: bool, layer_bytes: int
) -> CopyOutcome:
    """What the copies came to. Raises HarnessError where nothing else than the harness copied everything."""
    ours = found[OURS]
    others = {
        name: median([it.seconds for it in copies])
        for name, copies in found.items()
        if name != OURS and all(it.complete for it in copies)
    }
    if not others:
        raise HarnessError("no other program copied everything, so that there is nothing to compare with")
    fastest = min(others, key=lambda name: others[name].median)
    return CopyOutcome(
        ratio=_of(ours, "seconds").median / others[fastest].median,
        limit=LIMIT,
        judged=judged,
        note=f"against {fastest}",
        complete=all(it.complete for it in ours),
        counted=max(sum(it.pulls) for it in ours),
        measured={
            "layer_bytes": layer_bytes,
            "ways": {
                it.name: {"version": it.version, "copies": [asdict(one) for one in found[it.name]]} for it in known
            },
            "method": METHOD,
        },
    )


def ways(wanted: settings.Settings) -> list[Way]:
    """The programs; those that are not there are built. Raises BuildError."""
    store = Store.of(wanted)
    crane = tools.ensure(wanted, ["crane"])["crane"]
    regctl, oras = (str(gobuild.build(store, it).folder / "bin" / it) for it in ("regctl", "oras"))
    hosts = ("--host", "reg={from},tls=disabled", "--host", "reg={to},tls=disabled")
    return [
        Way(
            name=OURS,
            version=__version__,
            words=(sys.executable, "-m", "harness.cli", "registry", "copy", "{src}", "{dst}"),
        ),
        Way(
            name="regctl image copy --referrers --digest-tags",
            version=gobuild.build_file("regctl").version,
            words=(regctl, *hosts, "image", "copy", "--referrers", "--digest-tags", "{src}", "{dst}"),
        ),
        Way(
            name="oras cp -r",
            version=gobuild.build_file("oras").version,
            words=(oras, "cp", "-r", "--no-tty", "--from-plain-http", "--to-plain-http", "{src}", "{dst}"),
        ),
        Way(name="crane copy", version=crane.version, words=(str(crane.path), "copy", "--insecure", "{src}", "{dst}")),
    ]


def arrived(found: Mapping[str, Sequence[Copied]]) -> Table:
    """What arrived with each way, as claims that hold; the fewest of all rounds."""
    shown = Table(title="what arrived", title_justify="left")
    shown.add_column("way")
    parts = list(dict.fromkeys(part for copies in found.values() for it in copies for part in it.claims))
    for part in parts:
        shown.add_column(part, justify="right")
    for name, copies in found.items():
        least = [min((it.claims.get(part, (0, 0)) for it in copies), default=(0, 0)) for part in parts]
        shown.add_row(name, *(f"{there} of {wanted}" for there, wanted in least))
    return shown


def took(found: Mapping[str, Sequence[Copied]], what: str) -> Table:
    """How long each way took, with intervals, and what it counted when all was there."""
    shown = Table(title=what, title_justify="left")
    for title in ("way", "seconds", "processor", "again, seconds", "pulls again: SRC", "DST"):
        shown.add_column(title, justify="left" if title == "way" else "right")
    for name, copies in found.items():
        most = [max(it.pulls[end] for it in copies) for end in (0, 1)]
        shown.add_row(name, *(_shown(_of(copies, it)) for it in ("seconds", "processor", "again")), *map(str, most))
    return shown


def _of(copies: Sequence[Copied], what: str) -> Median:
    return median([float(getattr(it, what)) for it in copies])


def _shown(it: Median) -> str:
    return f"{it.median:.2f}, {it.low:.2f} to {it.high:.2f}"


@contextmanager
def _source(registry: Path, scratch: Path, size: int) -> Iterator[local.Server]:
    """A registry that has the image."""
    storage = scratch / "source"
    with (
        local.serve(registry, storage, scratch / "pushed.log") as server,
        Transfer(Mirror(url=server.url), server.address, push=True) as client,
    ):
        copies_image.push(client, scratch, layer_bytes=size)
    with local.serve(registry, storage, scratch / "source.log", readonly=True) as server:
        yield server


def _measured(way: Way, registry: Path, source: local.Server, folder: Path) -> Copied:
    """One copy into a registry of its own, one more, and what `verify` says of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = folder / "storage"
    try:
        with local.serve(registry, storage, folder / f"{way.name.partition(' ')[0]}.log") as target:
            before = _processor()
            seconds = _call(way, source, target, folder)
            processor = _processor() - before
            claims = _claims(source, target)
            counted = [_pulls(it) for it in (source, target)]
            again = _call(way, source, target, folder)
            pulls = (_pulls(source) - counted[0], _pulls(target) - counted[1])
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return Copied(seconds=seconds, processor=processor, again=again, pulls=pulls, claims=claims)


def _call(way: Way, source: local.Server, target: local.Server, folder: Path) -> float:
    names = {"from": source.address, "to": target.address}
    names |= {
        end: f"{names[at]}/{copies_image.REPOSITORY}:{copies_image.TAG}" for end, at in (("src", "from"), ("dst", "to"))
    }
    # No login and no settings of whoever measures.
    own = {"HOME": str(folder), "DOCKER_CONFIG": str(folder / "no-login"), "HARNESS_CACHE": str(folder / "cache")}
    return process.call([it.format(**names) for it in way.words], timeout=_SECONDS, env=own).seconds


def _claims(source: local.Server, target: local.Server) -> dict[str, tuple[int, int]]:
    """The claims of `verify` by what they are about, and how many of them hold."""
    ends = [
        ImageReference.parse(f"{it.address}/{copies_image.REPOSITORY}:{copies_image.TAG}") for it in (source, target)
    ]
    with (
        Transfer(Mirror(url=source.url), source.address) as theirs,
        Transfer(Mirror(url=target.url), target.address) as ours,
    ):
        found = verify.verify(theirs, ends[0], ours, ends[1])
    counted: dict[str, tuple[int, int]] = {}
    for claim in found.claims:
        part = _part(claim.what)
        there, wanted = counted.get(part, (0, 0))
        counted[part] = (there + claim.same, wanted + 1)
    return counted


def _part(claim: str) -> str:
    for start, part in _PARTS.items():
        if claim.startswith(start):
            return part
    return "digest"


_PARTS = {
    "platform ": "platforms",
    "configuration of ": "platforms",
    "manifests": "attestations",
    "referrers that": "lists of referrers",
    "referrer": "referrers",
    "tag ": "cosign's tags",
    "blob ": "blobs",
}


def _pulls(server: local.Server) -> int:
    return len(_COUNTED.findall(server.log_file.read_text(errors="replace")))


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
