# SPDX-License-Identifier: Apache-2.0
"""Credentials for registries: read from Docker's configuration, written for nodes and pull secrets, never printed.

Secrets are passed in files of mode 0600 and on standard input; they never appear in argv or a repr.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from harness import causes, named_files, process
from harness.errors import CommandError, CommandTimeout, SettingsError, ToolError
from harness.home import docker_config
from harness.images.references import DOCKER_HUB, image_host

_HELPER_SECONDS = 20.0
# Docker Hub's credentials are filed under the address of its first API (docker/cli, config/types and registry/config).
_HUB_KEY = "https://index.docker.io/v1/"

DOCKER_CONFIG = "DOCKER_CONFIG"
_SAVED_ANEW = "correct it, or move it away and log in again: docker login"
# Some put a token in the place of the user, which is a secret then.
_SHOWN_USER = re.compile(r"(?!gh[a-z]_|github_pat_|gl[a-z]+-|dckr_|eyJ)[\w.@$+ /\\\[\]-]{1,64}")
_MARK = "\ufeff"
"""What editors of Windows put in front."""

# What old clients put behind a host (kubernetes/kubernetes, pkg/credentialprovider/keyring.go).
_VERSIONS = ("v1", "v2")

# What helpers say of a host that they do not know (github.com/docker/docker-credential-helpers, credentials/error.go,
# and the keychain of macOS). That a program or a profile is not found is another thing.
_UNKNOWN_HOST = re.compile(
    r"credentials? (was |were )?not found|not found in \S* ?keychain|not be found in the keychain"
)

# What Docker Desktop keeps of a login in a browser, for itself, beside the login (docker/cli, internal/oauth/manager).
_DESKTOPS = ("/access-token", "/refresh-token")


class Credentials(BaseModel):
    """A user name and password; or an identity token, which a token server exchanges; or a registry token, which is
    sent as it is. `origin` says where they were found, for messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = ""
    password: SecretStr = SecretStr("")
    identity_token: SecretStr = SecretStr("")
    registry_token: SecretStr = SecretStr("")
    origin: str = ""

    def basic(self) -> SecretStr:
        """The value of an `Authorization: Basic …` header."""
        return SecretStr(f"Basic {_encode(self.username, self.password)}")

    @property
    def has_password(self) -> bool:
        """Whether there is more than a token, which kubelet does not take from a pull secret, and which no Basic
        authentication has room for."""
        return bool(self.password.get_secret_value())

    @property
    def secrets(self) -> list[str]:
        """Every form in which the secret could appear in a log, for redaction."""
        plain = [it.get_secret_value() for it in (self.password, self.identity_token, self.registry_token)]
        encoded = [_encode(self.username, self.password)] if plain[0] else []
        return [word for word in (*plain, *encoded) if word]

    def __str__(self) -> str:
        """Whose login it is and where it was found, for messages: `me, by docker login`."""
        named = self.username if _SHOWN_USER.fullmatch(self.username) else "somebody"
        return named + (f", by {self.origin}" if self.origin else "")


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
    except UnicodeDecodeError as broken:
        raise SettingsError(f"{file} cannot be read: it is not text in UTF-8", _SAVED_ANEW) from broken
    except NotADirectoryError as broken:
        raise SettingsError(
            f"{file} cannot be read: {file.parent} is not a folder",
            f"have {DOCKER_CONFIG} name the folder that config.json is in",
        ) from broken
    except OSError as broken:
        raise SettingsError(
            f"{file} cannot be read: {broken.strerror or type(broken).__name__}",
            f"look at it (ls -ld {file}); it is to be a file that this user may read",
        ) from broken


def parse_config(text: str, where: str) -> Mapping[str, Any]:
    """The same of a text; an empty one has no logins, as for docker and podman. Raises SettingsError."""
    step = _SAVED_ANEW if not where.startswith("$") else 'it is to be the text of a config.json, {"auths": …}'
    try:
        config = json.loads(text.removeprefix(_MARK)) if text.strip() else {}
    except json.JSONDecodeError as broken:
        # The text is not quoted: it may hold a secret.
        at = f"there is a mistake in line {broken.lineno}, column {broken.colno}"
        raise SettingsError(f"{where} cannot be read as JSON: {at}", step) from broken
    except (ValueError, RecursionError) as broken:
        raise SettingsError(f"{where} cannot be read as JSON: {type(broken).__name__}", step) from broken
    if not isinstance(config, dict):
        raise SettingsError(f"{where} does not contain a JSON object", step)
    if not isinstance(config.get("auths") or {}, dict):
        raise SettingsError(f"{where}: auths is not a JSON object", step)
    return config


def from_config(config: Mapping[str, Any], where: str, host: str, repository: str = "") -> Credentials | None:
    """The credentials for a repository of a registry host, or for the host as a whole; None if there are none.

    As podman, crane and kubelet do, the longest key counts that the name begins with, `ghcr.io/acme/team` before
    `ghcr.io/acme` before `ghcr.io`. Raises SettingsError for a broken entry, CommandError when a helper fails.
    """
    entries = {
        key: _entry(it, where, key)
        for key, it in _mapping(config, "auths").items()
        if _host_of(key) == host and it and not key.endswith(_DESKTOPS)
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
            **({"registrytoken": token} if (token := it.registry_token.get_secret_value()) else {}),
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


def _entry(value: object, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(
            f"{where}: the entry of {key!r} is not a JSON object",
            'write {"auth": "…"}, with user:password in base64, or log in again',
        )
    return value


def _from_entry(entry: Mapping[str, Any], where: str, key: str) -> Credentials | None:
    identity, registry = (SecretStr(str(entry.get(it) or "")) for it in ("identitytoken", "registrytoken"))
    encoded = str(entry.get("auth") or "")
    if encoded:
        username, colon, password = _decoded(encoded)
        if not colon:
            raise SettingsError(f"{where}: the auth of {key!r} is not base64 of user:password", "log in again")
    else:
        username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    password = password.rstrip("\0")
    if not (password or identity.get_secret_value() or registry.get_secret_value()):
        return None
    # The key of a service account, which is a password at Google's registries, may end as files do.
    if password != password.rstrip("\r\n") and not password.startswith("{"):
        raise SettingsError(
            f"{where}: the password of {key!r} ends with a line end, which is sent as a part of it",
            "log in again, or encode it without: printf %s 'USER:PASSWORD' | base64 (not `echo`)",
        )
    return Credentials(
        username=username, password=SecretStr(password), identity_token=identity, registry_token=registry
    )


def _decoded(encoded: str) -> tuple[str, str, str]:
    """User, colon and password; without a colon where it is no base64 of that.

    As kubelet and crane do, also without the padding (kubernetes/kubernetes, pkg/credentialprovider/config.go), and
    with the line ends that `base64` prints in a long token.
    """
    joined = "".join(encoded.split()).rstrip("=")
    try:
        return base64.b64decode(joined + "=" * (-len(joined) % 4), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", "", ""


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
    except CommandTimeout as late:
        raise _helper_failed(program, host, f"it did not answer within {_HELPER_SECONDS:.0f} s") from late
    if asked.returncode != 0:
        if _UNKNOWN_HOST.search((asked.stdout + asked.stderr).lower()):
            return None
        raise _helper_failed(program, host, causes.told(asked.stderr or asked.stdout), asked.returncode)
    try:
        answer = json.loads(asked.stdout)
        username, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
    except (ValueError, AttributeError, RecursionError) as broken:
        # It is not quoted: it may hold a secret.
        why = "it printed no JSON object" if asked.stdout.strip() else "it printed nothing"
        raise _helper_failed(program, host, why) from broken
    if not secret:
        # Some helpers answer so to a host that they do not know, and docker goes on without a login.
        return None
    if username == "<token>":
        return Credentials(identity_token=SecretStr(secret))
    return Credentials(username=username, password=SecretStr(secret))


def _helper_failed(program: str, host: str, why: str, returncode: int = 0) -> CommandError:
    return CommandError(
        f"{program} could not return the credentials of {host}: {why}",
        f"log in again: docker login {host}; or, where {program} cannot work, take it out of Docker's config.json",
        returncode=returncode,
    )


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
