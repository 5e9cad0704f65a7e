# SPDX-License-Identifier: Apache-2.0
"""Credentials are found where `docker login` leaves them, and never shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from harness.errors import CommandError, SettingsError
from harness.images.credentials import (
    Credentials,
    docker_config_json,
    from_docker_config,
    write_secret,
)

PASSWORD = "s3cret:with:colons"


def config(folder: Path, content: object) -> Path:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def auth(username: str = "me", password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("registry.example.com:5000", "registry.example.com:5000"),
    ],
)
def test_a_login_is_found_under_every_key_that_docker_uses(tmp_path: Path, key: str, host: str) -> None:
    found = from_docker_config(host, config(tmp_path, {"auths": {"other.example.com": auth("x"), key: auth()}}))

    assert found is not None
    assert (found.username, found.password.get_secret_value()) == ("me", PASSWORD)


def test_an_empty_entry_hides_no_other_one(tmp_path: Path) -> None:
    auths = {"https://index.docker.io/v1/": {}, "docker.io": auth("hub"), "quay.io": {}, "https://quay.io": auth("q")}
    config(tmp_path, {"auths": auths})
    found = [from_docker_config(it, tmp_path) for it in ("docker.io", "quay.io")]
    assert [it.username if it else None for it in found] == ["hub", "q"]


def test_no_login_is_no_error(tmp_path: Path) -> None:
    assert from_docker_config("ghcr.io", tmp_path) is None
    assert from_docker_config("ghcr.io", config(tmp_path, {"auths": {"ghcr.io": {}}})) is None
    assert from_docker_config("ghcr.io", config(tmp_path, {"auths": {"notghcr.io": auth()}})) is None


@pytest.mark.parametrize("content", ['{"auths": {"ghcr.io": {"auth": "c2VjcmV0"', '"text"', "[" * 200_000])
def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.json") as raised:
        from_docker_config("ghcr.io", config(tmp_path, content))

    assert "c2VjcmV0" not in str(raised.value)


def test_an_empty_file_has_no_logins(tmp_path: Path) -> None:
    assert from_docker_config("ghcr.io", config(tmp_path, "\n")) is None


@pytest.mark.parametrize("wrong", ["not base64!", base64.b64encode(b"no colon").decode()])
def test_an_auth_that_is_no_user_and_password_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"ghcr\.io"):
        from_docker_config("ghcr.io", config(tmp_path, {"auths": {"ghcr.io": {"auth": wrong}}}))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_auth_may_have_line_ends_as_base64_prints_them(tmp_path: Path, end: str) -> None:
    encoded = base64.b64encode(b"me:" + b"t0ken" * 40).decode()
    lines = end.join((encoded[:76], encoded[76:], ""))
    found = from_docker_config("ghcr.io", config(tmp_path, {"auths": {"ghcr.io": {"auth": lines}}}))
    assert found is not None
    assert (found.username, found.password.get_secret_value()) == ("me", "t0ken" * 40)


def test_what_docker_desktop_keeps_for_itself_is_no_login(tmp_path: Path) -> None:
    kept = {"auth": base64.b64encode(b"me:of-the-desktop").decode()}
    auths = {f"https://index.docker.io/v1/{name}": kept for name in ("access-token", "refresh-token")}
    assert from_docker_config("docker.io", config(tmp_path, {"auths": auths})) is None


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A credential helper of our own: real ones need a desktop's keychain."""
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\nread host\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, 'echo "{\\"Username\\": \\"me@$host\\", \\"Secret\\": \\"word\\"}"')

    found = from_docker_config("ghcr.io", config(tmp_path, {"credsStore": "test"}))

    assert found == Credentials(username="me@ghcr.io", password=SecretStr("word"))


def test_a_helper_may_know_nothing_but_must_not_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, {"credHelpers": {"ghcr.io": "test"}})
    helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    assert from_docker_config("ghcr.io", tmp_path) is None

    helper(tmp_path, monkeypatch, "echo the keychain is locked >&2; exit 1")
    with pytest.raises(CommandError, match="the keychain is locked"):
        from_docker_config("ghcr.io", tmp_path)


@pytest.mark.parametrize("answer", ["{}", '{"ServerURL": "", "Username": "", "Secret": ""}'])
def test_a_helper_may_know_nothing_in_so_many_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    helper(tmp_path, monkeypatch, f"echo '{answer}'")

    assert from_docker_config("ghcr.io", config(tmp_path, {"credsStore": "test"})) is None


def test_the_login_of_a_host_is_not_that_of_a_part_of_it(tmp_path: Path) -> None:
    auths = {"ghcr.io/team": auth("team"), "ghcr.io": auth("me")}

    found = from_docker_config("ghcr.io", config(tmp_path, {"auths": auths}))

    assert found is not None
    assert found.username == "me"


def test_a_helper_that_is_not_installed_knows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    auths = {"quay.io": {"auth": base64.b64encode(b"me:word").decode()}}
    folder = config(tmp_path, {"credsStore": "desktop", "auths": auths})
    assert from_docker_config("docker.io", folder) is None
    assert from_docker_config("quay.io", folder) == Credentials(username="me", password=SecretStr("word"))


def test_secrets_do_not_show_in_texts() -> None:
    credentials = Credentials(username="me", password=SecretStr(PASSWORD), identity_token=SecretStr("t0ken"))
    encoded = base64.b64encode(f"me:{PASSWORD}".encode()).decode()

    shown = f"{credentials} {credentials!r} {credentials.basic()} {docker_config_json({'ghcr.io': credentials})!r}"

    assert PASSWORD not in shown
    assert "t0ken" not in shown
    assert encoded not in shown
    assert set(credentials.secrets) == {PASSWORD, "t0ken", encoded}


def test_what_is_written_for_docker_is_read_back(tmp_path: Path) -> None:
    logins = {host: Credentials(username=host, password=SecretStr(PASSWORD)) for host in ("docker.io", "ghcr.io")}

    file = write_secret(tmp_path / "docker" / "config.json", docker_config_json(logins).get_secret_value())

    assert {host: from_docker_config(host, file.parent) for host in logins} == logins
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_file_is_closed_to_others_also_when_it_was_open(tmp_path: Path) -> None:
    file = tmp_path / "open"
    file.write_text("old and longer")
    file.chmod(0o644)

    write_secret(file, "new")

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io"])
def test_a_helper_for_one_host_is_asked_for_that_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    helper(tmp_path, monkeypatch, 'echo "{\\"Username\\": \\"me@$host\\", \\"Secret\\": \\"word\\"}"')
    config(tmp_path, {"credHelpers": {key: "test"}, "auths": {"ghcr.io": auth()}})

    hub, ghcr = (from_docker_config(host, tmp_path) for host in ("docker.io", "ghcr.io"))

    # Docker asks a helper for its Hub by the address of its first API.
    assert hub == Credentials(username="me@https://index.docker.io/v1/", password=SecretStr("word"))
    assert ghcr == Credentials(username="me", password=SecretStr(PASSWORD))


def test_an_identity_token_is_for_docker_and_no_password(tmp_path: Path) -> None:
    entry = {"auth": base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode(), "identitytoken": "t0ken"}

    found = from_docker_config("acme.azurecr.io", config(tmp_path, {"auths": {"acme.azurecr.io": entry}}))

    assert found is not None
    assert found.identity_token.get_secret_value() == "t0ken"
    assert not found.has_password
    config(tmp_path, docker_config_json({"acme.azurecr.io": found}).get_secret_value())
    assert from_docker_config("acme.azurecr.io", tmp_path) == found
