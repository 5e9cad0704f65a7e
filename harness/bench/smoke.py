# SPDX-License-Identifier: Apache-2.0
"""Measures the smoke (cluster, operator, SparkPi to COMPLETED, delete) through the harness and typed by hand, in turn.

The baseline is what a person types: kind create, kind load, helm install --wait, kubectl apply, kubectl wait, kind
delete. Both use the same Kubernetes, chart, images and programs. Run as `nox -s bench -- smoke`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from harness import options as run_options
from harness import process, waiting
from harness.apps import samples
from harness.bench.outcome import Outcome
from harness.bench.through import harness_run
from harness.bootstrap import tools
from harness.errors import CommandError, HarnessError
from harness.evidence.ledger import new_run_id
from harness.foundry import images as foundry_images
from harness.images.references import ImageReference
from harness.matrix.release import Release
from harness.matrix.select import Selection
from harness.providers import network
from harness.providers.kind_config import cluster_config
from harness.registries import local
from harness.releases import webhook
from harness.run.resources import Resources
from harness.run.run_host import Host, host
from harness.run.setup import Request, request
from harness.settings import positive

SCENARIO = "spark-pi"
LIMIT = 0.65
"""The harness must not take more than this part of the time typed by hand."""

QUICK = "one round, in which the node holds the images already and `kind load` brings an empty one"

_STEP_SECONDS = 600.0
_APPLIES = 6

# The network that kind takes unless it is told another (kind 0.33.0, pkg/cluster/internal/providers/docker).
_NETWORK_OF_KIND = "kind"


@dataclass(frozen=True, kw_only=True)
class Round:
    """One measurement of both ways, in seconds; `steps` are the parts of the way by hand, `peak_mib` the harness's."""

    by_hand: float
    harness: float
    steps: Mapping[str, float]
    phases: Mapping[str, float]
    peak_mib: float


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--runs", type=positive, default=5, help="rounds, each one by hand and one through the harness")


def run(parsed: argparse.Namespace, console: Console) -> Outcome:
    """Measure and print the table; with --quick one round. Raises HarnessError when a way does not reach its end."""
    rounds = measure(1 if parsed.quick else parsed.runs, console, quick=parsed.quick)
    console.print(table(rounds))
    ratio = statistics.median(it.harness for it in rounds) / statistics.median(it.by_hand for it in rounds)
    return Outcome(
        ratio=ratio, limit=LIMIT, measured={"rounds": [asdict(it) for it in rounds]}, judged=not parsed.quick
    )


def measure(runs: int, console: Console, *, quick: bool = False) -> list[Round]:
    """Measure `runs` rounds, the first way alternating. Raises HarnessError when either way does not reach its end.

    `quick` spares the way by hand the images of operator and Spark, which take longer than all the rest.
    """
    asked = request(run_options.RunOptions(selection=Selection(scenarios=(SCENARIO,))))
    found = host(asked)
    rounds = []
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="soh-bench-"))
        stack.enter_context(network.left_as_it_was(_NETWORK_OF_KIND))
        loaded = _empty_image(Path(scratch)) if quick else _images_in_engine(asked, found)
        given = _inputs(asked, found, Path(scratch), images=stack.enter_context(loaded), plain=not quick)
        for number in range(runs):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            hand: tuple[float, Mapping[str, float]] = (0.0, {})
            through: tuple[float, Mapping[str, float], float] = (0.0, {}, 0.0)

            def typed(into: Path = folder) -> None:
                nonlocal hand
                hand = by_hand(asked, found, given, into)

            def run_by_harness(into: Path = folder) -> None:
                nonlocal through
                through = by_harness(["--scenario", SCENARIO], into)

            ways: list[Callable[[], None]] = [typed, run_by_harness] if number % 2 == 0 else [run_by_harness, typed]
            for way in ways:
                way()
            rounds.append(
                Round(by_hand=hand[0], harness=through[0], steps=hand[1], phases=through[1], peak_mib=through[2])
            )
            console.print(f"round {number + 1}: by hand {hand[0]:.1f} s, through the harness {through[0]:.1f} s")
    return rounds


def table(rounds: Sequence[Round]) -> Table:
    """The medians, with the parts of the way by hand."""
    shown = Table(title=f"{SCENARIO}, medians of {len(rounds)} rounds", title_justify="left")
    for title in ("way", "median s", "lowest s", "highest s"):
        shown.add_column(title, justify="left" if title == "way" else "right")

    def add(name: str, values: Sequence[float]) -> None:
        shown.add_row(name, f"{statistics.median(values):.1f}", f"{min(values):.1f}", f"{max(values):.1f}")

    add("typed by hand", [it.by_hand for it in rounds])
    for step in rounds[0].steps:
        add(f"  {step}", [it.steps[step] for it in rounds])
    add("through the harness", [it.harness for it in rounds])
    for phase in rounds[0].phases:
        add(f"  {phase}", [it.phases.get(phase, 0.0) for it in rounds])
    shown.add_row("harness process, peak MiB", *[f"{value:.0f}" for value in _spread([it.peak_mib for it in rounds])])
    return shown


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def by_harness(
    words: Sequence[str | Path], folder: Path, *, cache: Path | None = None, timeout: float = _STEP_SECONDS
) -> tuple[float, Mapping[str, float], float]:
    """How long `harness run` with these options takes, the phases of its first cell, and the most memory that it used
    (MiB). It may take `timeout` seconds. Raises HarnessError where it does not exit with 0.
    """
    started = time.monotonic()
    done = harness_run(words, reports=folder / "reports", log_file=folder / "harness.log", timeout=timeout, cache=cache)
    if done.returncode != 0:
        raise HarnessError(f"the way through the harness ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    took = time.monotonic() - started
    results = json.loads((folder / "reports" / "latest" / "results.json").read_text())
    return took, results["cells"][0]["phases"], float(results["peak_memory_mib"])


def by_hand(asked: Request, found: Host, inputs: Inputs, folder: Path) -> tuple[float, Mapping[str, float]]:
    """The commands of a person, each bounded; what they print goes to a log. How long all took, and each."""
    environment = asked.cells[0].environment
    kind, helm = found.tools["kind"].path, found.tools["helm"].path
    kubectl = tools.kubectl_for(found.tools, environment.minor).path
    name = f"hand-{folder.name}-{os.getpid()}"
    kubeconfig = folder / "kubeconfig"
    log_file = folder / "hand.log"
    steps: dict[str, float] = {}

    def step(title: str, *argv: str | Path) -> None:
        started = time.monotonic()
        process.call(argv, timeout=_STEP_SECONDS, env={"KUBECONFIG": str(kubeconfig)}, log_file=log_file)
        steps[title] = steps.get(title, 0.0) + time.monotonic() - started

    started = time.monotonic()
    try:
        step("kind create", kind, "create", "cluster", "--name", name, "--image", inputs.node_image,
             "--config", inputs.kind_config, "--wait", "180s")  # fmt: skip
        for image in inputs.pulled:
            step("docker pull", "docker", "pull", "--quiet", image)
        for image in inputs.images:
            step("kind load", kind, "load", "docker-image", "--name", name, image)
        step("helm install --wait", helm, "install", "spark-operator", *inputs.chart, "--namespace", "spark-operator",
             "--create-namespace", "--wait", "--timeout", "180s")  # fmt: skip
        # Where the webhook does not answer yet though Helm said that the release is ready, a person types it again.
        waiting.retry(
            lambda: step("kubectl apply", kubectl, "apply", "-f", inputs.manifest),
            on=(CommandError,),
            attempts=_APPLIES,
            when=lambda refused: webhook.not_asked(str(refused)),
        )
        step("kubectl wait", kubectl, "wait", "sparkapplication/spark-pi",
             "--for=jsonpath={.status.applicationState.state}=COMPLETED", "--timeout=300s")  # fmt: skip
        step("kubectl delete", kubectl, "delete", "-f", inputs.manifest)
    finally:
        step("kind delete", kind, "delete", "cluster", "--name", name)
    return time.monotonic() - started, steps


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the commands by hand are about: `images` are loaded into the node, of which `pulled` are pulled before."""

    node_image: str
    kind_config: Path
    images: tuple[str, ...]
    chart: tuple[str | Path, ...]
    manifest: Path
    pulled: tuple[str, ...] = ()


def _inputs(asked: Request, found: Host, folder: Path, *, images: Sequence[str], plain: bool) -> Inputs:
    """What the commands by hand read; made beforehand, so that it is not timed."""
    release = asked.catalogue.release(asked.cells[0].path.releases[-1])
    node_image, chart = _node_and_chart(asked, found, release, folder, plain=plain)
    return inputs(asked, found, folder, node_image=node_image, images=images, chart=(chart,))


def inputs(
    asked: Request, found: Host, folder: Path, *, node_image: str, images: Sequence[str], chart: Sequence[str | Path]
) -> Inputs:
    """These, with the files that they need in `folder`."""
    config = folder / "kind.yaml"
    config.write_text(yaml.safe_dump(cluster_config(asked.cells[0].environment)))
    helm = found.tools["helm"].path
    # The chart's job namespace is `default`, and so is the person's.
    rendered = process.call(
        [helm, "template", "spark-pi", samples.CHART, "--namespace", "default", "--set", "samples={spark-pi}"],
        timeout=60,
    )
    manifest = folder / "spark-pi.yaml"
    manifest.write_text(rendered.stdout)
    return Inputs(
        node_image=node_image, kind_config=config, images=tuple(images), chart=tuple(chart), manifest=manifest
    )


def _node_and_chart(asked: Request, found: Host, release: Release, folder: Path, *, plain: bool) -> tuple[str, Path]:
    """The node image, in the engine, and the chart, in `folder`, from the source of a run, which is closed again."""
    resources = Resources(new_run_id(), asked, found, lambda line: None)
    try:
        resources.open()
        # A person's node image holds no images: that is what `kind load` is for.
        node_image = resources.node_images.image(asked.cells[0].environment, plain=plain).reference
        source = resources.charts.find(release).path
        chart = folder / source.name
        if source.is_dir():
            shutil.copytree(source, chart)
        else:
            shutil.copyfile(source, chart)
        return node_image, chart
    finally:
        resources.close()


@contextmanager
def _images_in_engine(asked: Request, found: Host) -> Iterator[Sequence[str]]:
    """Have the cell's images in the engine, as a person has who pulled them; afterwards what was added goes again."""
    cell = asked.cells[0]
    release = asked.catalogue.release(cell.path.releases[-1])
    wanted = (release.image, *cell.scenario.images)
    added: list[str] = []
    try:
        for reference in wanted:
            if process.call(["docker", "image", "inspect", reference], timeout=60, check=False).returncode == 0:
                continue
            added.append(reference)
            if found.choice.kind == "foundry":
                _pull_from_storage(asked, found, reference)
            else:
                process.call(["docker", "pull", "--quiet", reference], timeout=_STEP_SECONDS)
        yield wanted
    finally:
        for reference in added:
            process.call(["docker", "rmi", reference], timeout=60, check=False)


@contextmanager
def _empty_image(folder: Path) -> Iterator[Sequence[str]]:
    """An image without content in the engine, until the block ends."""
    archive = folder / "empty.tar"
    tarfile.open(archive, "w").close()
    reference = f"spark-operator-harness/empty:{folder.name}"
    process.call(["docker", "import", archive, reference], timeout=60)
    try:
        yield (reference,)
    finally:
        process.call(["docker", "rmi", reference], timeout=60, check=False)


def _pull_from_storage(asked: Request, found: Host, reference: str) -> None:
    """Pull a foundry image under its real name. The engine takes plain HTTP from 127.0.0.1."""
    name = ImageReference.parse(reference)
    storage = foundry_images.registries(asked.settings) / name.registry
    log_file = asked.settings.cache_dir / "logs" / "bench-registry.log"
    with local.serve(found.tools["registry"].path, storage, log_file, readonly=True) as server:
        here = f"{server.address}/{name.repository}:{name.tag}"
        process.call(["docker", "pull", "--quiet", here], timeout=_STEP_SECONDS)
        process.call(["docker", "tag", here, reference], timeout=60)
        process.call(["docker", "rmi", here], timeout=60)
