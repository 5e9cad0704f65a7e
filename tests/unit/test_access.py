# SPDX-License-Identifier: Apache-2.0
"""How a user gets at an engine: by distribution, socket and user, of which this machine has one each."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.host import access, packages


@pytest.mark.parametrize(
    ("release", "says"),
    [
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "apt-get install docker.io; then: sudo systemctl start docker"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install docker.io"),
        ({"ID": "fedora"}, "dnf install moby-engine"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install docker-ce"),
        ({"ID": "amzn", "ID_LIKE": "fedora"}, "dnf install docker;"),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "zypper install docker"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "pacman -S docker"),
        ({"ID": "alpine"}, "apk add docker"),
        ({"ID": "nixos"}, "virtualisation.docker.enable"),
        ({"ID": "void"}, "https://docs.docker.com/engine/install/"),
    ],
)
def test_the_command_is_that_of_the_distribution(
    release: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    monkeypatch.setattr(packages, "systemd_runs", lambda: True)

    assert says in access.how_to_install()


def test_an_engine_that_is_there_is_started_and_not_installed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "dockerd")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "systemd_runs", lambda: False)

    assert access.how_to_start("Cannot connect to the Docker daemon.") == "sudo service docker start"
    assert "WSL integration" in access.how_to_start("could not be found in this WSL 2 distro.")


@pytest.fixture
def problem(tmp_path: Path) -> Iterator[str]:
    """What docker says of a socket, a real one, that it may not use."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "d.sock"))
        yield f"permission denied while trying to connect to the docker API at unix://{tmp_path / 'd.sock'}"


@pytest.mark.parametrize(
    ("members", "groups", "says"),
    [
        ([], [100], "sudo usermod -aG docker me"),
        (["me"], [100], "newgrp docker"),
    ],
)
def test_a_member_has_to_log_in_and_others_to_become_one(
    members: list[str], groups: list[int], says: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _be(monkeypatch, uid=1000, gid=990, groups=groups)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: SimpleNamespace(gr_name="docker", gr_mem=members))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="me"))

    assert says in access.how_to_get_access(problem)


def test_users_without_names_are_in_a_container(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> object:
        raise KeyError(number)

    _be(monkeypatch, uid=1234, gid=990, groups=[1234])
    monkeypatch.setattr(grp, "getgrgid", unknown)

    assert "docker run --group-add 990" in access.how_to_get_access(problem)


def test_a_socket_of_roots_alone_needs_its_group_first(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the snap, which makes no group."""
    _be(monkeypatch, uid=1000, gid=0, groups=[1000])
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="me"))

    assert "groupadd --force docker && sudo usermod -aG docker me" in access.how_to_get_access(problem)


def test_root_is_not_sent_into_a_group(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _be(monkeypatch, uid=0, gid=0, groups=[0])

    assert "SELinux" in access.how_to_get_access(problem)


def test_a_socket_of_another_user_is_told() -> None:
    told = access.how_to_get_access("permission denied: dial unix:///no/such/docker.sock: connect")

    assert told.startswith("/no/such/docker.sock cannot be seen by this user")


@pytest.mark.parametrize(
    ("reached", "problem", "says"),
    [
        ("DOCKER_HOST=tcp://docker:2375", "Client sent an HTTP request to an HTTPS server.", "DOCKER_CERT_PATH"),
        ("DOCKER_HOST=tcp://docker:2375", "http: server gave HTTP response to HTTPS client", "unset DOCKER_TLS_VERIFY"),
        ("DOCKER_HOST=unix:///run/user/1000/docker.sock", "Cannot connect", "systemctl --user start docker"),
        ("DOCKER_CONTEXT=rootless", "Cannot connect", "systemctl --user start docker"),
        ("DOCKER_HOST=tcp://docker:2375", "no such host", "correct DOCKER_HOST"),
    ],
)
def test_the_way_to_a_named_engine(reached: str, problem: str, says: str) -> None:
    assert says in access.how_to_reach(reached, problem)


def _be(monkeypatch: pytest.MonkeyPatch, *, uid: int, gid: int, groups: list[int]) -> None:
    """Another user, and a socket of another group: the tests may run as root, which nothing is denied to."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getgroups", lambda: groups)
    monkeypatch.setattr(access, "_group_of", lambda path: gid if path.exists() else None)


def _program(file: Path) -> None:
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
