# SPDX-License-Identifier: Apache-2.0
"""Reads a token for one command, from a file that only its owner can read or from standard input, never from argv."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import TextIO

from pydantic import SecretStr

from harness.errors import SettingsError
from harness.images.credentials import Credentials

_LONGEST = 65_536


def from_file(file: Path, username: str) -> Credentials:
    """The token in the first line of a file. Raises SettingsError when others could read the file."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"the token file {file} is not a file", "give a file with the token in its first line")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"the token file {file} is accessible to others: its mode is {stat.S_IMODE(mode):04o}",
                f"chmod 600 {file}, and if others could read it, revoke the token and create another",
            )
        # Editors of Windows put a byte order mark in front.
        with file.open(encoding="utf-8-sig") as stream:
            return _login(stream, username, f"the token file {file}")
    except (OSError, UnicodeDecodeError) as unreadable:
        what = unreadable.strerror if isinstance(unreadable, OSError) else "it is not text"
        raise SettingsError(f"the token file {file} cannot be read: {what}", "check --token-file") from unreadable


def from_stdin(username: str, stream: TextIO | None = None) -> Credentials:
    """The token in the first line of standard input. Raises SettingsError when there is none."""
    given: TextIO | None = stream or sys.stdin
    if given is None:
        raise SettingsError("standard input is closed", "give the token there, or with --token-file")
    try:
        return _login(given, username, "standard input")
    except UnicodeDecodeError as binary:
        raise SettingsError("standard input has no token: it is not text", "write the token there") from binary


def _login(stream: TextIO, username: str, where: str) -> Credentials:
    token = stream.readline(_LONGEST).strip()
    if not token:
        raise SettingsError(f"{where} has no token in its first line", "write the token there")
    # GHCR takes any name with a token; one that is empty is refused by the form of Basic authentication itself.
    return Credentials(username=username or "token", password=SecretStr(token))
