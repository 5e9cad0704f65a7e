# SPDX-License-Identifier: Apache-2.0
"""Removes what dockerd leaves in this host's network when it exits: bridges and packet filter rules."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.process import call

_TIMEOUT = 30.0
_BRIDGE = "docker0"
_FILTERS = (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore"))


class Before(BaseModel):
    """The network before the first start: whether another engine had left its traces, and FORWARD's policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bridge: bool
    chains: bool
    forward: str


def remember(file: Path, path: str) -> None:
    """Record the state of the network, unless that was done before. `path` is the search path for programs."""
    if file.exists():
        return
    rules = _rules(_FILTERS[0][0], path)
    before = Before(
        bridge=_exists(_BRIDGE),
        chains=any(line.startswith(":DOCKER ") for line in rules),
        forward=next((line.split()[1] for line in rules if line.startswith(":FORWARD ")), "ACCEPT"),
    )
    file.write_text(before.model_dump_json())


def restore(file: Path, bridges: Iterable[str], path: str) -> None:
    """Remove these bridges, docker0 and Docker's packet filter rules, except what was there before."""
    try:
        before = Before.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return
    ours = [*bridges, *([] if before.bridge else [_BRIDGE])]
    program = shutil.which("ip", path=path)
    for bridge in ours:
        if program and _exists(bridge):
            call([program, "link", "delete", bridge], timeout=_TIMEOUT, check=False)
    if before.chains:
        return
    for save, put_back in _FILTERS:
        rules = _rules(save, path)
        kept = without_docker(rules, ours, before.forward)
        target = shutil.which(put_back, path=path)
        if target and kept != rules:
            call([target], timeout=_TIMEOUT, stdin="\n".join(kept) + "\n")


def without_docker(rules: Iterable[str], bridges: Iterable[str], forward: str) -> list[str]:
    """Lines of iptables-save without Docker's chains, without rules that lead to them or name one of the bridges.

    `forward` is the policy that FORWARD gets back: dockerd sets DROP.
    """
    names = set(bridges)
    kept = []
    for line in rules:
        words = line.split()
        if any(word.lstrip(":").startswith("DOCKER") for word in words) or names.intersection(words):
            continue
        kept.append(f":FORWARD {forward} {words[2]}" if line.startswith(":FORWARD ") and words[1] == "DROP" else line)
    return kept


def _rules(program: str, path: str) -> list[str]:
    found = shutil.which(program, path=path)
    if found is None:
        return []
    dump = call([found], timeout=_TIMEOUT, check=False).stdout
    return [line for line in dump.splitlines() if not line.startswith("#")]


def _exists(interface: str) -> bool:
    return any(name == interface for _, name in socket.if_nameindex())
