# SPDX-License-Identifier: Apache-2.0
"""`harness doctor --registries`: what it says of registries that answer, refuse, are busy or are not there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, FakeServer, Request, answering

from harness.bootstrap import reach
from harness.bootstrap.prerequisite import Prerequisite, Status
from harness.image_cache.cache import CachedImage, ImageCache
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries import presence
from harness.settings import Settings

DIGEST = f"sha256:{'a' * 64}"
CONFIG = f"sha256:{'c' * 64}"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """A registry with one image; tests change what it says."""

    def __init__(self) -> None:
        self.status = 200
        self.headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "93;w=21600"}
        self.content = Answer(200, "{}")

    def __call__(self, request: Request) -> Answer:
        if request.path == "/v2/":
            return Answer(200, "{}")
        if "/blobs/" in request.path:
            return self.content
        about = {"Docker-Content-Digest": DIGEST, "Content-Type": MANIFEST, **self.headers}
        return Answer(self.status, "", about)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def server(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.setattr(reach, "PUBLIC_HOSTS", ())
    monkeypatch.setattr(reach, "_engine_proxy", list)
    with answering(registry) as made:
        yield made


@pytest.fixture
def look(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Prerequisite]]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    mirrors = {"docker.io": Mirror(url=f"http://{server.address}", username="robot", password=SecretStr("word"))}
    settings = Settings(cache_dir=tmp_path, mirrors=mirrors)

    def examine() -> dict[str, Prerequisite]:
        return {it.name: it for it in reach.examine(settings, ["docker.io/acme/app:1", "docker.io/acme/other:1"])}

    return examine


def test_a_registry_that_works_is_told_with_login_limit_and_image_and_costs_nothing(
    look: Callable[[], dict[str, Prerequisite]], server: FakeServer
) -> None:
    found = look()
    assert {it.status for it in found.values()} == {Status.OK}
    assert "; it is asked as robot, by the mirror map" in found["mirror of docker.io"].found
    assert found["image docker.io/acme/app:1"].found == f"there, {DIGEST[:19]}…; 93 of 100 pulls left, window 6 h"
    assert found["content of docker.io"].found.startswith("not tried: it would take a pull")
    assert found["clock"].found == "that of docker.io"
    assert {it.method for it in server.requests if "/manifests/" in it.path} == {"HEAD"}


def test_content_is_asked_for_by_what_the_cache_knows(
    look: Callable[[], dict[str, Prerequisite]], registry: Registry, tmp_path: Path
) -> None:
    image = CachedImage(
        reference="docker.io/acme/app:1", digest=DIGEST, own=DIGEST, config=CONFIG, platform="linux/amd64",
        manifests=(), blobs=(),
    )  # fmt: skip
    ImageCache(tmp_path / "images").record(image)
    assert look()["content of docker.io"].found == "arrives, from 127.0.0.1"
    registry.content = Answer(307, "", {"Location": "http://127.0.0.1:1/content"})
    blocked = look()["content of docker.io"]
    assert blocked.status is Status.WARNING
    assert blocked.found.startswith("127.0.0.1:1, to which the mirror ")


def test_what_does_not_work_says_why_and_what_to_do(
    look: Callable[[], dict[str, Prerequisite]], registry: Registry
) -> None:
    registry.headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}
    spent = look()["image docker.io/acme/app:1"]
    assert (spent.status, "0 of 100 pulls left" in spent.found) == (Status.WARNING, True)
    assert "log in (docker login docker.io)" in spent.remedy

    late = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    (clock,) = reach._clock({"docker.io": late})
    assert (clock.status, clock.found) == (Status.FAILURE, "24 h ahead of docker.io")

    registry.status = 404
    missing = look()["image docker.io/acme/app:1"]
    assert (missing.status, "answered 404" in missing.found) == (Status.WARNING, True)


def test_a_credential_helper_that_fails_is_told_and_the_registry_looked_at(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker-credential-elsewhere"
    program.write_text("#!/bin/sh\necho 'can only be used with another registry'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "elsewhere"}')
    monkeypatch.setattr(reach, "PUBLIC_HOSTS", (server.address,))
    settings = Settings(cache_dir=tmp_path)

    found = {it.name: it for it in reach.examine(settings, [f"{server.address}/acme/app:1"])}
    registry = found[f"registry {server.address}"]
    assert registry.status is Status.OK
    assert "without a login, since docker-credential-elsewhere could not return the credentials" in registry.found
    assert found[f"image {server.address}/acme/app:1"].status is Status.OK

    with answering(lambda request: Answer(404)) as empty:
        image = ImageReference.parse(f"{empty.address}/acme/missing:1")
        seen = presence.look([image], settings)[image.canonical]
    assert seen.state == "missing"
    assert "no login was tried, since docker-credential-elsewhere" in seen.said


def test_a_host_that_keeps_silent_is_told_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    over = threading.Event()
    monkeypatch.setattr(reach, "PUBLIC_HOSTS", ("ghcr.io",))
    monkeypatch.setattr(reach, "_of_registry", lambda *_: iter([over.wait(10)]))
    monkeypatch.setattr(reach, "_engine_proxy", list)
    found = {it.name: it for it in reach.examine(Settings(cache_dir=tmp_path), [], seconds=1)}
    over.set()
    assert found["registry ghcr.io"].found == "did not answer within 1 s"
