# SPDX-License-Identifier: Apache-2.0
"""Registries that lead to other servers, or name their repositories otherwise: what is sent where, and what works."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, FakeServer, Request, answering

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.credentials import Credentials
from harness.images.references import ImageReference
from harness.registries.client import Descriptor, RegistryClient
from harness.registries.push import Transfer

BLOB = b"content"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
FOUND = Answer(200, BLOB, {"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST})
LOGIN = Credentials(username="me", password=SecretStr("word"))


def challenged(realm: str, scope: str) -> Answer:
    return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="it",scope="{scope}"'})


def token_for(*scopes: str) -> Callable[[Request], Answer]:
    """A registry whose token server gives a token that is good when these scopes were asked for."""

    def answer(request: Request) -> Answer:
        parts = urlsplit(request.path)
        if parts.path == "/token":
            good = parse_qs(parts.query).get("scope") == list(scopes)
            return Answer(200, json.dumps({"token": "good" if good else "bad"}))
        return FOUND if request.authorization == "Bearer good" else challenged("/token", scopes[-1])

    return answer


@contextmanager
def leading_to(server: FakeServer) -> Iterator[FakeServer]:
    """A name of somebody's own for another registry, which asks for a login itself."""

    def answer(request: Request) -> Answer:
        if not request.authorization:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        return Answer(307, headers={"Location": f"http://{server.address}{request.path}"})

    with answering(answer) as front:
        yield front


def head(server: FakeServer, login: Credentials | None = None) -> Descriptor:
    with RegistryClient(None, server.address, credentials=login, attempts=1) as client:
        return client.head(ImageReference.parse(f"{server.address}/a/b:1"))


def refusal(server: FakeServer, login: Credentials | None = None) -> RegistryError:
    with pytest.raises(RegistryError) as refused:
        head(server, login)
    return refused.value


def test_a_registry_that_is_led_to_gives_anybody_a_token_and_gets_no_login(tmp_path: Path) -> None:
    with answering(token_for("repository:a/b:pull")) as there, leading_to(there) as front:
        image = ImageReference.parse(f"{front.address}/a/b:1")
        with Transfer(None, front.address, credentials=LOGIN, attempts=1) as client:
            assert client.head(image).digest == DIGEST
            client.download("a/b", DIGEST, len(BLOB), tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == BLOB
    assert {it.authorization for it in there.requests} == {"", "Bearer good"}
    assert {it.authorization for it in there.requests if it.path.startswith("/token")} == {""}


def test_one_that_gives_nobody_a_token_is_named_with_who_led_there() -> None:
    def answer(request: Request) -> Answer:
        return Answer(403) if request.path.startswith("/token") else challenged("/token", "repository:a/b:pull")

    with answering(answer) as there, leading_to(there) as front:
        error = refusal(front, LOGIN)
    said = f"{front.address} redirects to {there.address}, and that's token server {there.address} answered 403"
    assert error.message.startswith(said)


def test_servers_that_lead_on_and_on_are_each_heard_once() -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(200, json.dumps({"token": f"t{len(server.requests)}"}))
        return challenged("/token", "repository:a/b:pull")

    with (
        answering(answer) as server,
        RegistryClient(None, server.address, attempts=1) as client,
        pytest.raises(RegistryError, match="answered 401"),
    ):
        client.manifest(ImageReference.parse(f"{server.address}/a/b:1"))
    assert [it.path.partition("?")[0] for it in server.requests] == [
        "/v2/a/b/manifests/1",
        "/token",
        "/v2/a/b/manifests/1",
    ]


def test_the_scope_of_a_challenge_is_asked_for_too_as_by_nodes() -> None:
    with answering(token_for("repository:a/b:pull", "repository:project/a/b:pull")) as server:
        assert head(server).digest == DIGEST


@pytest.mark.parametrize("location", ["http://[bad/x", "http://host:port/x"])
def test_a_redirect_to_what_is_no_address_is_the_registrys_mistake(location: str) -> None:
    with answering(lambda request: Answer(307, headers={"Location": location})) as server:
        error = refusal(server)
    assert error.message.startswith(f"{server.address} redirects to what is no address")
    assert "ask who runs" in error.next_step


@pytest.mark.parametrize(
    ("following", "asked"),
    [
        ("/v2/a/b/tags/list?last=1", "https://registry.example.com:8443/v2/a/b/tags/list?last=1"),
        (
            "http://registry.example.com/v2/a/b/tags/list?last=1",
            "https://registry.example.com:8443/v2/a/b/tags/list?last=1",
        ),
        ("http://other.example.com/tags?last=1", "http://other.example.com/tags?last=1"),
    ],
)
def test_a_list_goes_on_with_tls_where_a_proxy_hides_that_from_the_registry(following: str, asked: str) -> None:
    with RegistryClient(None, "registry.example.com:8443") as client:
        assert client._next_page("https://registry.example.com:8443/v2/a/b/tags/list", following) == asked


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "Invalid Username or Password"}, ": Invalid Username or Password"),
        ({"details": "incorrect username or password"}, ": incorrect username or password"),
        ({"message": "no", "error": "no", "status": 401}, ": no"),
        ({"status": 401}, ': {"status": 401}'),
        ({"error": {"code": 403, "message": "denied", "status": "DENIED"}}, ": denied"),
        ({"title": "Forbidden", "detail": "by curation"}, ": by curation Forbidden"),
    ],
)
def test_an_error_without_a_list_of_errors_is_told_in_its_own_words(body: object, said: str) -> None:
    with answering(lambda request: Answer(401, json.dumps(body))) as server:
        error = refusal(server)
    assert error.message.endswith(f"answered 401 for a/b:1{said}")
