# SPDX-License-Identifier: Apache-2.0
"""Searches for secrets where there must be none: in files, and in argv and environment of processes."""

from __future__ import annotations

import base64
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

_PROC = Path("/proc")
_SHORTEST = 12
"""Anything shorter would match by chance."""


def forms(secret: str) -> list[bytes]:
    """The forms in which a secret can appear: plain, URL-encoded, and base64-encoded at each of three offsets."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode()}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        # The first and the last group of four also hold bits of what stands before and behind.
        found.add(encoded[4 if before else 0 : (len(plain) + before) // 3 * 4])
    return sorted(it for it in found if len(it) >= _SHORTEST)


def in_files(secrets: Sequence[str], places: Iterable[Path]) -> list[str]:
    """Those of these files, and of the files below these folders, that contain a secret; the secret is not returned."""
    wanted = _all_forms(secrets)
    found = {it for place in places for it in ([place] if place.is_file() else place.rglob("*"))}
    files = sorted(it for it in found if it.is_file() and not it.is_symlink())
    return [str(it) for it in files if _holds(it, wanted)]


def in_processes(secrets: Sequence[str], proc: Path = _PROC) -> list[str]:
    """The processes with one of the secrets in argv or environment, as `1234 argv`; including those in containers."""
    wanted = _all_forms(secrets)
    return [f"{number} {where}" for number, where, text in _said(proc) if any(it in text for it in wanted)]


def processes(proc: Path = _PROC) -> int:
    """The number of processes that can be inspected."""
    return len({number for number, _, _ in _said(proc)})


def _said(proc: Path) -> Iterator[tuple[str, str, bytes]]:
    for folder in sorted(it for it in proc.iterdir() if it.name.isdigit()):
        for name, where in (("cmdline", "argv"), ("environ", "environment")):
            try:
                text = (folder / name).read_bytes()
            except OSError:
                # It has ended meanwhile, or is somebody else's.
                continue
            yield folder.name, where, text


def _all_forms(secrets: Sequence[str]) -> list[bytes]:
    return sorted({form for secret in secrets if secret for form in forms(secret)})


def _holds(file: Path, wanted: Sequence[bytes]) -> bool:
    if not file.stat().st_size:
        return False
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(it) >= 0 for it in wanted)
