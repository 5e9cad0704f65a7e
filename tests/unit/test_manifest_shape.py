# SPDX-License-Identifier: Apache-2.0
"""Manifests that a registry gives: what may be done by them, and which one of an index is a node's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registry_fakes import Answer, FakeServer, Request, answering

from harness.errors import HarnessError, RegistryError, UnavailableError
from harness.image_cache.cache import CachedImage, ImageCache
from harness.image_cache.filling import Filling
from harness.images import media_types
from harness.images.references import ImageReference
from harness.registries.copy import copy
from harness.registries.platform_choice import entry_for
from harness.registries.push import Transfer

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
AMD64 = {"os": "linux", "architecture": "amd64"}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, **more: object) -> dict[str, Any]:
    return {"mediaType": media_types.MANIFEST, "digest": digest(content), "size": len(content), **more}


LAYER = b"a layer"
ROOTS = {"rootfs": {"type": "layers", "diff_ids": [digest(LAYER)]}}
CONFIG = json.dumps(AMD64 | ROOTS).encode()


def manifest(**changed: object) -> bytes:
    """An image; what is changed to Ellipsis is left out."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": {**described(CONFIG), "mediaType": media_types.CONFIG},
        "layers": [{**described(LAYER), "mediaType": media_types.LAYER}],
        **changed,
    }
    return json.dumps({key: it for key, it in document.items() if it is not ...}).encode()


def index(*entries: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": entries}).encode()


PLAIN = manifest()
NEWER = manifest(annotations={"for": "newer processors"})


class Registry:
    """A registry with the first of these manifests under the tag 1. `said` and `header` are headers of its answers."""

    def __init__(
        self, top: bytes, *more: bytes, blobs: tuple[bytes, ...] = (), said: str = "", header: str = ""
    ) -> None:
        self._top = top
        self._content = {digest(it): it for it in (top, *more, CONFIG, LAYER, *blobs)}
        self._said = said
        self._header = header

    def __call__(self, request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        content = self._top if name == "1" else self._content.get(name)
        if content is None:
            return Answer(404, '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        if "/blobs/" in request.path:
            return Answer(200, content)
        said = self._said or json.loads(content).get("mediaType") or media_types.MANIFEST
        return Answer(200, content, {"Content-Type": said, "Docker-Content-Digest": self._header or digest(content)})


class Taking:
    """A registry that takes everything."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}

    def __call__(self, request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        if request.method == "POST":
            return Answer(202, headers={"Location": f"{request.path}one"})
        if request.method == "PUT":
            self.types[name] = request.headers["content-type"]
            return Answer(201)
        return Answer(404)


def fetched(registry: Registry, folder: Path) -> CachedImage | None:
    """What of the registry's image gets into a cache."""
    with answering(registry) as server, Transfer(None, server.address, attempts=1) as client:
        filling = Filling(ImageCache(folder / "cache"), lambda image: client, platform="linux/amd64")
        reference = f"{server.address}/acme/app:1"
        try:
            asked = filling.ask([reference])
            for error in (*(it.error for it in asked), *filling.fetch(asked).values()):
                if error is not None:
                    raise error
            return filling.wait(reference, 10)
        finally:
            filling.close()


def copied(registry: Registry, taking: Taking, folder: Path) -> FakeServer:
    with (
        answering(registry) as server,
        answering(taking) as there,
        Transfer(None, server.address, attempts=1) as source,
        Transfer(None, there.address, attempts=1, push=True) as target,
    ):
        image, to = (ImageReference.parse(f"{it.address}/acme/app:1") for it in (server, there))
        copy(source, image, target, to, scratch=folder / "scratch")
        return there


def on_node(registry: Registry) -> frozenset[str]:
    with answering(registry) as server, Transfer(None, server.address, attempts=1) as client:
        return client.digests(ImageReference.parse(f"{server.address}/acme/app:1"))


WRONG = [
    ({"config": {"digest": "../outside", "size": 3}}, "config.digest: '../outside' is not a digest"),
    ({"config": {"size": 3}}, "config.digest: Field required"),
    ({"config": {"digest": digest(CONFIG)}}, "config.size: Field required"),
    ({"layers": [{"digest": digest(LAYER), "size": -1}]}, "layers.0.size: Input should be greater than or equal to 0"),
    ({"layers": [{"digest": digest(LAYER)}]}, "layers.0.size: Field required"),
    ({"layers": ["all of them"]}, "layers.0: Input should be a valid dictionary"),
    ({"layers": {"first": {}}}, "layers: Input should be a valid list"),
    ({"subject": {"digest": "sha256:1"}}, "subject.digest: 'sha256:1' is not a digest"),
]


@pytest.mark.parametrize(("changed", "said"), WRONG)
def test_a_manifest_without_valid_digests_and_sizes_is_the_registrys_trouble(
    changed: dict[str, object], said: str, tmp_path: Path
) -> None:
    registry = Registry(manifest(**changed))
    for use in (
        lambda: fetched(registry, tmp_path),
        lambda: copied(registry, Taking(), tmp_path),
        lambda: on_node(registry),
    ):
        with pytest.raises(RegistryError, match="cannot be used") as raised:
            use()
        assert said in raised.value.message
        assert raised.value.next_step.startswith("push the image again")


@pytest.mark.parametrize("name", ["../outside", "{folder}/outside", "sha256:../../outside"])
def test_what_a_manifest_calls_a_digest_is_no_name_of_a_file(name: str, tmp_path: Path) -> None:
    registry = Registry(manifest(config={"digest": name.format(folder=tmp_path), "size": 3}))
    with pytest.raises(RegistryError, match="is not a digest"):
        fetched(registry, tmp_path)
    assert [it.name for it in tmp_path.iterdir()] in ([], ["cache"])


@pytest.mark.parametrize(
    "entry",
    ["linux/amd64", {"size": 2}, {"digest": "../../x", "size": 2}, described(PLAIN, platform="linux/amd64")],
)
def test_so_is_an_index_whose_entries_are_none(entry: object, tmp_path: Path) -> None:
    registry = Registry(index(entry), PLAIN)
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(RegistryError, match=r"cannot be used: manifests\.0"):
            use()


@pytest.mark.parametrize("platform", [None, {}, ...])
def test_the_only_manifest_of_an_index_may_have_no_platform(platform: object, tmp_path: Path) -> None:
    entry = described(PLAIN) if platform is ... else described(PLAIN, platform=platform)
    registry = Registry(index(entry), PLAIN)
    assert on_node(registry) == {digest(index(entry)), digest(PLAIN), digest(CONFIG)}
    found = fetched(registry, tmp_path)
    assert (found.own if found else "") == digest(PLAIN)


def test_an_image_for_newer_processors_is_not_the_one_that_nodes_take(tmp_path: Path) -> None:
    both = index(described(NEWER, platform={**AMD64, "variant": "v3"}), described(PLAIN, platform=AMD64))
    registry = Registry(both, NEWER, PLAIN)
    assert on_node(registry) == {digest(both), digest(PLAIN), digest(CONFIG)}
    found = fetched(registry, tmp_path)
    assert (found.own if found else "") == digest(PLAIN)


def test_the_variant_that_every_arm64_has_is_told_or_left_out() -> None:
    arm = {"os": "linux", "architecture": "arm64"}
    for usual in ({**arm, "variant": "v8"}, arm):
        listed = json.loads(
            index(described(NEWER, platform={**arm, "variant": "v9"}), described(PLAIN, platform=usual))
        )
        assert entry_for(listed, "linux/arm64") == digest(PLAIN)
    assert entry_for(json.loads(index(described(PLAIN, platform=arm))), "linux/amd64") == ""


@pytest.mark.parametrize(
    ("wanted", "config"),
    [
        ("linux/arm64", {"os": "linux", "architecture": "arm64", "variant": "v8"}),
        ("linux/amd64", {"os": "linux", "architecture": "x86_64"}),
    ],
)
def test_a_configuration_names_a_platform_in_more_than_one_way(wanted: str, config: dict[str, str]) -> None:
    said = json.dumps(config).encode()
    image = manifest(config={**described(said), "mediaType": media_types.CONFIG})
    for top in (image, index(described(image))):
        with answering(Registry(top, image, blobs=(said,))) as server, Transfer(None, server.address) as client:
            known, _ = client.on_node(ImageReference.parse(f"{server.address}/acme/app:1"), platform=wanted)
            assert digest(image) in known


def test_an_image_that_only_newer_processors_run_is_not_one_for_all(tmp_path: Path) -> None:
    registry = Registry(index(described(NEWER, platform={**AMD64, "variant": "v3"})), NEWER)
    with pytest.raises(UnavailableError, match="linux/amd64/v3"):
        fetched(registry, tmp_path)


def test_layers_without_a_key_are_told_before_a_node_tries_them(tmp_path: Path) -> None:
    layer = {**described(LAYER), "mediaType": f"{media_types.LAYER}+encrypted"}
    with pytest.raises(UnavailableError, match="has 1 encrypted layer, for which the nodes have no key"):
        fetched(Registry(manifest(layers=[layer])), tmp_path)


@pytest.mark.parametrize(
    ("said", "why"),
    [(media_types.MANIFEST, "it has `manifests`, as an index has"), (media_types.INDEX, "it has layers or a config")],
)
def test_what_is_an_image_and_an_index_is_neither(said: str, why: str) -> None:
    both = json.dumps(
        {**json.loads(manifest(mediaType=said)), "manifests": [described(PLAIN, platform=AMD64)]}
    ).encode()
    with pytest.raises(RegistryError, match="is malformed and cannot be used") as raised:
        on_node(Registry(both, PLAIN))
    assert why in raised.value.message


def test_docker_schema_1_is_told_and_not_copied(tmp_path: Path) -> None:
    old = json.dumps({"schemaVersion": 1, "name": "acme/app", "fsLayers": [], "signatures": []}).encode()
    # Its digest is that of the content without its signatures.
    registry = Registry(old, said=SCHEMA_1, header=f"sha256:{'1' * 64}")
    taking = Taking()
    for use in (lambda: copied(registry, taking, tmp_path), lambda: on_node(registry)):
        with pytest.raises(RegistryError, match="is of Docker's schema 1") as raised:
            use()
        assert "build the image again" in raised.value.next_step
    assert taking.types == {}


@pytest.mark.parametrize("said", ["application/octet-stream", "text/plain"])
def test_a_file_server_does_not_know_media_types(said: str, tmp_path: Path) -> None:
    unnamed = manifest(mediaType=...)
    top = json.dumps({"schemaVersion": 2, "manifests": [described(unnamed, platform=AMD64)]}).encode()
    taking = Taking()
    copied(Registry(top, unnamed, said=said), taking, tmp_path)
    assert taking.types["1"] == media_types.INDEX
    assert taking.types[digest(unnamed)] == media_types.MANIFEST


@pytest.mark.parametrize("header", ["unknown", '"sha256:1"', "sha256:abc"])
def test_a_header_that_is_no_digest_says_none(header: str, tmp_path: Path) -> None:
    found = fetched(Registry(PLAIN, header=header), tmp_path)
    assert (found.digest if found else "") == digest(PLAIN)


def test_a_digest_of_sha512_is_verified_as_well() -> None:
    pinned = f"sha512:{hashlib.sha512(PLAIN).hexdigest()}"
    with (
        answering(lambda request: Answer(200, PLAIN if request.path.endswith(pinned) else NEWER)) as server,
        Transfer(None, server.address) as client,
    ):
        image = ImageReference.parse(f"{server.address}/acme/app@{pinned}")
        assert client.manifest(image).descriptor.digest == pinned
        with pytest.raises(RegistryError, match="but announced"):
            client.manifest(image.pinned(f"sha512:{'1' * 128}"))


@pytest.mark.parametrize("config", [b"", b"[]", b'{"name": "a chart"}'])
def test_what_has_another_configuration_is_no_image(config: bytes, tmp_path: Path) -> None:
    registry = Registry(manifest(config=described(config)), blobs=(config,))
    with pytest.raises(UnavailableError, match="is no container image") as raised:
        fetched(registry, tmp_path)
    assert "a chart or another artifact" in raised.value.next_step


def test_an_image_may_have_no_layers(tmp_path: Path) -> None:
    config = json.dumps(AMD64).encode()
    listed = described(config, mediaType=media_types.CONFIG)
    found = fetched(Registry(manifest(layers=None, config=listed), blobs=(config,)), tmp_path)
    assert [it.digest for it in found.blobs] == [digest(config)] if found else False


def test_no_error_of_these_is_anything_else(tmp_path: Path) -> None:
    for content in (b"[]", b"null", b"no JSON"):
        with pytest.raises(HarnessError):
            fetched(Registry(PLAIN, content, said=media_types.MANIFEST, header=digest(content)), tmp_path)


@pytest.mark.parametrize(
    ("written", "how"),
    [
        (digest(PLAIN).replace("sha256", "SHA256"), "is not a digest, which is written in lower case"),
        (digest(PLAIN).upper().replace("SHA256", "sha256"), "is not a digest, which is written in lower case"),
        (digest(PLAIN).removeprefix("sha256:"), "is not a digest"),
        (digest(PLAIN).replace("sha256", "blake3"), "is not a digest"),
        (digest(PLAIN)[:-1], "is not a digest"),
        (f"sha1:{'1' * 40}", "is not a digest"),
    ],
)
def test_an_index_with_digests_that_are_none_is_malformed_and_not_missing(
    written: str, how: str, tmp_path: Path
) -> None:
    listed = {"mediaType": media_types.MANIFEST, "digest": written, "size": len(PLAIN), "platform": AMD64}
    registry = Registry(index(listed), PLAIN)
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(
            RegistryError, match=r"the index that 127\.0\.0\.1:\d+ has for acme/app.* malformed"
        ) as raised:
            use()
        assert raised.value.message.endswith(f"manifests.0.digest: {written!r} {how}")
        assert raised.value.status == 200


def test_an_index_that_lists_what_is_not_there_is_no_missing_image(tmp_path: Path) -> None:
    registry = Registry(index(described(PLAIN, platform=AMD64)))
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(RegistryError, match=f"404 .*{digest(PLAIN)}") as raised:
            use()
        assert raised.value.status == 200
        assert raised.value.next_step == "push the image again, with all its platforms"


@pytest.mark.parametrize("platform", [AMD64, ...])
def test_an_index_in_an_index_is_followed(platform: object, tmp_path: Path) -> None:
    inner = index(described(NEWER, platform={**AMD64, "architecture": "arm64"}), described(PLAIN, platform=AMD64))
    entry = described(inner, mediaType=media_types.INDEX, **({} if platform is ... else {"platform": platform}))
    top = index(entry)
    registry = Registry(top, inner, PLAIN, NEWER)
    assert on_node(registry) == {digest(top), digest(PLAIN), digest(CONFIG)}
    found = fetched(registry, tmp_path)
    assert [it.digest for it in found.manifests] == [digest(top), digest(inner), digest(PLAIN)] if found else False


def test_indexes_without_end_are_told(tmp_path: Path) -> None:
    levels = [PLAIN]
    for _ in range(8):
        kind = media_types.MANIFEST if levels[0] == PLAIN else media_types.INDEX
        levels.insert(0, index(described(levels[0], mediaType=kind)))
    registry = Registry(*levels)
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(RegistryError, match=r"acme/app:1 at 127.* nested more than 6 levels deep"):
            use()


ARM_CONFIG = json.dumps({"os": "linux", "architecture": "arm64", "variant": "v8"}).encode()
ARM = manifest(config=described(ARM_CONFIG, mediaType=media_types.CONFIG))


@pytest.mark.parametrize("top", [ARM, index(described(ARM)), index(described(ARM), described(PLAIN))])
def test_what_is_for_another_platform_by_its_configuration_is_told(top: bytes, tmp_path: Path) -> None:
    registry = Registry(top, ARM, PLAIN, blobs=(ARM_CONFIG,))
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(UnavailableError, match=r"for linux/arm64.*, not for linux/amd64"):
            use()


HELM = "application/vnd.cncf.helm.config.v1+json"
COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACTS: list[tuple[dict[str, object], str]] = [
    ({"config": described(CONFIG, mediaType=HELM)}, "it is a Helm chart"),
    ({"layers": [described(LAYER, mediaType=COSIGN)]}, "it is a signature of cosign"),
    ({"layers": [described(LAYER, mediaType="application/vnd.in-toto+json")]}, "it is an attestation"),
    (
        {"config": described(b"{}", mediaType=media_types.EMPTY), "artifactType": "application/vnd.acme.model"},
        "it is an artifact of the type application/vnd.acme.model",
    ),
    ({"config": described(b"{}", mediaType="application/vnd.docker.plugin.v1+json")}, "it is a plugin of Docker"),
]


@pytest.mark.parametrize(("changed", "said"), ARTIFACTS)
def test_an_artifact_is_no_image_and_told_as_what_it_is(changed: dict[str, object], said: str, tmp_path: Path) -> None:
    alone = Registry(manifest(**changed), blobs=(b"{}",))
    listed = Registry(index(described(manifest(**changed))), manifest(**changed), blobs=(b"{}",))
    uses: list[Callable[[], object]] = [
        lambda: fetched(alone, tmp_path),
        lambda: on_node(alone),
        lambda: fetched(listed, tmp_path),
        lambda: on_node(listed),
    ]
    for use in uses:
        with pytest.raises(RegistryError, match=f"is no container image: {said}") as raised:
            use()
        assert raised.value.next_step.startswith("check the image's name")


@pytest.mark.parametrize(
    "changed",
    [
        {"artifactType": "application/vnd.acme.build"},
        {"config": described(CONFIG, mediaType="application/vnd.docker.container.image.v1+json")},
        {"config": described(CONFIG, mediaType="application/octet-stream")},
        {"layers": [described(LAYER, mediaType="application/vnd.docker.image.rootfs.diff.tar.gzip")]},
        {"layers": [described(LAYER, mediaType=f"{media_types.LAYER}+zstd", annotations={"a": "zstd:chunked"})]},
    ],
)
def test_images_of_every_type_are_images(changed: dict[str, object], tmp_path: Path) -> None:
    registry = Registry(manifest(**changed))
    assert digest(CONFIG) in on_node(registry)
    assert fetched(registry, tmp_path)


@pytest.mark.parametrize("said", ["application/json", "text/plain", "application/octet-stream"])
def test_docker_schema_1_is_told_whatever_its_type_is_said_to_be(said: str, tmp_path: Path) -> None:
    old = json.dumps({"schemaVersion": 1, "name": "acme/app", "fsLayers": [], "signatures": []}).encode()
    registry = Registry(old, said=said, header=f"sha256:{'1' * 64}")
    uses: list[Callable[[], object]] = [lambda: fetched(registry, tmp_path), lambda: on_node(registry)]
    for use in uses:
        with pytest.raises(RegistryError, match="is of Docker's schema 1"):
            use()
