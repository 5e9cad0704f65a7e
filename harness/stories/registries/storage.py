# SPDX-License-Identifier: Apache-2.0
"""Puts images of one registry's storage into another's, under other names too, without a copy of their content.

The layout is that of the distribution server's file system driver (distribution, registry/storage/paths.go): small
`link` files name digests, and each blob is one file, to which a symbolic link leads here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UnavailableError
from harness.images import media_types

_ROOT = Path("docker/registry/v2")


def stored_repositories(storage: Path) -> list[str]:
    """The repositories that a storage has, sorted."""
    root = storage / _ROOT / "repositories"
    return sorted(str(it.parent.relative_to(root)) for it in root.rglob("_manifests"))


def share(source: Path, repository: str, target: Path, name: str = "") -> None:
    """Put a repository of `source` into the storage `target`, under `name` when that differs; tags add up.

    Raises UnavailableError when it is not there.
    """
    origin = _repository(source, repository)
    if not (origin / "_manifests").is_dir():
        raise UnavailableError(f"{source} has no repository {repository}", "run `nox -s bootstrap`")
    into = _repository(target, name or repository)
    for part in ("_manifests", "_layers"):
        shutil.copytree(origin / part, into / part, dirs_exist_ok=True)
    for digest in _digests(into):
        blob, wanted = _blob(source, digest), _blob(target, digest)
        if blob.exists() and not wanted.exists():
            wanted.parent.mkdir(parents=True, exist_ok=True)
            wanted.symlink_to(blob.resolve())


def restamp(storage: Path, repository: str, tag: str, new_tag: str, *, label: str) -> str:
    """Add an image that is another one to every registry and node, though its layers are the same; its digest.

    It is the image of `tag` for the first platform, with `label` in its configuration: a node that has the layers
    still has to ask for manifest and configuration. Raises UnavailableError when there is no such tag.
    """
    link = _repository(storage, repository) / "_manifests" / "tags" / tag / "current" / "link"
    if not link.is_file():
        raise UnavailableError(f"{storage} has no image {repository}:{tag}", "run `nox -s bootstrap`")
    manifest = _read(storage, link.read_text().strip())
    if manifest.get("mediaType") in media_types.INDEXES or "manifests" in manifest:
        manifest = _read(storage, manifest["manifests"][0]["digest"])
    config = _read(storage, manifest["config"]["digest"])
    config.setdefault("config", {}).setdefault("Labels", None)
    config["config"]["Labels"] = {**(config["config"]["Labels"] or {}), "spark-operator-harness.stamp": label}
    written = json.dumps(config).encode()
    digest = _write(storage, written)
    manifest["config"] = {**manifest["config"], "digest": digest, "size": len(written)}
    folder = _repository(storage, repository)
    _link(folder / "_layers", digest)
    made = _write(storage, json.dumps(manifest).encode())
    _link(folder / "_manifests" / "revisions", made)
    _link(folder / "_manifests" / "tags" / new_tag / "index", made)
    current = folder / "_manifests" / "tags" / new_tag / "current" / "link"
    current.parent.mkdir(parents=True, exist_ok=True)
    current.write_text(made)
    return made


def _repository(storage: Path, name: str) -> Path:
    return storage / _ROOT / "repositories" / name


def _blob(storage: Path, digest: str) -> Path:
    kind, _, value = digest.partition(":")
    return storage / _ROOT / "blobs" / kind / value[:2] / value / "data"


def _digests(repository: Path) -> Iterator[str]:
    for folder in (repository / "_manifests" / "revisions", repository / "_layers"):
        for link in folder.rglob("link"):
            yield link.read_text().strip()


def _read(storage: Path, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_blob(storage, digest).read_bytes())
    return found


def _write(storage: Path, content: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    file = _blob(storage, digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return digest


def _link(folder: Path, digest: str) -> None:
    kind, _, value = digest.partition(":")
    link = folder / kind / value / "link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.write_text(digest)
