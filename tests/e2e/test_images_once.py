# SPDX-License-Identifier: Apache-2.0
"""The source upstream with the image cache: everything comes to this machine once, for all clusters and runs.

The public registries are local ones, which this machine's client is led to; nodes are not, so that they have only the
cache. The runner is called as by `harness run`, with two differences: the node image is the foundry's, since none that
was built here has the public one's digest, and so is the chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mirrors import SETTINGS, Mirrors, serving
from runs import left_of

from harness.evidence.ledger import new_run_id
from harness.foundry import operator, shapes
from harness.foundry.store import Store
from harness.image_cache.cache import ImageCache
from harness.images.credentials import Credentials
from harness.matrix import catalogue
from harness.matrix.estimate import Expected
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.registries.front.access_log import Request
from harness.registries.push import Transfer
from harness.registries.sources import Upstream
from harness.report.model import CellResult
from harness.run import run_host, setup
from harness.run.attempt import Attempt
from harness.run.runner import Runner
from harness.verdicts import Verdict

RELEASE = catalogue.load().release("2.5.2")


@pytest.fixture
def registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    """Stand-ins for the public registries, which this machine's client takes for them."""
    hosts = ("ghcr.io", "docker.io")
    with serving("127.0.0.1", tmp_path, RELEASE, hosts=hosts, visibility="public") as made:

        def connect(source: Upstream, host: str, credentials: Credentials | None) -> Transfer:
            return Transfer(made.fronts[host].mirror(), host, credentials=credentials)

        monkeypatch.setattr(Upstream, "_connect_as", connect)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
        yield made


def request(config: Path, environment: str = "kind-1.34") -> setup.Request:
    options = RunOptions(
        selection=Selection(cells=(f"{environment}/install-2.5.2/spark-pi",)),
        source="upstream",
        config=config,
        chart=str(operator.chart(Store.of(SETTINGS), RELEASE.version)),
    )
    asked = setup.request(options)
    known = catalogue.load().environment(environment)
    node = shapes.node_for(SETTINGS, known).plain
    ours = known.model_copy(update={"node_image": node, "distribution": "kubernetes"})
    return replace(asked, cells=tuple(cell.model_copy(update={"environment": ours}) for cell in asked.cells))


def run(asked: setup.Request, folder: Path) -> tuple[dict[str, CellResult], list[str]]:
    """What `harness run` does with a request, without its report: results by scenario, and what was said."""
    said: list[str] = []
    run_id = new_run_id()
    runner = Runner(
        run_id,
        asked,
        run_host.host(asked),
        evidence_folder=lambda attempt: folder / "evidence" / attempt.name,
        say=said.append,
        expect=lambda cells: Expected(seconds=60.0, guess=True),
    )
    left = ["the run was not closed"]
    try:
        runner.open()
        attempts = [Attempt(cell=cell) for cell in asked.cells]
        runner.start(attempts)
        results = {attempt.cell.scenario.name: runner.result(attempt) for attempt in attempts}
    finally:
        left = runner.close()
        (folder / f"said-{run_id}.txt").write_text("\n".join(said))
    assert left == []
    assert left_of(run_id) == []
    return results, said


def since(registries: Mirrors, seen: dict[str, int]) -> dict[str, list[Request]]:
    """The requests to each registry that `seen` has not counted yet."""
    fresh = {host: list(front.requests())[seen.get(host, 0) :] for host, front in registries.fronts.items()}
    for host, requests in fresh.items():
        seen[host] = seen.get(host, 0) + len(requests)
    return fresh


def counted(requests: list[Request]) -> list[str]:
    """Those that a registry counts as pulls."""
    return [it.path for it in requests if it.method == "GET" and "/manifests/" in it.path and it.status == 200]


def content(requests: list[Request]) -> int:
    """The bytes of blobs."""
    return sum(it.bytes for it in requests if "/blobs/" in it.path)


def test_a_second_run_pulls_nothing(registries: Mirrors, tmp_path: Path) -> None:
    config = tmp_path / "harness.toml"
    # Built artefacts are those of this machine; only the images are to be new.
    cache = tmp_path / "cache"
    cache.mkdir()
    for it in ("artifacts", "logs", "installation.json", "engine"):
        if (SETTINGS.cache_dir / it).exists():
            (cache / it).symlink_to(SETTINGS.cache_dir / it)
    config.write_text(f'cache_dir = "{cache}"\n')
    seen: dict[str, int] = {}

    results, said = run(request(config), tmp_path)
    assert (results["spark-pi"].verdict, results["spark-pi"].reason) == (Verdict.PASSED, "")
    cold = since(registries, seen)
    images = {it.reference: it for it in results["spark-pi"].images}
    for host, number in (("ghcr.io", 2), ("docker.io", 1)):
        # One for each image of one platform: those of the foundry have no index.
        assert len(counted(cold[host])) == len(set(counted(cold[host]))), counted(cold[host])
        assert len(counted(cold[host])) <= number
        assert {it.source for it in cold[host]} == {"127.0.0.1"}
    assert [it for it in said if "counted pull of docker.io, 100 of 100 pulls left, window 6 h" in it], said
    cached = {it.reference: it for it, _ in ImageCache(cache / "images").images()}
    assert RELEASE.image in cached
    assert images[RELEASE.image].digest == cached[RELEASE.image].digest
    assert images[RELEASE.image].obtained == "upstream"
    # Both images have Spark's layers, which come once.
    largest = max(it.size for it in cached.values())
    assert content(cold["ghcr.io"]) + content(cold["docker.io"]) < 1.2 * largest

    results, said = run(request(config), tmp_path)
    assert (results["spark-pi"].verdict, results["spark-pi"].reason) == (Verdict.PASSED, "")
    warm = since(registries, seen)
    assert {host: counted(requests) for host, requests in warm.items()} == {"ghcr.io": [], "docker.io": []}
    assert {host: content(requests) for host, requests in warm.items()} == {"ghcr.io": 0, "docker.io": 0}
    assert [it for it in said if "images of these cells are on this machine" in it], said
