# SPDX-License-Identifier: Apache-2.0
"""The wheel of this checkout, and an environment that has it and no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.settings import PROJECT_ROOT

_EACH = """
import contextlib, io, json, sys
from harness import cli

said = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(words)
    said.append((status, out.getvalue(), err.getvalue()))
json.dump(said, sys.stdout)
"""


def built(kind: str, folder: Path, source: Path = PROJECT_ROOT) -> Path:
    """The wheel or sdist of a source tree, built by the backend that pyproject.toml names, without any index."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(argv, cwd=source, check=True, capture_output=True, timeout=120)
    (file,) = (it for it in folder.iterdir() if it.suffix == (".whl" if kind == "wheel" else ".gz"))
    return file


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A virtual environment with the wheel, which takes everything else from the environment of the tests."""

    folder: Path
    home: Path

    @classmethod
    def of(cls, wheel: Path, folder: Path) -> Installation:
        """Install the wheel as pip does, offline."""
        environment = folder / "venv"
        venv.create(environment, with_pip=False)
        made = cls(folder=environment, home=folder / "home")
        made.home.mkdir()
        (made.packages / "of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
        argv = [sys.executable, "-m", "pip", "--python", str(made.program("python")), "install"]
        # What is imported is compiled where PYTHONPYCACHEPREFIX says, so that a second time here would be for nothing.
        argv += ["--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", str(wheel)]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
        return made

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    def program(self, name: str) -> Path:
        """One of its programs."""
        return self.folder / "bin" / name

    def environment(self, **more: str) -> dict[str, str]:
        """What a new user has: a home, no settings, and nothing of the checkout."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPYCACHEPREFIX")}
        return {**kept, "HOME": str(self.home), "COLUMNS": "200", **more}

    def harness(
        self, *words: str, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run its `harness` in a folder."""
        argv = [str(self.program("harness")), *words]
        env = self.environment(**(environment or {}))
        return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)

    def each(self, *commands: Sequence[str], cwd: Path) -> list[subprocess.CompletedProcess[str]]:
        """Run several of its commands in one process, since most of what each takes is the start of its own."""
        argv = [str(self.program("python")), "-c", _EACH, json.dumps(commands)]
        env = self.environment()
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        results = zip(commands, json.loads(done.stdout), strict=True)
        return [subprocess.CompletedProcess(words, *result) for words, result in results]
