# SPDX-License-Identifier: Apache-2.0
"""Nodes that are containers of the local engine: listed by label, inspected, and described when they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import process
from harness.errors import HarnessError

ENGINE_SECONDS = 60.0
"""Timeout of one call to the engine."""

UNCONFINED = ("--security-opt", "label=disable")
"""For containers that read folders of this machine, which an engine that uses SELinux, as Fedora's does, would not let
them. Elsewhere it changes nothing."""

_LAST_LINES = 15
_LOOKED_AT = 500
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# k3d's entrypoint asks for the node every three seconds until it is there, and kubectl says each time why it is not.
_NOISE = re.compile(r"memcache\.go:|The connection to the server localhost:8080 was refused")


def labelled(label: str, value: str) -> tuple[str, ...]:
    """Names of the containers with this label, including stopped ones. Raises CommandError."""
    argv = ["docker", "ps", "--all", "--filter", f"label={label}={value}", "--format", "{{.Names}}"]
    return tuple(sorted(process.call(argv, timeout=ENGINE_SECONDS).stdout.split()))


def execute(node: str, argv: Sequence[str], *, timeout: float = ENGINE_SECONDS) -> process.Completed:
    """Run a command in a node. Does not raise on a status other than 0."""
    return process.call(["docker", "exec", node, *argv], timeout=timeout, check=False)


def save(node: str, target: Path, argv: Sequence[str] = ()) -> None:
    """Write the output of a command in a node or, without one, the node's console into a file."""
    words = ["docker", "exec", node, *argv] if argv else ["docker", "logs", node]
    process.call(words, timeout=ENGINE_SECONDS, check=False, log_file=target)


def restart(node: str) -> None:
    """Restart a node, as after a power failure of the machine. Raises CommandError."""
    process.call(["docker", "restart", "--time", "10", node], timeout=ENGINE_SECONDS)


def kill(node: str) -> None:
    """Stop a node at once, as when its power fails. Raises CommandError."""
    process.call(["docker", "kill", node], timeout=ENGINE_SECONDS)


def start(node: str) -> None:
    """Start a node that was stopped. Raises CommandError."""
    process.call(["docker", "start", node], timeout=ENGINE_SECONDS)


def limit(nodes: Sequence[str], *, cpus: int = 0, memory_mib: int = 0) -> None:
    """Let each node use so much of the host, at most; 0 is no limit. Raises CommandError."""
    limits = [f"--cpus={cpus}"] if cpus else []
    if memory_mib:
        limits += [f"--memory={memory_mib}m", f"--memory-swap={memory_mib}m"]
    if limits:
        process.call(["docker", "update", *limits, *nodes], timeout=ENGINE_SECONDS)


def remove(nodes: Sequence[str]) -> None:
    """Remove containers with their anonymous volumes. Raises CommandError."""
    if nodes:
        process.call(["docker", "rm", "--force", "--volumes", *nodes], timeout=ENGINE_SECONDS)


def last_words(nodes: Callable[[], Sequence[str]], save_logs: Callable[[], None]) -> str:
    """Save the nodes' logs and return the ends of their consoles, for the report of a failed creation."""
    lines: list[str] = []
    try:
        save_logs()
        for node in nodes():
            argv = ["docker", "logs", "--tail", str(_LOOKED_AT), node]
            said = process.call(argv, timeout=ENGINE_SECONDS, check=False)
            told = [line for line in (said.stdout + said.stderr).splitlines() if not _NOISE.search(line)]
            lines += [f"  {node} | {line}" for line in told[-_LAST_LINES:]]
    except HarnessError as lost:
        lines.append(f"  the nodes' logs cannot be read: {lost.message}")
    return "\n".join(lines) if lines else "  no node container was created"


def without_colours(text: str) -> str:
    """Text without terminal colours, which k3d writes even without a terminal."""
    return _COLOUR.sub("", text)


def cgroup_v1() -> bool:
    """Whether this host uses cgroup v1."""
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()
