# SPDX-License-Identifier: Apache-2.0
"""Local registries as clients see them that ask by the public name: the token service and the blobs are elsewhere."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fronts import LAYER, Crane, browser

from harness.bootstrap import tools
from harness.registries.front import certificates
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.settings import Settings

_REPOSITORY = "kubeflow/operator"
_NAMES = {"docker.io": "registry-1.docker.io", "ghcr.io": "ghcr.io"}


@pytest.fixture(scope="module", params=_NAMES)
def front(
    request: pytest.FixtureRequest, registry_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """A front with one public image."""
    folder = tmp_path_factory.mktemp("front")
    crane = tools.ensure(Settings(), ["crane"])["crane"].path
    with Front(profile(request.param), folder=folder, binary=registry_binary, packages={"*": "public"}) as made:
        push = Crane(program=crane, front=made, home=folder)
        push.login("writer")
        push.push(f"{_REPOSITORY}:1")
        yield made


def ask(front: Front, path: str, *, host: str, method: str = "GET", token: str = "") -> httpx.Response:
    """Ask as a client does for which `host` has the front's address."""
    headers = {"Host": host, **({"Authorization": f"Bearer {token}"} if token else {})}
    with browser(front) as client:
        return client.request(method, path, headers=headers)


@pytest.fixture
def token(front: Front) -> str:
    said = ask(front, f"/token?scope=repository:{_REPOSITORY}:pull", host=front.profile.token_host or front.host)
    return str(said.json()["token"])


@pytest.fixture
def blob(front: Front, token: str) -> str:
    """The path of the image's layer."""
    manifest = ask(front, f"/v2/{_REPOSITORY}/manifests/1", host=_NAMES[front.host], token=token).json()
    return f"/v2/{_REPOSITORY}/blobs/{manifest['layers'][0]['digest']}"


def test_the_challenge_names_the_token_service(front: Front) -> None:
    by_name = ask(front, "/v2/", host=_NAMES[front.host]).headers["www-authenticate"]
    by_address = ask(front, "/v2/", host=front.address).headers["www-authenticate"]

    assert f'realm="https://{front.profile.token_host or front.host}/token"' in by_name
    assert f'realm="https://{front.address}/token"' in by_address


def test_content_comes_from_another_host_by_a_signed_address(front: Front, blob: str, token: str) -> None:
    sent = ask(front, blob, host=_NAMES[front.host], token=token)
    where = urlsplit(sent.headers["location"])

    assert (sent.status_code, where.scheme, where.netloc) == (307, "https", front.profile.blob_host)
    got = ask(front, f"{where.path}?{where.query}", host=where.netloc)
    assert (got.status_code, len(got.content) > len(LAYER)) == (200, True)
    refused = ask(front, f"{where.path}?{where.query}", host=where.netloc, token=token)
    assert (refused.status_code, b"Only one auth mechanism" in refused.content) == (400, True)
    asked = [(it.host, it.status) for it in front.requests()[-3:]]
    assert asked == [(_NAMES[front.host], 307), (where.netloc, 200), (where.netloc, 400)]


def test_a_head_and_what_is_not_there_are_answered_by_the_registry(front: Front, blob: str, token: str) -> None:
    host = _NAMES[front.host]

    assert ask(front, blob, host=host, method="HEAD", token=token).status_code == 200
    missing = ask(front, f"{blob.rpartition(':')[0]}:{'0' * 64}", host=host, token=token)
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")


def test_who_asks_at_an_address_gets_content_from_there(front: Front, blob: str) -> None:
    with browser(front, "reader") as client:
        assert client.get(blob).status_code == 200


def test_several_registries_have_one_ca_and_their_own_addresses(registry_binary: Path, tmp_path: Path) -> None:
    ca = certificates.authority()
    chosen = profile("ghcr.io")
    with Front(
        chosen, folder=tmp_path, binary=registry_binary, addresses=["127.0.0.9"], loopback=False, signed_by=ca
    ) as made:
        assert made.address.startswith("127.0.0.9:")
        assert made.ca.read_bytes() == ca.pem
        assert ask(made, "/v2/", host="ghcr.io").status_code == 401


def test_a_certificate_has_the_addresses_among_its_names(registry_binary: Path, tmp_path: Path) -> None:
    known = profile("ghcr.io")
    chosen = known.model_copy(update={"names": ("harbor.example.com", "127.0.0.1")})
    with Front(chosen, folder=tmp_path, binary=registry_binary, addresses=["127.0.0.9"], loopback=False) as made:
        # As through a port of another address that leads there.
        context = ssl.create_default_context(cafile=str(made.ca))
        with (
            socket.create_connection(("127.0.0.9", made.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            told = secured.getpeercert() or {}
            assert ("IP Address", "127.0.0.1") in told["subjectAltName"]
