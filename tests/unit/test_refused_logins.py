# SPDX-License-Identifier: Apache-2.0
"""What is said where a login is refused, or not asked for: whose it was, and the way out for its sort."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient
from harness.registries.refused_logins import way_out

EXPIRED = "DENIED Your Authorization Token has expired. Reauthenticate and try again."
AZURE = "00000000-0000-0000-0000-000000000000"
ME = Credentials(username="me", password=SecretStr("s3cret"), origin="docker login")
BASIC = {"WWW-Authenticate": 'Basic realm="it"'}


@pytest.mark.parametrize(
    ("host", "user", "secret", "said", "step"),
    [
        ("ghcr.io", "me", "gho_x", "token provided does not match expected scopes", "gh auth refresh --scopes"),
        ("ghcr.io", "me", "ghp_x", "DENIED protected by organization SAML enforcement", "Configure SSO"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "AWS", "x", EXPIRED, "aws ecr get-login-password |"),
        ("1.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "AWS", "x", "Not Authorized", "aws ecr get-login-password |"),
        ("1.dkr-ecr.us-west-2.on.aws", "AWS", "x", "Not Authorized", "aws ecr get-login-password |"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "AWS", "x", "is not authorized to perform: ecr:BatchGetImage", ""),
        ("public.ecr.aws", "AWS", "x", EXPIRED, "aws ecr-public get-login-password"),
        ("eu-docker.pkg.dev", "oauth2accesstoken", "ya29.x", "UNAUTHORIZED failed", "gcloud auth print-access-token"),
        ("eu-docker.pkg.dev", "_json_key", "{", "Permission downloadArtifacts denied", "artifactregistry.reader"),
        ("acme.azurecr.io", AZURE, "eyJ", "authentication required", "az acr login --name acme"),
        ("harbor.example.com", "robot", "x", "unauthorized to access repository: a/b", "robot$NAME"),
        ("harbor.example.com", "robot$ci", "x", "unauthorized to access repository: a/b", ""),
        ("registry.gitlab.com", "gitlab+deploy-token-7", "x", "HTTP Basic: Access denied", "read_registry"),
        ("registry.example.com", "me", "glpat-x", "DENIED access forbidden", "read_registry"),
        ("registry.gitlab.com", "gitlab-ci-token", "glcbt-x", "DENIED access forbidden", "while its job runs"),
        ("docker.io", "me", "dckr_pat_x", "personal access token is expired", "log in again: docker login"),
        ("docker.io", "acme", "dckr_oat_x", "access token has insufficient scopes", "Admin Console"),
    ],
)  # fmt: skip
def test_each_sort_of_login_has_its_way_out(host: str, user: str, secret: str, said: str, step: str) -> None:
    found = way_out(host, said, secret, user)
    assert step in found if step else not found


def refused(answer: Callable[[Request], Answer], login: Credentials | None, mirror: bool = False) -> RegistryError:
    with answering(answer) as server:
        row = Mirror(url=f"http://{server.address}", username="robot", password=SecretStr("s3cret")) if mirror else None
        host = "ghcr.io" if mirror else server.address
        with RegistryClient(row, host, credentials=login, attempts=1) as client, pytest.raises(RegistryError) as raised:
            client.manifest(ImageReference.parse(f"{host}/a/b:1"))
    assert "s3cret" not in str(raised.value)
    return raised.value


def asks(status: int, **more: str) -> Callable[[Request], Answer]:
    """A registry that asks for a login, and refuses each with this status."""
    body = json.dumps({"errors": [{"code": "DENIED", "message": "no"}]})
    return lambda request: Answer(status if request.authorization else 401, body, {**BASIC, **more})


@pytest.mark.parametrize("status", [401, 403])
def test_the_login_that_was_used_is_named(status: int) -> None:
    assert refused(asks(status), ME).next_step.startswith("it was asked for as me, by docker login; ")
    assert "asked for as" not in refused(asks(status), None).next_step
    of_mirror = refused(asks(status), None, mirror=True).next_step
    assert of_mirror.startswith("it was asked for as robot, by the mirror map; Harbor's robots are called robot$NAME")
    assert 'have [mirrors."ghcr.io"] in harness.toml name' in of_mirror


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_server_that_refuses_names_it_too(status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(status)
        return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="http://{request.headers["host"]}/token"'})

    assert "it was asked for as me, by docker login; " in refused(answer, ME).next_step
    identity = Credentials(identity_token=SecretStr("s3cret"), origin="docker login")
    assert "it was asked for as somebody, by docker login; " in refused(answer, identity).next_step


def test_a_login_that_nobody_asked_for_is_not_to_blame() -> None:
    silent = refused(lambda request: Answer(401), ME).next_step
    assert silent.startswith(
        "it does not say how to log in, having no WWW-Authenticate, so that the one of me, by docker"
    )
    assert "ask who runs" in silent
    assert "docker login" not in refused(lambda request: Answer(401), None).next_step
    blocked = refused(lambda request: Answer(403, "blocked by the firewall"), ME).next_step
    assert blocked.startswith("nobody asked for a login, and that of me, by docker login was not sent; ")


def test_a_registry_token_is_sent_as_it_is() -> None:
    login = Credentials(registry_token=SecretStr("s3cret"), origin="docker login")
    challenge = {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/token"'}
    with (
        answering(lambda request: Answer(403 if request.authorization else 401, headers=challenge)) as server,
        RegistryClient(None, server.address, credentials=login) as client,
        pytest.raises(RegistryError) as raised,
    ):
        client.manifest(ImageReference.parse(f"{server.address}/a/b:1"))
    assert [it.authorization for it in server.requests] == ["", "Bearer s3cret"]
    assert raised.value.next_step.startswith("it was asked for as somebody, by docker login; ")


def answered_with(answer: Answer) -> RegistryError:
    with answering(lambda request: answer) as server, RegistryClient(None, server.address, attempts=1) as client:
        image = ImageReference.parse(f"{server.address}/a/b:1")
        with pytest.raises(RegistryError) as raised:
            client.head(image)
    return raised.value


@pytest.mark.parametrize(
    ("asks", "named"),
    [("Negotiate", "Negotiate"), ("NTLM", "NTLM"), ('Digest realm="x", nonce="abc", qop="auth"', "Digest")],
)
def test_a_way_to_log_in_that_nodes_do_not_know_is_named(asks: str, named: str) -> None:
    error = answered_with(Answer(401, headers={"WWW-Authenticate": asks}))
    assert f"it wants {named} as the way to log in, which nodes do not know" in error.next_step


@pytest.mark.parametrize(
    "answer",
    [Answer(511), Answer(200, "<!doctype html><html>Log in to this network</html>", {"Content-Type": "text/html"})],
)
def test_a_network_that_wants_a_login_first_is_a_portal(answer: Answer) -> None:
    assert "captive portal" in answered_with(answer).next_step
