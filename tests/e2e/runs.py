# SPDX-License-Identifier: Apache-2.0
"""Runs of the `harness` command on real clusters, started, disturbed and looked at from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness import waiting
from harness.process import RUN_VARIABLE
from harness.report.writer import read

CELL = "kind-1.34/install-2.5.2/spark-pi"


def docker(*words: str) -> list[str]:
    """The lines that docker prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@dataclass(frozen=True)
class Things:
    """What there is in the container engine and the temporary folder."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    folders: frozenset[str]

    @classmethod
    def now(cls) -> Things:
        """Look."""
        return cls(
            containers=frozenset(docker("ps", "--all", "--format", "{{.Names}}")),
            networks=frozenset(docker("network", "ls", "--format", "{{.Name}}")),
            volumes=frozenset(docker("volume", "ls", "--format", "{{.Name}}")),
            folders=frozenset(str(path) for path in Path("/tmp").glob("soh-2*")),  # noqa: S108 - where mkdtemp puts them
        )


class Run:
    """A `harness run` in the background. `started` are those of a test; what still goes on at its end is ended."""

    started: ClassVar[list[Run]] = []

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.reports = folder / "reports"
        self.log = folder / "run.log"
        environment = {key: value for key, value in os.environ.items() if key != RUN_VARIABLE}
        environment |= {"HARNESS_REPORTS": str(self.reports), "KUBECONFIG": str(folder / "users-own")}
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harness.cli", "run", *words],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self.started.append(self)

    def until_said(self, text: str, *, timeout: float = 180.0) -> None:
        """Wait until the run has printed this."""

        def look() -> str:
            said = self.log.read_text(errors="replace")
            assert self.process.poll() is None or text in said, said
            return said

        waiting.until(look, lambda said: text in said, what=f"the run to say {text!r}", timeout=timeout)

    def until_container(self, part: str, before: Things, *, but: str = "") -> str:
        """Wait for a running container of this run, another one than `but`, and return its name."""

        def look() -> list[str]:
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            names = docker("ps", "--format", "{{.Names}}")
            return [name for name in names if part in name and name not in (*before.containers, but)]

        return waiting.until(look, what=f"a container with {part} in its name", timeout=180)[0]

    def end(self, *, timeout: float = 420.0) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(timeout)

    def cells(self) -> list[Any]:
        """The results as they are on disk."""
        return list(read(self.reports / "latest" / "results.json").cells)

    def results(self) -> Any:
        """The raw results.json."""
        return json.loads((self.reports / "latest" / "results.json").read_text())
