# SPDX-License-Identifier: Apache-2.0
"""The container network of a run: nodes and registries of one run reach each other, but not those of other runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness import process
from harness.errors import EngineError
from harness.evidence.installation import label_words

_ENGINE_SECONDS = 60.0


_MTU = "com.docker.network.driver.mtu"
_USUAL_MTU = 1500
_NO_WAY_OUT = ("--opt", "com.docker.network.bridge.enable_ip_masquerade=false")


def create(name: str, run_id: str, *, isolated: bool = False, ipv6: bool = False) -> None:
    """Create the network, labelled with the run, before clusters need it: two would race for it (kind issue #1596).

    With `ipv6` its containers have addresses of that as well, of a range that follows from the network's name. Its
    packets are as long as those of the engine's own network.

    Packets that an `isolated` one sends outside keep their private source address, so that no answer returns (Docker,
    bridge network driver, options). `--internal` would be stricter, but publishes no ports, so that the API server of a
    cluster could not be reached.
    """
    options: tuple[str, ...] = _NO_WAY_OUT if isolated else ()
    if ipv6:
        options += ("--ipv6", "--subnet", unique_local(name))
    options += _as_long_as_usual()
    process.call(["docker", "network", "create", *label_words(run_id), *options, name], timeout=_ENGINE_SECONDS)


def _as_long_as_usual() -> tuple[str, ...]:
    """The MTU that an administrator gave the engine, since the way out is narrower (a VPN, many clouds).

    Docker gives it to the network `bridge` alone (dockerd --mtu); in others large answers would be lost on their way.
    kind does the same for the network that it makes (pkg/cluster/internal/providers/docker/network.go).
    """
    form = f'{{{{index .Options "{_MTU}"}}}}'
    argv = ["docker", "network", "inspect", "--format", form, "bridge"]
    # An engine may have no such network.
    said = process.call(argv, timeout=_ENGINE_SECONDS, check=False).stdout.strip()
    if not said.isdecimal() or int(said) in (0, _USUAL_MTU):
        return ()
    return ("--opt", f"{_MTU}={said}")


def unique_local(name: str) -> str:
    """A range of unique local addresses (RFC 4193) whose global id is a hash of this name."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::/64"


def remove(name: str) -> None:
    """Remove the network; it is not an error if it does not exist."""
    done = process.call(["docker", "network", "rm", name], timeout=_ENGINE_SECONDS, check=False)
    if done.returncode != 0 and "not found" not in done.stderr.lower() and "no such" not in done.stderr.lower():
        process.call(["docker", "network", "rm", name], timeout=_ENGINE_SECONDS)


@contextmanager
def left_as_it_was(name: str) -> Iterator[None]:
    """Remove the network at the end if it was not there before: kind makes one when it needs it, and never removes it.

    One that somebody else's container uses by then stays.
    """
    before = _exists(name)
    try:
        yield
    finally:
        if not before:
            process.call(["docker", "network", "rm", name], timeout=_ENGINE_SECONDS, check=False)


def _exists(name: str) -> bool:
    form = ["docker", "network", "ls", "--filter", f"name=^{re.escape(name)}$", "--format", "{{.Name}}"]
    return process.call(form, timeout=_ENGINE_SECONDS).stdout.split() == [name]


def subnets(name: str) -> list[str]:
    """The address ranges of the network. Raises CommandError where there is no such network."""
    form = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}"
    return process.call(
        ["docker", "network", "inspect", "--format", form, name], timeout=_ENGINE_SECONDS
    ).stdout.split()


def gateway(name: str) -> str:
    """This machine's own address on the network, which containers can reach.

    Raises EngineError when the network has none.
    """
    form = "{{range .IPAM.Config}}{{println .Gateway}}{{end}}"
    said = process.call(["docker", "network", "inspect", "--format", form, name], timeout=_ENGINE_SECONDS).stdout
    found = next((line.split("/")[0] for line in said.split() if "." in line), "")
    if not found:
        raise EngineError(f"the network {name} has no gateway", f"see docker network inspect {name}")
    return found
