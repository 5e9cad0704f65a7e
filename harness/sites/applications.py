# SPDX-License-Identifier: Apache-2.0
"""Reads the applications of a site page by page and writes each of them at once, so that any number fits in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness import libyaml
from harness.sites import hide
from harness.sites.model import Applications, Object
from harness.sites.surroundings import pull_secrets

if TYPE_CHECKING:
    from harness.sites.reader import Reader

_GROUP = "sparkoperator.k8s.io"
_NO_STATE = "(new)"


@dataclass
class Written:
    """What was written of a kind, the namespaces that it is in, and the pull secrets that these name."""

    applications: Applications
    namespaces: list[str] = field(default_factory=list)
    secrets: dict[str, list[str]] = field(default_factory=dict)


def write(reader: Reader, kind: str, plural: str, version: str, file: Path, sample: int | None) -> Written:
    """Write the applications of a kind to a file of YAML documents; of many, `sample` of them from the whole list.

    Counts and states are of all.
    """
    states: Counter[str] = Counter()
    namespaces: dict[str, set[str]] = {}
    count = written = masked = 0
    path = f"/apis/{_GROUP}/{version}/{plural}"
    with file.open("w", encoding="utf-8") as out:
        for item in reader.items(path, f"{kind}s"):
            count += 1
            states[_state(item)] += 1
            namespace = str(item["metadata"].get("namespace") or "")
            spec: Object = item.get("spec") or {}
            namespaces.setdefault(namespace, set()).update(pull_secrets(spec))
            if sample is not None and written >= sample:
                continue
            kept, places = _kept(item, kind, version)
            masked += len(places)
            written += 1
            out.write("---\n")
            yaml.dump(kept, out, Dumper=libyaml.Dumper, sort_keys=False, allow_unicode=True, width=120)
    if not count:
        file.unlink()
    return Written(
        applications=Applications(
            kind=kind, count=count, written=written, states=dict(sorted(states.items())), masked=masked
        ),
        namespaces=sorted(namespaces),
        secrets={name: sorted(it) for name, it in namespaces.items()},
    )


def _kept(item: Object, kind: str, version: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is kept of an application: names, spec, its state in a word, and how long it ran; never a message of it."""
    metadata = item["metadata"]
    spec, places = hide.hide(item.get("spec") or {})
    labels, _ = hide.hide(metadata.get("labels") or {})
    kept: dict[str, Any] = {"name": metadata["name"], "namespace": metadata.get("namespace", ""), "labels": labels}
    annotations = hide.kept_annotations(metadata)
    if annotations:
        kept["annotations"] = annotations
    kept = {key: it for key, it in kept.items() if it}
    document = {"apiVersion": f"{_GROUP}/{version}", "kind": kind, "metadata": kept, "spec": spec}
    ran = _seconds(item)
    return {**document, "status": {"state": _state(item), **({} if ran is None else {"seconds": ran})}}, places


def _seconds(item: Object) -> int | None:
    """How long an application has run that has ended, from its last submission on, in seconds."""
    status = item.get("status") or {}
    try:
        # The operator writes a time that has not come as null.
        began, ended = (_moment(str(status[key])) for key in ("lastSubmissionAttemptTime", "terminationTime"))
    except (KeyError, TypeError, ValueError):
        return None
    return max(0, round((ended - began).total_seconds()))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _state(item: Object) -> str:
    """The state of an application, of a schedule, or of a Connect server."""
    status = item.get("status") or {}
    application = status.get("applicationState") or {}
    return str(application.get("state") or status.get("scheduleState") or status.get("state") or _NO_STATE)


def read(file: Path) -> Iterator[Object]:
    """The applications in a file that `write` made, one at a time. Raises yaml.YAMLError and OSError."""
    with file.open(encoding="utf-8") as lines:
        for document in yaml.load_all(lines, Loader=libyaml.Loader):  # a safe loader
            if isinstance(document, dict):
                yield document
