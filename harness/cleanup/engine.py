# SPDX-License-Identifier: Apache-2.0
"""The container engine's objects that matter to the leak proof, listed with the docker CLI."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness import causes
from harness.errors import EngineError, HarnessError
from harness.evidence.installation import LABEL_IMAGE
from harness.host.engine import parse_info
from harness.host.engine_mark import EngineMark, mark_of
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN, OWN_IMAGES
from harness.process import Completed, call
from harness.providers import PROVIDERS

_LOOK_SECONDS = 60.0
_REMOVE_SECONDS = 180.0
ANONYMOUS = re.compile(r"[0-9a-f]{64}")
"""The name of a volume to which nobody gave one."""

_GONE = re.compile(r"(?i)no such|not found")


@dataclass(frozen=True, kw_only=True)
class DockerObject:
    """A container, network, volume or image. `run_id`, `installation` and `cluster` come from its labels."""

    id: str
    name: str
    run_id: str = ""
    installation: str = ""
    cluster: str = ""
    state: str = ""


def check_engine() -> None:
    """Raise EngineError when no engine answers."""
    _docker("version", "--format", "{{.Server.Version}}")


def which() -> EngineMark:
    """Which engine answers. Raises EngineError when none does."""
    return mark_of(parse_info(_docker("info", "--format", "{{json .}}").stdout))


def containers() -> list[DockerObject]:
    """All containers, including stopped ones."""
    rows = _rows("ps", "--all", "--no-trunc", "--format", "{{.ID}}\t{{.Names}}\t{{.State}}" + _labels())
    return [
        DockerObject(
            id=row[0],
            name=row[1].split(",")[0],
            state=row[2],
            run_id=row[3],
            installation=row[4],
            cluster=_first(row[5:]),
        )
        for row in rows
    ]


def networks() -> list[DockerObject]:
    """All networks."""
    return _labelled("network", "ls", "--no-trunc", first="{{.ID}}")


def volumes() -> list[DockerObject]:
    """All volumes."""
    return _labelled("volume", "ls", first="{{.Name}}")


def images() -> list[DockerObject]:
    """The images whose names are the harness's; `installation` is what their labels say."""
    rows = [
        row
        for row in _rows("image", "ls", "--no-trunc", "--format", "{{.ID}}\t{{.Repository}}:{{.Tag}}")
        if row[1].startswith(OWN_IMAGES)
    ]
    if not rows:
        return []
    ids = sorted({row[0] for row in rows})
    label = f'{{{{if eq $key "{LABEL_IMAGE}"}}}}{{{{json $value}}}}{{{{end}}}}'
    template = f"{{{{.Id}}}}\t{{{{range $key, $value := .Config.Labels}}}}{label}{{{{end}}}}"
    marks = dict(_rows("image", "inspect", "--format", template, *ids, check=False))
    return [DockerObject(id=row[0], name=row[1], installation=marks.get(row[0], "")) for row in rows]


def users(image: str) -> list[str]:
    """Names of the containers that were made from an image, or from one that was built from it."""
    return [row[0] for row in _rows("ps", "--all", "--filter", f"ancestor={image}", "--format", "{{.Names}}")]


def anonymous_volumes(containers: Sequence[str]) -> list[str]:
    """The anonymous volumes of these containers (a kind node has one, for /var); for the ledger.

    Containers that are gone have none. Raises EngineError.
    """
    if not containers:
        return []
    template = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}}\n{{end}}{{end}}'
    rows = _rows("container", "inspect", "--format", template, *containers, check=False)
    return sorted({row[0] for row in rows if ANONYMOUS.fullmatch(row[0])})


def attached(network: str) -> list[str]:
    """Names of the containers on a network, including stopped ones."""
    return [row[0] for row in _rows("ps", "--all", "--filter", f"network={network}", "--format", "{{.Names}}")]


def remove(kind: str, ids: Sequence[str]) -> str:
    """Remove containers (with their anonymous volumes), networks, volumes or images; missing ones are not an error.

    Of an image only the name goes where somebody else has built on it.

    Returns what Docker said when something could not be removed.
    """
    options = {"container": ("--force", "--volumes"), "volume": ("--force",)}.get(kind, ())
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
    return [
        DockerObject(id=row[0], name=row[1], run_id=row[2], installation=row[3], cluster=_first(row[4:]))
        for row in rows
    ]


def _labels() -> str:
    """The columns of a listing for the harness's own labels and for those with which providers name a cluster.

    In JSON, since anybody may have written a label, also with the ends of columns and lines in it.
    """
    labels = (LABEL_RUN, LABEL_INSTALLATION, *sorted({it.cluster_label for it in PROVIDERS.values()} - {""}))
    return "".join(f'\t{{{{json (.Label "{label}")}}}}' for label in labels)


def _first(values: Sequence[str]) -> str:
    return next(filter(None, values), "")


def _rows(*words: str, check: bool = True) -> list[list[str]]:
    done = _docker(*words, check=check)
    # Empty columns at the end are columns, too.
    return [[_said(it) for it in line.split("\t")] for line in done.stdout.split("\n") if line.strip()]


def _said(column: str) -> str:
    """What a column says: it is JSON where it is somebody's text."""
    return str(json.loads(column)) if column.startswith('"') else column


def _docker(*words: str, check: bool = True) -> Completed:
    try:
        done = call(["docker", *words], timeout=_LOOK_SECONDS, check=False)
    except HarnessError as error:
        raise EngineError(f"the container engine cannot be queried: {error.message}", error.next_step) from error
    if check and done.returncode != 0:
        cause = causes.told(done.stderr, f"docker exited with status {done.returncode}")
        raise EngineError(f"the container engine does not answer: {cause}", "start it, then try again")
    return done
