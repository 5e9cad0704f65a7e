# SPDX-License-Identifier: Apache-2.0
"""Manifests as they are pushed; what registries do with them is in tests/integration."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError
from harness.images.credentials import Credentials
from harness.images.media_types import INDEX, MANIFEST, MANIFESTS
from harness.registries.push import Transfer, as_manifest
from harness.registries.referrers import by_api, by_tag
from harness.registries.refused_pushes import push_refused

CONTENT = b'{"os": "linux"}'
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "blob"
    written.write_bytes(CONTENT)
    return written


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        ({"mediaType": MANIFESTS[1], "layers": []}, MANIFESTS[1]),
        ({"layers": []}, MANIFEST),
        ({"manifests": []}, INDEX),
    ],
)
def test_a_manifest_that_does_not_name_its_type_has_the_one_of_the_specification(
    content: dict[str, object], media_type: str
) -> None:
    assert as_manifest(json.dumps(content).encode()).media_type == media_type


def test_an_upload_that_goes_on_elsewhere_takes_no_login_along(file: Path) -> None:
    login = Credentials(username="me", password=SecretStr("word"))
    with answering(lambda request: Answer(401, headers={"WWW-Authenticate": 'Basic realm="there"'})) as elsewhere:

        def answer(request: Request) -> Answer:
            if not request.authorization:
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
            return Answer(202, headers={"Location": f"http://{elsewhere.address}/upload?state=1"})

        with (
            answering(answer) as server,
            Transfer(None, server.address, credentials=login, push=True, attempts=1) as client,
            pytest.raises(RegistryError, match=rf"at http://{elsewhere.address}, which gets no login: it answered 401"),
        ):
            client.upload("a/b", DIGEST, file)

    assert [it.authorization for it in elsewhere.requests] == [""]


@pytest.mark.parametrize("status", [503, 429, 0])
def test_a_manifest_is_pushed_again_where_the_registry_fails(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.registries.push.pause", lambda seconds, *, what: None)
    answers = [Answer(status), Answer(201)]
    with answering(lambda request: answers.pop(0)) as server, Transfer(None, server.address, push=True) as client:
        client.put("a/b", "1", as_manifest(b'{"layers": []}'))

    assert [it.method for it in server.requests] == ["PUT", "PUT"]


def test_what_a_proxy_would_compress_arrives_as_it_is(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Answer(200, gzip.compress(CONTENT), {"Content-Encoding": "gzip"})
        return Answer(200, CONTENT)

    with answering(answer) as server, Transfer(None, server.address, attempts=1) as client:
        client.download("a/b", DIGEST, len(CONTENT), tmp_path / "arrived")
        assert client.check("a/b", DIGEST, most=99) == len(CONTENT)


@pytest.mark.parametrize("status", [404, 406])
def test_a_registry_may_not_know_of_referrers(status: int) -> None:
    with answering(lambda request: Answer(status)) as server, Transfer(None, server.address) as client:
        assert by_api(client, "a/b", DIGEST) is None


def test_a_list_of_referrers_without_an_end_is_told_and_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.registries.referrers._MOST_PAGES", 3)

    def answer(request: Request) -> Answer:
        following = f'<{request.path.partition("?")[0]}?last=1>; rel="next"'
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        return Answer(200, json.dumps(index), {"Content-Type": INDEX, "Link": following})

    with (
        answering(answer) as server,
        Transfer(None, server.address) as client,
        pytest.raises(RegistryError, match="without an end, on more than 3 pages"),
    ):
        by_api(client, "a/b", DIGEST)


def test_the_platforms_of_an_image_are_no_referrers_where_the_fallback_tag_is_the_image() -> None:
    index = json.dumps({"mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": DIGEST, "size": 1}]})
    digest = f"sha256:{hashlib.sha256(index.encode()).hexdigest()}"
    there = Answer(200, index, {"Content-Type": INDEX, "Docker-Content-Digest": digest})

    def answer(request: Request) -> Answer:
        # As GitLab, which reads sha256-… as sha256:…
        return there if request.path.endswith(digest.replace(":", "-")) else Answer(404)

    with answering(answer) as server, Transfer(None, server.address) as client:
        assert by_api(client, "a/b", digest) is None
        assert list(by_tag(client, "a/b", digest)) == []


@pytest.mark.parametrize(
    ("status", "code", "message", "step"),
    [
        (404, "NAME_UNKNOWN", "The repository with name 'a/b' does not exist", "aws ecr create-repository"),
        (403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.", "get-login-password"),
        (403, "DENIED", "not authorized to perform: ecr:InitiateLayerUpload", "a token with write access"),
    ],
)
def test_what_ecr_refuses_of_a_push_has_its_way_out(status: int, code: str, message: str, step: str) -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    body = {"errors": [{"code": code, "message": message}]}
    response = httpx.Response(status, json=body, request=httpx.Request("POST", f"https://{host}/v2/a/b/blobs/uploads/"))
    login = Credentials(username="AWS", password=SecretStr("word"))

    with Transfer(None, host, credentials=login, push=True) as client:
        assert step in push_refused(client, response, "the start of an upload to a/b").next_step
        # A pull says no less of a login that has expired.
        assert ("get-login-password" in client.answered(response, "a/b:1").next_step) == ("expired" in message)


def uploaded(answer: Callable[[Request], Answer], file: Path, *, attempts: int = 1) -> list[str]:
    """The requests of an upload to a registry that answers so."""
    with (
        answering(answer) as server,
        Transfer(None, server.address, push=True, attempts=attempts) as client,
    ):
        client.upload("a/b", DIGEST, file)
    return [f"{it.method} {it.path}" for it in server.requests]


@pytest.mark.parametrize(
    ("location", "put"),
    [
        ("/v2/a/b/blobs/uploads/u?_state=x%3D%3D", "/v2/a/b/blobs/uploads/u?_state=x%3D%3D&"),
        ("u", "/v2/a/b/blobs/uploads/u?"),
        # Google's Artifact Registry has uploads of its own path.
        ("/artifacts-uploads/namespaces/p/uploads/A_b", "/artifacts-uploads/namespaces/p/uploads/A_b?"),
        ("/up?_cache=no&_state=a+b/c:d,e&sig=x%2Fy%2B", "/up?_cache=no&_state=a+b/c:d,e&sig=x%2Fy%2B&"),
        ("/up?uploads&id=1#part", "/up?uploads&id=1&"),
    ],
)  # fmt: skip
def test_an_upload_goes_on_where_and_as_the_registry_says(location: str, put: str, file: Path) -> None:
    headers = {"Location": location, "Docker-Upload-UUID": "u", "Range": "0-0", "OCI-Chunk-Min-Length": "5242880"}
    begun = Answer(202, headers=headers)
    sent = uploaded(lambda request: begun if request.method == "POST" else Answer(201), file)
    assert sent == ["POST /v2/a/b/blobs/uploads/", f"PUT {put}digest={DIGEST}"]


@pytest.mark.parametrize(("begun", "taken"), [(200, 201), (202, 200), (202, 204)])
def test_an_upload_is_answered_as_nodes_take_it(begun: int, taken: int, file: Path) -> None:
    first = Answer(begun, headers={"Location": "/up"})
    assert len(uploaded(lambda request: first if request.method == "POST" else Answer(taken), file)) == 2


@pytest.mark.parametrize(
    "lost",
    [
        Answer(404, '{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}'),
        Answer(400, '{"errors": [{"code": "BLOB_UPLOAD_INVALID"}]}'),
        Answer(416),
    ],
)
def test_an_upload_that_another_replica_does_not_know_begins_anew(
    lost: Answer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.registries.push.pause", lambda seconds, *, what: None)
    answers = [Answer(202, headers={"Location": "/up"}), lost, Answer(202, headers={"Location": "/up"}), Answer(201)]
    sent = uploaded(lambda request: answers.pop(0), file, attempts=3)
    assert [it.partition(" ")[0] for it in sent] == ["POST", "PUT", "POST", "PUT"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([Answer(202, headers={"Location": ""})], "without a Location"),
        ([Answer(202, headers={"Location": "/up"}), Answer(200, "<html>Sign in</html>")], "with a web page"),
        (
            [Answer(202, headers={"Location": "/up"}), Answer(404, '{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}')],
            "let its replicas know of each other's uploads",
        ),
        (
            [Answer(202, headers={"Location": "/up"}), Answer(400, '{"errors": [{"code": "DIGEST_INVALID"}]}')],
            "a proxy in between alters content",
        ),
    ],
)
def test_an_upload_that_is_not_taken_is_told(answers: list[Answer], said: str, file: Path) -> None:
    with pytest.raises(RegistryError) as raised:
        uploaded(lambda request: answers.pop(0), file)
    assert said in f"{raised.value.message}; {raised.value.next_step}"


@pytest.mark.parametrize(
    ("challenge", "asked"),
    [
        ("repository:a/b:pull", ["repository:a/b:pull"]),
        ("repository:a/b:pull repository:c/d:pull", ["repository:a/b:pull"]),
        ("repository:c/d:pull repository:a/b:pull", ["repository:a/b:pull"]),
        ("repository:project/a/b:pull registry:catalog:*", ["repository:a/b:pull", "repository:project/a/b:pull"]),
        ("registry:catalog:*", ["repository:a/b:pull"]),
    ],
)
def test_of_several_scopes_that_a_challenge_has_one_is_asked_for(challenge: str, asked: list[str]) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(200, '{"token": "t"}')
        wants = f'Bearer realm="/token",service="it",scope="{challenge}"'
        return Answer(404) if request.authorization else Answer(401, headers={"WWW-Authenticate": wants})

    with answering(answer) as server, Transfer(None, server.address, attempts=1) as client:
        assert client.raw("a/b", "1") is None
    assert httpx.URL(server.requests[1].path).params.get_list("scope") == asked
