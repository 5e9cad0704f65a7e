# SPDX-License-Identifier: Apache-2.0
"""Shapes in which people have their logins: each is used, or there is one error that says where and what to do."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from harness.errors import CommandError, SettingsError
from harness.images import logins
from harness.images.credentials import Credentials, from_docker_config


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder without any login, and its docker's configuration in `.docker`."""
    for name in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / ".docker").mkdir()
    return tmp_path


def stored(home: Path, content: object) -> None:
    """Docker's configuration is this text, these bytes or this JSON."""
    file = home / ".docker" / "config.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))


def helper(home: Path, script: str) -> None:
    """A credential helper that docker's configuration names."""
    program = home / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    stored(home, {"credsStore": "test"})


@pytest.mark.parametrize(
    ("entry", "password"),
    [
        ({"auth": encoded("me:word").rstrip("=")}, "word"),
        ({"auth": f" {encoded('me:word')} "}, "word"),
        ({"auth": encoded("me:word\0\0")}, "word"),
        ({"auth": "", "username": "me", "password": "word"}, "word"),
        ({"username": "me", "password": 12345}, "12345"),
        # The key of a service account, as it is in its file.
        ({"auth": encoded('me:{\n"type": "service_account"\n}\n')}, '{\n"type": "service_account"\n}\n'),
    ],
)
def test_entries_are_read_as_by_docker_or_kubelet(home: Path, entry: object, password: str) -> None:
    stored(home, {"auths": {"ghcr.io": entry}})
    found = from_docker_config("ghcr.io", home / ".docker")
    assert found == Credentials(username="me", password=SecretStr(password))


def test_a_registry_token_is_read(home: Path) -> None:
    stored(home, {"auths": {"ghcr.io": {"registrytoken": "r3g"}}})
    found = logins.credentials("ghcr.io")
    assert found is not None
    assert (found.registry_token.get_secret_value(), found.has_password, found.secrets) == ("r3g", False, ["r3g"])


TRAILING = '{"auths": {"ghcr.io": {"auth": "c2VjcmV0"},}}'


@pytest.mark.parametrize(
    ("content", "said", "step"),
    [
        ({"auths": {"ghcr.io": encoded("me:c2VjcmV0")}}, "the entry of 'ghcr.io' is not a JSON object", '{"auth": '),
        ({"auths": [{"ghcr.io": {}}]}, "auths is not a JSON object", "log in again"),
        ({"auths": {"ghcr.io": {"auth": encoded("me:c2VjcmV0\n")}}}, "'ghcr.io' ends with a line end", "printf"),
        ({"auths": {"ghcr.io": {"username": "me", "password": "c2VjcmV0\r\n"}}}, "ends with a line end", "printf"),
        (TRAILING, "there is a mistake in line 1, column ", "correct it"),
        (TRAILING.encode("utf-16"), "it is not text in UTF-8", "correct it"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_and_nothing_of_it(home: Path, content: object, said: str, step: str) -> None:
    stored(home, content)
    with pytest.raises(SettingsError) as raised:
        logins.credentials("ghcr.io")
    assert said in raised.value.message
    assert step in raised.value.next_step
    assert "c2VjcmV0" not in str(raised.value)


def test_a_place_that_is_no_file_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".docker" / "config.json").mkdir()
    with pytest.raises(SettingsError, match="it is a folder"):
        logins.credentials("ghcr.io")
    (home / "file").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "file"))
    with pytest.raises(SettingsError, match="is not a folder") as raised:
        logins.credentials("ghcr.io")
    assert "have DOCKER_CONFIG name the folder" in raised.value.next_step


def test_a_variable_with_another_text_is_no_file_to_log_in_to(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"auths": {"ghcr.io": {"username": "me", "password": "word"}}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", f"\ufeff{text}")
    assert logins.credentials("ghcr.io") is not None
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", encoded(text))
    with pytest.raises(SettingsError, match=r"\$DOCKER_AUTH_CONFIG cannot be read as JSON") as raised:
        logins.credentials("ghcr.io")
    assert raised.value.next_step.startswith("it is to be the text of a config.json")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("true", "it printed nothing"),
        ("echo Please log in", "it printed no JSON object"),
        ("echo '[1]'", "it printed no JSON object"),
        ("echo 'exec: \"gpg\": executable file not found in $PATH' >&2; exit 1", "gpg"),
        ("echo 'SharedCredsLoad: profile not found' >&2; exit 1", "profile not found"),
        ("exec gcloud-that-is-not-there", "not found"),
    ],
)
def test_a_helper_that_fails_is_named_and_stands_in_no_pulls_way(home: Path, script: str, why: str) -> None:
    helper(home, script)
    with pytest.raises(CommandError, match=r"docker-credential-test could not return .* of ghcr\.io") as raised:
        logins.credentials("ghcr.io")
    assert why in raised.value.message
    assert logins.for_pulls("ghcr.io") == (None, raised.value.message)


def test_so_is_one_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.images.credentials._HELPER_SECONDS", 0.1)
    helper(home, "exec sleep 5")
    with pytest.raises(CommandError, match=r"of ghcr\.io: it did not answer within"):
        logins.credentials("ghcr.io")


def test_a_helper_that_fails_hides_no_token_of_the_workflow(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, "echo the keychain is locked >&2; exit 1")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_of-the-job")
    found = logins.find("ghcr.io")
    assert found is not None
    assert found.origin == "GITHUB_TOKEN"


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("me", "me, by docker login"),
        ("robot$acme+ci", "robot$acme+ci, by docker login"),
        ("ghp_secret", "somebody, by docker login"),
        ("x" * 200, "somebody, by docker login"),
        ("", "somebody, by docker login"),
    ],
)
def test_whose_login_it_is_is_told_but_no_token_that_stands_in_the_place_of_a_user(user: str, shown: str) -> None:
    assert str(Credentials(username=user, password=SecretStr("word"), origin="docker login")) == shown
