# SPDX-License-Identifier: Apache-2.0
"""What the catalogue of pull messages makes of pulls that fail in every way that a registry and a network have.

Pulled by the containerd of each line that the foundry's nodes can have, by its transfer service and the old way: words
differ by both. No cluster is needed, since the kubelet only passes containerd's words on.
"""

from __future__ import annotations

import gzip
import ssl
import uuid
from pathlib import Path
from typing import Any

import pytest
from bad_registry import MANIFEST, BadRegistry, Document, Image, Reply, bad_registry, digest, nobody, silence
from bare_node import BareNode

from harness.images.mirrors import Mirror
from harness.kube import pull_messages
from harness.kube.pull_messages import PullFailure
from harness.registries.front import certificates

pytestmark = pytest.mark.nightly
"""test_pull_words.py holds the words of what a user meets most."""

_HTML = {"Content-Type": "text/html; charset=utf-8"}
_PAGE = Reply(headers=_HTML, body=b"<html><body>Please accept the terms of this network</body></html>")
_INDEX = "application/vnd.oci.image.index.v1+json"


def pulled(node: BareNode, url: str, *, ca: Path | None = None, login: tuple[str, str] | None = None) -> PullFailure:
    """What comes of the pull of an image whose registry host leads to this address."""
    node.lead({"docker.io": Mirror(url=url, ca=ca)})
    image = f"docker.io/it/{uuid.uuid4().hex}:1"
    said = node.pull(image, login=login)
    print(said)
    assert said, "it was pulled"
    return pull_messages.read(f'Failed to pull image "{image}": {said}')


STATUSES = [
    (400, "registry-answer", "docker.io answered 400 Bad Request"),
    (401, "login-needed", "docker.io wants a login: 401 Unauthorized"),
    (403, "not-allowed", "docker.io does not let this account read it: 403 Forbidden"),
    (404, "image-missing", "docker.io has no such image"),
    (407, "proxy", "the proxy before docker.io wants a login: 407 Proxy Authentication Required"),
    (408, "registry-failing", "docker.io answered 408 Request Timeout"),
    (410, "image-missing", "docker.io has no such image"),
    (418, "registry-answer", "docker.io answered 418 I'm a Teapot"),
    (429, "registry-busy", "docker.io answered 429"),
    (451, "registry-answer", "docker.io answered 451 Unavailable For Legal Reasons"),
    (500, "registry-failing", "docker.io answered 500 Internal Server Error"),
    (502, "registry-failing", "docker.io answered 502 Bad Gateway"),
    (503, "registry-failing", "docker.io answered 503 Service Unavailable"),
    (504, "registry-failing", "docker.io answered 504 Gateway Timeout"),
    (520, "registry-failing", "docker.io answered 520"),
]


@pytest.mark.parametrize(("status", "kind", "words"), STATUSES)
def test_a_status_for_the_manifest(node: BareNode, status: int, kind: str, words: str) -> None:
    with bad_registry(node.gateway, {"manifest": Reply(status=status)}) as registry:
        failure = pulled(node, registry.url)
    assert (failure.kind, failure.words) == (kind, words), failure.answer


OF_BLOBS = [
    (401, "login-needed"),
    (403, "not-allowed"),
    (404, "registry-content"),
    (410, "registry-content"),
    (416, "registry-content"),
    (429, "registry-busy"),
    (500, "registry-failing"),
    (503, "registry-failing"),
]


@pytest.mark.parametrize("part", ["config", "layer"])
@pytest.mark.parametrize(("status", "kind"), OF_BLOBS)
def test_a_status_for_a_blob(node: BareNode, part: str, status: int, kind: str) -> None:
    with bad_registry(node.gateway, {part: Reply(status=status)}) as registry:
        failure = pulled(node, registry.url)
    assert failure.kind == kind, failure.answer


OF_TOKENS: list[tuple[Reply, str, str]] = [
    (Reply(status=401), "login-needed", "login-refused"),
    (Reply(status=403), "login-needed", "login-refused"),
    (Reply(status=404), "registry-answer", "registry-answer"),
    (Reply(status=429), "registry-busy", "registry-busy"),
    (Reply(status=500), "registry-failing", "registry-failing"),
    (Reply(status=503), "registry-failing", "registry-failing"),
    (Reply(body=b"{}"), "registry-answer", "registry-answer"),
    (_PAGE, "not-a-registry", "not-a-registry"),
]


@pytest.mark.parametrize("login", [None, ("it", "secret")], ids=["anonymous", "login"])
@pytest.mark.parametrize(
    ("reply", "anonymous", "kind"), OF_TOKENS, ids=[f"{it.status}-{len(it.body)}" for it, _, _ in OF_TOKENS]
)
def test_what_a_token_service_answers(
    node: BareNode, reply: Reply, anonymous: str, kind: str, login: tuple[str, str] | None
) -> None:
    with bad_registry(node.gateway, {"token": reply}) as registry:
        failure = pulled(node, registry.url, login=login)
    assert failure.kind == (kind if login else anonymous), failure.answer
    assert "secret" not in failure.answer


def test_a_token_service_that_cannot_be_reached(node: BareNode) -> None:
    with nobody(node.gateway) as away, bad_registry(node.gateway, realm=f"http://{away}/token") as registry:
        failure = pulled(node, registry.url)
    assert failure.kind == "registry-away", failure.answer


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_registry_that_refuses_connections(node: BareNode, scheme: str) -> None:
    with nobody(node.gateway) as away:
        failure = pulled(node, f"{scheme}://{away}")
    assert (failure.kind, failure.words) == ("registry-away", "docker.io cannot be reached"), failure.answer


def test_a_name_that_is_not_resolved(node: BareNode) -> None:
    failure = pulled(node, "https://registry.invalid")
    assert failure.kind == "registry-away", failure.answer
    assert "is not resolved" in failure.words


def test_an_address_that_nobody_has(node: BareNode) -> None:
    """In the node's own network, so that the node itself finds out that nobody answers for it."""
    failure = pulled(node, f"http://{node.gateway.rpartition('.')[0]}.251:5000")
    assert failure.kind in ("registry-away", "timeout"), failure.answer


@pytest.mark.parametrize("part", ["manifest", "config", "layer", "token"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_that_breaks(node: BareNode, part: str, how: Any) -> None:
    with bad_registry(node.gateway, {part: Reply(hangs_up=how)}) as registry:
        failure = pulled(node, registry.url)
    assert failure.kind == "connection-lost", failure.answer


def test_a_server_that_does_not_shake_hands(node: BareNode) -> None:
    with silence(node.gateway) as address:
        failure = pulled(node, f"https://{address}")
    assert failure.kind == "timeout", failure.answer


class TestCertificates:
    """TLS by a registry whose CA the node knows, unless a test says otherwise."""

    def context(self, made: certificates.Certificates) -> ssl.SSLContext:
        return certificates.server_context(made, lambda: False)

    def test_of_an_unknown_authority(self, node: BareNode, tmp_path: Path) -> None:
        made = certificates.make(tmp_path, ["it"], [node.gateway])
        with bad_registry(node.gateway, tls=self.context(made)) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "certificate-not-trusted", failure.answer
        assert failure.words == "docker.io shows a certificate that the node does not trust"

    @pytest.mark.parametrize("address", [[], ["192.0.2.1"]], ids=["no address", "another address"])
    def test_for_another_name(self, node: BareNode, tmp_path: Path, address: list[str]) -> None:
        made = certificates.make(tmp_path, ["registry.example.com"], address)
        with bad_registry(node.gateway, tls=self.context(made)) as registry:
            failure = pulled(node, registry.url, ca=made.ca)
        assert failure.kind == "certificate-of-another-name", failure.answer
        assert failure.words == "docker.io shows a certificate for another name"

    def test_that_expired(self, node: BareNode, tmp_path: Path) -> None:
        made = certificates.make(tmp_path, ["it"], [node.gateway])
        with bad_registry(node.gateway, tls=certificates.server_context(made, lambda: True)) as registry:
            failure = pulled(node, registry.url, ca=made.ca)
        assert failure.kind == "registry-certificate", failure.answer

    def test_that_a_client_must_have_too(self, node: BareNode, tmp_path: Path) -> None:
        made = certificates.make(tmp_path, ["it"], [node.gateway])
        context = self.context(made)
        context.load_verify_locations(made.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        with bad_registry(node.gateway, tls=context) as registry:
            failure = pulled(node, registry.url, ca=made.ca)
        assert failure.kind in ("node-configuration", "connection-lost"), failure.answer

    def test_where_the_node_speaks_http(self, node: BareNode, tmp_path: Path) -> None:
        made = certificates.make(tmp_path, ["it"], [node.gateway])
        with bad_registry(node.gateway, tls=self.context(made)) as registry:
            failure = pulled(node, registry.url.replace("https://", "http://"))
        assert failure.kind in ("plain-http", "connection-lost"), failure.answer

    def test_that_is_missing(self, node: BareNode) -> None:
        with bad_registry(node.gateway) as registry:
            failure = pulled(node, registry.url.replace("http://", "https://"))
        assert failure.kind == "plain-http", failure.answer


def entry(of: Document, part: str) -> Document:
    return of["config"] if part == "config" else of["layers"][0]  # type: ignore[no-any-return]


def with_entry(part: str, **changes: Any) -> Image:
    """An image whose manifest says something else of a part."""

    def edit(document: Document) -> Document:
        entry(document, part).update(changes)
        return document

    return Image.new(edit)


@pytest.mark.parametrize("part", ["config", "layer"])
class TestContent:
    """Of a configuration or a layer."""

    def test_of_another_digest(self, node: BareNode, part: Any) -> None:
        image = Image.new()
        right = image.config if part == "config" else image.layer
        with bad_registry(node.gateway, {part: Reply(body=right[:-1] + b"!")}, image=image) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer

    def test_that_is_shorter_than_promised(self, node: BareNode, part: Any) -> None:
        image = Image.new()
        right = image.config if part == "config" else image.layer
        reply = Reply(body=right[: len(right) // 2], promised=len(right))
        with bad_registry(node.gateway, {part: reply}, image=image) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "connection-lost", failure.answer

    def test_that_is_shorter_than_the_manifest_says(self, node: BareNode, part: Any) -> None:
        image = Image.new()
        right = image.config if part == "config" else image.layer
        with bad_registry(node.gateway, {part: Reply(body=right[: len(right) // 2])}, image=image) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind in ("connection-lost", "registry-content"), failure.answer

    def test_whose_size_is_none(self, node: BareNode, part: str) -> None:
        with bad_registry(node.gateway, image=with_entry(part, size=-1)) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer

    def test_whose_size_is_too_large(self, node: BareNode, part: str) -> None:
        with bad_registry(node.gateway, image=with_entry(part, size=10**6)) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind in ("connection-lost", "registry-content"), failure.answer

    def test_whose_digest_is_none(self, node: BareNode, part: str) -> None:
        with bad_registry(node.gateway, image=with_entry(part, digest="sha256:short")) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer


class TestManifest:
    """Of manifests that are none."""

    def test_a_page_in_its_place(self, node: BareNode) -> None:
        with bad_registry(node.gateway, {"manifest": _PAGE}) as registry:
            failure = pulled(node, registry.url)
        # Of a page without a digest in its header, 2.2 says that it has another length each time that it asks.
        assert failure.kind in ("not-a-registry", "registry-content"), failure.answer

    def test_another_digest_than_the_header_says(self, node: BareNode) -> None:
        image = Image.new()
        headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": digest(b"another")}
        with bad_registry(
            node.gateway, {"manifest": Reply(headers=headers, body=image.manifest)}, image=image
        ) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer

    def test_schema_1(self, node: BareNode) -> None:
        old = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        image = Image.new(lambda it: {**it, "schemaVersion": 1, "mediaType": old})
        with bad_registry(node.gateway, image=image) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "image-format", failure.answer

    def test_an_index_without_the_platform(self, node: BareNode) -> None:
        other = {"mediaType": MANIFEST, "digest": digest(b"it"), "size": 2}
        platform = {"os": "linux", "architecture": "s390x"}
        image = Image.new(
            lambda _: {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**other, "platform": platform}]}
        )
        with bad_registry(node.gateway, image=image) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "image-platform", failure.answer

    def test_an_endless_redirect(self, node: BareNode) -> None:
        there = Reply(status=307, headers={"Location": "/v2/it/manifests/1"})
        with bad_registry(node.gateway, {"manifest": there}) as it:
            failure = pulled(node, it.url)
        assert failure.kind == "not-a-registry", failure.answer

    def test_a_layer_that_cannot_be_unpacked(self, node: BareNode) -> None:
        with bad_registry(node.gateway, image=Image.new(layer=gzip.compress(b"no archive"))) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer

    def test_a_layer_that_is_not_packed_as_it_says(self, node: BareNode) -> None:
        with bad_registry(node.gateway, image=Image.new(layer=b"no gzip")) as registry:
            failure = pulled(node, registry.url)
        assert failure.kind == "registry-content", failure.answer


@pytest.mark.parametrize("part", ["config", "layer"])
@pytest.mark.parametrize("kind", ["registry-away", "not-a-registry"])
def test_a_blob_that_is_somewhere_else(node: BareNode, part: Any, kind: str) -> None:
    """As blobs of ghcr.io and Docker Hub are: the registry leads to a storage, which a firewall may not let through."""
    with nobody(node.gateway) as away:
        there = f"http://{away}/blob" if kind == "registry-away" else "/v2/it/blobs/it"
        with bad_registry(node.gateway, {part: Reply(status=307, headers={"Location": there})}) as registry:
            failure = pulled(node, registry.url)
    if kind == "registry-away":
        assert failure.kind == kind, failure.answer


HOSTS = {
    "a CA that is missing": 'server = "{url}"\nca = "missing.pem"\n',
    "nobody to ask": 'server = "{url}"\ncapabilities = ["push"]\n',
}


@pytest.mark.parametrize("text", HOSTS.values(), ids=HOSTS)
def test_a_mistake_in_hosts_toml(node: BareNode, text: str) -> None:
    """Others, such as an unknown capability, containerd tells in its own log alone, and asks the public registry."""
    with bad_registry(node.gateway) as registry:
        node.lead({"docker.io": Mirror(url=registry.url)})
        (node.hosts / "docker.io" / "hosts.toml").write_text(text.format(url=registry.url))
        image = f"docker.io/it/{uuid.uuid4().hex}:1"
        said = node.pull(image)
    print(said)
    assert pull_messages.read(f'Failed to pull image "{image}": {said}').kind == "node-configuration", said


def test_what_is_right_is_pulled(node: BareNode) -> None:
    """Else all of the above would prove nothing."""
    with bad_registry(node.gateway, {"token": Reply(body=b'{"token": "it"}')}) as registry:
        node.lead({"docker.io": Mirror(url=registry.url)})
        assert node.pull(f"docker.io/it/{uuid.uuid4().hex}:1") == ""
    assert isinstance(registry, BadRegistry)
