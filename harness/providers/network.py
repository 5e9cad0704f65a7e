# SPDX-License-Identifier: Apache-2.0
"""The container network of a run: nodes and registries of one run see each other, and nobody else's."""

from __future__ import annotations

from harness import process
from harness.cluster import LABEL_RUN
from harness.errors import EngineError

_ENGINE_SECONDS = 60.0


_NO_WAY_OUT = ("--opt", "com.docker.network.bridge.enable_ip_masquerade=false")


def create(name: str, run_id: str, *, isolated: bool = False) -> None:
    """Make the network, labelled with the run. Made beforehand, two clusters cannot race for it (kind issue #1596).

    What an `isolated` one sends beyond this machine keeps its private address, to which no answer finds back (Docker,
    bridge network driver, options). `--internal` would be firmer, but publishes no port, so that the API server of a
    cluster could not be reached either.
    """
    options = _NO_WAY_OUT if isolated else ()
    label = f"{LABEL_RUN}={run_id}"
    process.call(["docker", "network", "create", "--label", label, *options, name], timeout=_ENGINE_SECONDS)


def remove(name: str) -> None:
    """Remove the network; one that is not there is no error."""
    done = process.call(["docker", "network", "rm", name], timeout=_ENGINE_SECONDS, check=False)
    if done.returncode != 0 and "not found" not in done.stderr.lower() and "no such" not in done.stderr.lower():
        process.call(["docker", "network", "rm", name], timeout=_ENGINE_SECONDS)


def gateway(name: str) -> str:
    """This machine's own address on the network: what listens there is reached by the containers on it.

    Raises EngineError when the network has none.
    """
    form = "{{range .IPAM.Config}}{{println .Gateway}}{{end}}"
    said = process.call(["docker", "network", "inspect", "--format", form, name], timeout=_ENGINE_SECONDS).stdout
    found = next((line.split("/")[0] for line in said.split() if "." in line), "")
    if not found:
        raise EngineError(f"the network {name} has no gateway", f"see docker network inspect {name}")
    return found
