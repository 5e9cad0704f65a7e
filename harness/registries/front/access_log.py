# SPDX-License-Identifier: Apache-2.0
"""The access log: one JSON object per line, used as proof by checks. It has no headers and bodies, so no tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.errors import DiskError


@dataclass(frozen=True, kw_only=True)
class Request:
    """One answered request. `status` 0: the connection was closed before a status was sent.

    `host` is what the client asked at, `bytes` the number of body bytes sent. `user` is the owner of the token, empty
    for anonymous; `source` the client's address; `fault` the injected fault; `seconds` the duration.
    """

    time: str
    method: str
    host: str = ""
    path: str
    scope: str = ""
    repository: str = ""
    status: int
    bytes: int
    user: str = ""
    source: str
    agent: str = ""
    seconds: float
    fault: str = ""


class AccessLog:
    """The access log of a registry, appended to; every line is in the file when `write` returns."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = file.open("ab", buffering=0)
        except OSError as error:
            raise _unwritable(file, error) from error

    def write(self, request: Request) -> None:
        """Add a request. Raises DiskError: a log with holes would prove nothing."""
        shown = {key: value for key, value in asdict(request).items() if value != ""}
        try:
            with self._lock:
                self._stream.write((json.dumps(shown, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise _unwritable(self.file, error) from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def now() -> str:
    """The current time in the log's format: UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(file: Path) -> list[Request]:
    """All requests of a log, oldest first; an incomplete last line is ignored."""
    return list(_requests(file.read_text(errors="replace").splitlines())) if file.exists() else []


def _requests(lines: list[str]) -> Iterator[Request]:
    known = {it.name for it in fields(Request)}
    for line in lines:
        try:
            data: Any = json.loads(line)
        except ValueError:
            continue
        yield Request(**{key: value for key, value in data.items() if key in known})


def _unwritable(file: Path, error: OSError) -> DiskError:
    return DiskError(f"the log {file} cannot be written: {error.strerror}", f"free some space: df -h {file.parent}")
