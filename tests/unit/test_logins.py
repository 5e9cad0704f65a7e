# SPDX-License-Identifier: Apache-2.0
"""Logins as people keep them, and what is said of those that a registry refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_fakes import Answer, Request, answering

from harness import settings
from harness.errors import RegistryError, SettingsError
from harness.images import logins
from harness.images.credentials import Credentials, write_secret
from harness.images.logins import TokenFile
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient
from harness.registries.refused_logins import way_out


@pytest.fixture(autouse=True)
def _no_logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_TOKEN", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def in_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_of-the-job")
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")


def found(host: str = "ghcr.io", **rows: TokenFile) -> tuple[str, str, str] | None:
    it = logins.find(host, {name.replace("_", "."): row for name, row in rows.items()})
    return (it.credentials.username, it.credentials.password.get_secret_value(), it.origin) if it else None


def test_a_workflows_token_is_a_login_for_ghcr_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "of somebody's shell")
    assert found() is None
    in_actions(monkeypatch)
    assert found() == ("octocat", "ghs_of-the-job", "GITHUB_TOKEN")
    assert found("docker.io") is None


def test_docker_login_comes_before_the_workflows_token_and_a_row_before_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_actions(monkeypatch)
    auth = base64.b64encode(b"stored:by-docker").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": auth}}}))
    assert found() == ("stored", "by-docker", "docker login")
    file = write_secret(tmp_path / "pat", "ghp_in-a-file\n")
    row = TokenFile(username="me", token_file=file)
    assert found(ghcr_io=row) == ("me", "ghp_in-a-file", str(file))


def test_a_token_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = write_secret(tmp_path / "pat", "ghp_in-a-file")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="accessible to others"):
        found(ghcr_io=TokenFile(token_file=file))


def test_a_token_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = write_secret(tmp_path / "pat", "")
    file.write_bytes(b"\xef\xbb\xbfghp_in-a-file\r\n")
    assert found(ghcr_io=TokenFile(token_file=file)) == ("token", "ghp_in-a-file", str(file))


def test_a_token_file_may_be_one_that_powershell_wrote(tmp_path: Path) -> None:
    file = write_secret(tmp_path / "pat", "")
    file.write_bytes("ghp_in-a-file\r\n".encode("utf-16"))
    assert found(ghcr_io=TokenFile(token_file=file)) == ("token", "ghp_in-a-file", str(file))


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_token_in_quotes_is_refused_and_not_quoted(
    quote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_secret(tmp_path / "pat", f"{quote}ghp_in-a-file{quote}\n")
    with pytest.raises(SettingsError, match="has its token in quotes") as refused:
        found(ghcr_io=TokenFile(token_file=file))
    assert "ghp_" not in str(refused.value)
    in_actions(monkeypatch)
    monkeypatch.setenv("GITHUB_TOKEN", f"{quote}ghs_of-the-job{quote}")
    with pytest.raises(SettingsError, match="GITHUB_TOKEN has its token in quotes"):
        found()


@pytest.mark.parametrize(("value", "token"), [("ghs_a\n", "ghs_a"), (" ghs_a ", "ghs_a"), (" \n", None), ("", None)])
def test_a_workflows_token_is_what_is_there_of_it(
    value: str, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_actions(monkeypatch)
    monkeypatch.setenv("GITHUB_TOKEN", value)
    assert found() == (token and ("octocat", token, "GITHUB_TOKEN"))


def test_harness_toml_has_rows_for_logins(tmp_path: Path) -> None:
    file = tmp_path / "harness.toml"
    file.write_text('[logins."ghcr.io"]\nusername = "me"\ntoken_file = "~/pat"\n')
    assert settings.load(file=file).logins == {"ghcr.io": TokenFile(username="me", token_file=Path("~/pat"))}


@pytest.mark.parametrize(
    ("host", "secret", "said", "step"),
    [
        ("ghcr.io", "github_pat_x", "DENIED denied", "a fine-grained personal access token"),
        ("ghcr.io", "ghp_x", "DENIED denied", "wrong, expired or revoked"),
        ("ghcr.io", "ghp_x", "permission_denied: The token provided does not match expected scopes.", "the scope read"),
        ("ghcr.io", "ghp_x", "permission_denied: read_package", "Configure SSO"),
        ("ghcr.io", "ghs_x", "permission_denied: read_package", "give the job `packages: read`"),
        ("ghcr.io", "ghp_x", "installation not allowed to Read organization package", "Manage Actions access"),
        ("ghcr.io", "ghp_x", "User cannot be authenticated with the token provided.", "the token expired"),
        ("docker.io", "dckr_pat_x", "access token has insufficient scopes", "the permission Read"),
        ("docker.io", "x", "incorrect username or password", "another user than the login names"),
        ("quay.io", "github_pat_x", "unauthorized", ""),
    ],
)  # fmt: skip
def test_a_refused_login_has_the_way_out_for_what_the_registry_says(
    host: str, secret: str, said: str, step: str
) -> None:
    found = way_out(host, said, secret)
    assert step in found if step else not found


def test_a_client_tells_the_way_out_only_where_it_has_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "permission_denied: read_package"}]})

    def refuse(request: Request) -> Answer:
        if request.authorization:
            return Answer(403, body)
        return Answer(401, body, {"WWW-Authenticate": 'Basic realm="it"'})

    with answering(refuse) as server:
        monkeypatch.setattr("harness.registries.connection.address_of", lambda mirror, host: f"http://{server.address}")
        errors = []
        for login in (Credentials(username="me", password=SecretStr("ghp_secret")), None):
            with RegistryClient(None, "ghcr.io", credentials=login) as client, pytest.raises(RegistryError) as raised:
                client.manifest(ImageReference.parse("ghcr.io/acme/app:1"))
            errors.append(raised.value)
    assert ("Configure SSO" in errors[0].next_step, "Configure SSO" in errors[1].next_step) == (True, False)
    assert "ghp_secret" not in str(errors[0])
