# SPDX-License-Identifier: Apache-2.0
"""Programs that this process has started and that are alive: how one is ended with all it started, or all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.late import psutil

GRACE_SECONDS = 5.0
"""How long a program has for ending by itself, from SIGTERM until SIGKILL."""

_LOOK_SECONDS = 0.05
# From SIGKILL until a child has exited: a host with far too much to do takes its time.
_KILLED_SECONDS = 60.0


class _Alive:
    """Child processes that are alive, so that a signal handler can terminate them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self.local = threading.local()

    def add(self, child: subprocess.Popen[bytes]) -> None:
        if getattr(self.local, "sheltered", False):
            return
        with self._lock:
            self._children.add(child)

    def discard(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children.discard(child)

    def snapshot(self) -> list[subprocess.Popen[bytes]]:
        with self._lock:
            return list(self._children)


_alive = _Alive()


@contextmanager
def alive(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let `end_all` end a child during the block, unless this thread is sheltered."""
    _alive.add(child)
    try:
        yield
    finally:
        _alive.discard(child)


def end(child: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """Terminate a child and everything left in its process group: SIGTERM, `grace` seconds, SIGKILL."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not _group_alive(child):
            break
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            break
        until = time.monotonic() + grace
        while _group_alive(child) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
    child.wait(_KILLED_SECONDS)


def end_all() -> None:
    """Terminate every child that is still alive, except sheltered ones; for signal handlers and the end of a run."""
    for child in _alive.snapshot():
        end(child)


@contextmanager
def sheltered() -> Iterator[None]:
    """Exempt what this thread starts in the block from `end_all`: a clean-up must be able to finish."""
    _alive.local.sheltered = True
    try:
        yield
    finally:
        _alive.local.sheltered = False


def _group_alive(child: subprocess.Popen[bytes]) -> bool:
    """Whether anything in the child's process group still runs; zombies, which may never be reaped, do not count."""
    if child.poll() is None:
        return True
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return any(_is_member(it, child.pid) for it in psutil.process_iter(["status"]))


def _is_member(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE
    except ProcessLookupError:
        return False
