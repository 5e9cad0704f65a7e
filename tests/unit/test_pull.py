# SPDX-License-Identifier: Apache-2.0
"""Pulls by the engine through a mirror. `docker` is a stand-in, since unit tests have no engine; e2e has a real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from harness.errors import RegistryError
from harness.images.mirrors import Mirror, MirrorMap
from harness.registries import pull

IMAGE = "ghcr.io/k3d-io/k3d-tools:5.8.3"
NAME = "127.0.0.1:40000/k3d-io/k3d-tools:5.8.3"

DOCKER = """#!/bin/sh
echo "$*" >> {folder}/words
case "$1" in
image) [ -e {folder}/there ]; exit $?;;
pull) [ -z "$DOCKER_CONFIG" ] || cp -r "$DOCKER_CONFIG" {folder}/config
    [ ! -e {folder}/refuses ] || {{ cat {folder}/refuses >&2; exit 1; }};;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docker").write_text(DOCKER.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "users-own"))
    return tmp_path


def mirrors(**more: object) -> MirrorMap:
    row = {"url": "https://10.0.0.1:40000", "host_url": "https://127.0.0.1:40000", **more}
    return MirrorMap(mirrors={"ghcr.io": Mirror.model_validate(row)})


def test_the_engine_pulls_by_the_mirrors_name_with_its_login(docker: Path) -> None:
    (docker / "users-own").mkdir()
    (docker / "users-own" / "config.json").write_text('{"currentContext": "rootless", "credsStore": "desktop"}')
    (docker / "users-own" / "contexts").mkdir()

    assert pull.from_mirror(IMAGE, mirrors(username="robot", password=SecretStr("s3cret")), timeout=10) == NAME

    assert (docker / "words").read_text().splitlines()[-1] == f"pull --quiet {NAME}"
    assert "s3cret" not in (docker / "words").read_text()
    told = json.loads((docker / "config" / "config.json").read_text())
    assert told["auths"]["127.0.0.1:40000"]["username"] == "robot"
    assert told["currentContext"] == "rootless"
    assert "credsStore" not in told


def test_what_the_engine_has_is_not_pulled(docker: Path) -> None:
    (docker / "there").touch()

    assert pull.from_mirror(IMAGE, mirrors(), timeout=10) == NAME
    assert "pull" not in (docker / "words").read_text()


def test_without_a_mirror_nothing_is_pulled(docker: Path) -> None:
    assert pull.from_mirror("quay.io/a/b:1", mirrors(), timeout=10) == ""
    assert not (docker / "words").exists()


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("x509: certificate signed by unknown authority", "/etc/docker/certs.d/127.0.0.1:40000/ca.crt"),
        (
            'Get "https://127.0.0.1:40000/v2/": http: server gave HTTP response to HTTPS client',
            '"insecure-registries": ["127.0.0.1:40000"]',
        ),
        ("manifest unknown", "manually"),
    ],
)
def test_a_refusal_says_what_the_engine_needs(docker: Path, said: str, step: str) -> None:
    (docker / "refuses").write_text(f"Error response from daemon: {said}\n")

    with pytest.raises(RegistryError, match=said) as refused:
        pull.from_mirror(IMAGE, mirrors(), timeout=10)
    assert step in refused.value.next_step
