# SPDX-License-Identifier: Apache-2.0
"""What the pull benchmark measures, in which order, and what comes of the samples."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.table import Table

from harness.bench.pull_site import Traffic
from harness.report.median import median

Manner = Literal["direct", "mirrored", "cache"]

COLD, WARM, CHANGED, FILLED = "cold", "warm", "one layer changed", "cold, cache filled"
"""What the node had before: nothing, the image, all but one layer of it, nothing while the cache had all."""

REAL: Mapping[str, tuple[Manner, ...]] = {"ghcr.io": ("direct", "mirrored", "cache"), "docker.io": ("direct",)}
"""Ways of real images. A mirror and a cache are the same behind either host, which the probes show."""

PROBES: tuple[Manner, ...] = ("direct", "mirrored", "cache")
AT_ONCE = (1, 4, 16)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One pass over an image from an empty node: cold, and where one image is pulled alone also warm and changed.

    `tool` names a peer; empty: the node. `public` says that the real registry is asked.
    """

    subject: str
    host: str
    manner: Manner
    parallel: int = 1
    tool: str = ""
    public: bool = False

    def __str__(self) -> str:
        at_once = f" {self.parallel} in parallel" if self.parallel > 1 else ""
        where = self.host if self.public else f"{self.host} stand-in"
        return f"{self.subject} from {where}, {self.tool or self.manner}{at_once}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measurement. `traffic` is what the server that the puller asks had to do, `upstream` what a cache's had."""

    state: str
    seconds: float
    traffic: Traffic | None = None
    upstream: Traffic | None = None


@dataclass(kw_only=True)
class Record:
    """Samples by unit and state, with the order in which units were measured."""

    samples: dict[tuple[Unit, str], list[Sample]] = field(default_factory=dict)
    order: list[list[str]] = field(default_factory=list)

    def add(self, unit: Unit, samples: Iterable[Sample]) -> None:
        """Take what a unit brought."""
        for sample in samples:
            self.samples.setdefault((unit, sample.state), []).append(sample)


def units(real: Sequence[str], small: Mapping[int, str], peers: Sequence[str]) -> list[Unit]:
    """Everything that is measured in a round. `small` maps how many are pulled at once to the probes' name.

    The first of the real images goes all ways and is what peers pull; the others are pulled from each registry.
    """
    found = [
        Unit(subject=subject, host=host, manner=manner)
        for number, subject in enumerate(real)
        for host, manners in REAL.items()
        for manner in manners
        if number == 0 or manner == "direct"
    ]
    found += [
        Unit(subject=name, host=host, manner=manner, parallel=parallel)
        for parallel, name in small.items()
        for host in REAL
        for manner in PROBES
    ]
    pulled_by_peers = (*real, *small.values())[:1]
    found += [
        Unit(subject=subject, host="ghcr.io", manner="direct", tool=peer)
        for subject in pulled_by_peers
        for peer in peers
    ]
    return found


def shuffled(wanted: Sequence[Unit], seed: int, number: int) -> list[Unit]:
    """The order of a round, the same for the same seed."""
    order = list(wanted)
    random.Random(f"{seed}-{number}").shuffle(order)  # noqa: S311 - an order that can be repeated, not a secret
    return order


def manifests_needed(wanted: Iterable[Unit], host: str, rounds: int) -> int:
    """At most how many manifests, which is what limits count, these units ask a registry for in all rounds.

    An index and a manifest for each image; cold, warm, changed, and once more through a filled cache.
    """
    return sum(2 * 4 * unit.parallel * rounds for unit in wanted if unit.host == host and unit.manner != "mirrored")


def rows(record: Record, facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the result; `facts` are further fields by the name of a subject (digests, size)."""
    found = []
    for (unit, state), samples in record.samples.items():
        seconds = [round(it.seconds, 3) for it in samples]
        found.append(
            {
                "registry": unit.host if unit.public else f"{unit.host} stand-in",
                "image": unit.subject,
                "manner": unit.tool or unit.manner,
                "state": state,
                "parallel": unit.parallel,
                "samples": seconds,
                **asdict(median(seconds)),
                **_traffic("", [it.traffic for it in samples]),
                **_traffic("upstream_", [it.upstream for it in samples]),
                "provider": "" if unit.tool else "kind",
                **facts.get(unit.subject, {}),
            }
        )
    return sorted(found, key=lambda row: (row["image"], row["state"], row["parallel"], row["registry"], row["manner"]))


def table(found: Sequence[Mapping[str, Any]], title: str) -> Table:
    """The rows for people."""
    shown = Table(title=title, title_justify="left")
    columns = (
        "image",
        "before",
        "registry",
        "way",
        "at once",
        "median s",
        "interval",
        "lowest to highest",
        "MB",
        "requests",
    )
    for name in columns:
        shown.add_column(name, justify="left" if name in columns[:4] else "right")
    for row in found:
        some = row["bytes"] is not None
        shown.add_row(
            row["image"],
            row["state"],
            row["registry"],
            row["manner"],
            str(row["parallel"]),
            f"{row['median']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{min(row['samples']):.2f} to {max(row['samples']):.2f}",
            f"{row['bytes'] / 1e6:.1f}" if some else "–",
            f"{row['requests']:.0f}" if some else "–",
        )
    return shown


def _traffic(prefix: str, seen: Sequence[Traffic | None]) -> dict[str, float | None]:
    """The medians of bytes and requests; None where no log has them."""
    known = [it for it in seen if it is not None]
    if not known:
        return {f"{prefix}bytes": None, f"{prefix}requests": None} if not prefix else {}
    return {
        f"{prefix}bytes": median([float(it.bytes) for it in known]).median,
        f"{prefix}requests": median([float(it.requests) for it in known]).median,
    }
