# SPDX-License-Identifier: Apache-2.0
"""Tokens: who has which rights, until when, and that a token shows nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.registries.tokens import SCOPES, Access, Accounts, Issuer, Right


class Clock:
    """A clock that a test sets; expiry is about hours."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts("ghp_", clock=clock)


def test_a_token_is_found_by_its_secret_alone_or_with_its_user(accounts: Accounts) -> None:
    token = accounts.issue("robot", ["read:packages"])

    assert token.secret.startswith("ghp_")
    assert accounts.find("anybody", token.secret, checks_user=False) == token
    assert accounts.find("anybody", token.secret, checks_user=True) is None
    assert accounts.find("robot", token.secret, checks_user=True) == token
    assert accounts.find("robot", "ghp_other", checks_user=False) is None


def test_who_may_write_may_read_and_deleting_is_a_right_of_its_own(accounts: Accounts) -> None:
    rights: tuple[Right, ...] = ("pull", "push", "delete")

    def allowed(scope: str) -> list[bool]:
        token = accounts.issue("robot", [scope])
        return [token.allows(right) for right in rights]

    assert {scope: allowed(scope) for scope in SCOPES} == {
        "read:packages": [True, False, False],
        "write:packages": [True, True, False],
        "delete:packages": [False, False, True],
    }


def test_a_token_is_worth_nothing_when_it_expired_or_was_revoked(accounts: Accounts, clock: Clock) -> None:
    short = accounts.issue("short", ["read:packages"], seconds=60)
    revoked = accounts.issue("revoked", ["read:packages"])
    accounts.revoke("revoked")

    assert accounts.find("short", short.secret, checks_user=True) == short
    clock.now += 60
    assert accounts.find("short", short.secret, checks_user=True) is None
    assert accounts.current("short") is None
    assert accounts.find("revoked", revoked.secret, checks_user=True) is None


def test_a_new_token_takes_the_place_of_the_old(accounts: Accounts) -> None:
    old = accounts.issue("robot", ["read:packages"])
    new = accounts.issue("robot", ["read:packages"])

    assert accounts.find("robot", old.secret, checks_user=True) is None
    assert accounts.find("robot", new.secret, checks_user=True) == new


def test_a_token_reaches_the_packages_it_is_for(accounts: Accounts) -> None:
    token = accounts.issue("robot", ["read:packages"], packages=["kubeflow/*"])

    assert token.reaches("kubeflow/spark-operator/controller")
    assert not token.reaches("other/app")


def test_token_files_are_for_their_owner_only(accounts: Accounts, tmp_path: Path) -> None:
    token = accounts.issue("robot", ["read:packages"])
    files = accounts.write(tmp_path / "tokens")

    assert files["robot"].read_text() == token.secret
    assert stat.S_IMODE(files["robot"].stat().st_mode) == 0o600
    assert stat.S_IMODE(files["robot"].parent.stat().st_mode) == 0o700


def test_no_repr_shows_a_token(accounts: Accounts) -> None:
    token = accounts.issue("robot", ["read:packages"])

    assert token.secret not in repr(token)
    assert accounts.secrets == [token.secret]


@pytest.mark.parametrize(
    ("user", "scope", "said"),
    [
        ("", "read:packages", "'' is not a valid user name"),
        ("../etc", "read:packages", "is not a valid user name"),
        ("robot", "admin", "unknown scope 'admin'"),
    ],
)
def test_wrong_names_are_refused(accounts: Accounts, user: str, scope: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        accounts.issue(user, [scope])


def test_who_has_no_token_is_named(accounts: Accounts) -> None:
    accounts.issue("robot", ["read:packages"])
    with pytest.raises(UsageError, match=r"'human' has no token\n  next: users with a token: robot"):
        accounts.revoke("human")


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_a_short_token_holds_what_was_granted_until_it_expires(form: str, clock: Clock) -> None:
    issuer = Issuer(form, "registry.example.com", 300, clock=clock)  # type: ignore[arg-type]
    access = Access(user="robot", grants={"a/b": frozenset({"pull", "push"})})
    token = issuer.issue(access)

    assert issuer.read(token) == access
    clock.now += 299
    assert issuer.read(token) == access
    clock.now += 1
    assert issuer.read(token) is None


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_the_tokens_of_another_registry_are_good_for_nothing(form: str, clock: Clock) -> None:
    ours, other = (Issuer(form, "registry.example.com", 300, clock=clock) for _ in range(2))  # type: ignore[arg-type]

    assert ours.read(other.issue(Access(user="robot", grants={}))) is None
    assert ours.read("") is None
    assert ours.read("a.b.c") is None


def test_docker_hubs_tokens_are_json_web_tokens_and_githubs_are_not(clock: Clock) -> None:
    access = Access(user="robot", grants={})

    assert Issuer("jwt", "s", 300, clock=clock).issue(access).count(".") == 2
    assert "." not in Issuer("opaque", "s", 300, clock=clock).issue(access)
