# SPDX-License-Identifier: Apache-2.0
"""What a registry client makes of answers that are no registry's, or that a registry gives in shapes of its own."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError, SettingsError
from harness.images import media_types
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.registries import connection
from harness.registries.client import RegistryClient
from harness.registries.problems import _after_handshake
from harness.registries.push import Transfer
from harness.registries.source_choice import probe_all
from harness.registries.sources import is_trouble

DIGEST = f"sha256:{'ab' * 32}"
FOUND = Answer(200, "{}", {"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST})
PAGE = {"Content-Type": "text/html"}

Use = Callable[[Transfer, ImageReference], object]


def head(client: Transfer, image: ImageReference) -> object:
    return client.head(image)


def has(client: Transfer, image: ImageReference) -> object:
    return client.has(image)


def asked(
    answer: Callable[[Request], Answer], use: Use = head, *, mirror: bool = False, login: Credentials | None = None
) -> Any:
    """What comes of it, and the error where that is one."""
    with answering(answer) as server:
        host = "ghcr.io" if mirror else server.address
        row = Mirror(url=f"http://{server.address}") if mirror else None
        with Transfer(row, host, credentials=login, attempts=2, timeout=3.0) as client:
            try:
                return use(client, ImageReference.parse(f"{host}/a/b:1"))
            except RegistryError as error:
                return error


def challenged(realm: str) -> Answer:
    return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="it"'})


@pytest.mark.parametrize("realm", ["https://[bad/token", "https://auth:abc/token"])
def test_a_token_server_that_is_no_address_is_the_registrys_mistake(realm: str) -> None:
    error = asked(lambda request: challenged(realm))
    assert f"points to {realm!r}, which is no address" in error.message
    assert "ask who runs" in error.next_step
    assert is_trouble(error)


def test_so_are_a_list_and_an_upload_that_go_on_nowhere(tmp_path: Path) -> None:
    following = Answer(200, '{"tags": ["1"]}', {"Link": '<https://[bad>; rel="next"'})
    assert "no address" in asked(lambda request: following, lambda client, image: client.tags("a/b")).message
    file = tmp_path / "blob"
    file.write_bytes(b"x")
    begun = Answer(202, headers={"Location": "https://host:abc/upload"})
    assert (
        "no address" in asked(lambda request: begun, lambda client, image: client.upload("a/b", DIGEST, file)).message
    )


@pytest.mark.parametrize("status", [400, 404, 405, 410])
def test_what_a_token_server_lacks_is_not_the_image(status: int) -> None:
    def answer(request: Request) -> Answer:
        asks = challenged(f"http://{request.headers['host']}/token")
        return Answer(status, "404 page not found") if request.path.startswith("/token") else asks

    error = asked(answer)
    assert "token server 127.0.0.1" in error.message
    assert f"answered {status}" in error.message
    assert "ask who runs" in error.next_step
    assert is_trouble(error)


def test_a_token_server_that_is_busy_for_a_moment_is_waited_for() -> None:
    def answer(request: Request) -> Answer:
        if not request.path.startswith("/token"):
            return FOUND if request.authorization else challenged("/token")
        seen.append(request)
        return Answer(429, headers={"Retry-After": "0"}) if len(seen) == 1 else Answer(200, '{"token": "t"}')

    seen: list[Request] = []
    assert asked(answer).digest == DIGEST


def test_an_identity_token_goes_nowhere_but_to_the_token_server() -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(307, headers={"Location": f"http://{elsewhere.address}/token"})
        return FOUND if request.authorization else challenged("/token")

    with answering(lambda request: Answer(200, '{"access_token": "t"}')) as elsewhere:
        error = asked(answer, login=Credentials(identity_token=SecretStr("identity")))
        assert "token server" in error.message
        assert "answered 307" in error.message
        assert elsewhere.requests == []


NO_REGISTRY = [
    Answer(404, "<html><h1>404 Not Found</h1>nginx</html>", PAGE),
    Answer(404, "default backend - 404", {"Content-Type": "text/plain"}),
    Answer(404, "404 page not found", {"Content-Type": "text/plain"}),
    Answer(404, '{"status": 404, "error": "Not Found", "path": "/v2/a/b/manifests/1"}'),
    Answer(404, '{"errors": [{"status": 404, "message": "File not found."}]}'),
]


@pytest.mark.parametrize("use", [head, has])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("answer", NO_REGISTRY)
def test_a_404_of_what_is_no_registry_is_no_absence(answer: Answer, mirror: bool, use: Use) -> None:
    error = asked(lambda request: answer, use, mirror=mirror)
    assert "there is no registry at all" in error.message
    assert is_trouble(error)
    assert ('correct the url of [mirrors."ghcr.io"]' if mirror else "captive portal") in error.next_step


@pytest.mark.parametrize("there", [Answer(200, "{}"), Answer(401, headers={"WWW-Authenticate": "Basic"}), Answer(503)])
def test_where_there_may_be_one_it_is_an_absence(there: Answer) -> None:
    def answer(request: Request) -> Answer:
        return there if request.path == "/v2/" else NO_REGISTRY[0]

    assert asked(answer).status == 404
    assert asked(answer, has) is False


def test_errors_in_json_are_a_registrys_and_nothing_more_is_asked() -> None:
    unknown = Answer(404, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}')
    with answering(lambda request: unknown) as server, RegistryClient(None, server.address) as client:
        assert not client.has(ImageReference.parse(f"{server.address}/a/b:1"))
    assert "/v2/" not in [it.path for it in server.requests]


@pytest.mark.parametrize("use", [head, has])
def test_a_page_to_log_in_at_is_no_answer_about_an_image(use: Use) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/login":
            return Answer(200, "<html>Sign in</html>", PAGE)
        return Answer(302, headers={"Location": "/login"})

    error = asked(answer, use)
    assert is_trouble(error)
    assert "proxy" in error.next_step


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_refuses_says_nothing_about_rights(status: int) -> None:
    error = asked(lambda request: Answer(status, "<html>Blocked by policy</html>", PAGE))
    assert f"answered {status} with a web page for a/b:1: Blocked by policy" in error.message
    assert "captive portal or a proxy" in error.next_step


def test_redirects_without_end_are_no_registrys() -> None:
    error = asked(lambda request: Answer(302, headers={"Location": "/again"}))
    assert error.message.endswith("redirects without end")
    assert "captive portal or a proxy" in error.next_step


@pytest.mark.parametrize(
    "body",
    [
        "Client sent an HTTP request to an HTTPS server.\n",
        "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        "<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.</p>",
    ],
)
def test_a_server_that_wants_tls_says_so_in_a_400(body: str) -> None:
    assert "with what the server speaks, http:// or https://" in asked(lambda request: Answer(400, body)).next_step


def test_a_server_that_hangs_up_on_http_may_speak_tls() -> None:
    error = asked(lambda request: Answer(0))
    assert error.message.startswith("the connection to 127.0.0.1")
    assert "check the network before 127.0.0.1" in error.next_step
    assert "with what the server speaks, http:// or https://" in error.next_step


def test_a_status_that_means_nothing_is_the_registrys() -> None:
    assert asked(lambda request: Answer(204)).next_step.startswith("ask who runs 127.0.0.1")


@pytest.mark.parametrize(
    ("status", "asks", "step"),
    [
        (503, "60", "wait 60 s; see whether"),
        (429, "60", "wait 60 s; wait until the limit is over"),
        (429, "9" * 400, "wait until the limit is over"),
        (429, "Mon, 01 Jan 0001 00:00:00 +2300", "wait until the limit is over"),
        (429, "Thu, 01 Jan 99999 00:00:00 GMT", "wait until the limit is over"),
    ],
)
def test_how_long_to_wait_is_told_where_it_is_said(status: int, asks: str, step: str) -> None:
    assert asked(lambda request: Answer(status, headers={"Retry-After": asks})).next_step.startswith(step)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"code": "DENIED", "message": "first\nsecond \x1b[31mred\x1b[0m"}], "DENIED first second red"),
        ([{"status": 403, "message": "blocked by Xray policy"}], "blocked by Xray policy"),
        ([{"message": "no code"}, {"code": "DENIED"}], "no code; DENIED"),
        (["denied"], "denied"),
        ({"code": "DENIED", "message": "by policy"}, "DENIED by policy"),
        ("denied", "denied"),
        ([{"code": "DENIED", "message": "", "detail": {"message": "not here"}}], "DENIED not here"),
        ([{"code": "DENIED", "detail": "not here"}], "DENIED not here"),
        ([5, None], '{"errors": [5, null]}'),
    ],
)
def test_errors_of_every_shape_are_told_in_one_line(errors: object, said: str) -> None:
    error = asked(lambda request: Answer(403, json.dumps({"errors": errors})))
    assert error.message.endswith(f"answered 403 for a/b:1: {said}")


def test_an_error_without_end_is_shortened() -> None:
    errors = [{"code": "DENIED", "message": "x" * 100_000}]
    assert len(asked(lambda request: Answer(403, json.dumps({"errors": errors}))).message) < 1000


def test_why_a_head_is_refused_is_asked_for() -> None:
    denied = Answer(403, '{"errors": [{"code": "DENIED", "message": "Your authorization token has expired."}]}')
    assert "authorization token has expired" in asked(lambda request: denied, has).message


@pytest.mark.parametrize(
    ("content", "tags"), [("null", []), ('"1.0"', []), ('["b", 1, "a", null]', ["a", "b"]), ('{"a": 1}', [])]
)
def test_a_list_of_tags_is_of_texts(content: str, tags: list[str]) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, f'{{"tags": {content}}}')

    assert asked(answer, lambda client, image: client.tags("a/b")) == tags


@pytest.mark.parametrize(("most", "pages"), [(3, 3), (50, 2)])
def test_a_list_of_tags_without_an_end_is_told_and_not_cut(
    monkeypatch: pytest.MonkeyPatch, most: int, pages: int
) -> None:
    monkeypatch.setattr("harness.registries.client._MOST_PAGES", most)
    told = 0

    def answer(request: Request) -> Answer:
        nonlocal told
        told += 1
        last = told if most == 3 else 1
        following = {"Link": f'</v2/a/b/tags/list?last={last}>; rel="next"'}
        return Answer(200, json.dumps({"tags": [f"1.{told}"]}), following)

    error = asked(answer, lambda client, image: client.tags("a/b"))
    assert f"without an end: {pages} of them on {pages} pages" in error.message
    assert error.status not in (0, 404)


def blob(client: Transfer, image: ImageReference) -> object:
    return client.check("a/b", DIGEST, most=9999)


def test_what_a_storage_refuses_is_neither_the_logins_nor_the_images_fault() -> None:
    refused = Answer(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
    with answering(lambda request: refused) as storage:
        error = asked(lambda request: Answer(307, headers={"Location": f"http://{storage.address}/bucket/1"}), blob)
    assert error.message.startswith(f"{storage.address}, to which 127.0.0.1:")
    assert "redirects, answered 403 for the blob" in error.message
    assert error.next_step.startswith("ask who runs")
    assert is_trouble(error)


def test_a_part_that_is_not_there_is_to_be_pushed_again() -> None:
    assert asked(lambda request: Answer(404), blob).next_step.startswith("push the image to 127.0.0.1")


def test_an_image_without_its_configuration_is_there() -> None:
    document = {"schemaVersion": 2, "mediaType": media_types.MANIFEST, "config": {"digest": DIGEST, "size": 2}}

    def answer(request: Request) -> Answer:
        return Answer(404) if "/blobs/" in request.path else Answer(200, json.dumps(document))

    error = asked(answer, lambda client, image: client.platforms(image))
    assert "answered 404 for a/b@sha256:" in error.message
    assert error.status == 200


def test_where_a_registry_gives_no_part_of_a_blob_it_is_fetched_anew(tmp_path: Path) -> None:
    content = b"a whole layer"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"

    def answer(request: Request) -> Answer:
        return Answer(416) if "range" in request.headers else Answer(200, content)

    file = tmp_path / "blob"
    file.write_bytes(content[:3])
    asked(answer, lambda client, image: client.download("a/b", digest, len(content), file))
    assert file.read_bytes() == content


@pytest.mark.parametrize(("path", "asks"), [("/v2/ghcr", "/v2/"), ("/api/docker/ghcr", "/api/docker/ghcr/v2/")])
def test_whether_a_mirror_answers_is_asked_of_its_server_and_not_of_a_project(path: str, asks: str) -> None:
    def answer(request: Request) -> Answer:
        return Answer(401, headers={"WWW-Authenticate": "Basic"}) if request.path == asks else Answer(404)

    with answering(answer) as server:
        mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url=f"http://{server.address}{path}")})
        assert probe_all(["ghcr.io"], mirrors=mirrors) == {"ghcr.io": ""}


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("WRONG_VERSION_NUMBER", "with what the server speaks"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "a certificate of their own"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "no version of TLS in common"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "or no cipher"),
        ("TLSV1_UNRECOGNIZED_NAME", "found by the name mirror.example.com does not serve this name"),
        ("UNEXPECTED_EOF_WHILE_READING", "check the network before ghcr.io"),
    ],
)
def test_a_handshake_that_fails_is_not_always_about_http(reason: str, step: str) -> None:
    broken = ssl.SSLError(1, reason)
    broken.reason = reason
    assert step in _after_handshake(broken, "ghcr.io", "mirror.example.com")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_of_the_environment_that_cannot_be_read_are_told(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(SettingsError, match="cannot be read from SSL_CERT_FILE"):
        RegistryClient(None, "ghcr.io")


def test_a_probe_tells_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    assert "cannot be read from SSL_CERT_FILE" in probe_all(["127.0.0.1:1"])["127.0.0.1:1"]


@pytest.mark.parametrize(
    ("host", "scheme"),
    [("[::1]", "http"), ("[::1]:5000", "http"), ("localhost", "http"), ("[fd00::1]", "https"), ("ghcr.io", "https")],
)
def test_a_registry_on_this_machine_speaks_http(host: str, scheme: str) -> None:
    assert connection.address_of(None, host) == f"{scheme}://{host}"


DEEP = "[" * 200_000


@pytest.mark.parametrize("status", [200, 403, 404])
def test_json_without_end_is_none(status: int) -> None:
    assert isinstance(asked(lambda request: Answer(status, DEEP)), RegistryError)


@pytest.mark.parametrize("token", ["a\nb", "ü", {"a": 1}, ""])
def test_what_can_be_no_header_is_no_token(token: object) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, json.dumps({"token": token})) if "/token" in request.path else challenged("/token")

    assert "answered 200 without a token" in asked(answer).message


def test_a_token_server_without_a_token_is_named_with_what_it_said() -> None:
    def answer(request: Request) -> Answer:
        said = json.dumps({"error": "invalid_scope", "error_description": "no such project"})
        return Answer(200, said) if "/token" in request.path else challenged("/token")

    told = asked(answer).message
    assert "token server 127.0.0.1" in told
    assert "without a token (`token` or `access_token`) that can be sent: invalid_scope no such project" in told


def test_a_realm_keeps_its_own_query() -> None:
    tokens: list[str] = []

    def answer(request: Request) -> Answer:
        if "/token" in request.path:
            tokens.append(request.path)
            return Answer(200, json.dumps({"token": "word"}))
        return challenged("/token?account=site") if not request.authorization else Answer(404)

    asked(answer)
    assert tokens
    assert all("account=site" in it and "scope=" in it for it in tokens)


def test_an_identity_token_is_worth_nothing_without_a_token_server() -> None:
    error = asked(
        lambda request: Answer(401, headers={"WWW-Authenticate": 'Basic realm="it"'}),
        login=Credentials(identity_token=SecretStr("identity")),
    )
    assert "is an identity token, which a registry without a token server cannot take" in error.next_step


@pytest.mark.parametrize(
    "answer",
    [Answer(200, "plain text", {"Content-Encoding": "gzip"}), Answer(302, headers={"Location": "ftp://host/a"})],
)
def test_what_cannot_be_understood_is_the_registrys(answer: Answer) -> None:
    error = asked(lambda request: answer, lambda client, image: client.manifest(image))
    assert "cannot be understood: " in error.message
    assert error.next_step.startswith("ask who runs")


@pytest.mark.parametrize("status", [405, 501])
def test_where_no_head_goes_through_content_is_read(status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(status)
        return FOUND if request.path.endswith("/1") else Answer(404, '{"errors": []}')

    assert asked(answer, has) is True
    assert asked(answer, lambda client, image: client.digest_at("a/b", "1")) == DIGEST
    assert asked(answer, lambda client, image: client.digest_at("a/b", "2")) == ""
    assert asked(answer, lambda client, image: client.has_blob("a/b", DIGEST)) is False
