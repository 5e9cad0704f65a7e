# SPDX-License-Identifier: Apache-2.0
"""Uploads that a client began and did not end: the storage server keeps what it got of them, until somebody removes it.

distribution can purge uploads itself, but begins with it up to an hour after its start
(registry/handlers/app.go, startUploadPurger).
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientResponse

ABORTED_SECONDS = 30.0
"""How long an upload stays whose connection was lost: as long as a client might need to go on with it."""

IDLE_SECONDS = 900.0
"""How long an upload stays that nobody goes on with."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REPOSITORIES = Path("docker/registry/v2/repositories")


@dataclass(frozen=True, kw_only=True)
class _Upload:
    """Where the storage keeps it, and until when it may stay without a sign of its client."""

    folder: Path
    until: float


class Uploads:
    """The open uploads of a storage; safe to use from several threads."""

    def __init__(self, storage: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Upload] = {}

    def note(self, repository: str, method: str, reference: str, answer: ClientResponse) -> None:
        """Take note of the storage's answer to a request about an upload; `reference` is its id in the path, if any."""
        identifier = reference or urlsplit(answer.headers.get("Location", "")).path.rpartition("/")[2]
        if not _UUID.fullmatch(identifier):
            return
        ended = (method == "PUT" and answer.status == 201) or (method == "DELETE" and answer.status == 204)
        folder = self._storage / _REPOSITORIES / repository / "_uploads" / identifier
        with self._lock:
            if ended or answer.status == 404:
                self._open.pop(identifier, None)
            else:
                self._open[identifier] = _Upload(folder=folder, until=self._clock() + IDLE_SECONDS)

    def adopt(self) -> None:
        """Take note of what is open in the storage already, as one that was killed has left it."""
        now = self._clock()
        with self._lock:
            for folder in (self._storage / _REPOSITORIES).glob("**/_uploads/*"):
                if _UUID.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                    self._open.setdefault(folder.name, _Upload(folder=folder, until=now + ABORTED_SECONDS))

    def abort(self, reference: str) -> None:
        """Take note that the connection of an upload was lost."""
        with self._lock:
            if reference in self._open:
                until = self._clock() + ABORTED_SECONDS
                self._open[reference] = replace(self._open[reference], until=until)

    def sweep(self) -> None:
        """Remove what nobody goes on with."""
        now = self._clock()
        with self._lock:
            over = [(identifier, it.folder) for identifier, it in self._open.items() if it.until <= now]
            for identifier, _ in over:
                del self._open[identifier]
        for _, folder in over:
            shutil.rmtree(folder, ignore_errors=True)
