# SPDX-License-Identifier: Apache-2.0
"""The mirror map: the mirror of each registry host, and its configuration for containerd."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from harness import named_files
from harness.errors import SettingsError
from harness.home import expanded
from harness.images.credentials import Credentials, write_secret
from harness.images.references import DOCKER_HUB, HUB_SERVERS, PUBLIC_HOSTS, ImageReference, image_host

BLOCKED = "http://127.0.0.1:1/not-in-the-mirror-map"
"""The endpoint for registry hosts without a mirror: a port that refuses at once, and a self-explanatory name."""

CERTS_D = "/etc/containerd/certs.d"
"""Where kind's nodes have their hosts.toml files."""

K3S_FOLDER = "/etc/rancher/k3s"
"""Where k3s's nodes have their registries.yaml."""


_NONE: Mapping[str, str] = MappingProxyType({})
_HOST = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*")
_IN_LOWER_CASE = frozenset({*PUBLIC_HOSTS, *HUB_SERVERS, "quay.io", "gcr.io"})
"""Hosts that nobody writes with capitals in the name of an image. Those of a company's own may have some there."""


class Mirror(BaseModel):
    """A mirror of a registry host.

    `url` is what the nodes use (`http://registry-ghcr-io:5000`), `host_url` what this machine uses when that differs.
    `ca` is a PEM file that signs the server's certificate. The login goes to the server itself, and to a token server
    on another host only where `token_servers` names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    host_url: str = ""
    ca: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")
    token_servers: tuple[str, ...] = ()

    @field_validator("url", "host_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password:
            raise ValueError("it contains credentials; use the keys username and password")
        if not parts.netloc.isascii():
            raise ValueError(f"{parts.netloc!r} has letters that servers know in another form: {_in_ascii(parts)}")
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or not _is_plain(value)):
            raise ValueError(f"{value!r} is not a URL like https://mirror.example.com or http://127.0.0.1:5000")
        return value.rstrip("/")

    @field_validator("ca")
    @classmethod
    def _a_file(cls, value: Path | None) -> Path | None:
        return expanded(value) if value else None

    @field_validator("token_servers")
    @classmethod
    def _hosts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for it in values:
            if not _HOST.fullmatch(it):
                raise ValueError(f"{it!r} is not a host like auth.example.com or auth.example.com:8443")
        return tuple(map(str.lower, values))

    @field_validator("password")
    @classmethod
    def _as_it_is_sent(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        # The key of a service account, which is a password at Google's registries, may end as files do.
        if text != text.rstrip("\r\n") and not text.startswith("{"):
            raise ValueError("it ends with a line end, which would be sent as a part of it")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Mirror:
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("a login has both, username and password; where the token alone counts, any username does")
        if self.token_servers and not self.username:
            raise ValueError("token_servers may be sent the login, and there is none: give username and password, too")
        return self

    @property
    def reachable_url(self) -> str:
        """The address for this machine."""
        return self.host_url or self.url

    @property
    def credentials(self) -> Credentials | None:
        """The credentials for the server."""
        if not self.username and not self.password.get_secret_value():
            return None
        return Credentials(username=self.username, password=self.password, origin="the mirror map")


def _is_plain(url: str) -> bool:
    """Whether a path can be put behind it, and its port is one."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return False
    return port != 0 and not re.search(r"[?#\s]", url)


def _in_ascii(parts: SplitResult) -> str:
    """What to write for a host in the letters of another language, as DNS has it."""
    try:
        return f"write {parts.netloc.replace(parts.hostname or '', (parts.hostname or '').encode('idna').decode())}"
    except UnicodeError:
        return "write its name in DNS, xn--…"


def _registry_host(value: str) -> str:
    if value != value.lower() and value.lower() in _IN_LOWER_CASE:
        # Nodes look for the host as a name has it (containerd, docs/hosts.md): the row would serve no image.
        raise ValueError(f"images of {value} are named {value.lower()}/…: use that as the key")
    if not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is not a registry host like ghcr.io or registry.example.com:5000")
    if value == "index.docker.io":
        # A node looks into the folder docker.io for it; for registry-1.docker.io it has one of its own.
        raise ValueError(f"images of {value} are pulled as those of {DOCKER_HUB}: use that as the key")
    return value


def without_loops(mirrors: Mapping[str, Mirror]) -> Mapping[str, Mirror]:
    """The mirrors unchanged. Raises ValueError for a loop: such a map does not lead to any server.

    A host may map to itself if the row adds a login or a CA.
    """
    for start in mirrors:
        way = [start]
        while way[-1] in mirrors:
            mirror = mirrors[way[-1]]
            host = _server(urlsplit(mirror.url).netloc)
            if host == _server(way[-1]) and (mirror.credentials or mirror.ca):
                break
            if host in map(_server, way):
                shown = " → ".join((*way[[*map(_server, way)].index(host) :], host))
                raise ValueError(
                    f"the mirror map has a loop: {shown}; the url of a mirror must be that of another server"
                )
            way.append(host)
    return mirrors


def _server(host: str) -> str:
    """The host of image names that a server is asked for."""
    return image_host(host.lower())


RegistryHost = Annotated[str, AfterValidator(_registry_host)]
"""The host at the start of image names, with its port if it has one."""


class MirrorMap(BaseModel):
    """Registry host (`docker.io`, `ghcr.io`) → Mirror. Empty: nodes pull from the public registries.

    With `others_open`, hosts without a mirror are pulled from as usual; otherwise a map that is not empty closes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirrors: Mapping[RegistryHost, Mirror] = Field(default_factory=dict)
    others_open: bool = False

    @field_validator("mirrors")
    @classmethod
    def _no_loop(cls, value: Mapping[str, Mirror]) -> Mapping[str, Mirror]:
        return without_loops(value)

    def __bool__(self) -> bool:
        return bool(self.mirrors)

    @property
    def closes(self) -> bool:
        """Whether nothing is pulled from hosts without a mirror."""
        return bool(self) and not self.others_open

    @property
    def secrets(self) -> list[str]:
        """All secrets of the map, for redaction."""
        return [word for it in self.mirrors.values() if it.credentials for word in it.credentials.secrets]


def api_root(url: str) -> str:
    """The address under which the registry API begins: `<url>/v2`, unless the path begins with /v2 already.

    A path that goes on behind /v2 (`https://harbor.example.com/v2/proxy`) is a project of a proxying registry.
    """
    path = urlsplit(url).path.rstrip("/")
    return (
        url.rstrip("/") if path == "/v2" or path.startswith("/v2/") or path.endswith("/v2") else f"{url.rstrip('/')}/v2"
    )


def write_hosts(mirrors: MirrorMap, folder: Path, *, first: Mapping[str, str] = _NONE) -> Path:
    """Write `<host>/hosts.toml` for every mirror, to be mounted at CERTS_D, and return the folder.

    `first` has the addresses that are asked before the mirror of their host, or before the public registry, of which
    containerd takes the name from that of the folder where there is no `server` (docs/hosts.md).

    With a map that closes the others, `_default/hosts.toml` leads every other host to BLOCKED, and no `server` line
    names a public registry, so that nothing is pulled from outside the map. Without a mirror the folder stays empty.
    Keys on the top level belong to `server` (containerd, core/remotes/docker/config/hosts.go; docs/hosts.md). Raises
    SettingsError when a CA file cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for host in dict.fromkeys((*mirrors.mirrors, *first)):
        mirror = mirrors.mirrors.get(host)
        target = folder / host
        target.mkdir(parents=True, exist_ok=True)
        if mirror and mirror.ca:
            _copy_ca(host, mirror.ca, target / "ca.pem")
        _write_hosts_toml(target / "hosts.toml", mirror, first.get(host, ""))
    if mirrors.closes:
        _write_hosts_toml(folder / "_default" / "hosts.toml", Mirror(url=BLOCKED))
    return folder


def _write_hosts_toml(file: Path, mirror: Mirror | None, first: str = "") -> None:
    """Write it, and read it as containerd does, which tells a mistake in it in its own log alone and not by a pull."""
    address = mirror.url if mirror else first
    _write(file, hosts_toml(mirror, first), secret=mirror is not None and mirror.credentials is not None)
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as broken:
        raise SettingsError(
            f"no hosts.toml can be written for the mirror {address!r} of {file.parent.name}: {broken}",
            "write its url without control characters",
        ) from broken
    if read != hosts_settings(mirror, first):
        raise SettingsError(
            f"{file} does not say what the mirror map says of {address!r}", "report this as a bug of the harness"
        )


def hosts_settings(mirror: Mirror | None, first: str = "") -> Mapping[str, Any]:
    """What the hosts.toml of a host says: its mirror as `server`, and before that the address `first`.

    A CA is expected next to it as ca.pem.
    """
    asked = {"host": {(root := api_root(first)): _reading(root)}} if first else {}
    return {**(_server_settings(mirror) if mirror else {}), **asked}


def _reading(root: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
    if not root.endswith("/v2"):
        # containerd would append /v2 to any other path.
        settings["override_path"] = True
    return settings


def _server_settings(mirror: Mirror) -> dict[str, Any]:
    root = api_root(mirror.url)
    settings: dict[str, Any] = {"server": root, **_reading(root)}
    if mirror.ca:
        settings["ca"] = "ca.pem"
    if mirror.credentials:
        settings["header"] = {"Authorization": mirror.credentials.basic().get_secret_value()}
    return settings


def hosts_toml(mirror: Mirror | None, first: str = "") -> str:
    """The text of `hosts_settings`."""
    return "\n".join(_toml_lines(hosts_settings(mirror, first))).lstrip() + "\n"


def _toml_lines(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """The lines of a table, its own keys first."""
    yield from (f"{key} = {_quoted(it)}" for key, it in table.items() if not isinstance(it, Mapping))
    for key, it in table.items():
        if isinstance(it, Mapping):
            inner = f"{name}.{_quoted(key)}" if name else key
            if any(not isinstance(one, Mapping) for one in it.values()):
                yield from ("", f"[{inner}]")
            yield from _toml_lines(it, inner)


def mirrored(reference: str, mirrors: MirrorMap) -> str:
    """The name by which this machine's engine pulls an image from the mirror for its host; empty without a mirror."""
    name = ImageReference.parse(reference)
    mirror = mirrors.mirrors.get(name.registry)
    if mirror is None:
        return ""
    return f"{named_below(mirror.reachable_url)}/{name.canonical.removeprefix(f'{name.registry}/')}"


def named_below(url: str) -> str:
    """How names of images in a mirror begin, for clients that take names and not addresses: the engine, Helm.

    These put /v2 behind the host themselves (distribution specification, endpoints), so that the project ghcr at
    https://harbor.example.com/v2/ghcr is harbor.example.com/ghcr to them.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return parts.netloc + (path.removeprefix("/v2") if path == "/v2" or path.startswith("/v2/") else path)


def write_registries_yaml(
    mirrors: MirrorMap, folder: Path, *, first: Mapping[str, str] = _NONE, node_folder: str = K3S_FOLDER
) -> Path:
    """Write `registries.yaml` (mode 0600 when it holds a password) for k3s's nodes and return the file.

    `folder` is to be mounted, or copied, at `node_folder`; `first` is as in `write_hosts`. k3s takes the path of an
    endpoint as it is, and adds the public registry behind the mirrors unless it runs with
    `--disable-default-registry-endpoint` (docs.k3s.io, private registry configuration). Raises SettingsError when a CA
    file cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    endpoints: dict[str, Any] = {host: {"endpoint": [api_root(url)]} for host, url in first.items()}
    configs: dict[str, Any] = {}
    for host, mirror in mirrors.mirrors.items():
        endpoints.setdefault(host, {"endpoint": []})["endpoint"].append(api_root(mirror.url))
        config: dict[str, Any] = {}
        if mirror.credentials:
            config["auth"] = {"username": mirror.username, "password": mirror.password.get_secret_value()}
        if mirror.ca:
            name = f"{host.replace(':', '_')}-ca.pem"
            _copy_ca(host, mirror.ca, folder / name)
            config["tls"] = {"ca_file": f"{node_folder}/{name}"}
        if config:
            configs[urlsplit(mirror.url).netloc] = config
    if mirrors.closes:
        endpoints["*"] = {"endpoint": [BLOCKED]}
    document = {"mirrors": endpoints, "configs": configs} if configs else {"mirrors": endpoints}
    file = folder / "registries.yaml"
    _write(file, yaml.safe_dump(document, sort_keys=False), secret=any("auth" in it for it in configs.values()))
    return file


def _copy_ca(host: str, ca: Path, target: Path) -> None:
    try:
        if "BEGIN CERTIFICATE" not in named_files.text(ca, errors="replace"):
            raise SettingsError(f"the CA file {ca} of the mirror for {host} has no PEM certificate", "give a PEM file")
        shutil.copyfile(ca, target)
    except OSError as missing:
        raise SettingsError(
            f"the CA file {ca} of the mirror for {host} cannot be read: {missing.strerror}",
            f'correct the key ca of [mirrors."{host}"] in harness.toml',
        ) from missing


def _write(file: Path, text: str, *, secret: bool) -> None:
    if secret:
        write_secret(file, text)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)


def _quoted(value: object) -> str:
    # JSON of strings, lists of them and booleans is TOML, but for characters that TOML forbids in a string.
    return json.dumps(value, ensure_ascii=False)
