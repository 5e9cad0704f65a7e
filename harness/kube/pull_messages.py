# SPDX-License-Identifier: Apache-2.0
"""What a message about an image that could not be pulled means: whose fault it is, and whether waiting helps.

The rows are in clusters/pull-messages.toml. Every part of the harness that meets such a message reads it here, so that
one message has one verdict. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.errors import UsageError
from harness.images.mirrors import BLOCKED
from harness.images.references import ImageReference
from harness.matrix.own_rows import OwnRows
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import Expression, TomlSource

FILE = PROJECT_ROOT / "clusters" / "pull-messages.toml"

NOT_RECOGNISED = "not recognised"
"""The kind of a message that no row knows."""

REGISTRY_BUSY = "registry-busy"
REGISTRY_ANSWER = "registry-answer"
REGISTRY_AWAY = "registry-away"
NOT_A_REGISTRY = "not-a-registry"
CONNECTION_LOST = "connection-lost"
TIMEOUT = "timeout"
PLAIN_HTTP = "plain-http"
DISK_FULL = "disk-full"
IMAGE_MISSING = "image-missing"
"""Kinds of the catalogue that the harness treats in a way of their own."""

_HOUR = 3600


class Fault(StrEnum):
    """Who is at fault. Only what the release asks for can make a check fail."""

    RELEASE = "release"
    NETWORK = "network"
    REGISTRY = "registry"
    SETTINGS = "settings"
    HOST = "host"
    NOT_RECOGNISED = NOT_RECOGNISED


@dataclass(frozen=True, kw_only=True)
class PullsLeft:
    """What a registry says of its pull limit: `remaining` of `limit` in a window of `window` seconds."""

    limit: int
    remaining: int
    window: int

    def __str__(self) -> str:
        whole = self.window % _HOUR == 0
        window = f"{self.window // _HOUR} h" if whole else f"{self.window} s"
        return f"{self.remaining} of {self.limit} pulls left, window {window}"


@dataclass(frozen=True, kw_only=True)
class PullFailure:
    """A pull that failed. `kind` is one of the catalogue, or NOT_RECOGNISED; `words` say what happened.

    `waiting_helps` tells whether it may pass while the kubelet tries again. `answer` is the message without the
    wrappings of kubelet and containerd, `image` the name that was to be pulled, empty where nobody says it.
    """

    kind: str
    fault: Fault
    waiting_helps: bool
    words: str
    next_step: str
    answer: str
    image: str = ""

    @property
    def is_releases_fault(self) -> bool:
        """Whether it proves something about what is tested; else it proves nothing."""
        return self.fault is Fault.RELEASE

    @property
    def is_recognised(self) -> bool:
        """Whether a row of the catalogue knows the message."""
        return self.fault is not Fault.NOT_RECOGNISED

    @property
    def host(self) -> str:
        """The registry host of the image."""
        return _host(self.image)

    def with_limit(self, left: PullsLeft | None) -> str:
        """The words, with what a busy registry itself says of its pull limit, where it says anything."""
        return f"{self.words}: {left}" if left and self.kind == REGISTRY_BUSY else self.words

    def said_by_mirror(self) -> PullFailure:
        """The same, where a mirror of the user's answers for the registry host: a cache hides what is behind it."""
        step = load().kinds[self.kind].mirror if self.is_recognised else ""
        if not step:
            return self
        return replace(
            self,
            fault=Fault.REGISTRY,
            words=f"{self.words}, says its mirror",
            next_step=step.format(host=self.host),
        )

    @property
    def is_absence(self) -> bool:
        """Whether the image is said not to exist."""
        return self.kind == IMAGE_MISSING

    def but(self, answer: str) -> PullFailure:
        """The same, where the registry itself gave another answer than the node had: then it proves nothing."""
        step = load().kinds[self.kind].mirror.format(host=self.host)
        return replace(self, fault=Fault.REGISTRY, words=f"{self.words}, says the node; {answer}", next_step=step)

    def __str__(self) -> str:
        return f"{self.words}: {self.answer}"


class KindRow(Model):
    """`[[kind]]`; the keys are explained in the file."""

    name: str = Field(min_length=1)
    fault: Fault
    waiting: bool
    next: str = Field(min_length=1)
    mirror: str = ""


class MessageRow(Model):
    """`[[message]]`; the keys are explained in the file."""

    kind: str
    pattern: Expression = ""
    status: tuple[Annotated[str, Field(pattern=r"^[1-5](\d\d|xx)$")], ...] = ()
    reason: str = ""
    words: str = Field(min_length=1)
    source: str = Field(min_length=1)
    version: str = Field(min_length=1)
    examples: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> MessageRow:
        if not (self.pattern or self.status):
            raise ValueError("a message needs a pattern or a status")
        return self

    def fits(self, plain: str, status: int | None, reason: str) -> bool:
        """Whether this row is about such a text."""
        if self.reason and reason == self.reason:
            return True
        if self.status and not any(_same(it, status) for it in self.status):
            return False
        return not self.pattern or re.search(self.pattern, plain, re.I) is not None


@dataclass(frozen=True, kw_only=True)
class Messages:
    """The catalogue. `reasons` are what a container waits with while its image is not there."""

    reasons: frozenset[str]
    kinds: Mapping[str, KindRow]
    rows: Sequence[MessageRow]


class _File(Model):
    reasons: tuple[str, ...] = Field(min_length=1)
    kind: tuple[KindRow, ...] = Field(min_length=1)
    message: tuple[MessageRow, ...] = Field(min_length=1)


_own: list[OwnRows] = []


def use(own: OwnRows) -> None:
    """Let a user's own rows count from now on, in this process. Raises CatalogueError with file, line and key."""
    _own[:] = [own]
    load.cache_clear()
    load()


def source(file: Path = FILE) -> TomlSource:
    """The file, with a user's own rows. Raises CatalogueError with file, line and key."""
    written = TomlSource.read(file)
    for own in _own if file == FILE else ():
        written = own.over(written)
    return written


@cache
def load(file: Path = FILE) -> Messages:
    """The catalogue. Raises CatalogueError with file, line and key."""
    return _messages(source(file))


def checked(own: OwnRows) -> Messages:
    """What the catalogue would be with these rows, which do not count yet. Raises CatalogueError as `load` does."""
    return _messages(own.over(TomlSource.read(FILE)))


def _messages(written: TomlSource) -> Messages:
    rows = written.validated(_File)
    written.require_unique("kind", "name", (row.name for row in rows.kind))
    kinds = {row.name: row for row in rows.kind}
    for number, message in enumerate(rows.message):
        if message.kind not in kinds:
            raise written.error("message", number, "kind", f"{message.kind!r} is not one of {', '.join(kinds)}")
    return Messages(reasons=frozenset(rows.reasons), kinds=kinds, rows=rows.message)


def read(message: str, *, reason: str = "", image: str = "") -> PullFailure:
    """What a message about a pull means. `reason` is the kubelet's, `image` the name where the message lacks it."""
    catalogue = load()
    named = _image_of(message) or image
    text = answer(message)
    plain, status = _plain(text, named), _status(_plain(text, named))
    row = next((it for it in catalogue.rows if it.fits(plain, status, reason)), None)
    host = _host(named)
    if row is None:
        return PullFailure(
            kind=NOT_RECOGNISED,
            fault=Fault.NOT_RECOGNISED,
            waiting_helps=True,
            words=NOT_RECOGNISED,
            next_step="see what these words mean, and add a row for them to clusters/pull-messages.toml",
            answer=text,
            image=named,
        )
    kind = catalogue.kinds[row.kind]
    return PullFailure(
        kind=kind.name,
        fault=kind.fault,
        waiting_helps=kind.waiting,
        words=row.words.format(host=host, status=_phrase(status)),
        next_step=kind.next.format(host=host),
        answer=text,
        image=named,
    )


def of_status(status: int, host: str) -> PullFailure:
    """What an HTTP status of a registry means for the pull of one of its images."""
    return read(f"unexpected status code: {status}", image=f"{host}/image")


def next_step(kind: str, host: str) -> str:
    """What a user does about a kind of trouble with a registry host. Raises KeyError for a kind that is not there."""
    return load().kinds[kind].next.format(host=host)


def of_waiting(reason: str, message: str, image: str, events: Iterable[str] = ()) -> PullFailure | None:
    """Why a container that waits has no image; None when it waits for something else.

    `events` are messages of `Failed` events, oldest first: a container in back-off may have lost the registry's
    answer, its events have not.
    """
    if reason not in load().reasons:
        return None
    told = [it for it in events if image in it and of_event("Failed", it) is not None]
    failures = [read(it, reason=reason, image=image) for it in (message or reason, *reversed(told))]
    return next((it for it in failures if it.is_recognised), failures[-1 if told else 0])


def of_event(reason: str, message: str) -> PullFailure | None:
    """Why a pull failed, as an event says it; None for an event about something else."""
    words = " ".join(message.split())
    about_pull = re.search(_EVENTS.get(reason, r"(?!)"), words, re.I)
    return read(message) if about_pull else None


_EVENTS = {
    # pkg/kubelet/events/event.go of Kubernetes 1.34: FailedToPullImage, FailedToInspectImage, ErrImageNeverPullPolicy
    # and FailedCreatePodSandBox. Containers that cannot be created are told by `Failed` as well.
    "Failed": r"^(Failed to pull image |image pull failed for )",
    "InspectFailed": r"^Failed to (inspect image|apply default image tag) ",
    "ErrImageNeverPull": r"^Container image ",
    "FailedCreatePodSandBox": r"failed to (get sandbox image|pull image)",
}


def answer(text: str) -> str:
    """A registry's answer without the wrappings that kubelet and containerd put around it, in one line."""
    text = " ".join(text.split())
    text = re.sub(r"^.*(?:ErrImagePull|ImagePullBackOff): ", "", text)
    text = re.sub(r"^Failed to pull image \"[^\"]*\": ", "", text)
    text = re.sub(r"^rpc error: code = (\w+) desc = ", r"\1: ", text)
    return re.sub(r"failed to pull and unpack image \"[^\"]*\": ", "", text).strip()


_REFERENCE = re.compile(
    r"(?<![\w./:@-])(?:\[[\da-fA-F:]+\]|[\w-]+(?:\.[\w-]+)+|localhost|[\w.-]+:\d+)(?::\d+)?/[\w./:@-]*\w"
)
_URL = re.compile(r"https?://[^\s\"]*[^\s\":,;.]")
_MIRRORS = re.compile(r"\(Mirrors also failed: .*?\]\): ", re.S)
"""What CRI-O tells of mirrors before it tells what the registry itself answered."""
_PHRASES = "|".join(re.escape(it) for it in (*(status.phrase for status in HTTPStatus), "Gateway Time-out"))
_STATUS = re.compile(
    # "unexpected status from HEAD request to <url>: 520", "status code: 429", "status:429", "parsing HTTP 429"
    r"(?:status(?: code)?(?: from registry)?(?: <\w+>| \[[^\]]*\])?|code|parsing HTTP"
    r"|request to <(?:url|blob|storage)>)"
    r"\s*[:=]?\s*(?P<told>[1-5]\d\d)\b(?!\s*[mµn]?s\b)"
    # "429 Too Many Requests": with its phrase, and not the number of a port, a tag or bytes
    rf"|(?<![\w./:-])(?P<named>[1-5]\d\d) (?:{_PHRASES})\b"
    r"|\((?P<bare>[1-5]\d\d)\)",
    re.I,
)


def _plain(text: str, image: str) -> str:
    """The text without names and addresses: these may hold any words, and digits that look like a status."""
    text = _MIRRORS.sub("", text)
    if image:
        text = re.sub(rf"(?<![\w./-]){re.escape(image)}(?![\w/-])", "<image>", text)
    text = _URL.sub(_kind_of_address, text)
    text = re.sub(r"sha(?:256|512):[0-9a-f]+", "<digest>", text)
    text = re.sub(r"\blookup [^\s:]+", "lookup <name>", text)
    # containerd leaves out the tag of a name that has a digest, too.
    text = _REFERENCE.sub("<image>", text).replace("<image>@<digest>", "<image>")
    # Media types are the only quoted words that say anything.
    text = re.sub(r"\"(<\w+>|application/[^\"]*|text/[^\"]*)\"", r"\1", text)
    text = re.sub(r"\"\s*<(?:!doctype|html|head)[^\"]*\"", "<page>", text, flags=re.I)
    return re.sub(r"\"[^\"]*\"", "<name>", text)


def _kind_of_address(found: re.Match[str]) -> str:
    if BLOCKED in found[0]:
        return "<blocked>"
    path = found[0].partition("?")[0]
    if ("/v2/" in path or path.endswith("/v2")) and "/blobs/" not in path and "/sha256/" not in path:
        return "<url>"
    # Registries lead to a storage, whose addresses are not those of the registry's API.
    return "<blob>" if "/v2/" in found[0] and "/blobs/sha256:" in found[0] else "<storage>"


def _status(plain: str) -> int | None:
    found = _STATUS.search(plain)
    return int(next(it for it in found.groups() if it)) if found else None


def _same(pattern: str, status: int | None) -> bool:
    return status is not None and (pattern == str(status) or pattern == f"{status // 100}xx")


def _phrase(status: int | None) -> str:
    if status is None:
        return ""
    known: Iterator[str] = (f"{it.value} {it.phrase}" for it in HTTPStatus if it.value == status)
    return next(known, str(status))


def _image_of(message: str) -> str:
    found = re.search(r"image \"([^\"]+)\"", message) or re.search(r"^image pull failed for (\S+)", message)
    return found[1] if found else ""


def _host(image: str) -> str:
    try:
        return ImageReference.parse(image).registry
    except UsageError:
        return "the registry"
