# SPDX-License-Identifier: Apache-2.0
"""Scripted faults: which requests a registry fails, how, and how often."""

from __future__ import annotations

import asyncio
import fnmatch
import threading
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaultKind = Literal[
    "status",
    "latency",
    "slow-first-byte",
    "bandwidth",
    "cut",
    "truncated",
    "wrong-digest",
    "expired-certificate",
]

STATUSES = (401, 403, 404, 429, 500, 503)

Target = Literal["any", "token", "manifests", "blobs", "tags", "uploads", "base"]
"""The target of a request. `base` is `/v2/`; `any` stands for all of them."""

# What a fault meets when it does not say: content for those that spoil content.
_USUAL: dict[FaultKind, frozenset[Target]] = {
    "status": frozenset({"manifests", "blobs", "tags", "uploads"}),
    "cut": frozenset({"blobs"}),
    "truncated": frozenset({"blobs"}),
    "wrong-digest": frozenset({"manifests", "blobs"}),
}
_OF_CONTENT = frozenset({"slow-first-byte", "bandwidth", "cut", "truncated", "wrong-digest"})


class Fault(BaseModel):
    """One fault.

    `status` is the HTTP status of kind `status`, `retry_after` its header in seconds; `seconds` how long `latency` and
    `slow-first-byte` wait; `rate` the bytes per second of `bandwidth`, shared by all affected requests; `after` how
    many bytes of the body are sent before `cut` and `truncated` (default: half of them). It affects requests for
    `target` in repositories that match the glob `repository`, at most `count` of them, until `lasts` seconds after it
    was set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    status: int = 0
    retry_after: int | None = Field(default=None, ge=0)
    seconds: float = Field(default=0.0, ge=0)
    rate: int = Field(default=0, ge=0)
    after: int | None = Field(default=None, ge=0)
    repository: str = "*"
    target: Target | None = None
    count: int | None = Field(default=None, ge=1)
    lasts: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        needs = {"status": self.kind == "status", "rate": self.kind == "bandwidth"}
        for name, needed in needs.items():
            if bool(getattr(self, name)) != needed:
                raise ValueError(f"{self.kind} {'needs' if needed else 'takes no'} {name}")
        if self.kind == "status" and self.status not in STATUSES:
            raise ValueError(f"status {self.status} is not one of {', '.join(map(str, STATUSES))}")
        if self.retry_after is not None and self.kind != "status":
            raise ValueError(f"{self.kind} takes no retry_after")
        if self.seconds and self.kind not in ("latency", "slow-first-byte"):
            raise ValueError(f"{self.kind} does not take `seconds`")
        if self.kind in ("latency", "slow-first-byte") and not self.seconds:
            raise ValueError(f"{self.kind} needs `seconds`")
        if self.after is not None and self.kind not in ("cut", "truncated"):
            raise ValueError(f"{self.kind} does not take `after`")
        return self

    def meets(self, method: str, target: Target, repository: str) -> bool:
        """Whether it affects this request."""
        if self.kind == "expired-certificate":
            return False
        if self.kind in _OF_CONTENT and method != "GET":
            return False
        if self.target is None and self.kind in _USUAL:
            right_target = target in _USUAL[self.kind]
        else:
            right_target = self.target in (None, "any", target)
        return right_target and fnmatch.fnmatchcase(repository, self.repository)

    def __str__(self) -> str:
        said = {
            "status": f"status {self.status}",
            "latency": f"latency {self.seconds:g} s",
            "slow-first-byte": f"slow-first-byte {self.seconds:g} s",
            "bandwidth": f"bandwidth {self.rate} B/s",
        }.get(self.kind, self.kind)
        if self.kind == "expired-certificate":
            return said
        target = f" on {self.target}" if self.target else ""
        where = f" of {self.repository}" if self.repository != "*" else ""
        return said + target + where


class Bucket:
    """A bandwidth that several responses share: `rate` bytes per second."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._free_at = 0.0

    @property
    def portion(self) -> int:
        """Chunk size in bytes for an even flow: a tenth of a second's worth, at least 512."""
        return max(512, min(64 * 1024, self.rate // 10))

    async def take(self, size: int) -> None:
        """Wait until this many bytes may be sent."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self.rate
        await asyncio.sleep(self._free_at - now)


class _Armed:
    """An active fault, with its remaining count and time."""

    def __init__(self, fault: Fault, now: float) -> None:
        self.fault = fault
        self.left = fault.count
        self.until = None if fault.lasts is None else now + fault.lasts
        self.bucket = Bucket(fault.rate) if fault.rate else None

    def alive(self, now: float) -> bool:
        return self.left != 0 and (self.until is None or now < self.until)

    def strike(self) -> None:
        if self.left is not None:
            self.left -= 1


class Struck:
    """The faults that affect a request or its response, each counted; at most one of each kind."""

    def __init__(self, armed: list[_Armed]) -> None:
        self._armed = {it.fault.kind: it for it in reversed(armed)}

    def of(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind, if one struck."""
        return self._armed[kind].fault if kind in self._armed else None

    @property
    def bucket(self) -> Bucket | None:
        """The bandwidth limit."""
        return self._armed["bandwidth"].bucket if "bandwidth" in self._armed else None

    @property
    def words(self) -> str:
        """The injected faults, for the log."""
        return "; ".join(sorted(str(it.fault) for it in self._armed.values()))


class FaultPlan:
    """The faults of a registry, in the order in which they were set; safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        with self._lock:
            self._armed.append(_Armed(fault, self._clock()))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def active(self) -> list[Fault]:
        """The active faults; `count` is what remains of it."""
        with self._lock:
            self._drop()
            return [it.fault.model_copy(update={"count": it.left}) for it in self._armed]

    def strike(self, method: str, target: Target, repository: str) -> Struck:
        """The faults that affect a request before it is handled: of each kind the one that was set first."""
        return self._strike(method, target, repository, of_content=False)

    def spoil(self, method: str, target: Target, repository: str) -> Struck:
        """The faults that affect response content; a refusal has none, and is not counted."""
        return self._strike(method, target, repository, of_content=True)

    def _strike(self, method: str, target: Target, repository: str, *, of_content: bool) -> Struck:
        struck: dict[FaultKind, _Armed] = {}
        with self._lock:
            self._drop()
            for it in self._armed:
                kind = it.fault.kind
                right_kind = kind not in struck and (kind in _OF_CONTENT) == of_content
                if right_kind and it.fault.meets(method, target, repository):
                    struck[kind] = it
                    it.strike()
        return Struck(list(struck.values()))

    def certificate_expired(self) -> bool:
        """Whether a new connection gets the expired certificate; counts it."""
        with self._lock:
            self._drop()
            for it in self._armed:
                if it.fault.kind == "expired-certificate":
                    it.strike()
                    return True
        return False

    def _drop(self) -> None:
        now = self._clock()
        self._armed = [it for it in self._armed if it.alive(now)]
