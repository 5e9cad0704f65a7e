# SPDX-License-Identifier: Apache-2.0
"""Lets this machine's container engine pull from a mirror, with the login of the mirror map."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import causes, process
from harness.errors import CommandError, RegistryError
from harness.home import docker_config
from harness.images.credentials import Credentials, docker_config_json, write_secret
from harness.images.mirrors import Mirror, MirrorMap, mirrored
from harness.images.references import ImageReference
from harness.registries.push import Transfer

_INSPECT_SECONDS = 60.0


def from_mirror(reference: str, mirrors: MirrorMap, *, timeout: float) -> str:
    """Have the engine pull an image from its host's mirror, unless present; returns the local name of the image.

    Empty without a mirror for that host. The engine trusts a CA in its own certs.d, never the one of the
    mirror map, which no client can pass to it; it does not verify addresses in 127.0.0.0/8. Raises RegistryError.
    """
    name = mirrored(reference, mirrors)
    if not name:
        return ""
    there = process.call(["docker", "image", "inspect", name], timeout=_INSPECT_SECONDS, check=False)
    if there.returncode == 0:
        return name
    mirror = mirrors.mirrors[ImageReference.parse(reference).registry]
    server = name.split("/", 1)[0]
    with _login(server, mirror.credentials) as environment:
        try:
            process.call(["docker", "pull", "--quiet", name], timeout=timeout, env=environment)
        except CommandError as refused:
            raise _refused(reference, server, mirror, refused) from refused
    return name


def unpackable(client: Transfer, image: ImageReference, *, platform: str) -> str:
    """Why this machine's engine may not unpack an image that it has just failed to pull; empty for the usual layers.

    Docker 20.10 takes zstd for a broken tar ("invalid tar header", "unexpected EOF"); Docker 23 and containerd unpack
    it.
    """
    try:
        own = client.raw(image.repository, image.identifier)
        if own is not None and own.is_index:
            below = next((it["digest"] for it in own.content["manifests"] if _is_for(it, platform)), "")
            own = client.raw(image.repository, below) if below else None
    except RegistryError:
        # This only explains an error that is told anyway.
        return ""
    layers = (own.content.get("layers") or []) if own is not None else []
    if not any(str(it.get("mediaType", "")).endswith("+zstd") for it in layers):
        return ""
    return "its layers are compressed with zstd, which Docker before 23 cannot unpack: update the engine"


def _is_for(entry: Mapping[str, Any], platform: str) -> bool:
    named = entry.get("platform") or {}
    return f"{named.get('os')}/{named.get('architecture')}" == platform


@contextmanager
def _login(server: str, credentials: Credentials | None) -> Iterator[Mapping[str, str]]:
    """Environment in which docker has this login, and uses the engine of the user's own configuration."""
    if credentials is None:
        yield {}
        return
    own = docker_config()
    with tempfile.TemporaryDirectory(prefix="soh-login-") as scratch:
        config = json.loads(docker_config_json({server: credentials}).get_secret_value())
        context = _context(own)
        if context:
            config["currentContext"] = context
            (Path(scratch) / "contexts").symlink_to(own / "contexts")
        write_secret(Path(scratch) / "config.json", json.dumps(config))
        yield {"DOCKER_CONFIG": scratch}


def _context(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        # Without a configuration that can be read, docker uses its default engine.
        return ""
    return str(config.get("currentContext") or "") if isinstance(config, dict) else ""


def _refused(reference: str, server: str, mirror: Mirror, refused: CommandError) -> RegistryError:
    cause = causes.told(refused.stderr or refused.message)
    if "x509" in cause or "certificate" in cause:
        ca = mirror.ca or "the PEM file of its CA"
        step = f"make the engine trust the mirror: cp {ca} /etc/docker/certs.d/{server}/ca.crt"
    elif "HTTP response to HTTPS client" in cause:
        step = (
            f'have the engine ask the mirror without TLS: "insecure-registries": ["{server}"] in '
            "/etc/docker/daemon.json, and restart it"
        )
    else:
        step = f"try `docker pull {server}/…` manually, or use --source foundry"
    return RegistryError(f"the engine could not pull {reference} from the mirror {server}: {cause}", step)
