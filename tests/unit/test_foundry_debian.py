# SPDX-License-Identifier: Apache-2.0
"""What of a base system becomes a layer."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from harness.foundry import debian
from harness.foundry.layers import write_layer


def a_tarball(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in ("./", "./dev/", "./etc/", "./tmp/"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_700_000_000
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_caches_devices_and_identities_stay_out(tmp_path: Path) -> None:
    tree = a_tarball(
        tmp_path / "rootfs.tar",
        {
            "./etc/machine-id": b"0123",
            "./etc/passwd": b"root",
            "./var/cache/apt/pkgcache.bin": b"cache",
            "./var/lib/apt/lists/mirror": b"list",
            "./var/lib/dpkg/status": b"Package: bash",
        },
    )
    layer = write_layer(tmp_path, "layer", lambda writer: debian.copy_tarball(tree, writer))
    with tarfile.open(layer.file) as archive:
        sizes = {member.name: member.size for member in archive}
        times = {member.mtime for member in archive}
    assert sizes == {
        "dev": 0,
        "etc": 0,
        "tmp": 0,
        "etc/machine-id": 0,
        "etc/passwd": 4,
        "var/lib/dpkg/status": 13,
    }
    assert times == {0}


def test_another_package_makes_another_layer() -> None:
    base = debian.BaseSystem(name="base", suite="bookworm", packages=("bash",))
    other = base.model_copy(update={"packages": ("bash", "tini")})
    assert debian.recipe(base).key != debian.recipe(other).key
