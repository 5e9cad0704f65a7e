# SPDX-License-Identifier: Apache-2.0
"""The wheel as users install it: by the real pipx and uv, with its dependencies from a package index."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("installers")]

CELL = "kind-1.34/install-2.5.2/spark-pi"
_UNREACHABLE = re.compile(r"(?i)connection|resolution|timed out|no matching distribution")


@dataclass(frozen=True)
class Installers:
    """An environment with pipx and uv, and the home of a user who has nothing else."""

    folder: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Where they put what they make: below that home."""
        index = {name: value for name, value in os.environ.items() if re.match("PIP_|UV_|SSL_|LANG|https?_proxy", name)}
        shown = f"{self.folder / 'bin'}:{self.home / 'bin'}:{os.defpath}"
        own = {"HOME": str(self.home), "PIPX_HOME": str(self.home / "pipx"), "PIPX_BIN_DIR": str(self.home / "bin")}
        return {**index, **own, "UV_CACHE_DIR": str(self.folder / "cache"), "PATH": shown, "COLUMNS": "200"}

    def run(self, *words: str, cwd: Path) -> str:
        """What a command prints that succeeds."""
        done = subprocess.run(words, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> Installers:
    root = tmp_path_factory.mktemp("installers")
    made = Installers(root / "venv", root / "home")
    made.home.mkdir()
    venv.create(made.folder, with_pip=True)
    argv = [str(made.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "pipx", "uv"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"needs a package index: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return made


def listed(text: str) -> list[str]:
    """The cells of `harness matrix --json`."""
    return [cell["id"] for cell in json.loads(text)]


def test_pipx_installs_one_command_that_works_in_any_folder_and_uninstalls_it(
    installers: Installers, wheel: Path, empty: Path
) -> None:
    installers.run("pipx", "install", "--python", sys.executable, str(wheel), cwd=empty)

    assert [path.name for path in (installers.home / "bin").iterdir()] == ["harness"]
    assert listed(installers.run("harness", "matrix", "--json", "--cell", CELL, cwd=empty)) == [CELL]
    # pytest is in the same environment, though pipx shows only the harness's own command.
    collected = installers.run("harness", "run", "--cell", CELL, "--collect-only", cwd=empty)
    assert f"<CellItem {CELL}>" in collected

    installers.run("pipx", "uninstall", "spark-operator-harness", cwd=empty)
    assert list((installers.home / "bin").iterdir()) == []
    assert list(empty.iterdir()) == []


def test_uvx_runs_the_command_without_an_installation(installers: Installers, wheel: Path, empty: Path) -> None:
    argv = ("uvx", "--python", sys.executable, "--from", str(wheel), "harness", "matrix", "--json", "--cell", CELL)

    assert listed(installers.run(*argv, cwd=empty)) == [CELL]
    assert not (installers.home / "bin" / "harness").exists()
    assert list(empty.iterdir()) == []
