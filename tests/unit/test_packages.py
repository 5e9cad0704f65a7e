# SPDX-License-Identifier: Apache-2.0
"""Debian packages: what is missing, how apt is asked, and what is said where apt may not be used.

apt, dpkg and javac are stand-ins: a test must not install anything on the machine that it runs on.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.host import packages


class Debian:
    """A folder that is all of PATH, with stand-ins that note what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "asked"
        self.log = folder / "log"
        self.program("dpkg-query", "echo gcc installed; echo mmdebstrap config-files")
        self.program("apt-cache", "for name in $KNOWN; do echo Package: $name; done")
        self.program("apt-get", f'echo "$@" >>{self.asked}; exit ${{APT_STATUS:-0}}')

    def program(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What apt-get was asked for: `update`, or the packages."""
        lines = self.asked.read_text().splitlines() if self.asked.exists() else []
        return [line.partition("DPkg::Lock::Timeout=120 ")[2] for line in lines]


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Debian:
    monkeypatch.setenv("PATH", str(tmp_path))
    # The file that keeps services from starting is the host's: this test's apt starts none.
    monkeypatch.setattr(packages, "_POLICY", tmp_path / "policy-rc.d")
    return Debian(tmp_path)


def test_only_what_is_not_installed_is_missing(debian: Debian) -> None:
    assert packages.missing(["gcc", "mmdebstrap", "pkg-config"]) == ["mmdebstrap", "pkg-config"]


def test_nothing_is_asked_of_apt_when_nothing_is_missing(debian: Debian) -> None:
    packages.install([], log_file=debian.log, progress=lambda line: None)

    assert debian.calls == []


def test_known_packages_are_installed_without_fetching_the_lists(
    debian: Debian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWN", "gcc mmdebstrap")

    packages.install(["mmdebstrap"], log_file=debian.log, progress=lambda line: None)

    assert debian.calls == ["install --no-install-recommends mmdebstrap"]


def test_unknown_packages_make_it_fetch_the_lists_first(debian: Debian) -> None:
    said: list[str] = []

    packages.install(["mmdebstrap"], log_file=debian.log, progress=said.append)

    assert debian.calls == ["update", "install --no-install-recommends mmdebstrap"]
    assert said == ["fetching the package lists", "installing mmdebstrap"]


def test_what_came_onto_the_host_is_noted_with_its_hash(debian: Debian) -> None:
    installed = debian.folder / "installed"
    installed.write_text("gcc=12 installed\nold=1 config-files\n")
    cat, new = shutil.which("cat", path=os.defpath), "mmdebstrap=1.3 installed\\nlibx:amd64=2 installed"
    debian.program("dpkg-query", f"{cat} {installed}")
    debian.program("apt-get", f'[ "$7" = install ] && printf "{new}\\n" >>{installed}; exit 0')
    record = f"Package: mmdebstrap\\nVersion: 1.3\\nDescription: x\\nSHA256: {'a' * 64}\\n\\nPackage: libx\\nVersion: 1"
    debian.program("apt-cache", f'printf "{record}\\n"')

    packages.install(["mmdebstrap"], log_file=debian.log, progress=lambda line: None)

    noted = json.loads((debian.folder / "log.json").read_text())
    assert [(it["name"], it["version"], it["sha256"]) for it in noted] == [
        ("libx:amd64", "2", ""),
        ("mmdebstrap", "1.3", "a" * 64),
    ]


def test_a_failure_names_packages_and_log(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APT_STATUS", "100")

    with pytest.raises(HostError, match="installing the Debian packages mmdebstrap failed") as caught:
        packages.install(["mmdebstrap"], log_file=debian.log, progress=lambda line: None)
    assert str(debian.log) in caught.value.next_step


def test_services_are_kept_from_starting_only_meanwhile(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "systemd_runs", lambda: False)
    policy = debian.folder / "policy-rc.d"
    debian.program("apt-get", f"[ -x {policy} ] && echo kept >>{debian.asked}")

    packages.install(["docker.io"], log_file=debian.log, progress=lambda line: None)

    assert debian.asked.read_text().split() == ["kept", "kept"]
    assert not policy.exists()


def test_a_policy_of_the_host_stays(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "systemd_runs", lambda: False)
    policy = debian.folder / "policy-rc.d"
    policy.write_text("the host's own")

    packages.install(["docker.io"], log_file=debian.log, progress=lambda line: None)

    assert policy.read_text() == "the host's own"


def test_an_ordinary_user_is_told_what_to_install(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(HostError, match="mmdebstrap") as caught:
        packages.ensure_build_packages(log_file=debian.log, progress=lambda line: None)
    assert "sudo apt-get install" in caught.value.next_step
    assert "openjdk-17-jdk-headless" in caught.value.next_step
    assert debian.calls == []


@pytest.mark.parametrize(
    ("answer", "version"), [("javac 17.0.15", 17), ("javac 21", 21), ("javac 1.8.0_402", 1), ("oops", 0)]
)
def test_javac_versions(debian: Debian, answer: str, version: int) -> None:
    debian.program("javac", f"echo {answer}")

    assert packages.javac_version() == version


def test_the_jdk_is_one_that_the_distribution_has(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWN", "openjdk-21-jdk-headless")

    assert "openjdk-21-jdk-headless" in packages.missing_build_packages()


def test_a_jdk_on_path_is_enough(debian: Debian) -> None:
    debian.program("javac", "echo javac 21.0.2")

    assert "openjdk-17-jdk-headless" not in packages.missing_build_packages()


def test_debians_keys_come_along_where_apt_does_not_trust_them(
    debian: Debian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Ubuntu, where mmdebstrap would have no key for the base systems' suite."""
    trusted = tmp_path / "trusted.gpg.d"
    trusted.mkdir()
    monkeypatch.setattr(packages, "_TRUSTED", trusted)
    assert {"debian-archive-keyring", "gpg"} <= {*packages.missing_build_packages()}

    (trusted / "debian-archive-bookworm-stable.asc").touch()
    assert "gpg" not in packages.missing_build_packages()


def test_a_policy_that_a_killed_bootstrap_left_goes(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "systemd_runs", lambda: False)
    policy = debian.folder / "policy-rc.d"
    policy.write_text(packages._NO_STARTS)

    packages.install(["docker.io"], log_file=debian.log, progress=lambda line: None)

    assert not policy.exists()
