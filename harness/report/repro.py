# SPDX-License-Identifier: Apache-2.0
"""The command that a cell of a report is run again with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.invocation import here


def repro(
    cell_id: str,
    *,
    lock: str,
    values: Sequence[str] = (),
    key: str = "",
    apps: str = "",
    before: str = "",
    existing: Sequence[str] = (),
    operator: Sequence[str] = (),
    config: str = "",
) -> str:
    """The one command that runs this cell again from its lock.

    `values` are files with values that a lock must not store, below `key` where there is one, `apps` a folder of such
    applications, `before` one of such manifests, `existing` the options that say which existing cluster it is and what
    may be done in it, `operator` what was given as the operator under test, and its chart, and `config` the file with
    the settings, which say where images come from and where the lock is. Where neither cache nor reports have the lock,
    as on another machine, pass the evidence folder or its bundle instead of the digest.
    """
    words = ["--cell", cell_id, "--lock", lock]
    for file in values:
        words += ["--values", file]
    if key:
        words += ["--values-key", key]
    if apps:
        words += ["--apps", apps]
    if before:
        words += ["--before", before]
    words += existing
    for option, given in zip(("--operator", "--chart"), operator, strict=False):
        words += [option, given] if given else []
    if config:
        words += ["--config", config]
    return here(f"nox -s e2e -- {shlex.join(words)}")
