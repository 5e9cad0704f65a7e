# SPDX-License-Identifier: Apache-2.0
"""Removes what dockerd leaves in this host's network when it exits: bridges, packet filter rules, kernel settings.

Only what dockerd itself has changed goes back, and only where nobody has changed it again since.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.host import firewall
from harness.process import call

_TIMEOUT = 30.0
_BRIDGE = "docker0"
_FILTERS = {"iptables-save": "iptables", "ip6tables-save": "ip6tables"}
_WAIT_SECONDS = "10"
"""How long iptables waits for another program that is changing rules."""

_PROC = Path("/proc/sys")
# What dockerd switches on when it finds it off (moby, daemon/libnetwork/drivers/bridge: setup_ip_forwarding.go,
# setup_bridgenetfiltering.go, setup_ipv6.go).
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/default/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
)


class Network(BaseModel):
    """The host's network at a moment: whether docker0 exists, the rules by program, and kernel settings by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bridge: bool
    rules: dict[str, tuple[str, ...]]
    settings: dict[str, str]


def look(path: str) -> Network:
    """The network as it is. `path` is the search path for programs."""
    return Network(
        bridge=_exists(_BRIDGE),
        rules={save: tuple(_rules(save, path)) for save in _FILTERS},
        settings={name: (_PROC / name).read_text().strip() for name in _SETTINGS if (_PROC / name).is_file()},
    )


def remember(file: Path, path: str) -> None:
    """Record the state of the network, unless that was done before."""
    if not file.exists():
        file.write_text(look(path).model_dump_json())


def restore(before: Path, after: Path, bridges: Iterable[str], path: str) -> None:
    """Undo what dockerd has done, by what was recorded `before` and `after` its first start.

    These bridges and docker0 go with Docker's rules about them. A policy or a kernel setting that dockerd has changed
    gets its old value where it still has the one that dockerd gave it.
    """
    then = _recorded(before)
    if then is None:
        return
    ours = [*bridges, *([] if then.bridge else [_BRIDGE])]
    program = shutil.which("ip", path=path)
    for bridge in ours:
        if program and _exists(bridge):
            call([program, "link", "delete", bridge], timeout=_TIMEOUT, check=False)
    made = _recorded(after)
    now = look(path)
    for save in _FILTERS:
        _restore_rules(save, then.rules.get(save, ()), made.rules.get(save, ()) if made else (), now, ours, path)
    for name, value in now.settings.items() if made else ():
        if made and made.settings.get(name) == value and then.settings.get(name, value) != value:
            (_PROC / name).write_text(then.settings[name])


def _restore_rules(
    save: str, before: tuple[str, ...], after: tuple[str, ...], now: Network, bridges: list[str], path: str
) -> None:
    program = shutil.which(_FILTERS[save], path=path)
    if program is None:
        return
    rules = now.rules[save]
    for arguments in firewall.removals(rules, before, bridges):
        # What somebody else has just removed is gone, too, and a chain that somebody else uses stays.
        call([program, "-w", _WAIT_SECONDS, *arguments], timeout=_TIMEOUT, check=False)
    was, is_now = firewall.policy(before), firewall.policy(rules)
    if after and was != is_now and firewall.policy(after) == is_now and not firewall.has_docker(before):
        call([program, "-w", _WAIT_SECONDS, "-P", "FORWARD", was], timeout=_TIMEOUT)


def _recorded(file: Path) -> Network | None:
    try:
        return Network.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _rules(program: str, path: str) -> list[str]:
    found = shutil.which(program, path=path)
    if found is None:
        return []
    dump = call([found], timeout=_TIMEOUT, check=False).stdout
    return [line for line in dump.splitlines() if not line.startswith("#")]


def _exists(interface: str) -> bool:
    return any(name == interface for _, name in socket.if_nameindex())
