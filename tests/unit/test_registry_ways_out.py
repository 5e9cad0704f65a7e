# SPDX-License-Identifier: Apache-2.0
"""Refusals that are about neither an image nor a login, and answers that take for ever: what is said."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.credentials import Credentials
from harness.images.references import ImageReference
from harness.registries.copy import read_tree
from harness.registries.push import Transfer, as_manifest, digest_of

LOGIN = Credentials(username="me", password=SecretStr("word"), origin="docker login")
BARRED = "client with IP '192.0.2.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": media_types.MANIFEST}).encode()
Use = Callable[[Transfer], object]


def raw(client: Transfer) -> object:
    return client.raw("a/b", "1")


def put(client: Transfer) -> None:
    client.put("a/b", "1", as_manifest(MANIFEST))


def manifest(client: Transfer) -> object:
    return client.manifest(ImageReference.parse(f"{client.host}/a/b:1"))


def said(answer: Callable[[Request], Answer], use: Use, login: Credentials | None = None) -> RegistryError:
    with (
        answering(answer) as server,
        Transfer(None, server.address, credentials=login, attempts=1, push=use is put) as client,
        pytest.raises(RegistryError) as raised,
    ):
        use(client)
    return raised.value


@pytest.mark.parametrize("use", [manifest, put])
@pytest.mark.parametrize("at_the_token_server", [True, False])
def test_a_firewall_is_not_about_the_login(use: Use, at_the_token_server: bool) -> None:
    denied = Answer(403, json.dumps({"errors": [{"code": "DENIED", "message": BARRED}]}))

    def answer(request: Request) -> Answer:
        if at_the_token_server and "/token" not in request.path:
            return Answer(401, headers={"WWW-Authenticate": 'Bearer realm="/token",service="it"'})
        return denied

    error = said(answer, use, LOGIN)
    assert error.next_step.startswith("have who runs the registry let this machine's address through its firewall")


@pytest.mark.parametrize(
    ("status", "errors", "step"),
    [
        (405, [{"code": "UNSUPPORTED", "message": "The operation is unsupported."}], "this one is a cache of another"),
        (415, [], "the registry is too old for what this image is made of"),
        (
            400,
            [
                {
                    "code": "MANIFEST_INVALID",
                    "message": "manifest invalid",
                    "detail": {"message": "manifest schema version not supported"},
                }
            ],
            "the registry is too old for what this image is made of",
        ),
    ],
)
def test_a_push_that_nothing_helps_says_what_it_takes(status: int, errors: object, step: str) -> None:
    error = said(lambda request: Answer(status, json.dumps({"errors": errors})), put)
    assert step in error.next_step


@pytest.mark.parametrize("packed", [gzip.compress(MANIFEST, mtime=0), b"\x28\xb5\x2f\xfdcontent"])
def test_content_that_is_compressed_without_a_word_is_told(packed: bytes) -> None:
    error = said(lambda request: Answer(200, packed, {"Content-Type": media_types.MANIFEST}), manifest)
    assert "answered with compressed content for /v2/a/b/manifests/1, and does not say so" in error.message


def test_a_tag_whose_content_is_not_what_is_announced_is_not_copied() -> None:
    announced = f"sha256:{'1' * 64}"
    headers = {"Content-Type": media_types.MANIFEST, "Docker-Content-Digest": announced}
    error = said(lambda request: Answer(200, MANIFEST, headers), raw)
    assert f"sent a manifest with digest {digest_of(MANIFEST)} for a/b 1, but announced {announced}" in error.message


def test_a_push_is_led_on_within_a_registry_with_its_login() -> None:
    def answer(request: Request) -> Answer:
        if "/moved/" not in request.path:
            return Answer(308, headers={"Location": request.path.replace("/a/", "/moved/a/")})
        if not request.authorization:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="it"'})
        return Answer(201)

    with answering(answer) as server:
        with Transfer(None, server.address, credentials=LOGIN, attempts=1, push=True) as client:
            put(client)
        assert server.requests[-1].body.encode() == MANIFEST


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_one_that_is_led_to_another_server_takes_nothing_along(status: int) -> None:
    with answering(lambda request: Answer(201)) as there:
        error = said(lambda request: Answer(status, headers={"Location": f"http://{there.address}/x"}), put, LOGIN)
        assert there.requests == []
    assert f"answered {status} to a push, and leads to http://{there.address}/x" in error.message
    assert error.next_step.startswith(f"give DST the name that it has there ({there.address}/…)")


def test_one_that_is_led_round_in_circles_ends() -> None:
    error = said(lambda request: Answer(307, headers={"Location": request.path}), put)
    assert error.status == 307


def test_where_a_registry_leads_to_wants_a_name_of_its_own() -> None:
    with answering(lambda request: Answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})) as there:

        def answer(request: Request) -> Answer:
            if not request.authorization:
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
            return Answer(307, headers={"Location": f"http://{there.address}{request.path}"})

        error = said(answer, manifest, LOGIN)
        assert {it.authorization for it in there.requests} == {""}
    assert f"name the image as it is there ({there.address}/…)" in error.next_step
    assert "asked for as me" not in error.next_step


@pytest.mark.parametrize("status", [404, 405])
def test_an_identity_token_wants_a_server_that_takes_it(status: int) -> None:
    def answer(request: Request) -> Answer:
        if "/token" in request.path:
            return Answer(status, "{}")
        return Answer(401, headers={"WWW-Authenticate": 'Bearer realm="/token",service="it"'})

    error = said(answer, manifest, Credentials(identity_token=SecretStr("identity")))
    assert error.next_step.startswith("the login is an identity token, which this server does not take: docker login ")


@pytest.mark.parametrize("body", ["<html>Not Found</html>", "404 page not found\n"])
def test_what_is_no_registry_makes_no_repository(body: str) -> None:
    error = said(lambda request: Answer(404, body), put)
    assert error.next_step.startswith("look for a captive portal or a proxy between the node and ")


@pytest.mark.parametrize("body", ["", '{"errors": [{"status": 404, "message": "no such repository"}]}'])
def test_a_registry_wants_a_repository_to_be_made(body: str) -> None:
    assert said(lambda request: Answer(404, body), put).next_step.startswith("create the repository")


@pytest.mark.parametrize("status", [202, 418])
def test_an_upload_that_is_answered_oddly_is_the_registrys(status: int, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(MANIFEST)
    error = said(lambda request: Answer(status), lambda it: it.upload("a/b", digest_of(MANIFEST), tmp_path / "blob"))
    assert ("without a Location" in error.message) == (status == 202)
    assert error.next_step.startswith("ask who runs ")


def test_an_upload_that_goes_on_where_nobody_is_says_who_led_there(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(MANIFEST)
    error = said(
        lambda request: Answer(202, headers={"Location": "http://127.0.0.1:1/upload"}),
        lambda it: it.upload("a/b", digest_of(MANIFEST), tmp_path / "blob"),
    )
    assert " continues an upload at http://127.0.0.1:1, which gets no login: 127.0.0.1:1, to which " in error.message
    assert error.next_step.startswith("have the registry's operator correct the address")


def test_referrers_that_are_kept_back_can_be_left_out() -> None:
    def answer(request: Request) -> Answer:
        if "/referrers/" in request.path:
            return Answer(403, '{"errors": [{"code": "DENIED"}]}')
        return Answer(200, MANIFEST, {"Content-Type": media_types.MANIFEST})

    error = said(answer, lambda it: read_tree(it, ImageReference.parse(f"{it.host}/a/b:1")))
    assert error.next_step.startswith("leave out signatures and attestations (--no-referrers); or ")


@contextmanager
def dribbling() -> Iterator[str]:
    """A server that sends its headers byte by byte, and never ends them."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening.accept()[0] as one:
            one.recv(4096)
            one.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
            while not over.wait(0.05):
                try:
                    one.sendall(b"a")
                except OSError:
                    return

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        serving.join()
        listening.close()


@pytest.mark.parametrize("use", [manifest, lambda client: client.check("a/b", digest_of(MANIFEST), most=99)])
def test_headers_that_dribble_are_not_heard_for_ever(use: Use, tmp_path: Path) -> None:
    began = time.monotonic()
    with dribbling() as address, Transfer(None, address, attempts=1, timeout=0.3) as client:
        with pytest.raises(RegistryError) as raised:
            use(client)
        assert time.monotonic() - began < 10
    assert raised.value.message == f"{address} did not answer in time: it did not end its headers within 2 s"
