# SPDX-License-Identifier: Apache-2.0
"""Measures image pulls on a kind node: cold, warm, one layer changed, many at once; direct, mirrored, through a cache.

Operator and Spark images are the real ones; 4 and 16 at once, and every way from each registry, are measured with small
probes, since two cores would unpack for minutes. The public registries are asked where they answer and their limits
allow it; stand-ins with a stated distance are measured anyhow. Order within a pass is fixed (cold, warm, changed); the
order of passes is drawn anew for each round. Before each pass the node's content is removed, and seen to be gone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import options as run_options
from harness.bench import pull_peers, pull_plan
from harness.bench.outcome import machine
from harness.bench.pull_contents import Contents, contents, public_units
from harness.bench.pull_images import Subject
from harness.bench.pull_node import Node, node
from harness.bench.pull_plan import CHANGED, COLD, FILLED, WARM, Record, Sample, Unit
from harness.bench.pull_site import Profile, Server, Site, Traffic, site
from harness.bootstrap import tools
from harness.errors import HarnessError, UsageError
from harness.evidence.ledger import new_run_id
from harness.matrix.select import Selection
from harness.providers import network
from harness.registries.front.server import Front
from harness.report import median
from harness.run.resources import Resources
from harness.run.run_host import host
from harness.run.setup import request
from harness.settings import amount, positive

FILE = "bench-pull.json"
"""Beside the reports of runs, whose pages show it."""

QUICK = "probes alone and no more than 4 at once, no images of operator and Spark, one round unless --rounds is given"

_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class PullOutcome:
    """`rows` is what was measured, `document` all of it; it holds when every row has as many samples as were asked."""

    document: Mapping[str, Any]
    rounds: int

    @property
    def holds(self) -> bool:
        """Whether all rounds were measured."""
        return all(len(row["samples"]) >= self.rounds for row in self.document["rows"])

    def __str__(self) -> str:
        message = f"{len(self.document['rows'])} rows of {self.document['rounds']} rounds, seed {self.document['seed']}"
        return (
            message if self.holds else f"{message}; {self.rounds} rounds were requested, but the time limit was reached"
        )

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.document, indent=2) + "\n")


@dataclass(kw_only=True)
class _Bench:
    """What all units need."""

    node: Node
    site: Site
    contents: Contents
    peers: Mapping[str, pull_peers.Peer]
    folder: Path
    record: Record = field(default_factory=Record)

    def measure(self, unit: Unit) -> list[Sample]:
        """All samples of one pass. Raises HarnessError when what came is not what was asked for."""
        subject = self.contents.subjects[unit.subject]
        if unit.tool:
            return [self._by_peer(unit, subject)]
        with ExitStack() as stack:
            if unit.public:
                server = Server(name=unit.host, host=unit.host)
            elif unit.manner == "cache":
                server = stack.enter_context(self.site.cache(unit.host))
            else:
                server = self.site.direct(unit.host) if unit.manner == "direct" else self.site.mirrored(unit.host)
            return list(self._pass(unit, subject, server))

    def _pass(self, unit: Unit, subject: Subject, server: Server) -> Iterator[Sample]:
        self.node.lead({server.host: server.mirror} if server.mirror else {})
        self._clear()
        yield self._pull(unit, subject.images, server, COLD)
        if unit.parallel == 1:
            yield self._pull(unit, subject.images, server, WARM)
            if subject.changed:
                yield self._pull(unit, [subject.changed], server, CHANGED)
        if unit.manner == "cache":
            self._clear()
            yield self._pull(unit, subject.images, server, FILLED)

    def _pull(self, unit: Unit, images: Sequence[Any], server: Server, state: str) -> Sample:
        before = server.traffic() if server.traffic else None
        aside = None if unit.public else self.site.upstream(unit.host)
        seconds = self.node.pull([image.on(unit.host) for image in images])
        self.node.require(images, unit.host)
        traffic = server.traffic().since(before) if server.traffic and before else None
        upstream = self.site.upstream(unit.host).since(aside) if aside and unit.manner != "direct" else None
        if unit.manner == "mirrored" and upstream != Traffic():
            raise HarnessError(f"{unit}: the registry behind the mirror was contacted as well: {upstream}")
        if traffic is not None and traffic.requests == 0:
            raise HarnessError(f"{unit}, {state}: there were no requests, so nothing was measured")
        return Sample(state=state, seconds=seconds, traffic=traffic, upstream=upstream)

    def _by_peer(self, unit: Unit, subject: Subject) -> Sample:
        pull = self.peers[unit.tool].pull
        if pull is None:
            raise HarnessError(f"{unit.tool} cannot be used: {self.peers[unit.tool].why}")
        front: Front = self.site.fronts[unit.host]
        before = self.site.upstream(unit.host)
        seconds = pull(front, subject.images[0], self.folder)
        return Sample(state=COLD, seconds=seconds, traffic=self.site.upstream(unit.host).since(before))

    def _clear(self) -> None:
        everything = [image for subject in self.contents.subjects.values() for image in subject.all]
        self.node.clear(everything)


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--rounds", type=positive, default=None, metavar="N", help=f"samples of each row (default: {_ROUNDS})"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed for the order within each round")
    parser.add_argument("--env", default="kind-1.34", metavar="NAME", help="the environment of the node (kind only)")
    parser.add_argument(
        "--minutes", type=amount, default=15.0, metavar="N", help="start no round after this time (default: 15)"
    )
    parser.add_argument(
        "--latency-ms", type=float, default=30.0, metavar="MS", help="latency of each response of a stand-in"
    )
    parser.add_argument(
        "--bandwidth-mb", type=amount, default=100.0, metavar="MB", help="bandwidth of a stand-in, per second"
    )
    parser.add_argument(
        "--registries", choices=("auto", "local"), default="auto", help="local: do not use the public registries"
    )


def run(parsed: argparse.Namespace, console: Console) -> PullOutcome:
    """Measure, print the table, and write FILE beside the reports. Raises HarnessError."""
    if parsed.rounds is None:
        parsed.rounds = 1 if parsed.quick else _ROUNDS
    selection = Selection(environments=(parsed.env,), scenarios=("spark-pi",))
    asked = request(run_options.RunOptions(selection=selection))
    environment = asked.cells[0].environment
    if environment.provider != "kind":
        raise UsageError(f"{parsed.env} is not a kind environment, whose nodes can be switched between registries")
    found = host(asked)
    programs = tools.ensure(asked.settings, ["registry", "crane"], progress=console.print)
    away = Profile(latency=parsed.latency_ms / 1000, rate=int(parsed.bandwidth_mb * 1e6))
    resources = Resources(new_run_id(), asked, found, console.print)
    registry = programs["registry"].path
    try:
        resources.open()
        folder = resources.scratch("pull")
        with ExitStack() as stack:
            made = contents(resources, asked, registry, folder / "storage", quick=parsed.quick, say=console.print)
            gateway = network.gateway(resources.network)
            servers = stack.enter_context(site(registry, folder, folder / "storage", gateway, away))
            puller = stack.enter_context(node(resources, found, environment, timeout=asked.settings.cluster_timeout))
            peers = {it.name: it for it in pull_peers.peers(programs["crane"].path)}
            bench = _Bench(node=puller, site=servers, contents=made, peers=peers, folder=folder)
            wanted, left_out = _wanted(parsed, bench)
            for done in _rounds(parsed, bench, wanted, console):
                # After each round, so that a benchmark that is ended has what it measured.
                outcome = PullOutcome(document=_document(parsed, bench, left_out, away, done), rounds=parsed.rounds)
                outcome.write(asked.settings.reports_dir / FILE)
            document = outcome.document
    finally:
        resources.close()
    console.print(pull_plan.table(document["rows"], f"pulls of {document['node']}, {document['containerd']}"))
    for name, why in left_out.items():
        console.print(f"not measured: {name}: {why}")
    console.print(f"stand-ins: {away}")
    return outcome


def _wanted(parsed: argparse.Namespace, bench: _Bench) -> tuple[list[Unit], dict[str, str]]:
    """The units that can be measured, and why others cannot."""
    left_out = dict(bench.contents.missing)
    left_out |= {name: peer.why for name, peer in bench.peers.items() if peer.pull is None}
    able = [name for name, peer in bench.peers.items() if peer.pull]
    wanted = pull_plan.units(bench.contents.real, bench.contents.small, able)
    if parsed.registries == "auto" and not parsed.quick:
        public, why = public_units(bench.contents, parsed.rounds)
        wanted += public
        left_out |= why
    return wanted, left_out


def _rounds(parsed: argparse.Namespace, bench: _Bench, wanted: Sequence[Unit], console: Console) -> Iterator[int]:
    """Measure round after round, and say after each how many there were."""
    bench.site.require_pulls(
        {name: pull_plan.manifests_needed(wanted, name, parsed.rounds) for name in bench.site.fronts},
        bench.contents.any_image,
    )
    began = time.monotonic()
    for number in range(parsed.rounds):
        # The first is measured whatever the time.
        if number and time.monotonic() - began > parsed.minutes * 60:
            return
        order = pull_plan.shuffled(wanted, parsed.seed, number)
        bench.record.order.append([str(unit) for unit in order])
        started = time.monotonic()
        for unit in order:
            bench.record.add(unit, bench.measure(unit))
        console.print(
            f"round {number + 1} of {parsed.rounds}: {len(order)} measurements, {time.monotonic() - started:.0f} s"
        )
        yield number + 1


def _document(
    parsed: argparse.Namespace, bench: _Bench, left_out: Mapping[str, str], away: Profile, done: int
) -> dict[str, Any]:
    facts = {
        name: {
            "size": sum(image.size for image in subject.images),
            "references": [f"{image.repository}:{image.tag}" for image in subject.images],
            "digests": [image.digest for image in subject.images],
            "changed_digest": subject.changed.digest if subject.changed else "",
            "obtained": subject.stands_for,
        }
        for name, subject in bench.contents.subjects.items()
    }
    return {
        "machine": machine(),
        "provider": bench.node.provider.name,
        "environment": parsed.env,
        "node": bench.node.image,
        "containerd": bench.node.versions(),
        "rounds": done,
        "seed": parsed.seed,
        "interval": median.METHOD,
        "stand_ins": {
            "profile": str(away),
            **asdict(away),
            "mirror_and_caches": "no latency or limit of their own",
        },
        "not_measured": dict(left_out),
        "order": bench.record.order,
        "rows": pull_plan.rows(bench.record, facts),
    }
