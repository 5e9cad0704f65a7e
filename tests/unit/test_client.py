# SPDX-License-Identifier: Apache-2.0
"""The registry client where a registry refuses, which the distribution server cannot be made to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError, SettingsError
from harness.images import media_types
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries.challenges import challenges
from harness.registries.client import RegistryClient
from harness.registries.limits import pulls_left_in

DIGEST = "sha256:" + "ab" * 32
FOUND = Answer(
    200,
    "{}",
    {"Docker-Content-Digest": DIGEST, "Content-Type": "application/vnd.oci.image.manifest.v1+json"},
)


def image(registry: str, tag: str = "1") -> ImageReference:
    return ImageReference.parse(f"{registry}/a/b:{tag}")


def test_a_token_is_fetched_once_with_the_login() -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            known = request.authorization.startswith("Basic ") and "scope=repository%3Aa%2Fb%3Apull" in request.path
            return Answer(200, '{"token": "t0ken"}') if known else Answer(401)
        if request.authorization == "Bearer t0ken":
            return FOUND
        realm = f'Bearer realm="http://{server.address}/token",service="fake",scope="x"'
        return Answer(401, headers={"WWW-Authenticate": realm})

    login = Credentials(username="me", password=SecretStr("word"))
    with answering(answer) as server, RegistryClient(None, server.address, credentials=login) as client:
        assert {client.head(image(server.address, tag)).digest for tag in ("1", "2")} == {DIGEST}

    assert [it.path.partition("?")[0].rsplit("/", 1)[-1] for it in server.requests] == ["1", "token", "1", "2"]


def test_a_mirror_says_below_which_project_it_has_the_repository() -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return (
                Answer(200, '{"token": "t0ken"}') if "repository%3Aghcr%2Fa%2Fb%3Apull" in request.path else Answer(403)
            )
        realm = f'Bearer realm="http://{server.address}/token",service="harbor",scope="repository:ghcr/a/b:pull"'
        return FOUND if request.authorization == "Bearer t0ken" else Answer(401, headers={"WWW-Authenticate": realm})

    with answering(answer) as server:
        mirror = Mirror(url=f"http://{server.address}/v2/ghcr")
        with RegistryClient(mirror, "ghcr.io") as client:
            assert client.head(image("ghcr.io")).digest == DIGEST


def test_a_manifest_by_digest_is_asked_for_once() -> None:
    document = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
    with (
        answering(lambda request: Answer(200, document, {"Content-Type": "application/json"})) as server,
        RegistryClient(None, server.address) as client,
    ):
        found = client.manifest(image(server.address))
        pinned = image(server.address).pinned(found.descriptor.digest)
        assert client.manifest(pinned) == client.manifest(pinned) == found
        # A tag can have moved.
        client.manifest(image(server.address))

    assert len(server.requests) == 2


def test_an_identity_token_is_exchanged() -> None:
    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(200, '{"access_token": "t0ken"}') if "refresh_token=identity" in request.body else Answer(401)
        realm = f'Bearer realm="http://{server.address}/token"'
        return FOUND if request.authorization else Answer(401, headers={"WWW-Authenticate": realm})

    login = Credentials(identity_token=SecretStr("identity"))
    with answering(answer) as server, RegistryClient(None, server.address, credentials=login) as client:
        assert client.head(image(server.address)).digest == DIGEST


def test_a_short_rate_limit_is_waited_for() -> None:
    limit = Answer(429, headers={"Retry-After": "1"})
    with (
        answering(lambda request: FOUND if len(server.requests) > 1 else limit) as server,
        RegistryClient(None, server.address) as client,
    ):
        started = time.monotonic()
        assert client.head(image(server.address)).digest == DIGEST

    assert time.monotonic() - started >= 1
    assert len(server.requests) == 2


def test_a_long_rate_limit_is_told_at_once() -> None:
    limit = Answer(429, headers={"Retry-After": "3600"})
    with (
        answering(lambda request: limit) as server,
        RegistryClient(None, server.address) as client,
        pytest.raises(RegistryError, match="answered 429") as raised,
    ):
        client.head(image(server.address))

    assert "wait 3600 s" in raised.value.next_step
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, 2), (403, 1)])
def test_a_failing_registry_is_tried_again_but_a_refusal_is_not(status: int, tries: int) -> None:
    with (
        answering(lambda request: Answer(status)) as server,
        RegistryClient(None, server.address, attempts=2) as client,
        pytest.raises(RegistryError, match=f"answered {status}") as raised,
    ):
        client.head(image(server.address))

    assert raised.value.status == status
    assert sum(request.method == "HEAD" for request in server.requests) == tries


def _cache(behind: int) -> Callable[[Request], Answer]:
    """What distribution 3.1.2 as a cache answers while the registry behind it refuses: 404 by tag, else the truth."""
    return lambda request: Answer(behind if "sha256:" in request.path else 404)


@pytest.mark.parametrize("behind", [401, 403, 429, 500])
def test_a_404_of_a_mirror_that_hides_a_refusal_is_not_taken_for_an_absence(behind: int) -> None:
    with (
        answering(_cache(behind)) as server,
        RegistryClient(Mirror(url=f"http://{server.address}"), "docker.io", attempts=1) as client,
        pytest.raises(RegistryError, match=f"404 for a/b:1, which proves nothing: .* answered {behind} for") as raised,
    ):
        client.head(image("docker.io"))

    assert raised.value.status == behind
    assert raised.value.next_step


def test_a_404_of_a_mirror_that_has_no_such_tag_is_an_absence() -> None:
    with (
        answering(_cache(404)) as server,
        RegistryClient(Mirror(url=f"http://{server.address}"), "docker.io", attempts=1) as client,
        pytest.raises(RegistryError, match="answered 404 for a/b:1") as raised,
    ):
        client.head(image("docker.io"))

    assert raised.value.status == 404
    assert "says nothing" not in raised.value.message


def test_a_registry_itself_is_believed() -> None:
    with (
        answering(_cache(429)) as server,
        RegistryClient(None, server.address, attempts=1) as client,
        pytest.raises(RegistryError, match="answered 404") as raised,
    ):
        client.head(image(server.address))

    assert raised.value.status == 404
    assert not [it for it in server.requests if "sha256:" in it.path]


def test_a_manifest_that_was_changed_on_its_way_is_refused() -> None:
    with (
        answering(lambda request: FOUND) as server,
        RegistryClient(None, server.address) as client,
        pytest.raises(RegistryError, match=f"announced {DIGEST}"),
    ):
        client.manifest(image(server.address))


def test_all_pages_of_tags_are_read() -> None:
    def answer(request: Request) -> Answer:
        if "last=" in request.path:
            return Answer(200, '{"tags": ["2"]}')
        return Answer(200, '{"tags": ["1"]}', {"Link": '</v2/a/b/tags/list?last=1>; rel="next"'})

    with answering(answer) as server, RegistryClient(None, server.address) as client:
        assert client.tags("a/b") == ["1", "2"]


def a_realm(realm: str) -> Callable[[Request], Answer]:
    """A registry that points to this token server."""
    return lambda request: Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="fake"'})


def with_login(url: str, **more: object) -> Mirror:
    return Mirror.model_validate({"url": url, "username": "me", "password": "word", **more})


def granting(request: Request) -> Answer:
    return Answer(200, '{"token": "t0ken"}')


def test_a_mirrors_login_goes_to_no_other_host() -> None:
    with answering(granting) as elsewhere:
        other = elsewhere.address.replace("127.0.0.1", "localhost")
        with (
            answering(a_realm(f"http://{other}/token")) as server,
            RegistryClient(with_login(f"http://{server.address}"), "ghcr.io") as client,
            pytest.raises(SettingsError, match=rf"wants the login at http://{other}/token, another host") as refused,
        ):
            client.head(image("ghcr.io"))
        assert elsewhere.requests == []
    assert f'token_servers = ["{other}"]' in refused.value.next_step


def test_a_mirrors_login_goes_where_its_row_allows_it() -> None:
    with answering(granting) as elsewhere:
        other = elsewhere.address.replace("127.0.0.1", "localhost")
        with (
            answering(a_realm(f"http://{other}/token")) as server,
            RegistryClient(with_login(f"http://{server.address}", token_servers=[other]), "ghcr.io") as client,
            pytest.raises(RegistryError),
        ):
            client.head(image("ghcr.io"))
        assert elsewhere.requests[0].authorization.startswith("Basic ")


def test_without_a_login_any_token_server_is_asked() -> None:
    with answering(granting) as elsewhere:
        other = elsewhere.address.replace("127.0.0.1", "localhost")
        with (
            answering(a_realm(f"http://{other}/token")) as server,
            RegistryClient(Mirror(url=f"http://{server.address}"), "ghcr.io") as client,
            pytest.raises(RegistryError),
        ):
            client.head(image("ghcr.io"))
        assert {it.authorization for it in elsewhere.requests} == {""}


@pytest.mark.parametrize("mirror", [with_login("https://mirror.example", token_servers=["mirror.example"]), None])
def test_no_login_goes_from_https_to_http(mirror: Mirror | None) -> None:
    login = Credentials(username="me", password=SecretStr("word"))
    headers = {"WWW-Authenticate": 'Bearer realm="http://mirror.example/token"'}
    with RegistryClient(mirror, "registry.example", credentials=login) as client:
        challenge = httpx.Response(401, headers=headers, request=httpx.Request("HEAD", client.root))
        with pytest.raises(SettingsError, match="without encryption; it was not sent"):
            client._authorize(challenge, "repository:a/b:pull")


def test_no_session_is_kept() -> None:
    # Harbor refuses a push within a session.
    kept = Answer(FOUND.status, FOUND.body, {**FOUND.headers, "Set-Cookie": "sid=5; Path=/; HttpOnly"})
    with answering(lambda request: kept) as server, RegistryClient(None, server.address) as client:
        client.head(image(server.address))
        client.head(image(server.address, "2"))

    assert [it.headers.get("cookie") for it in server.requests] == [None, None]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("login", [Credentials(username="me", password=SecretStr("word")), None])
def test_of_two_challenges_the_token_servers_is_taken(login: Credentials | None, order: int) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token?service=gitea"):
            return Answer(200, '{"token": "t0ken"}')
        if request.authorization == "Bearer t0ken":
            return FOUND
        bearer = f'Bearer realm="http://{server.address}/token",service="gitea",scope="*"'
        asked = ", ".join([bearer, 'Basic realm="Gitea Container Registry"'][::order])
        return Answer(401, headers={"WWW-Authenticate": asked})

    with answering(answer) as server, RegistryClient(None, server.address, credentials=login) as client:
        assert client.head(image(server.address)).digest == DIGEST


def test_challenges_may_have_headers_of_their_own() -> None:
    headers = [("WWW-Authenticate", 'Bearer realm="https://a.example/token"'), ("WWW-Authenticate", 'Basic realm="b"')]

    assert challenges(httpx.Response(401, headers=headers)) == {
        "bearer": {"realm": "https://a.example/token"},
        "basic": {"realm": "b"},
    }


@pytest.mark.parametrize(
    ("header", "realm"),
    [
        ('Bearer realm = "https://a.example/t" , service = "s"', "https://a.example/t"),
        ('Negotiate oXcwdaADCgEB==, bearer REALM=https://a.example/t,service="a, b"', "https://a.example/t"),
        ('Bearer service="the \\"best\\", realm=none",realm="https://a.example/t"', "https://a.example/t"),
        ('X-Token realm="b", Bearer realm="https://a.example/t"', "https://a.example/t"),
        ('Bearer service="s"', ""),
    ],
)
def test_challenges_are_read_as_the_standard_writes_them(header: str, realm: str) -> None:
    asked = challenges(httpx.Response(401, headers={"WWW-Authenticate": header}))
    assert asked["bearer"].get("realm", "") == realm


def test_a_challenge_that_names_no_token_server_is_told_and_basic_is_taken_where_it_is_offered() -> None:
    login = Credentials(username="me", password=SecretStr("word"))

    def refusing(challenge: str) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            if request.authorization.startswith("Basic "):
                return Answer(200, headers={"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST})
            return Answer(401, headers={"WWW-Authenticate": challenge})

        return answer

    with answering(refusing('Bearer service="s"')) as server, RegistryClient(None, server.address) as client:
        with pytest.raises(RegistryError, match="does not say where to get it"):
            client.head(image(server.address))
        assert len(server.requests) == 1
    both = refusing('Bearer service="s", Basic realm="r"')
    with answering(both) as server, RegistryClient(None, server.address, credentials=login) as client:
        assert client.head(image(server.address)).digest == DIGEST


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(RegistryError, match=r"registry\.example\.com:99999 cannot be asked, since that is no address"):
        RegistryClient(None, "registry.example.com:99999")


@pytest.mark.parametrize(
    ("limit", "remaining", "told"),
    [
        ("100;w=21600", "93;w=21600", "93 of 100 pulls left, window 6 h"),
        ("100; w=3600", "0 ; w=3600", "0 of 100 pulls left, window 1 h"),
        ("200, 200;w=60", "7", "7 of 200 pulls left, window 60 s"),
        ("600", "599", None),
        ("100;w=21600", "", None),
        ("9" * 5000 + ";w=60", "1;w=60", None),
        ("none", "none", None),
    ],
)
def test_only_a_limit_with_its_window_is_one_of_pulls(limit: str, remaining: str, told: str | None) -> None:
    left = pulls_left_in({"ratelimit-limit": limit, "ratelimit-remaining": remaining})
    assert (str(left) if left else None) == told


def test_a_server_to_which_the_registry_redirects_has_no_say_about_the_login() -> None:
    login = Credentials(username="me", password=SecretStr("word"))
    with answering(lambda request: a_realm(f"http://{elsewhere.address}/token")(request)) as elsewhere:
        away = Answer(307, headers={"Location": f"http://{elsewhere.address}/stored"})
        with (
            answering(lambda request: away) as server,
            RegistryClient(None, server.address, credentials=login) as client,
            pytest.raises(RegistryError),
        ):
            client.head(image(server.address))

    assert {it.path.partition("?")[0] for it in elsewhere.requests} == {"/stored", "/token"}
    assert {it.authorization for it in elsewhere.requests} == {""}, "a token for anybody is all that it may want"


def test_a_list_that_goes_on_elsewhere_takes_no_login_along() -> None:
    login = Credentials(username="me", password=SecretStr("word"))
    with answering(lambda request: Answer(200, '{"tags": ["2"]}')) as elsewhere:

        def answer(request: Request) -> Answer:
            if not request.authorization:
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
            return Answer(200, '{"tags": ["1"]}', {"Link": f'<http://{elsewhere.address}/more>; rel="next"'})

        with answering(answer) as server, RegistryClient(None, server.address, credentials=login) as client:
            assert client.tags("a/b") == ["1", "2"]

    assert [it.authorization for it in elsewhere.requests] == [""]


def test_a_connection_that_breaks_is_made_again() -> None:
    answers = [Answer(0), FOUND]
    with answering(lambda request: answers.pop(0)) as server, RegistryClient(None, server.address) as client:
        assert client.head(image(server.address)).digest == DIGEST


def test_a_rate_limit_may_end_at_a_date() -> None:
    until = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
    with (
        answering(lambda request: Answer(429, headers=until)) as server,
        RegistryClient(None, server.address) as client,
        pytest.raises(RegistryError) as refused,
    ):
        client.head(image(server.address))

    # Dates have whole seconds.
    assert refused.value.next_step.startswith(("wait 3600 s; ", "wait 3599 s; "))
    assert len(server.requests) == 1
