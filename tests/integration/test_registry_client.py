# SPDX-License-Identifier: Apache-2.0
"""The client against a real distribution server."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pushing import INDEX, push_image, push_index
from pydantic import SecretStr

from harness.errors import RegistryError
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient
from harness.registries.local import Security, Server, serve

REPOSITORY = "kubeflow/spark-operator/controller"
# bcrypt of "open sesame"
HTPASSWD = "me:$2b$04$vK3oK2kAHnPJdIAxBm3ipum48/8yD61L2NPNV4Lrm8WNp1XQJ1PiW\n"


def image(tag: str, registry: str = "ghcr.io") -> ImageReference:
    return ImageReference.parse(f"{registry}/{REPOSITORY}:{tag}")


@pytest.fixture
def pusher() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def ghcr(registry: Server) -> Iterator[RegistryClient]:
    """A client for ghcr.io, for which the server answers as a mirror."""
    with RegistryClient(Mirror(url="http://name-for-nodes:5000", host_url=registry.url), "ghcr.io") as client:
        yield client


def test_an_image_of_one_platform_has_one_digest(ghcr: RegistryClient, registry: Server, pusher: httpx.Client) -> None:
    digest, entry = push_image(pusher, registry.url, REPOSITORY, "2.5.2", label="hello")

    descriptor = ghcr.head(image("2.5.2"))

    assert (descriptor.digest, descriptor.size) == (digest, entry["size"])
    config = ghcr.manifest(image("2.5.2")).content["config"]["digest"]
    assert ghcr.digests(image("2.5.2")) == {digest, config}
    assert ghcr.config(image("2.5.2"))["config"]["Labels"] == {"test": "hello"}
    assert [str(it) for it in ghcr.platforms(image("2.5.2"))] == ["linux/amd64"]
    assert ghcr.head(image("2.5.2").pinned(digest)).digest == digest


def test_an_index_is_known_by_its_digest_and_by_the_platforms(
    ghcr: RegistryClient, registry: Server, pusher: httpx.Client
) -> None:
    amd64, first = push_image(pusher, registry.url, REPOSITORY, "amd64", label="a")
    _, second = push_image(pusher, registry.url, REPOSITORY, "arm64", architecture="arm64", label="b")
    index = push_index(pusher, registry.url, REPOSITORY, "2.5.2", [first, second])

    assert ghcr.head(image("2.5.2")).media_type == INDEX
    config = ghcr.manifest(image("amd64")).content["config"]["digest"]
    assert ghcr.digests(image("2.5.2")) == {index, amd64, config}
    assert [str(it) for it in ghcr.platforms(image("2.5.2"))] == ["linux/amd64", "linux/arm64"]
    assert ghcr.config(image("2.5.2"), platform="linux/arm64")["config"]["Labels"] == {"test": "b"}
    with pytest.raises(RegistryError, match=r"for linux/amd64, linux/arm64, not for linux/s390x"):
        ghcr.config(image("2.5.2"), platform="linux/s390x")


def test_a_missing_tag_is_told_with_those_that_are_there(
    ghcr: RegistryClient, registry: Server, pusher: httpx.Client
) -> None:
    push_image(pusher, registry.url, REPOSITORY, "2.5.2")

    with pytest.raises(RegistryError) as raised:
        ghcr.head(image("9.9.9"))

    assert raised.value.status == 404
    assert f"of ghcr.io answered 404 for {REPOSITORY}:9.9.9: MANIFEST_UNKNOWN manifest unknown" in raised.value.message
    assert "the repository has 2.5.2" in raised.value.next_step


def test_a_missing_repository_is_told(ghcr: RegistryClient) -> None:
    with pytest.raises(RegistryError, match="404 for nobody/nothing: NAME_UNKNOWN"):
        ghcr.tags("nobody/nothing")
    with pytest.raises(RegistryError, match="answered 404 for nobody/nothing:1"):
        ghcr.head(ImageReference.parse("ghcr.io/nobody/nothing:1"))


def test_tags_are_listed(ghcr: RegistryClient, registry: Server, pusher: httpx.Client) -> None:
    for tag in ("2.5.2", "2.5.1", "2.10.0"):
        push_image(pusher, registry.url, REPOSITORY, tag)

    assert ghcr.tags(REPOSITORY) == ["2.10.0", "2.5.1", "2.5.2"]


def test_a_password_opens_a_guarded_registry(registry_binary: Path, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    security = Security(htpasswd=tmp_path / "htpasswd")
    with (
        serve(registry_binary, tmp_path / "storage", tmp_path / "log", security=security) as server,
        httpx.Client(trust_env=False, auth=("me", "open sesame")) as pusher,
    ):
        digest, _ = push_image(pusher, server.url, REPOSITORY, "2.5.2")
        login = Mirror(url=server.url, username="me", password=SecretStr("open sesame"))
        with RegistryClient(login, "ghcr.io") as client:
            client.ping()
            assert client.head(image("2.5.2")).digest == digest
        for mirror in (Mirror(url=server.url), Mirror(url=server.url, username="me", password=SecretStr("wrong"))):
            with RegistryClient(mirror, "ghcr.io") as client:
                client.ping()
                with pytest.raises(RegistryError, match=r"answered 401 .*UNAUTHORIZED") as raised:
                    client.head(image("2.5.2"))
            assert "docker login ghcr.io" in raised.value.next_step
            assert "wrong" not in str(raised.value)


def test_a_private_ca_is_trusted_when_it_is_named(registry_binary: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    security = Security(certificate=certificate, key=key)
    with serve(registry_binary, tmp_path / "storage", tmp_path / "log", security=security) as server:
        assert server.url.startswith("https://")
        with RegistryClient(Mirror(url=server.url, ca=certificate), "ghcr.io") as client:
            client.ping()
        with RegistryClient(Mirror(url=server.url), "ghcr.io") as client:
            with pytest.raises(RegistryError, match=r"certificate of the mirror .* is not trusted") as raised:
                client.ping()
            assert 'ca of [mirrors."ghcr.io"]' in raised.value.next_step


def test_plain_http_behind_https_is_told(registry: Server) -> None:
    with (
        RegistryClient(Mirror(url=registry.url.replace("http:", "https:")), "ghcr.io") as client,
        pytest.raises(RegistryError, match="failed the TLS handshake") as raised,
    ):
        client.ping()
    assert "http://" in raised.value.next_step


def test_a_server_that_is_away_is_told(registry_binary: Path, tmp_path: Path) -> None:
    with serve(registry_binary, tmp_path / "storage", tmp_path / "log") as server:
        gone = server.url
    with (
        RegistryClient(Mirror(url=gone), "ghcr.io") as client,
        pytest.raises(RegistryError, match=r"of ghcr\.io could not be reached") as raised,
    ):
        client.head(image("2.5.2"))
    assert raised.value.status == 0


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(private)
    return folder / "tls.crt", folder / "tls.key"
