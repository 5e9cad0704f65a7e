# SPDX-License-Identifier: Apache-2.0
"""Helm 3 and Helm 4: `helm upgrade --install`, `helm rollback`, `helm uninstall`."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.matrix.model import ValuesMode, WayName
from harness.releases.helm import Helm
from harness.releases.ways.protocol import USUALLY, InstalledRelease, On, Options, Programs, Put

_FLAGS: Mapping[ValuesMode, tuple[str, ...]] = {
    "default": (),
    "reuse": ("--reuse-values",),
    "reset-then-reuse": ("--reset-then-reuse-values",),
    "pinned-registry": (),
}

_TAKE_OWNERSHIP = "--take-ownership"
"""From Helm 3.17 on; without it Helm refuses objects that it has not made."""

_FORCED = ("--server-side=true", "--force-conflicts")
"""The latter alone is refused where an earlier revision was applied by the client."""


class ByHelm:
    """One Helm. The usual way has the one that the host offers, the others name theirs."""

    tools: Sequence[str]
    brings_crds = False

    def __init__(self, name: WayName) -> None:
        self.name = name
        self.tools = () if name == "helm" else (name,)

    def put(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """`helm upgrade --install`."""
        helm = self._helm(on)
        # Only a takeover depends on the Helm, and only then is it asked which it is.
        flags = _flags(options, four=_takes_over(options) and helm.version.startswith("4."))
        made = helm.install_or_upgrade(
            it.chart, it.name, it.namespace, it.values, timeout=timeout, flags=flags, stop=stop
        )
        return Put(revision=made.number, said=made.description)

    def back(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """`helm rollback`. Helm leaves CRDs as they are."""
        made = self._helm(on).rollback(it.name, it.namespace, it.revision, timeout=timeout, stop=stop)
        return Put(revision=made.number, said=made.description)

    def remove(self, on: On, it: InstalledRelease, *, timeout: float) -> None:
        """`helm uninstall`. The certificate Secret, Leases and CRDs stay, as upstream means it."""
        self._helm(on).uninstall(it.name, it.namespace, timeout=timeout)

    def objects(self, on: On, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        """`helm get manifest`."""
        return self._helm(on).manifest(it.name, it.namespace)

    def told_put(self, it: InstalledRelease, options: Options = USUALLY) -> str:
        """The command of an install or an upgrade."""
        where = ("--namespace", it.namespace, "--values", "values.yaml")
        verb, flags = "install" if it.first else "upgrade", _flags(options, four=self.name == "helm4")
        return shlex.join([self._program, verb, it.name, it.chart.path.name, *where, *flags])

    def told_back(self, it: InstalledRelease) -> str:
        """The command of a rollback."""
        return shlex.join([self._program, "rollback", it.name, str(it.revision), "--namespace", it.namespace])

    def program(self, programs: Programs) -> Path:
        """The Helm of this way. Raises ToolError where the run has not asked for it."""
        return programs.helm if self.name == "helm" else programs.other(self.name)

    @property
    def _program(self) -> str:
        """What a user types for it: `helm`, and where two of them are used, which."""
        return self.name

    def _helm(self, on: On) -> Helm:
        return Helm(self.program(on.programs), on.cluster.kubeconfig)


def _flags(options: Options, *, four: bool) -> tuple[str, ...]:
    """Helm's options. What another way has made it takes over, and Helm `four` the fields of kubectl, too."""
    taking: tuple[str, ...] = ()
    if _takes_over(options):
        taking = (_TAKE_OWNERSHIP, *_FORCED) if four else (_TAKE_OWNERSHIP,)
    return (*_FLAGS[options.values], *taking, *options.flags)


def _takes_over(options: Options) -> bool:
    """Whether another way has made what is there."""
    return options.over is not None and not options.over_helm
