# SPDX-License-Identifier: Apache-2.0
"""The image cache's files, the commands that look after them, and what nodes are told of the cache."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from harness import cli, waiting
from harness.bootstrap import bootstrap
from harness.errors import HostError
from harness.image_cache.cache import CachedImage, Content, ImageCache
from harness.image_cache.unforeseen import Unforeseen, lacked
from harness.image_cache.view import host_part
from harness.images.mirrors import BLOCKED, Mirror, MirrorMap, write_hosts, write_registries_yaml
from harness.images.references import ImageReference
from harness.process import Completed
from harness.providers.preload import Preload
from harness.run.run_host import registry_if_built
from harness.settings import Settings

FIRST = {"ghcr.io": "http://cache:5000/v2/ghcr.io"}


def store(cache: ImageCache, name: str, *contents: bytes) -> CachedImage:
    """Have an image of these contents."""
    blobs = []
    for content in contents:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with cache.arriving(digest) as file:
            if file is not None:
                file.write_bytes(content)
        blobs.append(Content(digest=digest, size=len(content)))
    digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    made = CachedImage(
        reference=name,
        digest=digest,
        own=digest,
        config=digest,
        platform="linux/amd64",
        manifests=(),
        blobs=tuple(blobs),
    )
    cache.record(made)
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageCache:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return ImageCache(tmp_path / "images")


def test_the_commands_list_verify_and_prune(cache: ImageCache, capsys: pytest.CaptureFixture[str]) -> None:
    store(cache, "docker.io/acme/base:1", b"base" * 250_000)
    store(cache, "docker.io/acme/app:1", b"base" * 250_000, b"app" * 1_000_000)
    assert cli.main(["cache", "list"]) == 0
    listed = capsys.readouterr().out
    assert "docker.io/acme/app:1" in listed
    assert f"0.00 GB in {cache.root}" in listed
    assert cli.main(["cache", "verify"]) == 0
    assert "docker.io/acme/base:1: intact" in capsys.readouterr().out

    # What both have counts once, and goes with the last of them.
    assert cli.main(["cache", "prune", "--keep-gb", "0.004"]) == 0
    assert capsys.readouterr().out == "0.00 GB are left\n"
    assert cli.main(["cache", "prune", "--keep-gb", "0.0035"]) == 0
    assert [it.reference for it, _ in cache.images()] == []
    assert cache.size() == 0


def test_what_a_run_moves_meanwhile_takes_no_place(cache: ImageCache) -> None:
    before = cache.size()
    (cache.root / "partial").mkdir(parents=True, exist_ok=True)
    # As a file that is there when the folder is read, and is gone when its size is asked for.
    (cache.root / "partial" / "moved").symlink_to("nowhere")
    assert cache.size() == before


def test_the_longest_unused_goes_first(cache: ImageCache) -> None:
    old, new = (store(cache, f"docker.io/acme/{it}:1", it.encode() * 100) for it in ("old", "new"))
    assert cache.prune(old.size) == [old]
    assert [it for it, _ in cache.images()] == [new]


def begin(cache: ImageCache, content: bytes, *, whole: bool, days: float = 0.0) -> Path:
    """A content that a fetch had got, or a part of it, before it was interrupted."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    at = time.time() - days * 86400
    with suppress(KeyboardInterrupt), cache.arriving(digest) as partial:
        assert partial is not None
        partial.write_bytes(content if whole else content[:-1])
        os.utime(partial, (at, at))
        if not whole:
            raise KeyboardInterrupt
    return cache.data(digest) if whole else cache.root / "partial" / digest.replace(":", "-")


def test_a_fetch_that_was_interrupted_is_gone_on_with(cache: ImageCache) -> None:
    image = store(cache, "docker.io/acme/app:1", b"app" * 100)
    layer, part = begin(cache, b"a layer" * 10, whole=True), begin(cache, b"another" * 10, whole=False)
    forgotten = [begin(cache, b"old" * 10, whole=True, days=8), begin(cache, b"older" * 10, whole=False, days=8)]
    assert cache.prune(1000) == []
    assert (layer.exists(), part.exists()) == (True, True)
    assert not any(it.exists() for it in forgotten)

    # Whole images come first, and what was begun last.
    os.utime(layer, (time.time() - 60, time.time() - 60))
    assert cache.prune(image.size + part.stat().st_size + 1) == []
    assert (layer.exists(), part.exists()) == (False, True)
    cache.prune(0)
    assert cache.size() == 0


def test_an_amount_that_is_none_is_refused(cache: ImageCache) -> None:
    assert cli.main(["cache", "prune", "--keep-gb=-1"]) == 2


def test_what_is_corrupt_is_told_and_gone(cache: ImageCache, capsys: pytest.CaptureFixture[str]) -> None:
    image = store(cache, "docker.io/acme/app:1", b"a layer")
    cache.data(image.blobs[0].digest).write_bytes(b"A LAYER")
    assert cli.main(["cache", "verify"]) == 3
    assert f"docker.io/acme/app:1: {image.blobs[0].digest} has the digest sha256:" in capsys.readouterr().out
    assert cache.find(ImageReference.parse(image.reference), image.digest, image.platform) is None


def test_a_record_that_names_no_digest_removes_nothing(cache: ImageCache, tmp_path: Path) -> None:
    made = store(cache, "ghcr.io/acme/app:1", b"content")
    (record,) = (cache.root / "records").iterdir()
    record.write_text(record.read_text().replace(made.blobs[0].digest, "sha256:../../kept"))
    (tmp_path / "kept").mkdir()
    with pytest.raises(HostError, match="is not a valid record of a cached image"):
        cache.verify(print)
    assert (tmp_path / "kept").is_dir()


def test_without_its_registry_a_run_does_without_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(cache_dir=tmp_path)
    assert registry_if_built(settings) == {}
    for go, wanted in ((None, False), ("/usr/bin/go", True)):
        monkeypatch.setattr("shutil.which", lambda name, go=go: go if name == "go" else None)
        steps = bootstrap.all_steps(settings, source="upstream", environments=[], releases=[])
        assert any("registry" in it.name for it in steps) is wanted


def test_a_run_that_uses_the_cache_keeps_others_from_pruning_it(cache: ImageCache) -> None:
    store(cache, "docker.io/acme/app:1", b"a layer")
    with cache.in_use():
        assert cli.main(["cache", "prune", "--keep-gb", "0"]) == 2
    assert cli.main(["cache", "prune", "--keep-gb", "0"]) == 0


def test_nodes_ask_the_cache_first_and_then_the_mirror_or_the_registry(tmp_path: Path) -> None:
    mirror = Mirror(url="https://mirror.example.com", username="me", password=SecretStr("word"))
    folder = write_hosts(MirrorMap(mirrors={"ghcr.io": mirror}), tmp_path / "mirror", first=FIRST)
    told = tomllib.loads((folder / "ghcr.io" / "hosts.toml").read_text())
    assert told["server"] == "https://mirror.example.com/v2"
    assert told["header"]
    cache = {"capabilities": ["pull", "resolve"], "override_path": True}
    assert told["host"] == {"http://cache:5000/v2/ghcr.io": cache}

    folder = write_hosts(MirrorMap(), tmp_path / "upstream", first=FIRST)
    told = tomllib.loads((folder / "ghcr.io" / "hosts.toml").read_text())
    # Without a server, containerd asks the registry of the folder's name.
    assert told == {"host": {"http://cache:5000/v2/ghcr.io": cache}}
    assert not (folder / "_default").exists()


def test_k3s_asks_in_the_same_order(tmp_path: Path) -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="https://mirror.example.com")})
    written = yaml.safe_load(write_registries_yaml(mirrors, tmp_path, first=FIRST).read_text())
    assert written["mirrors"] == {
        "ghcr.io": {"endpoint": ["http://cache:5000/v2/ghcr.io", "https://mirror.example.com/v2"]},
        "*": {"endpoint": [BLOCKED]},
    }


@pytest.mark.parametrize(
    ("host", "part"),
    [("ghcr.io", "ghcr.io"), ("localhost:5000", "localhost__5000"), ("a-b.example.com", "a-b.example.com")],
)
def test_a_host_is_the_first_part_of_its_repositories(host: str, part: str) -> None:
    assert host_part(host) == part


def test_hosts_that_no_repository_can_be_named_after_are_told_apart() -> None:
    odd = {host_part(it) for it in ("Registry.example.com", "[::1]:5000", "registry.example.com")}
    assert len(odd) == 3


def test_images_that_a_server_lacked_are_read_from_its_log(tmp_path: Path) -> None:
    line = '10.0.0.2 - - [30/Nov/2026:11:05:00 +0000] "{} HTTP/1.1" {} 0 "" "containerd/2.2.9"\n'
    asked = [
        ("HEAD /v2/docker.io/rancher/mirrored-pause/manifests/3.6?ns=docker.io", 404),
        ("GET /v2/docker.io/rancher/mirrored-pause/manifests/3.6?ns=docker.io", 404),
        (f"GET /v2/docker.io/acme/app/manifests/sha256:{'a' * 64}", 404),
        ("HEAD /v2/docker.io/acme/there/manifests/1", 200),
        ("GET /v2/elsewhere/acme/app/manifests/1", 404),
        ("GET /v2/docker.io/acme/app/blobs/sha256:b", 404),
    ]
    log = "".join(line.format(*it) for it in asked)
    assert lacked(log, {"docker.io": "docker.io"}) == ["docker.io/rancher/mirrored-pause:3.6"]

    known = Unforeseen(tmp_path)
    known.learn(["k3d-1.34", "kind-1.34"], ["docker.io/a/b:1"])
    known.learn(["k3d-1.34"], ["docker.io/c/d:1", "docker.io/a/b:1"])
    assert known.of(["k3d-1.34"]) == ["docker.io/a/b:1", "docker.io/c/d:1"]
    known.forget(["docker.io/a/b:1"])
    assert (known.of(["k3d-1.34"]), known.of(["kind-1.34"])) == (["docker.io/c/d:1"], [])
    (tmp_path / "unforeseen.json").write_text("[")
    assert known.of(["k3d-1.34"]) == []


def test_a_node_pulls_an_image_once_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    here = threading.Event()

    def run(self: Preload, *words: str, timeout: float) -> Completed:
        events.append(" ".join(words))
        return Completed(argv=words, returncode=0, stdout="", stderr="", seconds=0.0)

    def await_image(image: str) -> None:
        events.append(f"waits for {image}")
        assert here.wait(10)

    monkeypatch.setattr(Preload, "_exec", run)
    deadline = waiting.Deadline(seconds=30)
    preload = Preload("node", ["one", "two"], deadline, tmp_path / "log", await_image)
    preload.start()
    here.set()
    preload.join()
    assert events == ["crictl info --quiet", "waits for one", "crictl pull one", "waits for two", "crictl pull two"]


def test_a_pull_that_a_restart_of_containerd_ended_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "crictl pull one": "pulling image: rpc error: code = Unavailable desc = error reading from server: EOF",
        "crictl pull two": "pulling image: rpc error: code = NotFound desc = two: not found",
    }
    events: list[str] = []

    def run(self: Preload, *words: str, timeout: float) -> Completed:
        events.append(" ".join(words))
        answer = said.pop(events[-1], "")
        return Completed(argv=words, returncode=1 if answer else 0, stdout=answer, stderr="", seconds=0.0)

    monkeypatch.setattr(Preload, "_exec", run)
    preload = Preload("node", ["one", "two"], waiting.Deadline(seconds=30), tmp_path / "log")
    preload.start()
    preload.join()
    asked = "crictl info --quiet"
    assert events == [asked, "crictl pull one", asked, "crictl pull one", "crictl pull two"]
