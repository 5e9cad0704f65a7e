# SPDX-License-Identifier: Apache-2.0
"""pyhelm3's client with its command lines run by harness.process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyhelm3
import semver
from pyhelm3.command import Command

from harness import process
from harness.releases.charts import Chart
from harness.releases.helm import NEUTRAL, explained, version_of


class HelmCommand(Command):  # type: ignore[misc]
    """pyhelm3's command lines, run by harness.process."""

    def __init__(
        self,
        binary: Path,
        kubeconfig: Path | None,
        *,
        seconds: float,
        stop: threading.Event | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        super().__init__(executable=str(binary), kubeconfig=kubeconfig)
        self._seconds = seconds
        self._stop = stop
        self._flags = flags

    async def run(self, command: Sequence[Any], input: bytes | None = None) -> bytes:
        argv = [self._executable, *(str(word) for word in command), *self._flags]
        if self._kubeconfig:
            argv += ["--kubeconfig", str(self._kubeconfig)]
        # The loop belongs to this one call, so that blocking it keeps nobody waiting.
        done = process.call(argv, timeout=self._seconds, env=NEUTRAL, stdin=input, check=False, stop=self._stop)
        if done.returncode != 0:
            raise explained(argv[1:], done.stderr or done.stdout)
        return done.stdout.encode()

    def chart_of(self, chart: Chart) -> pyhelm3.Chart:
        """The chart in pyhelm3's words. Chart.yaml has been read already: asking Helm again would cost a process."""
        return pyhelm3.Chart(self, ref=str(chart.path), metadata=dict(chart.metadata))

    def client_version(self) -> semver.Version:
        return version_of(self._executable)


def client(
    binary: Path,
    kubeconfig: Path | None,
    *,
    seconds: float,
    stop: threading.Event | None = None,
    flags: Sequence[str] = (),
) -> tuple[pyhelm3.Client, HelmCommand]:
    """A client for one call, and what runs it."""
    command = HelmCommand(binary, kubeconfig, seconds=seconds, stop=stop, flags=flags)
    return pyhelm3.Client(command, executable=str(binary)), command
