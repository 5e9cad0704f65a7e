# SPDX-License-Identifier: Apache-2.0
"""The two ends of a copy: whose login and which CA each has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registry_fakes import Answer, answering

from harness.commands.registry_ends import _end
from harness.errors import CommandError, RegistryError, SettingsError
from harness.images.references import ImageReference
from harness.registries import trusted
from harness.registries.front.certificates import authority
from harness.settings import Settings


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """The certificate of a CA."""
    file = tmp_path / "ca.pem"
    file.write_bytes(authority().pem)
    return file


def test_a_registry_with_a_ca_has_the_login_of_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca: Path
) -> None:
    auths = {"registry.example.com": {"username": "me", "password": "word"}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    image = ImageReference.parse("registry.example.com/a/b:1")

    with _end(Settings(), image, None, push=True, ca=ca) as end:
        assert end._credentials is not None
        assert end._credentials.username == "me"
        assert end.server == "registry.example.com"
        # As GitLab's: the token server has a host of its own, and there is no row of a mirror that could name it.
        end._require_trusted("https://gitlab.example.com/jwt/auth")


def test_a_registry_of_this_machine_with_a_ca_speaks_tls(ca: Path) -> None:
    image = ImageReference.parse("127.0.0.1:5443/a/b:1")

    with _end(Settings(), image, None, push=True, ca=ca) as end:
        assert end.root == "https://127.0.0.1:5443/v2"


def test_a_helper_that_fails_keeps_nobody_from_reading_what_is_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker-credential-elsewhere"
    program.write_text("#!/bin/sh\necho 'can only be used with another registry'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "elsewhere"}')
    image = ImageReference.parse("registry.example.com/a/b:1")

    with answering(lambda request: Answer(401)) as server:
        private = ImageReference.parse(f"{server.address}/a/b:1")
        with _end(Settings(), private, None, push=False) as source, pytest.raises(RegistryError) as raised:
            source.manifest(private)
    assert not source.has_login
    said = "it was asked for without a login, since docker-credential-elsewhere could not return the credentials"
    assert raised.value.next_step.startswith(said)
    with pytest.raises(CommandError, match="can only be used with another registry"):
        _end(Settings(), image, None, push=True)


def test_clients_share_what_they_trust_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca: Path
) -> None:
    first = trusted.trusted(ca, "a.example")
    assert trusted.trusted(ca, "b.example") is first
    assert trusted.trusted(None, "a.example") is not first

    ca.write_bytes(ca.read_bytes() + authority().pem)
    second = trusted.trusted(ca, "a.example")
    assert second is not first
    assert second.cert_store_stats()["x509_ca"] == first.cert_store_stats()["x509_ca"] + 1

    other = tmp_path / "other.pem"
    other.write_bytes(authority().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert trusted.trusted(ca, "a.example") is not second
    with pytest.raises(SettingsError, match=r"the CA file .* for a\.example cannot be used"):
        trusted.trusted(tmp_path / "none.pem", "a.example")
