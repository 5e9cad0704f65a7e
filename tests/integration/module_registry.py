# SPDX-License-Identifier: Apache-2.0
"""A Go module registry made of files, for tests that let the real Go command ask it and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

ENVIRONMENT = {"GONOSUMDB": "*", "GOTOOLCHAIN": "local"}
"""Beside GOPROXY, which is the folder's file:// address."""


def publish(folder: Path, module: str, version: str, go_mod: str, files: dict[str, str], *, commit: str = "") -> None:
    """Put a version of a module into the registry. `commit` is what the registry says of its tag."""
    target = folder / module / "@v"
    target.mkdir(parents=True, exist_ok=True)
    text = f"module {module}\n\n{go_mod}"
    origin = {"Origin": {"VCS": "git", "Hash": commit}} if commit else {}
    (target / f"{version}.info").write_text(json.dumps({"Version": version, **origin}))
    (target / f"{version}.mod").write_text(text)
    with zipfile.ZipFile(target / f"{version}.zip", "w") as archive:
        for name, content in {"go.mod": text, **files}.items():
            archive.writestr(f"{module}@{version}/{name}", content)
