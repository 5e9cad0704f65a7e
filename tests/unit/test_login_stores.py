# SPDX-License-Identifier: Apache-2.0
"""Logins of docker, podman and CI jobs: which place counts, and which key of it, for which image."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from harness.errors import CommandError, SettingsError
from harness.images import login_stores, logins
from harness.images.logins import TokenFile, namespace


def _auth(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:word".encode()).decode()}


def _config(**users: str) -> str:
    """Keys of `auths`, `ghcr_io` for `ghcr.io` and `__` for a slash, each with a user."""
    return json.dumps({"auths": {_key(it): _auth(user) for it, user in users.items()}})


def _key(name: str) -> str:
    return name.replace("__", "/").replace("_", ".")


class Machine:
    """A home folder, and an environment without any login."""

    def __init__(self, home: Path, patched: pytest.MonkeyPatch) -> None:
        self.home, self._patched = home, patched
        for name in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
            patched.delenv(name, raising=False)
        self.set(HOME=str(home), XDG_RUNTIME_DIR=str(home / "run"))

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patched.setenv(name, value)

    def write(self, name: str, text: str) -> None:
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def _user(name: str) -> tuple[str, str] | None:
    host, _, repository = name.partition("/")
    found = login_stores.find(host, repository)
    return (found[0].username, found[1]) if found else None


PODMANS = "run/containers/auth.json"


def test_the_environment_comes_before_docker_and_docker_before_podman(machine: Machine) -> None:
    expected = []
    for name, origin in (
        (".config/containers/auth.json", "podman login"),
        (PODMANS, "podman login"),
        (".docker/config.json", "docker login"),
    ):
        machine.write(name, _config(ghcr_io=name))
        expected.append((_user("ghcr.io/a/b"), (name, origin)))
    machine.write("named.json", _config(ghcr_io="file"))
    machine.set(REGISTRY_AUTH_FILE=str(machine.home / "named.json"))
    expected.append((_user("ghcr.io/a/b"), ("file", "REGISTRY_AUTH_FILE")))
    machine.set(DOCKER_AUTH_CONFIG=_config(ghcr_io="job"))
    expected.append((_user("ghcr.io/a/b"), ("job", "DOCKER_AUTH_CONFIG")))
    assert [found for found, _ in expected] == [wanted for _, wanted in expected]


def test_a_place_without_the_host_leaves_the_question_to_the_next(machine: Machine) -> None:
    machine.set(DOCKER_AUTH_CONFIG=_config(gitlab_example_com="job"))
    machine.write(".docker/config.json", _config(docker_io="me"))
    machine.write(PODMANS, _config(quay_io="pod"))
    assert _user("docker.io/acme/app") == ("me", "docker login")
    assert _user("quay.io/acme/app") == ("pod", "podman login")
    assert _user("ghcr.io/acme/app") is None


def test_a_file_named_by_the_environment_stands_for_those_of_podman(machine: Machine) -> None:
    machine.write(PODMANS, _config(quay_io="pod"))
    machine.set(REGISTRY_AUTH_FILE=str(machine.home / "gone.json"))
    assert _user("quay.io/acme/app") is None


@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG"])
def test_a_variable_that_names_what_is_not_there_is_why_there_is_no_login(machine: Machine, variable: str) -> None:
    gone = str(machine.home / "gone")
    machine.set(**{variable: gone})
    assert logins.for_pulls("quay.io") == (None, f"{variable} names {gone}, which is not there")
    machine.set(DOCKER_AUTH_CONFIG=_config(quay_io="job"))
    assert logins.for_pulls("quay.io")[1] == ""


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("ghcr.io/acme/team/app", "team"),
        ("ghcr.io/acme/team", "team"),
        ("ghcr.io/acme/teamwork", "acme"),
        ("ghcr.io/acme/other", "acme"),
        ("ghcr.io/other/app", "host"),
        ("ghcr.io", "host"),
        ("docker.io/library/busybox", "library"),
        ("docker.io/acme/app", "hub"),
        ("quay.io/acme/app", "whole"),
    ],
)
def test_the_longest_key_that_the_name_begins_with_counts(machine: Machine, image: str, user: str) -> None:
    auths = {"https://index.docker.io/v1/": "hub", "ghcr.io": "host", "ghcr.io/acme": "acme",
             "ghcr.io/acme/team": "team", "https://quay.io/v2/": "whole", "docker.io/library": "library"}  # fmt: skip
    machine.write(PODMANS, json.dumps({"auths": {key: _auth(it) for key, it in auths.items()}}))
    assert _user(image) == (user, "podman login")


def test_the_part_with_a_login_of_its_own_is_told(machine: Machine) -> None:
    machine.set(DOCKER_AUTH_CONFIG=_config(ghcr_io__acme="acme"))
    machine.write(".docker/config.json", _config(ghcr_io="me", ghcr_io__acme__team="team"))
    rows = {"quay.io": TokenFile(token_file=Path("pat"))}
    told = [namespace("ghcr.io", rows, it) for it in ("acme/team/app", "acme/app", "kubeflow/app")]
    assert told == ["acme/team", "acme", ""]
    # A row of harness.toml is for all of its host.
    machine.write(".docker/config.json", _config(quay_io__acme="acme"))
    assert (namespace("quay.io", rows, "acme/app"), namespace("quay.io", {}, "acme/app")) == ("", "acme")


def test_a_helper_that_fails_keeps_no_later_place_from_being_read(machine: Machine) -> None:
    program = machine.home / "docker-credential-locked"
    program.write_text("#!/bin/sh\necho the keychain is locked >&2; exit 1\n")
    program.chmod(0o755)
    machine.set(PATH=f"{machine.home}:/usr/bin:/bin")
    machine.write(".docker/config.json", json.dumps({"credsStore": "locked"}))
    machine.write(PODMANS, _config(ghcr_io="pod"))
    assert _user("ghcr.io/a/b") == ("pod", "podman login")
    with pytest.raises(CommandError, match="the keychain is locked"):
        _user("quay.io/a/b")


@pytest.mark.parametrize("text", ["c2VjcmV0", "[]"])
def test_a_broken_variable_is_named_and_not_quoted(machine: Machine, text: str) -> None:
    machine.set(DOCKER_AUTH_CONFIG=text)
    with pytest.raises(SettingsError, match=r"\$DOCKER_AUTH_CONFIG") as raised:
        _user("ghcr.io/a/b")
    assert "c2VjcmV0" not in str(raised.value)
