# SPDX-License-Identifier: Apache-2.0
"""What a run says of its images before it makes a cluster: what they cost, and why some cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fronts import browser
from pushing import push_image

from harness.errors import RegistryError
from harness.image_cache.cache import ImageCache
from harness.image_cache.unforeseen import Unforeseen
from harness.image_cache.view import View
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror, MirrorMap
from harness.matrix.model import Cell, Environment
from harness.registries.front.profile import Limits, profile
from harness.registries.front.server import Front
from harness.registries.push import Transfer
from harness.registries.sources import Upstream
from harness.run.image_supply import FETCHED_CHECK, PULLS_CHECK, REACH_CHECK, SERVER, ImageSupply
from harness.verdicts import Verdict

OPERATOR, SPARK, NODE = "docker.io/acme/operator:1", "docker.io/acme/spark:1", "docker.io/kindest/node:v1"


class Hub(Upstream):
    """The public registries, for a client that is led to a local one."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front

    def _connect_as(self, host: str, credentials: Credentials | None) -> Transfer:
        return Transfer(self._front.mirror(), host, credentials=credentials, attempts=1)


class Server:
    """Stands for the container with the registry: what nodes get from it is shown by tests/e2e/test_images_once.py."""

    def start(self, run_id: str, network: str, *, hosts: list[str]) -> MirrorMap:
        return MirrorMap(mirrors={it: Mirror(url="http://cache:5000") for it in hosts})

    log = "no registry was started"

    def access_log(self, host: str) -> str:
        return self.log

    def stop(self) -> None:
        """It has nothing to stop."""


@dataclass
class Site:
    """A run's images, and what was said of them."""

    hub: Front
    make: Callable[..., ImageSupply]
    server: Server
    said: list[str] = field(default_factory=list)


def cell(name: str, *images: str) -> Cell:
    return SimpleNamespace(id=name, images=images, environment=SimpleNamespace(name="kind-1.34"))  # type: ignore[return-value]


@pytest.fixture
def site(registry_binary: Path, tmp_path: Path) -> Iterator[Site]:
    opened: list[ImageSupply] = []
    said: list[str] = []
    with Front(profile("docker.io"), folder=tmp_path / "hub", binary=registry_binary) as hub, Hub(hub) as source:
        server = Server()

        def make(engine: tuple[str, ...] = ()) -> ImageSupply:
            def engine_images(environment: Environment) -> tuple[str, ...]:
                return engine

            supply = ImageSupply(
                ImageCache(tmp_path / "images"),
                source,
                server,  # type: ignore[arg-type]
                View(tmp_path / "view"),
                most_bytes=1e9,
                platform="linux/amd64",
                images=lambda it: it.images,  # type: ignore[attr-defined]
                engine_images=engine_images,
                say=said.append,
            )
            opened.append(supply)
            supply.start("run", "network")
            return supply

        site = Site(hub=hub, make=make, server=server, said=said)
        with browser(hub, "owner") as client:
            push(client, hub, "acme/operator", "acme/spark")
        yield site
        for supply in opened:
            supply.close()


def push(client: httpx.Client, hub: Front, *repositories: str) -> None:
    for repository in repositories:
        push_image(client, f"https://{hub.address}", repository, "1", layers=(repository.encode() * 1000,))


def pulls(site: Site) -> int:
    made = [it for it in site.hub.requests() if it.method == "GET" and "/manifests/" in it.path]
    return len([it for it in made if it.status == 200])


def test_the_cost_is_told_before_anything_is_fetched_and_the_next_run_costs_nothing(site: Site) -> None:
    cells = [cell("one", OPERATOR, SPARK), cell("other", OPERATOR)]
    supply = site.make(engine=(NODE,))
    assert supply.gather(cells) == {}
    # Two images of one platform, and a node image by the engine.
    assert site.said == ["2 images to fetch, 4 counted pulls of docker.io, 100 of 100 pulls left, window 6 h"]
    assert [supply.missing(it) for it in cells] == [None, None]
    assert pulls(site) == 2
    assert supply.addresses(["ghcr.io"])["docker.io"] == "http://cache:5000/v2/docker.io"
    supply.close()

    site.said.clear()
    again = site.make()
    assert again.gather(cells) == {}
    assert [again.missing(it) for it in cells] == [None, None]
    assert site.said == ["2 of 2 images of these cells are on this machine"]
    assert pulls(site) == 2


def test_what_the_limit_would_not_let_end_is_not_begun(site: Site) -> None:
    site.hub.limit(Limits(anonymous=1, user=1, window=600))
    supply = site.make()
    found = supply.gather([cell("both", OPERATOR, SPARK), cell("none", "ghcr.io/acme/absent:1")])
    assert list(found) == ["both"]
    assert (found["both"].check, found["both"].verdict) == (PULLS_CHECK, Verdict.ERROR)
    assert found["both"].message.startswith(
        "docker.io has 1 of 1 pulls left, window 600 s, and these cells take 2: none"
    )
    assert "docker login docker.io" in found["both"].message
    assert pulls(site) == 0


@pytest.mark.parametrize(("status", "verdict"), [(503, Verdict.ERROR), (429, Verdict.ERROR), (404, None), (403, None)])
def test_what_a_registry_says_decides_who_is_told(site: Site, status: int, verdict: Verdict | None) -> None:
    site.hub.fault("status", status=status, target="manifests")
    found = site.make().gather([cell("it", SPARK)])
    if verdict is None:
        # Whether anybody gets it is for the pods to show, with the secrets that they have.
        assert found == {}
        assert [it for it in site.said if it.startswith(f"{SPARK} is left to the nodes: docker.io ")] or site.said
    else:
        assert (found["it"].check, found["it"].verdict) == (REACH_CHECK, verdict)
        assert f"answered {status} for acme/spark:1" in found["it"].message


def test_content_that_does_not_arrive_is_an_error_with_what_the_registry_said(site: Site) -> None:
    site.hub.fault("status", status=503, target="blobs")
    found = site.make().gather([cell("it", SPARK)])
    assert (found["it"].check, found["it"].verdict) == (REACH_CHECK, Verdict.ERROR)
    assert "answered 503 for the blob acme/spark@sha256:" in found["it"].message


def test_layers_that_do_not_arrive_are_an_error_once_they_are_waited_for(site: Site) -> None:
    supply, one = site.make(), cell("it", SPARK)
    fetching = threading.Event()
    real = Transfer.download

    def break_off(client: Transfer, repository: str, digest: str, size: int, file: Path) -> None:
        if size < 1000:
            # The configuration, by which a run sees before it makes a cluster whether content arrives.
            real(client, repository, digest, size, file)
            return
        fetching.set()
        raise RegistryError("docker.io answered 503 for a layer", status=503)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transfer, "download", break_off)
        assert supply.gather([one]) == {}
        missing = supply.missing(one)
    assert fetching.is_set()
    assert missing is not None
    assert (missing.check, missing.verdict) == (FETCHED_CHECK, Verdict.ERROR)
    assert missing.message == "docker.io answered 503 for a layer"


def test_what_nodes_asked_for_unforeseen_is_there_for_the_next_run(site: Site) -> None:
    first, one = site.make(), cell("it", OPERATOR)
    assert first.gather([one]) == {}
    assert first.missing(one) is None
    asked = "HEAD /v2/docker.io/acme/{}/manifests/1?ns=docker.io HTTP/1.1"
    site.server.log = "".join(f'10.0.0.2 - - [now] "{asked.format(it)}" 404 9 "" "c"\n' for it in ("spark", "gone"))
    first.stop()
    first.close()
    site.said.clear()

    second = site.make()
    assert second.gather([one]) == {}
    second.wait(SPARK)
    assert site.said == [
        "1 of 2 images of these cells are on this machine",
        "1 image to fetch, 1 counted pull of docker.io, 99 of 100 pulls left, window 6 h",
    ]
    # Of what no registry has nothing is said, and it is not asked for again.
    assert Unforeseen(second.cache.root).of(["kind-1.34"]) == [SPARK]


def test_the_server_is_told_from_the_runs_other_registries(site: Site) -> None:
    assert SERVER not in site.make().addresses(["docker.io"])
