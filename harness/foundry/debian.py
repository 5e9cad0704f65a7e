# SPDX-License-Identifier: Apache-2.0
"""Debian base systems by mmdebstrap, as the lowest layer of an image."""

from __future__ import annotations

import os
import shlex
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from harness import process
from harness.errors import ToolError
from harness.foundry import emulated, recorded
from harness.foundry.assemble import foreign
from harness.foundry.layers import Compression, LayerWriter, write_layer
from harness.foundry.recorded import Drift
from harness.foundry.store import Artifact, Recipe, Store
from harness.foundry.supply import debs, describe
from harness.foundry.supply.subjects import PACKAGES
from harness.images.architecture import architecture
from harness.matrix.rows import Model

_BUILD_SECONDS = 1800.0
_EMULATED_SECONDS = 3600.0
# Without this hook the package usrmerge is installed, and with it all of Perl (mmdebstrap(1), "merged-usr").
_MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
# What a container engine puts there itself, or what must not be the same in every container.
_LEFT_OUT = ("dev", "proc", "sys", "run", "tmp", "var/cache", "var/log", "var/lib/apt/lists")
# Before apt's lists are removed: what they say of each installed package, with the SHA-256 of its file.
_RECORDS = "packages.txt"
_SHOW = f"dpkg-query --show --showformat '${{binary:Package}}=${{Version}}\\n' | xargs apt-cache show > /{_RECORDS}"
_EMPTY_FILES = ("etc/machine-id", "etc/hostname", "etc/resolv.conf")


class User(Model):
    """A system user, and a group of the same name and number."""

    name: str
    id: int
    home: str


class BaseSystem(Model):
    """A Debian base system. `exclude` and `keep` are patterns of dpkg's path-exclude and path-include."""

    name: str
    suite: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    user: tuple[User, ...] = ()


def recipe(base: BaseSystem, goarch: str = "") -> Recipe:
    """The inputs of a base layer, apart from the state of the Debian mirror on the day of its build."""
    inputs = {"base": base.model_dump_json(), "suite": base.suite, **foreign(goarch)}
    return Recipe(kind="layer", name=base.name, inputs=inputs)


def build(store: Store, base: BaseSystem, goarch: str = "") -> Artifact:
    """The base system as a layer, with apt's records of its packages beside it, for this or another architecture.

    Raises BuildError that names the log, also for packages that must not go in (`harness.foundry.recorded`).
    """

    def make(folder: Path, log_file: Path) -> None:
        tree = folder / "rootfs.tar"
        make_tarball(base, tree, log_file, goarch)
        found = debs.contents(debs.status_in(tree), (folder / PACKAGES).read_text(), base.suite).components
        drift = recorded.drift(base.name, goarch or architecture(), found, recorded.systems())
        recorded.require(drift, exactly=store.packages == "recorded")
        write_layer(folder, "layer", lambda layer: copy_tarball(tree, layer), compression=Compression.FAST)
        tree.unlink()

    return store.build(recipe(base, goarch), make)


def drift(store: Store, base: BaseSystem) -> Drift:
    """How the packages of the stored base system differ from those on record; nothing when it is not stored."""
    artifact = store.get(recipe(base))
    if artifact is None:
        return Drift(system=base.name)
    return recorded.drift(base.name, architecture(), describe.note(artifact.folder).components, recorded.systems())


def make_tarball(base: BaseSystem, target: Path, log_file: Path, goarch: str = "") -> None:
    """Write the base system as an uncompressed tarball, and apt's records of its packages beside it.

    Package sources and keys are those of this host where it is a Debian of the same suite, else Debian's own mirror.
    Raises ToolError when mmdebstrap is missing, or what runs another architecture's programs, CommandError when it
    fails.
    """
    if shutil.which("mmdebstrap") is None:
        raise ToolError(
            "mmdebstrap was not found; it is needed to build Debian base systems", "apt-get install mmdebstrap"
        )
    argv: list[str | Path] = ["mmdebstrap", "--variant=minbase", f"--include={','.join(base.packages)}"]
    seconds = _BUILD_SECONDS
    if foreign(goarch):
        # mmdebstrap looks for a handler of the host, and not for one of its own namespace.
        argv = [*emulated.prefix(goarch), *argv, "--mode=root", f"--architectures={goarch}", "--skip=check/qemu"]
        seconds = _EMULATED_SECONDS
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in base.exclude]
    argv += [f"--dpkgopt=path-include={pattern}" for pattern in base.keep]
    # Java's package fails where the folder that it links its manual pages into was left out.
    argv.append('--setup-hook=mkdir -p "$1/usr/share/man/man1"')
    if _MERGED_USR.is_dir():
        argv.append(f"--hook-dir={_MERGED_USR}")
    for user in base.user:
        argv.append(f'--customize-hook=chroot "$1" groupadd --system --gid {user.id} {user.name}')
        options = f"--uid {user.id} --gid {user.id} --home-dir {user.home} --shell /usr/sbin/nologin"
        argv.append(f'--customize-hook=chroot "$1" useradd --system {options} {user.name}')
    argv += [
        f'--customize-hook=chroot "$1" sh -ec {shlex.quote(_SHOW)}',
        f"--customize-hook=download /{_RECORDS} {shlex.quote(str(target.with_name(PACKAGES)))}",
        f'--customize-hook=rm "$1/{_RECORDS}"',
    ]
    process.call(
        [*argv, base.suite, target],
        env={"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0")},
        timeout=seconds,
        log_file=log_file,
    )


def copy_tarball(tree: Path, layer: LayerWriter) -> None:
    """Copy a base system into a layer, without device nodes, caches and host-specific files."""
    with tarfile.open(tree) as source:
        for member in source:
            path = str(PurePosixPath(member.name))
            if path == "." or member.isdev() or any(path.startswith(f"{folder}/") for folder in _LEFT_OUT):
                continue
            if path in _EMPTY_FILES:
                member.size = 0
                layer.member(path, member, None)
                continue
            layer.member(path, member, source.extractfile(member) if member.isreg() else None)
