# SPDX-License-Identifier: Apache-2.0
"""Runs of the `harness` command on real clusters, started, disturbed and looked at from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from harness import waiting
from harness.evidence.ledger import short_run_id
from harness.process import RUN_VARIABLE
from harness.providers import network
from harness.report.writer import read

CELL = "kind-1.34/install-2.5.2/spark-pi"
OTHER_CELL = "k3d-1.34/install-2.5.2/spark-pi"
"""The same on the other provider."""

NODES = ("{cluster}-control-plane", "k3d-{cluster}-server-0")
"""What kind and k3d call the first node of a cluster."""


def docker(*words: str) -> list[str]:
    """The lines that docker prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@contextmanager
def reachable(name: str) -> Iterator[str]:
    """An address of this machine that every container reaches, whatever its network."""
    own = f"{name}-{os.getpid()}"
    docker("network", "create", own)
    try:
        yield network.gateway(own)
    finally:
        docker("network", "rm", own)


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

    def differences(self, before: Things) -> list[str]:
        """What is there now and was not before, and what was there and is gone."""
        told = []
        for kind in (it.name for it in fields(self)):
            now, then = getattr(self, kind), getattr(before, kind)
            told += [f"{kind}, new: {name}" for name in sorted(now - then)]
            told += [f"{kind}, gone: {name}" for name in sorted(then - now)]
        return told


def left_of(run_id: str, volumes: Collection[str] = ()) -> list[str]:
    """What there is of a run, in words: what has its id in its name, and volumes that were seen to be its."""
    there, short = Things.now(), short_run_id(run_id)
    found = [f"{it.name[:-1]} {name}" for it in fields(there) for name in getattr(there, it.name) if short in name]
    return sorted([*found, *(f"volume {name}" for name in there.volumes.intersection(volumes))])


class Run:
    """A `harness run` in the background. `started` are those of a test; what still goes on at its end is ended.

    Tests may run beside each other, so that a run is told by the names of what it makes, which have its id in them.
    """

    started: ClassVar[list[Run]] = []

    def __init__(
        self,
        folder: Path,
        *words: str,
        command: str = "run",
        cache: Path | None = None,
        program: Path | None = None,
    ) -> None:
        """`program` is the harness of an installation, which is run in the folder; else that of the checkout is.

        `command` is one that runs cells.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.reports = folder / "reports"
        self.log = folder / "run.log"
        self._volumes: set[str] = set()
        environment = {key: value for key, value in os.environ.items() if key != RUN_VARIABLE}
        environment |= {"HARNESS_REPORTS": str(self.reports), "KUBECONFIG": str(folder / "users-own")}
        environment |= {"HARNESS_CACHE": str(cache)} if cache else {}
        if program:
            environment.pop("PYTHONPATH", None)
        begin = [str(program)] if program else [sys.executable, "-m", "harness.cli"]
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*begin, command, *words],
                cwd=folder if program else None,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self.started.append(self)

    @property
    def said(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def id(self) -> str:
        """The run's id, once it has a report."""
        return str(self.results()["run_id"])

    def until_said(self, text: str, *, timeout: float = 180.0) -> None:
        """Wait until the run has printed this."""

        def look() -> str:
            said = self.said
            assert self.process.poll() is None or text in said, said
            return said

        waiting.until(look, lambda said: text in said, what=f"the run to say {text!r}", timeout=timeout)

    def until_node(self, number: int = 1) -> str:
        """Wait for the first node of the run's n-th cluster to run, and return its name."""

        def look() -> list[str]:
            assert self.process.poll() is None, self.said
            clusters = list(dict.fromkeys(re.findall(r"creating cluster (\S+)", self.said)))
            names = {name.format(cluster=it) for it in clusters[number - 1 : number] for name in NODES}
            return sorted(names & set(docker("ps", "--format", "{{.Names}}")))

        (node,) = waiting.until(look, what=f"the node of the run's cluster number {number}", timeout=180)
        # Without a name of their own: nothing tells later whose they were.
        self._volumes.update(docker("inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", node))
        return node

    def left(self) -> list[str]:
        """What there is of this run, in words. One without a report has not made anything yet."""
        if not (self.reports / "latest").exists():
            return []
        return left_of(self.id, self._volumes)

    def end(self, *, timeout: float = 420.0) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(timeout)

    def cells(self) -> list[Any]:
        """The results as they are on disk."""
        return list(read(self.reports / "latest" / "results.json").cells)

    def results(self) -> Any:
        """The raw results.json."""
        return json.loads((self.reports / "latest" / "results.json").read_text())
