# SPDX-License-Identifier: Apache-2.0
"""Redacts what is printed, whoever prints it: commands, rich, logging, argparse and pytest write to these streams."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO, cast

from harness import late

if TYPE_CHECKING:
    from harness.redaction import redactor
else:
    redactor = late.module("harness.redaction.redactor")


@contextmanager
def redacted() -> Iterator[None]:
    """Take secrets out of all that is written to standard output and standard error within the block."""
    before = sys.stdout, sys.stderr
    # Python has None for a stream that was closed before it began, as by `>&-`.
    streams = RedactedStream(sys.stdout or StringIO()), RedactedStream(sys.stderr or StringIO())
    sys.stdout, sys.stderr = (cast("TextIO", it) for it in streams)
    try:
        yield
        for stream in streams:
            stream.finish()
    finally:
        sys.stdout, sys.stderr = before


class RedactedStream:
    """A text stream that writes whole lines without their secrets. Safe to use from several threads.

    Lines that are written together are redacted together, so that a document keeps its structure. The beginning of a
    line waits for its end, unless the stream is flushed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._waiting = ""
        self._shown = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the lines that are complete with this."""
        with self._lock:
            text_so_far = self._waiting + text
            # Progress bars end their lines with a carriage return.
            end = max(text_so_far.rfind("\n"), text_so_far.rfind("\r")) + 1
            self._waiting = text_so_far[end:]
            if end:
                self._show(text_so_far[:end])
                self._shown = ""
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Write the beginning of a line, too; what follows is redacted with it."""
        with self._lock:
            if len(self._waiting) > len(self._shown):
                self._show(self._waiting)
            self._stream.flush()

    def finish(self) -> None:
        """Write the beginning of a line that will have no end."""
        with self._lock:
            rest, self._waiting = self._waiting, ""
            if rest:
                self._show(rest)

    def _show(self, text: str) -> None:
        """Write a text, the beginning of which may be on the screen already."""
        clean = redactor.Redactor().text(text)
        common = 0
        for old, new in zip(self._shown, clean, strict=False):
            if old != new:
                break
            common += 1
        self._stream.write(clean[common:])
        self._shown = clean
