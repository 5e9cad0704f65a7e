# SPDX-License-Identifier: Apache-2.0
"""Every row of clusters/registries.toml, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CatalogueError, UsageError
from harness.registries.front.profile import PROFILES_FILE, Limits, profile, profiles


def test_both_public_registries_are_there() -> None:
    assert set(profiles()) == {"docker.io", "ghcr.io"}
    assert all(it.host in it.names for it in profiles().values())


def test_only_docker_hub_limits_pulls() -> None:
    assert profile("ghcr.io").limits is None
    assert profile("docker.io").limits == Limits(anonymous=100, user=200, window=21600)


def test_refusals_are_those_that_users_report() -> None:
    hub, github = profile("docker.io").answers, profile("ghcr.io").answers

    assert (github["wrong-credentials"].status, github["wrong-credentials"].code) == (403, "DENIED")
    assert github["anonymous-denied"].at == "token"
    assert (hub["anonymous-denied"].at, hub["anonymous-denied"].error) == ("registry", "insufficient_scope")
    assert hub["wrong-credentials"].shape == "details"
    assert hub["limit-anonymous"].status == 429


def test_limits_can_be_set_where_there_are_some() -> None:
    small = Limits(anonymous=2, user=3, window=60)

    assert profile("docker.io").with_limits(small).limits == small
    assert profile("docker.io").with_limits(None).limits is None
    with pytest.raises(UsageError, match=r"ghcr\.io has no pull limits"):
        profile("ghcr.io").with_limits(small)


def test_a_wrong_name_gets_a_guess() -> None:
    with pytest.raises(UsageError, match=r"unknown profile 'gcr\.io'; did you mean ghcr\.io\?"):
        profile("gcr.io")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('service = "ghcr.io"', 'servise = "ghcr.io"', "servise"),
        ('["ghcr.io".answers.token-ended]', '["ghcr.io".answers.token-gone]', "token-gone"),
        ("status = 403", "status = 200", "status"),
        ("[", "", "registries.toml"),
    ],
)
def test_a_wrong_row_names_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "registries.toml"
    file.write_text(PROFILES_FILE.read_text().replace(old, new, 1) if old != "[" else "[")
    with pytest.raises(CatalogueError) as raised:
        profiles(file)
    assert str(file) in str(raised.value)
    assert said in str(raised.value)


def test_an_answer_that_is_missing_is_named(tmp_path: Path) -> None:
    text = PROFILES_FILE.read_text()
    begin = text.index('["ghcr.io".answers.token-ended]')
    file = tmp_path / "registries.toml"
    file.write_text(text[:begin] + text[text.index('["ghcr.io".answers.delete-unsupported]') :])
    with pytest.raises(CatalogueError, match="answers are missing for token-ended"):
        profiles(file)
