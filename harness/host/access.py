# SPDX-License-Identifier: Apache-2.0
"""How a user gets at a container engine on this very system: by its distribution, its socket, and who the user is."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import shutil
from pathlib import Path

from harness.host import packages
from harness.host.dockerd import SOCKET

_OF_PROBLEM = re.compile(r"unix://(/[^\s:\"']+)")
_INSTALL = {
    "debian": "apt-get install docker.io",
    "ubuntu": "apt-get install docker.io",
    "rhel": "dnf install docker-ce, from Docker's repository (https://docs.docker.com/engine/install/rhel/)",
    "centos": "dnf install docker-ce, from Docker's repository (https://docs.docker.com/engine/install/centos/)",
    "ol": "dnf install docker-ce, from Docker's repository (https://docs.docker.com/engine/install/rhel/)",
    "amzn": "dnf install docker",
    "fedora": "dnf install moby-engine",
    "suse": "zypper install docker",
    "opensuse": "zypper install docker",
    "arch": "pacman -S docker",
    "alpine": "apk add docker",
}
"""Of ID and ID_LIKE in os-release(5), the first that is known. RHEL and its likes have no engine of their own, and
Fedora's package has Docker's as moby-engine."""

_DESKTOP = "switch on this distribution: Settings, Resources, WSL integration"
_NIXOS = "set virtualisation.docker.enable = true in configuration.nix, then: sudo nixos-rebuild switch"


def how_to_install() -> str:
    """The words for whoever has no engine."""
    system = platform.system()
    if system == "Darwin":
        return "install Docker Desktop, or: brew install colima docker && colima start --cpu 4 --memory 8"
    if system == "Windows":
        return "install Docker Desktop with its WSL 2 backend, and run the harness inside WSL"
    kinds = _kinds()
    if "nixos" in kinds:
        return _NIXOS
    known = next((_INSTALL[it] for it in kinds if it in _INSTALL), "")
    if not known:
        return "install Docker Engine (https://docs.docker.com/engine/install/) and start it"
    by_us = "as root `nox -s bootstrap` installs it; or: " if shutil.which("apt-get") else ""
    return f"{by_us}sudo {known}; then: {_start()}"


def how_to_start(problem: str) -> str:
    """The words for whoever has an engine that does not run, which says this."""
    if "wsl" in problem.lower():
        return f"in Docker Desktop, {_DESKTOP}; or: {how_to_install()}"
    if Path("/snap/bin/docker").exists():
        return "sudo snap start docker"
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return _start() if shutil.which("dockerd", path=search) else how_to_install()


def how_to_replace_podman() -> str:
    """The words for whoever has Podman under Docker's name."""
    manager = next((it for it in ("dnf", "zypper", "apt-get") if shutil.which(it)), "")
    away = f"sudo {manager} remove podman-docker; then: " if manager else ""
    return f"{away}{how_to_install()}"


def how_to_get_access(problem: str) -> str:
    """The words for whoever may not use the engine's socket, by the problem that docker tells."""
    named = _OF_PROBLEM.search(problem)
    socket = Path(named[1]) if named else SOCKET
    group = _group_of(socket)
    if group is None:
        return f"{socket} cannot be seen by this user: correct DOCKER_HOST or docker's context, which name it"
    if os.geteuid() == 0:
        return (
            f"this user is root, so something else guards {socket}: SELinux (for a container, docker run "
            "--security-opt label=disable), AppArmor, or a user namespace"
        )
    try:
        name = grp.getgrgid(group).gr_name
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        # A container with the socket of its host: the groups and users of that have no names in it.
        return f"start this container with the group of {socket}: docker run --group-add {group}"
    if group == 0:
        return (
            f"the socket {socket} is root's alone: sudo groupadd --force docker && sudo usermod -aG docker {user}, "
            "restart the engine, and log in again"
        )
    if user in grp.getgrgid(group).gr_mem and group not in os.getgroups():
        return f"{user} is in the group {name}, but was not at login: log in again, or, for one shell: newgrp {name}"
    return f"add the user to the group {name} and log in again: sudo usermod -aG {name} {user}"


def how_to_reach(reached: str, problem: str) -> str:
    """The words for whoever has named an engine that does not answer but tells this."""
    variable, _, value = reached.partition("=")
    if "to an HTTPS server" in problem or "certificate" in problem:
        return "that engine wants TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, with its port for TLS (2376)"
    if "HTTP response to HTTPS client" in problem:
        return "that port is one without TLS: unset DOCKER_TLS_VERIFY, or name the port for TLS (2376)"
    if value.startswith("unix:///run/user/") or value == "rootless":
        return "start this user's engine: systemctl --user start docker"
    if variable == "DOCKER_HOST":
        return "correct DOCKER_HOST, or unset it to use this machine's own engine"
    return f"start the engine of the context {value}, or use this machine's own: docker context use default"


def _start() -> str:
    if packages.systemd_runs():
        return "sudo systemctl start docker"
    return "sudo rc-service docker start" if shutil.which("rc-service") else "sudo service docker start"


def _group_of(path: Path) -> int | None:
    try:
        return path.stat().st_gid
    except OSError:
        return None


def _kinds() -> list[str]:
    """The distribution, and those that it is like, the nearest first."""
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        return []
    return [it.split("-")[0] for it in (told.get("ID", ""), *told.get("ID_LIKE", "").split())]
