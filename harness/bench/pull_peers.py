# SPDX-License-Identifier: Apache-2.0
"""The same image pulled by other programs on this machine: crane, skopeo and docker, beside the node's own times."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.bench.pull_images import Pulled
from harness.errors import HarnessError
from harness.registries.front.server import Front

_PULL_SECONDS = 300.0
_CALL_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A program that pulls; `pull` returns seconds and leaves nothing behind. Without it, `why` it cannot be used."""

    name: str
    pull: Callable[[Front, Pulled, Path], float] | None = None
    why: str = ""


def peers(crane: Path) -> list[Peer]:
    """The peers, those that cannot be used with the reason."""
    skopeo = shutil.which("skopeo")
    return [
        Peer(name="crane pull", pull=lambda front, image, folder: _crane(crane, front, image, folder)),
        Peer(name="docker pull", pull=_docker),
        Peer(name="skopeo copy", pull=lambda front, image, folder: _skopeo(str(skopeo), front, image, folder))
        if skopeo
        else Peer(name="skopeo copy", why="skopeo is not on PATH; Debian has it: apt-get install skopeo"),
    ]


def _crane(crane: Path, front: Front, image: Pulled, folder: Path) -> float:
    """Fetches the blobs into an OCI layout, and unpacks nothing."""
    return _timed(
        [crane, "pull", "--format", "oci", image.on(front.address), folder / "crane"],
        folder / "crane",
        {"SSL_CERT_FILE": str(front.ca), "DOCKER_CONFIG": str(folder / "no-login")},
    )


def _skopeo(skopeo: str, front: Front, image: Pulled, folder: Path) -> float:
    """Fetches the blobs into a folder, and unpacks nothing."""
    certs = folder / "skopeo-certs"
    certs.mkdir(exist_ok=True)
    shutil.copyfile(front.ca, certs / "ca.crt")
    source, target = f"docker://{image.on(front.address)}", f"dir:{folder / 'skopeo'}"
    (folder / "skopeo").mkdir()
    argv: list[str | Path] = [skopeo, "copy", "--insecure-policy", "--src-cert-dir", certs, source, target]
    return _timed(argv, folder / "skopeo", {"REGISTRY_AUTH_FILE": str(folder / "no-login.json")})


def _timed(argv: list[str | Path], into: Path, env: Mapping[str, str]) -> float:
    try:
        return process.call(argv, timeout=_PULL_SECONDS, env=env).seconds
    finally:
        shutil.rmtree(into, ignore_errors=True)


def _docker(front: Front, image: Pulled, folder: Path) -> float:
    """The engine of this machine fetches and unpacks; it takes TLS from 127.0.0.1 without checking it."""
    reference = image.on(front.address)
    env = {"DOCKER_CONFIG": str(folder / "no-login")}
    try:
        done = process.call(["docker", "pull", reference], timeout=_PULL_SECONDS, env=env)
        if "Already exists" in done.stdout:
            raise HarnessError(f"the engine already had layers of {reference}, so its pull was not cold")
        return done.seconds
    finally:
        process.call(["docker", "rmi", "--force", reference], timeout=_CALL_SECONDS, check=False)
