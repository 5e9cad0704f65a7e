# SPDX-License-Identifier: Apache-2.0
"""Credentials for registries: read from Docker's configuration, written for nodes and pull secrets, never printed.

Secrets are passed in files of mode 0600 and on standard input; they never appear in argv or a repr.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from harness import causes, named_files, process
from harness.errors import CommandError, SettingsError, ToolError
from harness.home import docker_config
from harness.images.references import DOCKER_HUB, image_host

_HELPER_SECONDS = 20.0
# Docker Hub's credentials are filed under the address of its first API (docker/cli, config/types and registry/config).
_HUB_KEY = "https://index.docker.io/v1/"

# What old clients put behind a host (kubernetes/kubernetes, pkg/credentialprovider/keyring.go).
_VERSIONS = ("v1", "v2")

# What Docker Desktop keeps of a login in a browser, for itself, beside the login (docker/cli, internal/oauth/manager).
_DESKTOPS = ("/access-token", "/refresh-token")


class Credentials(BaseModel):
    """A user name and password, or the identity token that some registries hand out instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = ""
    password: SecretStr = SecretStr("")
    identity_token: SecretStr = SecretStr("")

    def basic(self) -> SecretStr:
        """The value of an `Authorization: Basic …` header."""
        return SecretStr(f"Basic {_encode(self.username, self.password)}")

    @property
    def has_password(self) -> bool:
        """Whether there is more than an identity token, which kubelet does not take from a pull secret, and which no
        Basic authentication has room for."""
        return bool(self.password.get_secret_value())

    @property
    def secrets(self) -> list[str]:
        """Every form in which the secret could appear in a log, for redaction."""
        plain = [self.password.get_secret_value(), self.identity_token.get_secret_value()]
        encoded = [_encode(self.username, self.password)] if plain[0] else []
        return [word for word in (*plain, *encoded) if word]


def from_docker_config(host: str, folder: Path | None = None, *, repository: str = "") -> Credentials | None:
    """The credentials that `docker login` has stored for a registry host; None if there are none.

    `folder` holds config.json (default: $DOCKER_CONFIG, else ~/.docker). Credential helpers are asked too; one that is
    not installed knows nothing. Raises SettingsError when the file is broken, CommandError when a helper fails.
    """
    file = (folder or docker_config()) / "config.json"
    config = read_config(file)
    return None if config is None else from_config(config, str(file), host, repository)


def read_config(file: Path) -> Mapping[str, Any] | None:
    """The content of a file such as config.json; None where there is none. Raises SettingsError for a broken one."""
    try:
        return parse_config(named_files.text(file), str(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as broken:
        raise SettingsError(f"{file} cannot be read: {type(broken).__name__}", "log in again") from broken


def parse_config(text: str, where: str) -> Mapping[str, Any]:
    """The same of a text; an empty one has no logins, as for docker and podman. Raises SettingsError."""
    try:
        config = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as broken:
        # The text is not quoted: it may hold a secret.
        raise SettingsError(f"{where} cannot be read as JSON: {type(broken).__name__}", "log in again") from broken
    if not isinstance(config, dict):
        raise SettingsError(f"{where} does not contain a JSON object", "log in again: docker login")
    return config


def from_config(config: Mapping[str, Any], where: str, host: str, repository: str = "") -> Credentials | None:
    """The credentials for a repository of a registry host, or for the host as a whole; None if there are none.

    As podman, crane and kubelet do, the longest key counts that the name begins with, `ghcr.io/acme/team` before
    `ghcr.io/acme` before `ghcr.io`. Raises SettingsError for a broken entry, CommandError when a helper fails.
    """
    entries = {
        key: it
        for key, it in _mapping(config, "auths").items()
        if _host_of(key) == host and isinstance(it, dict) and not key.endswith(_DESKTOPS)
    }
    for namespace in namespaces_in(config, host, repository)[:-1]:
        for key, entry in entries.items():
            if _namespace_of(key) == namespace and (found := _from_entry(entry, where, key)):
                return found
    helpers = {_host_of(key): helper for key, helper in _mapping(config, "credHelpers").items()}
    helper = helpers.get(host, config.get("credsStore"))
    if helper:
        found = _ask_helper(str(helper), host)
        if found:
            return found
    # As docker (cli/config/credentials/file_store.go): the host itself before what merely begins with it, such as
    # `ghcr.io/team`, by which podman keeps the logins of namespaces.
    hosts = (_HUB_KEY if host == DOCKER_HUB else host, *(it for it in entries if not _namespace_of(it)))
    # An empty entry stands for a login that a helper has.
    named = (_from_entry(entries[it], where, it) for it in dict.fromkeys((*hosts, *entries)) if it in entries)
    return next((it for it in named if it), None)


def namespaces_in(config: Mapping[str, Any], host: str, repository: str) -> list[str]:
    """The parts of a repository that `auths` has keys for, longest first; the last one is empty, for the host."""
    keys = [key for key in _mapping(config, "auths") if _host_of(key) == host and not key.endswith(_DESKTOPS)]
    named = {_namespace_of(it) for it in keys} - {""}
    return [*sorted((it for it in named if f"{repository}/".startswith(f"{it}/")), key=len, reverse=True), ""]


def docker_config_json(credentials: Mapping[str, Credentials]) -> SecretStr:
    """The text of a `kubernetes.io/dockerconfigjson` Secret, and of config.json: registry host → credentials."""
    auths: dict[str, dict[str, str]] = {}
    for host, it in credentials.items():
        auths[_HUB_KEY if host == DOCKER_HUB else host] = {
            "username": it.username,
            "password": it.password.get_secret_value(),
            "auth": _encode(it.username, it.password),
            **({"identitytoken": token} if (token := it.identity_token.get_secret_value()) else {}),
        }
    return SecretStr(json.dumps({"auths": auths}))


def write_secret(file: Path, text: str) -> Path:
    """Write a file that only its owner can read, from the start."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(descriptor, 0o600)
        stream.write(text)
    return file


def _from_entry(entry: Mapping[str, Any], where: str, key: str) -> Credentials | None:
    token = SecretStr(str(entry.get("identitytoken") or ""))
    encoded = str(entry.get("auth") or "")
    if encoded:
        try:
            # As Go's decoder: what `base64` prints for a long token has line ends.
            joined = encoded.replace("\r", "").replace("\n", "")
            username, colon, password = base64.b64decode(joined, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise SettingsError(f"{where}: the auth of {key!r} is not base64 of user:password", "log in again")
    else:
        username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not (password or token.get_secret_value()):
        return None
    return Credentials(username=username, password=SecretStr(password.rstrip("\0")), identity_token=token)


def _ask_helper(helper: str, host: str) -> Credentials | None:
    """Ask a `docker-credential-…` program (github.com/docker/docker-credential-helpers: host in, JSON out)."""
    program = f"docker-credential-{helper}"
    try:
        asked = process.call(
            [program, "get"], stdin=_HUB_KEY if host == DOCKER_HUB else host, timeout=_HELPER_SECONDS, check=False
        )
    except ToolError:
        # As `docker pull`, which goes on without a login: the configuration often outlives the desktop that wrote it.
        return None
    if asked.returncode != 0:
        if "not found" in (asked.stdout + asked.stderr).lower():
            return None
        raise CommandError(
            f"{program} could not return the credentials of {host}: {causes.told(asked.stderr or asked.stdout)}",
            f"log in again: docker login {host}; or, where {program} cannot work, take it out of Docker's config.json",
            returncode=asked.returncode,
        )
    try:
        answer = json.loads(asked.stdout)
        username, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
    except (ValueError, AttributeError) as broken:
        raise SettingsError(
            f"{program} returned no credentials for {host}", f"log in again: docker login {host}"
        ) from broken
    if not secret:
        # Some helpers answer so to a host that they do not know, and docker goes on without a login.
        return None
    if username == "<token>":
        return Credentials(identity_token=SecretStr(secret))
    return Credentials(username=username, password=SecretStr(secret))


def _host_of(key: str) -> str:
    return image_host(key.split("://", 1)[-1].split("/", 1)[0])


def _namespace_of(key: str) -> str:
    """What follows the host in a key, `acme/team`; empty where that is the version of an API, `/v1/`."""
    rest = key.split("://", 1)[-1].partition("/")[2].strip("/")
    return "" if rest in _VERSIONS else rest


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _encode(username: str, password: SecretStr) -> str:
    return base64.b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
