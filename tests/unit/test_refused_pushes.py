# SPDX-License-Identifier: Apache-2.0
"""Pushes that are refused for another reason than a login: the next step is about that reason."""

from __future__ import annotations

import pytest
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError
from harness.registries.push import Transfer, as_manifest


def error(code: str, message: str) -> str:
    return f'{{"errors": [{{"code": "{code}", "message": "{message}"}}]}}'


@pytest.mark.parametrize(
    ("status", "body", "step"),
    [
        (400, error("TAG_INVALID", "cannot be overwritten because the tag is immutable."), "choose another tag"),
        (412, error("PRECONDITION", "Failed due to 'b:1' configured as immutable."), "another tag"),
        (403, error("DENIED", "will exceed the configured upper limit of 1.0 GiB."), "raise the quota"),
        (507, "Insufficient Storage", "raise the quota"),
        (405, error("METHOD_NOT_ALLOWED", "can not push artifact to a proxy project"), "a cache of another registry"),
        (403, error("DENIED", "Deploying to groups is a PRO-licensed feature."), "a group of repositories"),
        (403, error("DENIED", "client with IP '203.0.113.7' is not allowed access."), "through its firewall"),
        (413, "<title>413 Request Entity Too Large</title>", "client_max_body_size"),
        (403, error("DENIED", "requested access to the resource is denied"), "give a token with write access"),
        (404, error("NAME_UNKNOWN", "Repository not found"), "create the repository"),
        (404, error("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"), "copy it again"),
        (400, error("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"), "copy it again"),
        (400, error("UNKNOWN", "Repository does not allow updating assets: docker"), "choose another tag"),
        (405, error("UNSUPPORTED", "The operation is disallowed on this registry, repository or image."), "unlocked"),
    ],
)  # fmt: skip
def test_the_next_step_is_for_what_was_said(status: int, body: str, step: str) -> None:
    manifest = as_manifest(b"{}")
    with (
        answering(lambda request: Answer(status, body)) as server,
        Transfer(None, server.address, attempts=1, push=True) as client,
        pytest.raises(RegistryError, match=f"answered {status}") as raised,
    ):
        client.put("a/b", "1", manifest)
    assert step in raised.value.next_step


def test_the_name_of_a_repository_says_nothing() -> None:
    denied = Answer(403, error("DENIED", "requested access to the resource is denied"))
    with (
        answering(lambda request: denied) as server,
        Transfer(None, server.address, attempts=1, push=True) as client,
        pytest.raises(RegistryError) as raised,
    ):
        client.put("acme/immutable-quota", "1", as_manifest(b"{}"))
    assert "give a token with write access" in raised.value.next_step


def test_a_proxy_that_refuses_has_no_say_about_tokens() -> None:
    page = Answer(403, "<html>Blocked by policy</html>", {"Content-Type": "text/html"})
    with (
        answering(lambda request: page) as server,
        Transfer(None, server.address, attempts=1, push=True) as client,
        pytest.raises(RegistryError, match="with a web page") as raised,
    ):
        client.put("a/b", "1", as_manifest(b"{}"))
    assert "captive portal or a proxy" in raised.value.next_step


@pytest.mark.parametrize("said", ["", "unknown"])
def test_a_digest_that_is_none_is_no_other(said: str) -> None:
    def answer(request: Request) -> Answer:
        return Answer(201, headers={"Docker-Content-Digest": said})

    with answering(answer) as server, Transfer(None, server.address, push=True) as client:
        client.put("a/b", "1", as_manifest(b"{}"))
    assert [it.method for it in server.requests] == ["PUT"]
