# SPDX-License-Identifier: Apache-2.0
"""The container engine's objects that matter to the leak proof, listed with the docker CLI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import EngineError, HarnessError
from harness.kube.cluster import LABEL_RUN, OWN_IMAGES
from harness.process import Completed, call
from harness.providers import PROVIDERS

LABEL_PREFIX = "spark-operator-harness."
"""Prefix of every Docker label of the harness."""

_LOOK_SECONDS = 60.0
_REMOVE_SECONDS = 180.0
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_GONE = re.compile(r"(?i)no such|not found")


@dataclass(frozen=True, kw_only=True)
class DockerObject:
    """A container, network, volume or image. `run_id` and `cluster` come from its labels, empty without them."""

    id: str
    name: str
    run_id: str = ""
    cluster: str = ""
    state: str = ""


def check_engine() -> None:
    """Raise EngineError when no engine answers."""
    _docker("version", "--format", "{{.Server.Version}}")


def containers() -> list[DockerObject]:
    """All containers, including stopped ones."""
    rows = _rows("ps", "--all", "--no-trunc", "--format", "{{.ID}}\t{{.Names}}\t{{.State}}" + _labels())
    return [
        DockerObject(id=row[0], name=row[1].split(",")[0], state=row[2], run_id=row[3], cluster=_first(row[4:]))
        for row in rows
    ]


def networks() -> list[DockerObject]:
    """All networks."""
    return _labelled("network", "ls", "--no-trunc", first="{{.ID}}")


def volumes() -> list[DockerObject]:
    """All volumes."""
    return _labelled("volume", "ls", first="{{.Name}}")


def images() -> list[DockerObject]:
    """The images that the harness created, by name or label."""
    rows = _rows("image", "ls", "--no-trunc", "--format", "{{.ID}}\t{{.Repository}}:{{.Tag}}")
    if not rows:
        return []
    ids = sorted({row[0] for row in rows})
    template = "{{.Id}}\t{{range $key, $value := .Config.Labels}}{{$key}} {{end}}"
    ours = {
        row[0]
        for row in _rows("image", "inspect", "--format", template, *ids, check=False)
        if any(label.startswith(LABEL_PREFIX) for label in row[1].split())
    }
    return [
        DockerObject(id=row[0], name=row[0] if row[1].startswith("<none>") else row[1])
        for row in rows
        if row[0] in ours or row[1].startswith(OWN_IMAGES)
    ]


def anonymous_volumes(containers: Sequence[str]) -> list[str]:
    """The anonymous volumes of these containers (a kind node has one, for /var); for the ledger.

    Containers that are gone have none. Raises EngineError.
    """
    if not containers:
        return []
    template = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}}\n{{end}}{{end}}'
    rows = _rows("container", "inspect", "--format", template, *containers, check=False)
    return sorted({row[0] for row in rows if _ANONYMOUS.fullmatch(row[0])})


def attached(network: str) -> list[str]:
    """Names of the containers on a network, including stopped ones."""
    return [row[0] for row in _rows("ps", "--all", "--filter", f"network={network}", "--format", "{{.Names}}")]


def remove(kind: str, ids: Sequence[str]) -> str:
    """Remove containers (with their anonymous volumes), networks, volumes or images; missing ones are not an error.

    Returns what Docker said when something could not be removed.
    """
    options = {"container": ("--force", "--volumes"), "volume": ("--force",), "image": ("--force",)}.get(kind, ())
    if not ids:
        return ""
    try:
        done = call(["docker", kind, "rm", *options, *ids], timeout=_REMOVE_SECONDS, check=False)
    except HarnessError as error:
        return error.message
    lines = [line for line in done.stderr.splitlines() if line.strip() and not _GONE.search(line)]
    return "; ".join(lines) if done.returncode else ""


def _labelled(*words: str, first: str) -> list[DockerObject]:
    rows = _rows(*words, "--format", f"{first}\t{{{{.Name}}}}{_labels()}")
    return [DockerObject(id=row[0], name=row[1], run_id=row[2], cluster=_first(row[3:])) for row in rows]


def _labels() -> str:
    """The columns of a listing for the run's label and for those in which providers write the cluster's name."""
    labels = (LABEL_RUN, *sorted({provider.cluster_label for provider in PROVIDERS.values()}))
    return "".join(f'\t{{{{.Label "{label}"}}}}' for label in labels)


def _first(values: Sequence[str]) -> str:
    return next(filter(None, values), "")


def _rows(*words: str, check: bool = True) -> list[list[str]]:
    done = _docker(*words, check=check)
    return [line.split("\t") for line in done.stdout.splitlines() if line.strip()]


def _docker(*words: str, check: bool = True) -> Completed:
    try:
        done = call(["docker", *words], timeout=_LOOK_SECONDS, check=False)
    except HarnessError as error:
        raise EngineError(f"the container engine cannot be queried: {error.message}", error.next_step) from error
    if check and done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"docker exited with status {done.returncode}"])[-1]
        raise EngineError(f"the container engine does not answer: {last}", "start it, then try again")
    return done
