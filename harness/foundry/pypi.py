# SPDX-License-Identifier: Apache-2.0
"""Packages from the Python package index that the user has configured, fetched with pip and checked by their hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from harness import process
from harness.errors import BuildError, CommandError, ToolError

# What a user's pip.conf says of installing for people would contradict --target, or ask for an environment.
_ENVIRONMENT = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def source(package: str, version: str, sha256: str, folder: Path, log_file: Path, *, timeout: float) -> Path:
    """Fetch a source distribution into a folder that is made for it; `timeout` is in seconds.

    Raises ToolError without pip, BuildError when pip fails or the file is not the one that is asked for.
    """
    _require_pip(package)
    folder.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
    words = ["download", "--no-deps", f"--no-binary={package}", "--no-cache-dir"]
    _pip(
        [*words, f"--requirement={requirements}", f"--dest={folder}"], folder, f"{package} {version}", log_file, timeout
    )
    archive = folder / f"{package.replace('-', '_')}-{version}.tar.gz"
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise BuildError(
            f"{archive.name} has SHA-256 {found}, expected {sha256}", "the package index serves a different file"
        )
    return archive


def install(requirements: Path, folder: Path, log_file: Path, *, timeout: float) -> None:
    """Install pinned packages as they are built for this Python, below a folder; `timeout` is in seconds.

    Raises ToolError without pip, BuildError when pip fails.
    """
    _require_pip(requirements.name)
    words = ["install", "--require-hashes", "--only-binary=:all:", "--no-deps", "--no-compile"]
    argv = [*words, f"--requirement={requirements}", f"--target={folder}"]
    _pip(argv, folder.parent, f"the packages of {requirements}", log_file, timeout)


def _require_pip(wanted: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ToolError(
            f"pip is not installed for {sys.executable}; it is needed to fetch {wanted}",
            f"{sys.executable} -m ensurepip",
        )


def _pip(words: list[str], scratch: Path, what: str, log_file: Path, timeout: float) -> None:
    try:
        process.call(
            [sys.executable, "-m", "pip", *words],
            # Both a download and pip's look at its metadata may unpack some hundred megabytes.
            env={**_ENVIRONMENT, "TMPDIR": str(scratch)},
            timeout=timeout,
            log_file=log_file,
        )
    except CommandError as error:
        raise BuildError(
            f"pip could not fetch {what}: {error.message}",
            f"see {log_file}; check the package index: pip config list",
        ) from error
