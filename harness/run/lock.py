# SPDX-License-Identifier: Apache-2.0
"""What a cell ran with, as a lock: a JSON document with a digest of its own, from which the cell can be run again.

A lock holds nothing of the machine that wrote it: the same cell with the same inputs has the same digest anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StrictInt,
    ValidationError,
    model_serializer,
)

from harness import __version__
from harness.errors import UsageError
from harness.images.references import ImageReference
from harness.matrix.own_rows import OwnRows, given
from harness.redaction.redactor import MASK, Redactor
from harness.releases.values import merge
from harness.settings import SourceKind
from harness.toml_merge import REPLACES
from harness.untrusted import CellId, OptionalDigest, Segment, Sha256, first_problem, from_json

SCHEMA_VERSION: Literal[1] = 1

PREFIX_DIGITS = 12
"""So many hexadecimal digits of a digest are enough to find its lock."""

_DIGEST = re.compile(rf"(?:sha256:)?([0-9a-f]{{{PREFIX_DIGITS},64}})")


class Model(BaseModel):
    """Base of a lock's parts: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedNode(Model):
    """The node image: its public name, or that of the foundry's. `identity` makes it the same on another machine.

    That is the manifest's digest of a pulled image, and the recipe's key of one that is built, since an engine's image
    id changes with every build.
    """

    image: str
    identity: str


class LockedEnvironment(Model):
    """The environment as it ran; `kubernetes` is the full version. `node` is null when its image could not be had."""

    name: Segment
    provider: Segment
    kubernetes: str
    distribution: str
    node: LockedNode | None = None


class LockedRelease(Model):
    """The release, and the registry that its row names."""

    version: Segment
    registry: str
    repository: str


class LockedChart(Model):
    """The chart. `sha256` is of its content, packed or not; `requested` is the address that --chart gave.

    `requested` is empty for the release's own chart, and `file` for one that was on the user's disk.
    """

    name: Segment
    version: Segment
    app_version: str
    origin: str
    sha256: Sha256
    requested: str = ""


def _image(name: str) -> str:
    try:
        ImageReference.parse(name)
    except UsageError as wrong:
        raise ValueError(wrong.message) from wrong
    return name


class LockedImage(Model):
    """One image; `digest` is what its registry answered, empty when it had none."""

    reference: Annotated[str, AfterValidator(_image)]
    digest: OptionalDigest = ""


class LockedStop(Model):
    """A release that the path went through before its last one, with its own chart."""

    release: LockedRelease
    chart: LockedChart | None = None


class LockedManifest(Model):
    """A document of --apps; what is masked in it is at the JSON pointers in `redacted`."""

    file: str
    document: dict[str, JsonValue]
    redacted: tuple[str, ...] = ()


class LockedRow(Model):
    """A row of a user's own catalogue: its file, `releases`, its table, its values, and whether it replaced one."""

    file: str
    table: str
    values: dict[str, JsonValue]
    replaces: bool = False


_BEFORE = ("addons", "surroundings", "secrets_before")


class LockedOperator(Model):
    """The operator under test, by its name in the path.

    `sha256` is of the files of a checkout, and of an image what tells it from others: its digest, the engine's id, or
    the hash of its archive. `commit` is the checkout's where git knows it; where files differ from that it is `dirty`,
    and `diff` is the digest of how. The chart is that of the release.
    """

    name: Segment
    given: Literal["checkout", "image"]
    sha256: Sha256
    commit: str = ""
    dirty: bool = False
    diff: OptionalDigest = ""


class LockedAddon(Model):
    """An add-on that was in the cluster before the operator; `sha256` is of what was applied."""

    name: str
    version: str = ""
    sha256: Sha256


class Lock(Model):
    """What one attempt at a cell ran with.

    `release` and `chart` are those of the path's last release, `before` the ones that it goes through until there.
    `values` are the merged values of profiles and user; those at the JSON pointers in `redacted` were secrets and are
    masked. `applications` is the hash of the chart of sample applications, `user_apps` are the user's own, in a cell
    of theirs. `watched` are the kinds of applications that ran along a path with moves, whichever cell of it watched
    them. `tools` maps a program to its version. `seed` is the attempt's. `release_name` and `namespace` are
    those of the Helm release, empty for the harness's own; `exact_values` reached Helm as they are. `rows` are those of
    the user's own catalogue that the cell needs. `packages` maps a base system of the foundry to the digest of its
    Debian packages. `addons` and `surroundings` were in the cluster before the operator, the latter from --before, of
    which `secrets_before` Secrets are not in the lock. `operator` is the one under test, where the path has it.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    harness_version: str
    cell: CellId
    source: SourceKind
    environment: LockedEnvironment
    release: LockedRelease
    chart: LockedChart | None = None
    before: tuple[LockedStop, ...] = ()
    images: tuple[LockedImage, ...] = ()
    applications: str = ""
    user_apps: tuple[LockedManifest, ...] = ()
    watched: tuple[str, ...] = ()
    rows: tuple[LockedRow, ...] = ()
    values: dict[str, JsonValue] = Field(default_factory=dict)
    redacted: tuple[str, ...] = ()
    tools: dict[str, str] = Field(default_factory=dict)
    packages: dict[str, OptionalDigest] = Field(default_factory=dict)
    release_name: str = ""
    namespace: str = ""
    exact_values: bool = False
    addons: tuple[LockedAddon, ...] = ()
    surroundings: tuple[LockedManifest, ...] = ()
    secrets_before: int = Field(default=0, ge=0)
    operator: LockedOperator | None = None
    seed: StrictInt

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits of the canonical JSON."""
        return digest_of(self.model_dump(mode="json"))

    @property
    def own_rows(self) -> OwnRows:
        """The rows that stand in the place of a user's own. Raises CatalogueError for a file that takes none."""
        files: dict[str, dict[str, list[dict[str, JsonValue]]]] = {}
        for row in self.rows:
            values = {**row.values, REPLACES: True} if row.replaces else row.values
            files.setdefault(row.file, {}).setdefault(row.table, []).append(values)
        return given(files)

    def text(self) -> str:
        """The lock as a file has it."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        made: dict[str, Any] = serialize(self)
        # Locks from before there were any keep their digests.
        hidden = ("user_apps", "watched", "rows", "packages", "release_name", "namespace", "exact_values", "operator")
        for name in (*hidden, *_BEFORE):
            if not made[name]:
                del made[name]
        return made


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An input that is not what the lock says. One that does not `matter` is only told."""

    text: str
    matters: bool = True

    def __str__(self) -> str:
        return self.text


def digest_of(document: Any) -> str:
    """The digest of a JSON document, however it is laid out."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def digits(word: str) -> str:
    """The hexadecimal digits of a digest or of its beginning; empty when the word is neither."""
    found = _DIGEST.fullmatch(word)
    return found[1] if found else ""


def parse(text: str, *, where: str) -> Lock:
    """A lock from its text. Raises UsageError that names `where` it was found."""
    try:
        data = from_json(text)
    except ValueError as broken:
        raise UsageError(f"{where} is not a lock: {broken}", "give the lock.json of a cell's evidence") from broken
    if not isinstance(data, dict) or "cell" not in data or "seed" not in data:
        raise UsageError(f"{where} is JSON, but not a lock", "give the lock.json of a cell's evidence")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{where} is a lock of the form {data.get('schema_version')}; this harness reads {SCHEMA_VERSION}",
            f"use the harness that wrote it, version {data.get('harness_version', 'unknown')}",
        )
    try:
        return Lock.model_validate(data)
    except ValidationError as wrong:
        raise UsageError(
            f"{where} cannot be used as a lock: {first_problem(wrong)}",
            f"take it as it was written; this is harness {__version__}, and {data.get('harness_version')} wrote it",
        ) from wrong


def differences(lock: Lock, here: Lock) -> list[Difference]:
    """What is not as it was when `lock` was written; `here` is the lock that a run would write now."""
    return [*_inputs(lock, here), *_surroundings(lock, here)]


def _inputs(lock: Lock, here: Lock) -> Iterator[Difference]:
    moved = zip(lock.before, here.before, strict=False)
    rows = {
        **{
            f"the registry of release {it.release.version}": (_address(it.release), _address(now.release))
            for it, now in moved
        },
        "the source of images": (lock.source, here.source),
        f"the provider of {lock.environment.name}": (lock.environment.provider, here.environment.provider),
        "Kubernetes": (lock.environment.kubernetes, here.environment.kubernetes),
        "the distribution": (lock.environment.distribution, here.environment.distribution),
        f"the registry of release {lock.release.version}": (_address(lock.release), _address(here.release)),
    }
    for what, (there, now) in rows.items():
        if there != now:
            yield Difference(text=f"the input {what} is {now} here and {there} in the lock")
    yield from _operators(lock.operator, here.operator)
    if lock.environment.node and here.environment.node:
        yield from _digest("node image", lock.environment.node.identity, here.environment.node.identity)
    if lock.chart and here.chart:
        yield from _digest(f"chart {lock.chart.name} {lock.chart.version}", lock.chart.sha256, here.chart.sha256)
    for then, today in zip(lock.before, here.before, strict=False):
        if then.chart and today.chart:
            yield from _digest(f"chart {then.chart.name} {then.chart.version}", then.chart.sha256, today.chart.sha256)
    there_addons = {it.name: f"{it.version} {it.sha256}" for it in lock.addons}
    here_addons = {it.name: f"{it.version} {it.sha256}" for it in here.addons}
    for name in sorted(there_addons.keys() | here_addons.keys()):
        yield from _digest(f"add-on {name}", there_addons.get(name, ""), here_addons.get(name, ""))
    yield from _digest("charts/spark-samples", lock.applications, here.applications)
    there_images = {image.reference: image.digest for image in lock.images}
    here_images = {image.reference: image.digest for image in here.images}
    for reference, digest in there_images.items():
        if reference not in here_images:
            yield Difference(text=f"the input {reference} is in the lock and is not used here")
        else:
            yield from _digest(reference, digest, here_images[reference])
    for reference in here_images.keys() - there_images.keys():
        yield Difference(text=f"the input {reference} is used here and is not in the lock")


def _surroundings(lock: Lock, here: Lock) -> Iterator[Difference]:
    if lock.harness_version != here.harness_version:
        yield Difference(
            text=f"the harness is {here.harness_version} here and {lock.harness_version} in the lock", matters=False
        )
    for name in sorted(lock.tools.keys() | here.tools.keys()):
        there, now = lock.tools.get(name, "none"), here.tools.get(name, "none")
        if there != now:
            yield Difference(text=f"the program {name} is {now} here and {there} in the lock", matters=False)

    for name in sorted(lock.packages.keys() & here.packages.keys()):
        if lock.packages[name] != here.packages[name]:
            yield Difference(
                text=f"the base system {name} has other Debian packages here than in the lock", matters=False
            )


def _operators(there: LockedOperator | None, here: LockedOperator | None) -> Iterator[Difference]:
    """Files count, and not what they were committed as."""
    if there is None or here is None or there.sha256 == here.sha256:
        return
    yield Difference(text=f"the operator {there.name} is {_told(here)} here and {_told(there)} in the lock")


def _told(operator: LockedOperator) -> str:
    at = f", commit {operator.commit[:PREFIX_DIGITS]}" if operator.commit else ""
    diff = f" with the changes {operator.diff}" if operator.dirty else ""
    return f"the {operator.given} {operator.sha256[:PREFIX_DIGITS]}{at}{diff}"


def _address(release: LockedRelease) -> str:
    return f"{release.registry}/{release.repository}"


def _digest(what: str, there: str, here: str) -> Iterator[Difference]:
    if there != here:
        yield Difference(text=f"the input {what} has digest {here or 'none'} here and {there or 'none'} in the lock")


def masked(values: Mapping[str, Any], secrets: Sequence[str] = ()) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values without what looks like a secret, and the JSON pointers (RFC 6901) of what was masked."""
    shown, pointers = Redactor(tuple(secrets)).masked(values)
    return dict(shown), pointers


def unmasked(lock: Lock, given: Mapping[str, Any], secrets: Sequence[str] = ()) -> dict[str, Any]:
    """The lock's values, with what is masked in them taken from the values that a user gave.

    Raises UsageError when one is missing, and when the given values say anything else than the lock does.
    """
    shown, _ = masked(given, secrets)
    if merge(lock.values, shown) != lock.values:
        raise UsageError(
            "--values says something else than the lock, which has values of its own",
            "leave out --values, or leave out --lock" if not lock.redacted else f"give only {', '.join(lock.redacted)}",
        )
    missing = [pointer for pointer in lock.redacted if _at(given, pointer) in (None, MASK)]
    if missing:
        raise UsageError(
            f"the lock has no secrets, and its cell ran with values that look like some: {', '.join(missing)}",
            "give these values again with --values FILE",
        )
    return merge(lock.values, given)


def _at(values: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(values, Mapping) and key in values:
            values = values[key]
        elif isinstance(values, list) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        else:
            return None
    return values
