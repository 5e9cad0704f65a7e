# SPDX-License-Identifier: Apache-2.0
"""Where programs keep the logins of this machine: docker, podman and its relatives, the environment of a CI job.

What each reads is from docker/cli (cli/config/configfile/file.go), containers/image (pkg/docker/config/config.go and
docs/containers-auth.json.5.md) and google/go-containerregistry (pkg/authn/keychain.go).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import CommandError
from harness.home import docker_config, user_home
from harness.images.credentials import (
    DOCKER_CONFIG,
    Credentials,
    from_config,
    namespaces_in,
    parse_config,
    read_config,
)

IN_ENVIRONMENT = "DOCKER_AUTH_CONFIG"
FILE_IN_ENVIRONMENT = "REGISTRY_AUTH_FILE"


@dataclass(frozen=True, kw_only=True)
class Store:
    """A place with logins. `origin` is for messages, `name` for those about its content, which is never quoted."""

    origin: str
    name: str
    config: Mapping[str, Any]


def find(host: str, repository: str = "") -> tuple[Credentials, str] | None:
    """The login for a repository of a registry host, or for the host as a whole, and its origin; None without one.

    The first place that has one counts; a credential helper that fails keeps no later place from being read. Raises
    SettingsError for a broken file, CommandError for a helper that fails where no place has a login.
    """
    failed: CommandError | None = None
    for it in _stores():
        try:
            found = from_config(it.config, it.name, host, repository)
        except CommandError as helper:
            failed = failed or helper
            continue
        if found:
            return found, it.origin
    if failed:
        raise failed
    return None


def namespace(host: str, repository: str) -> str:
    """The longest part of a repository for which a place has a login of its own (`acme/team`); empty without one."""
    return max((namespaces_in(it.config, host, repository)[0] for it in _stores()), key=len, default="")


def named_in_vain() -> str:
    """Which variable of the environment names a place that is not there, in words; empty without one."""
    file, folder = os.environ.get(FILE_IN_ENVIRONMENT, ""), os.environ.get(DOCKER_CONFIG, "")
    if file and not os.path.lexists(file):
        return f"{FILE_IN_ENVIRONMENT} names {file}, which is not there"
    if folder and not os.path.lexists(folder):
        return f"{DOCKER_CONFIG} names {folder}, which is not there"
    return ""


def _stores() -> Iterator[Store]:
    """Each place that is there, what the environment names before what programs write by default."""
    if text := os.environ.get(IN_ENVIRONMENT, "").strip():
        yield Store(origin=IN_ENVIRONMENT, name=f"${IN_ENVIRONMENT}", config=parse_config(text, f"${IN_ENVIRONMENT}"))
    named = os.environ.get(FILE_IN_ENVIRONMENT, "")
    if named and (config := read_config(Path(named))) is not None:
        yield Store(origin=FILE_IN_ENVIRONMENT, name=named, config=config)
    file = docker_config() / "config.json"
    if (config := read_config(file)) is not None:
        yield Store(origin="docker login", name=str(file), config=config)
    for file in () if named else _of_podman():
        # That of another user, whose XDG_RUNTIME_DIR outlived `su`, is nobody's business here.
        if os.access(file, os.R_OK) and (config := read_config(file)) is not None:
            yield Store(origin="podman login", name=str(file), config=config)


def _of_podman() -> Iterator[Path]:
    running = os.environ.get("XDG_RUNTIME_DIR", "")
    yield Path(running, "containers", "auth.json") if running else Path(f"/run/containers/{os.getuid()}/auth.json")
    configured, home = os.environ.get("XDG_CONFIG_HOME", ""), user_home()
    if configured:
        yield Path(configured, "containers", "auth.json")
    elif home:
        yield home / ".config" / "containers" / "auth.json"
