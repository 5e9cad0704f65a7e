# SPDX-License-Identifier: Apache-2.0
"""Reads a token for one command, from a file that only its owner can read or from standard input, never from argv."""

from __future__ import annotations

import codecs
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
        with file.open(encoding=_encoding(file)) as stream:
            return _login(stream, username, f"the token file {file}")
    except (OSError, UnicodeError) as unreadable:
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


def token_in(text: str, where: str) -> str:
    """A token without the blanks and line ends around it; empty where there is nothing else.

    Raises SettingsError for one in quotes, which would be sent with it. `where` is for messages.
    """
    token = text.strip()
    if len(token) > 1 and token[0] == token[-1] and token[0] in "\"'`":
        raise SettingsError(
            f"{where} has its token in quotes, which would be sent as a part of it", "write the token without them"
        )
    return token


def _encoding(file: Path) -> str:
    """Editors of Windows put a byte order mark in front; its PowerShell 5 writes UTF-16 with `>`."""
    with file.open("rb") as stream:
        begins = stream.read(2)
    return "utf-16" if begins in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _login(stream: TextIO, username: str, where: str) -> Credentials:
    token = token_in(stream.readline(_LONGEST), where)
    if not token:
        raise SettingsError(f"{where} has no token in its first line", "write the token there")
    # GHCR takes any name with a token; one that is empty is refused by the form of Basic authentication itself.
    return Credentials(username=username or "token", password=SecretStr(token))
