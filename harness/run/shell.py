# SPDX-License-Identifier: Apache-2.0
"""`harness shell`: a shell, or one command, in a cluster that was kept, or in one of its nodes."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from harness import process, providers
from harness.errors import ClusterError, CommandError, HostError, UsageError
from harness.providers.base import Provider, ProviderTools
from harness.run.kept import KeptCluster

_PROBE_SECONDS = 15.0
_NODE_SECONDS = 600.0


def listing(kept: Sequence[KeptCluster]) -> Table:
    """The kept clusters as a table."""
    table = Table(title="Kept clusters", title_justify="left")
    for name in ("run", "cluster", "environment", "age", "cells"):
        table.add_column(name, overflow="fold")
    for it in kept:
        table.add_row(it.run_id, it.cluster.name, it.cluster.environment.name, _age(it.age()), "\n".join(it.cells))
    return table


def open_shell(kept: KeptCluster, cell: str, command: Sequence[str] = ()) -> int:
    """Become a shell with kubectl, helm, KUBECONFIG and the cell's namespace set, or the command, run likewise.

    Does not return when that succeeds: the status is the shell's or the command's. Raises ClusterError when the
    cluster is gone, UsageError when there is no such command.
    """
    _require_answer(kept)
    variables = surroundings(kept, cell)
    if not command:
        print(told(kept, cell), file=sys.stderr, flush=True)
    words = list(command) or [os.environ.get("SHELL") or "bash"]
    return _become(words, variables)


def open_node(kept: KeptCluster, node: str = "", command: Sequence[str] = ()) -> int:
    """Become a shell in a node (the first when not named), or run a command there and return its status.

    Raises UsageError when the cluster has no such node.
    """
    nodes = kept.cluster.nodes
    wanted = node or nodes[0]
    if wanted not in nodes:
        raise UsageError(f"{kept.cluster.name} has no node {wanted}", f"its nodes are: {', '.join(nodes)}")
    provider = _provider(kept)
    if command:
        done = provider.node_exec(kept.cluster, wanted, command, timeout=_NODE_SECONDS)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode
    return _become(shlex.split(provider.shell_hint(dataclasses.replace(kept.cluster, nodes=(wanted,)))), {})


def surroundings(kept: KeptCluster, cell: str) -> dict[str, str]:
    """The variables that the shell gets. Raises ClusterError when the cluster's kubeconfig is gone."""
    folder = kept.cluster.kubeconfig.parent
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, path in kept.tools.items():
        link = programs / name
        if name in ("kubectl", "helm") and not link.is_symlink():
            link.symlink_to(path)
    return {
        "KUBECONFIG": str(_kubeconfig(kept, kept.cells[cell], folder / f"{cell.rpartition('/')[2]}.kubeconfig")),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def told(kept: KeptCluster, cell: str) -> str:
    """What is where, for whoever gets a shell."""
    others = sorted(namespace for it, namespace in kept.cells.items() if it != cell)
    cluster = kept.cluster
    lines = [
        f"cluster {cluster.name} of {cluster.environment.name}, kept {_age(kept.age())} ago by run {kept.run_id}",
        f"  nodes:      {', '.join(cluster.nodes)}",
        f"  release:    {kept.release} in namespace {kept.release_namespace}",
        f"  namespace:  {kept.cells[cell]}, of {cell}; it is the current one",
        *([f"  others':    {', '.join(others)}"] if others else []),
        f"  remove it:  {kept.remove}",
        "kubectl and helm are those of the run. Leave with exit.",
    ]
    return "\n".join(lines)


def _require_answer(kept: KeptCluster) -> None:
    argv: list[str | Path] = [kept.tools["kubectl"], "--kubeconfig", kept.cluster.kubeconfig, "--request-timeout=10s"]
    try:
        process.call([*argv, "get", "--raw", "/version"], timeout=_PROBE_SECONDS)
    except (CommandError, HostError, OSError) as silent:
        said = silent.message if isinstance(silent, CommandError | HostError) else str(silent)
        raise ClusterError(
            f"cluster {kept.cluster.name} of run {kept.run_id} was kept and does not answer any more: {said}",
            f"remove what is left of it: {kept.remove}",
        ) from silent


def _kubeconfig(kept: KeptCluster, namespace: str, target: Path) -> Path:
    """A copy of the cluster's kubeconfig in which this namespace is the current one."""
    try:
        document: dict[str, Any] = yaml.safe_load(kept.cluster.kubeconfig.read_text())
    except OSError as gone:
        raise ClusterError(
            f"the kubeconfig of {kept.cluster.name} cannot be read: {gone}", f"remove the cluster: {kept.remove}"
        ) from gone
    for entry in document["contexts"]:
        if entry["name"] == document["current-context"]:
            entry["context"]["namespace"] = namespace
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(document, sort_keys=False))
    return target


def _provider(kept: KeptCluster) -> Provider:
    return providers.named(kept.cluster.environment.provider)(ProviderTools(programs=kept.tools))


def _become(words: Sequence[str], variables: dict[str, str]) -> int:
    """Replace this process, so that terminal, signals and status are the program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, **variables}
    try:
        os.execvpe(words[0], list(words), environment)  # noqa: S606 - the user's own words, as in their shell
    except OSError as missing:
        raise UsageError(f"{words[0]} cannot be run: {missing.strerror}", "check the command after --") from missing


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
