# SPDX-License-Identifier: Apache-2.0
"""Whose things are whose: each cache folder is an installation of its own, and marks what its runs create."""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HostError
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.process import INSTALLATION_VARIABLE

LABEL_IMAGE = "spark-operator-harness.image-of"
"""The same for an image. Another one, since each container inherits the labels of its image."""

_FILE = "installation.json"

CACHE_PARTS = (
    *("artifacts", "copies", "engine", "fronts", "history.json", "images", "imports", _FILE, "internet", "ledger"),
    *("locks", "logs", "pytest", "registry", "slots", "tools", "work"),
)
"""What the harness puts into a cache folder, beside locks of these names."""

_OF_A_DISK = "lost+found"


class _Record(BaseModel):
    """What the cache says. `path` is where it lay then: a copy of a cache is an installation of its own.

    `before` are things in it with the names of parts of a cache that were somebody's before it became one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    path: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A cache folder on some host. `cache` and the name of the `host` are only there to say whose something is."""

    id: str = ""
    cache: str = ""
    host: str = ""

    @property
    def mark(self) -> str:
        """The value of the label and of the environment variable: id, host and cache."""
        return f"{self.id}:{self.host}:{self.cache}" if self.id else ""

    @classmethod
    def of_mark(cls, mark: str) -> Installation:
        """The installation that a label or an environment variable names; one without an id for none."""
        identifier, _, rest = mark.partition(":")
        # A host's name has no colon, and begins with no slash.
        host, colon, cache = rest.partition(":")
        return cls(id=identifier, host=host, cache=cache) if colon else cls(id=identifier, cache=rest)

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another host than this process."""
        return self.host not in ("", platform.node())


NOBODY = Installation()
"""No installation."""


def installation_of(cache: Path) -> Installation:
    """The installation of this cache folder, which is given an id when it has none. Raises HostError."""
    file, path = cache / _FILE, str(cache.resolve())
    known = _recorded(file)
    if known and known.path == path:
        return Installation(id=known.id, cache=path, host=platform.node())
    record = _Record(id=secrets.token_hex(6), path=path, before=known.before if known else _somebodys(cache))
    draft = file.with_name(f".{_FILE}.{os.getpid()}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        draft.write_text(record.model_dump_json())
        draft.replace(file)
    except OSError as error:
        raise HostError(
            f"the cache folder {cache} cannot be used: {error.strerror}",
            "make it a folder that you may write to, or set HARNESS_CACHE to another one",
        ) from error
    return Installation(id=record.id, cache=path, host=platform.node())


def own_parts(cache: Path) -> list[Path]:
    """What the harness has put into a cache folder, which may hold other things, too."""
    known = _recorded(cache / _FILE)
    others = known.before if known else _somebodys(cache)
    return [path for path in _entries(cache) if _part(path) in CACHE_PARTS and _part(path) not in others]


def _somebodys(cache: Path) -> tuple[str, ...]:
    """Parts by their names of a folder that also holds what no cache has, such as a whole disk or a checkout."""
    entries = _entries(cache)
    parts = {_part(path) for path in entries} & {*CACHE_PARTS}
    return tuple(sorted(parts)) if any(_part(path) not in (*CACHE_PARTS, _OF_A_DISK) for path in entries) else ()


def _entries(cache: Path) -> list[Path]:
    drafts = f".{_FILE}."
    return sorted(it for it in cache.iterdir() if not it.name.startswith(drafts)) if cache.is_dir() else []


def _part(path: Path) -> str:
    return path.name.removesuffix(".lock")


def _recorded(file: Path) -> _Record | None:
    """What a cache folder says of itself; None where it says nothing that can be read."""
    try:
        return _Record.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def mark() -> str:
    """The mark of this process's installation, which a run's ledger puts into the environment; empty outside a run."""
    return os.environ.get(INSTALLATION_VARIABLE, "")


def labels(run_id: str) -> Mapping[str, str]:
    """The Docker labels of what a run creates."""
    return {LABEL_RUN: run_id} | ({LABEL_INSTALLATION: mark()} if mark() else {})


def image_labels() -> Mapping[str, str]:
    """The Docker labels of the images that this process makes for itself.

    The empty ones take back what an image has from the container that it was committed from.
    """
    return {LABEL_RUN: "", LABEL_INSTALLATION: "", LABEL_IMAGE: mark()} if mark() else {}


def label_instructions(labels: Mapping[str, str]) -> list[str]:
    """Labels as a Dockerfile has them, each for a `--change` of `docker import` and `docker commit`."""
    return [f"LABEL {name}={json.dumps(value)}" for name, value in labels.items()]


def build_container(key: str) -> str:
    """The name of the container in which an image with this key is built: another cache may be at the same one."""
    return "-".join(filter(None, ("soh-build", Installation.of_mark(mark()).id, key)))


def label_words(run_id: str) -> list[str]:
    """The labels as words of a docker command line."""
    return [word for name, value in labels(run_id).items() for word in ("--label", f"{name}={value}")]
