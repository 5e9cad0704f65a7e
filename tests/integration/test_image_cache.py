# SPDX-License-Identifier: Apache-2.0
"""The image cache between registries that behave like the public ones and a real server that shows what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fronts import browser
from pushing import push_image, push_index

from harness.errors import RegistryError, UnavailableError
from harness.image_cache.cache import CachedImage, ImageCache
from harness.image_cache.filling import Filling
from harness.image_cache.view import View, host_part
from harness.images.credentials import Credentials
from harness.images.references import ImageReference
from harness.registries import limits
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import BLOBS, serve
from harness.registries.push import Transfer

LAYERS = (b"base" * 5000, b"operator" * 3000)
IMAGE = "docker.io/acme/operator:1"
PACKAGE = "acme/operator"


@dataclass
class Desk:
    """Docker Hub's stand-in, a cache, and what arrived in it."""

    hub: Front
    cache: ImageCache
    folder: Path
    arrived: list[CachedImage] = field(default_factory=list)
    login: str = ""
    clients: ExitStack = field(default_factory=ExitStack)

    def filling(self, **options: object) -> Filling:
        return Filling(self.cache, self.connect, platform="linux/amd64", arrived=self.arrived.append, **options)  # type: ignore[arg-type]

    def connect(self, image: ImageReference) -> Transfer:
        return self.client(self.login)

    def client(self, user: str) -> Transfer:
        """A client that lives as long as the desk, with a user's login or none."""
        mirror = self.hub.mirror()
        login = Credentials(username=user, password=self.hub.mirror(user).password) if user else None
        return self.clients.enter_context(Transfer(mirror, "docker.io", credentials=login, attempts=1))

    def fetched(self, reference: str = IMAGE) -> CachedImage | None:
        filling = self.filling()
        try:
            asked = filling.ask([reference])
            assert filling.fetch(asked) == {}
            return filling.wait(reference, 30)
        finally:
            filling.close()

    def counted(self) -> list[str]:
        """The requests that Docker Hub counts, since the last look."""
        made = [
            it.path
            for it in self.hub.requests()
            if it.method == "GET" and "/manifests/" in it.path and it.status == 200
        ]
        fresh, self._seen = made[self._seen :], len(made)
        return fresh

    _seen: int = 0


@pytest.fixture
def desk(registry_binary: Path, tmp_path: Path) -> Iterator[Desk]:
    with Front(profile("docker.io"), folder=tmp_path / "hub", binary=registry_binary) as hub:
        desk = Desk(hub=hub, cache=ImageCache(tmp_path / "images"), folder=tmp_path)
        with desk.clients:
            yield desk


@pytest.fixture
def pusher(desk: Desk) -> Iterator[httpx.Client]:
    with browser(desk.hub, "owner") as client:
        yield client


def pushed(desk: Desk, pusher: httpx.Client, *, attestation: bool = True) -> str:
    """An index as buildx pushes it: two platforms, and an attestation. Returns its digest."""
    url = f"https://{desk.hub.address}"
    entries = []
    for architecture in ("arm64", "amd64"):
        layers = (*LAYERS, architecture.encode())
        entries.append(push_image(pusher, url, PACKAGE, architecture, architecture=architecture, layers=layers)[1])
    if attestation:
        _, entry = push_image(pusher, url, PACKAGE, "attestation", architecture="unknown", layers=(b"in-toto",))
        entry["platform"] = {"os": "unknown", "architecture": "unknown"}
        entries.append(entry)
    digest = push_index(pusher, url, PACKAGE, "1", entries)
    desk.counted()
    return digest


def test_an_image_is_pulled_once_and_served_with_the_registrys_own_digests(
    desk: Desk, pusher: httpx.Client, registry_binary: Path
) -> None:
    digest = pushed(desk, pusher)
    image = desk.fetched()
    assert image is not None
    assert image.digest == digest
    # The index, and the manifest of the one platform.
    assert len(desk.counted()) == 2
    assert len(image.blobs) == len(LAYERS) + 2
    assert image.digests == desk.client("").digests(ImageReference.parse(IMAGE))
    desk.counted()

    again = desk.filling()
    (asked,) = again.ask([IMAGE])
    again.close()
    assert (asked.cached, asked.pulls, asked.to_fetch) == (image, 0, False)
    assert desk.counted() == []
    assert [it.digest for it in desk.arrived] == [digest, digest]

    # What a real server makes of the files: by tag and by digest, as a node asks for them.
    view = View(desk.folder / "view")
    (view.folder / BLOBS).rmdir()
    (view.folder / BLOBS).symlink_to(desk.cache.blobs)
    view.show(image)
    with serve(registry_binary, view.folder, desk.folder / "server.log", readonly=True) as server:
        mirror = desk.hub.mirror().model_copy(
            update={"url": f"{server.url}/v2/{host_part('docker.io')}", "host_url": "", "ca": None}
        )
        with Transfer(mirror, "docker.io") as node:
            reference = ImageReference.parse(IMAGE)
            assert node.head(reference).digest == digest
            assert node.digests(reference) == image.digests
            for blob in image.blobs:
                assert node.check(PACKAGE, blob.digest, most=blob.size) == blob.size
            with pytest.raises(RegistryError, match="answered 404"):
                node.head(ImageReference.parse("docker.io/acme/operator:amd64"))


def test_a_tag_that_moved_is_fetched_again_and_shares_what_is_there(desk: Desk, pusher: httpx.Client) -> None:
    pushed(desk, pusher)
    before = desk.fetched()
    url = f"https://{desk.hub.address}"
    moved, _ = push_image(pusher, url, PACKAGE, "1", layers=(*LAYERS, b"a fix"))
    sent = sum(it.bytes for it in desk.hub.requests())
    after = desk.fetched()
    assert before is not None
    assert after is not None
    assert (after.digest, after.own) == (moved, moved)
    assert sum(it.bytes for it in desk.hub.requests()) - sent < len(LAYERS[0])
    assert [it.reference for it, _ in desk.cache.images()] == [IMAGE]


def test_what_a_registry_says_is_handed_on(desk: Desk, pusher: httpx.Client) -> None:
    pushed(desk, pusher)
    desk.fetched()
    desk.hub.fault("status", status=429, target="manifests")
    filling = desk.filling()
    (asked,) = filling.ask([IMAGE])
    filling.close()
    assert asked.error is not None
    assert "answered 429" in asked.error.message
    assert isinstance(asked.error, RegistryError)
    assert asked.error.status == 429


def test_a_private_image_is_not_fetched_for_everybody(desk: Desk, pusher: httpx.Client, registry_binary: Path) -> None:
    with Front(
        profile("docker.io"),
        folder=desk.folder / "private",
        binary=registry_binary,
        packages={"acme/*": "private"},
    ) as hub:
        desk.hub, desk.login = hub, "reader"
        with browser(hub, "owner") as owner:
            pushed(desk, owner)
        for anonymous, private in ((lambda image: desk.client(""), True), (None, False)):
            filling = desk.filling(anonymous=anonymous)
            (asked,) = filling.ask([IMAGE])
            filling.close()
            assert (asked.private, asked.to_fetch) == (private, not private)


def arm_only(desk: Desk, pusher: httpx.Client) -> None:
    push_image(pusher, f"https://{desk.hub.address}", PACKAGE, "1", architecture="arm64", layers=LAYERS)


def arm_index(desk: Desk, pusher: httpx.Client) -> None:
    url = f"https://{desk.hub.address}"
    _, entry = push_image(pusher, url, PACKAGE, "arm64", architecture="arm64", layers=LAYERS)
    push_index(pusher, url, PACKAGE, "1", [entry])


@pytest.mark.parametrize(
    ("push", "said"),
    [
        (arm_only, "published for linux/arm64, not for linux/amd64"),
        (arm_index, "published for linux/arm64, not for linux/amd64"),
    ],
)
def test_an_image_that_nodes_cannot_run_is_told_before_its_layers_are_fetched(
    desk: Desk, pusher: httpx.Client, push: Callable[[Desk, httpx.Client], None], said: str
) -> None:
    push(desk, pusher)
    filling = desk.filling()
    errors = filling.fetch(filling.ask([IMAGE]))
    filling.close()
    assert said in errors[IMAGE].message
    assert isinstance(errors[IMAGE], UnavailableError)
    assert desk.arrived == []
    assert not [it for it in desk.hub.requests() if it.method == "GET" and "/blobs/" in it.path and it.bytes > 1000]


def test_a_fetch_that_breaks_off_goes_on_where_it_stopped(desk: Desk, pusher: httpx.Client) -> None:
    pushed(desk, pusher)
    desk.hub.fault("cut", target="blobs", after=10_000)
    sent = sum(it.bytes for it in desk.hub.requests())
    image = desk.fetched()
    assert image is not None
    assert sum(it.bytes for it in desk.hub.requests()) - sent < image.size + 10_000


def test_content_is_verified_and_the_cache_gets_no_larger_than_it_may(desk: Desk, pusher: httpx.Client) -> None:
    pushed(desk, pusher)
    image = desk.fetched()
    assert image is not None
    said: list[str] = []
    assert desk.cache.verify(said.append) == []
    assert said == [f"{IMAGE}: intact"]
    layer = max(image.blobs, key=lambda it: it.size)
    desk.cache.data(layer.digest).write_bytes(b"x" * layer.size)
    (problem,) = desk.cache.verify(said.append)
    assert problem.startswith(f"{IMAGE}: {layer.digest} has the digest sha256:")
    # The next run fetches just that.
    assert desk.fetched() == image
    assert desk.cache.verify(said.append) == []

    with desk.cache.in_use():
        assert desk.cache.prune_unless_in_use(0) == []
    assert desk.cache.prune(image.size) == []
    assert desk.cache.prune(image.size - 1) == [image]
    assert (desk.cache.images(), desk.cache.size()) == ([], 0)


def test_a_client_of_a_registry_can_be_asked_for_its_limit(desk: Desk, pusher: httpx.Client) -> None:
    pushed(desk, pusher)
    left = limits.pulls_left_of(desk.client(""), ImageReference.parse(IMAGE))
    assert str(left) == "100 of 100 pulls left, window 6 h"
