# SPDX-License-Identifier: Apache-2.0
"""Runs programs of another architecture with QEMU, in a user namespace whose handler of such programs is its own.

Since Linux 6.7, each user namespace may have a binfmt_misc of its own: the host's, and with it everything else on this
machine, stays as it is.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ToolError, UsageError
from harness.settings import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / "charts" / "images" / "emulated.sh"


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A program of QEMU, and the number by which ELF files say that they are for its machine (e_machine)."""

    program: str
    machine: int


EMULATORS = {
    "arm64": Emulator(program="qemu-aarch64-static", machine=183),
    "amd64": Emulator(program="qemu-x86_64-static", machine=62),
}
"""By architecture, in Go's terms."""


def prefix(goarch: str) -> list[str | Path]:
    """The words before a command whose programs are for that architecture.

    Raises UsageError for one that is not known, ToolError without its emulator.
    """
    if goarch not in EMULATORS:
        raise UsageError(f"no emulator is known for {goarch}", f"known: {', '.join(EMULATORS)}")
    emulator = EMULATORS[goarch]
    found = shutil.which(emulator.program)
    if found is None:
        raise ToolError(
            f"{emulator.program} was not found; it is needed to set up a Debian for {goarch}",
            "apt-get install qemu-user-static",
        )
    return ["bash", SCRIPT, found, magic(emulator.machine)]


def magic(machine: int) -> str:
    """Magic and mask of 64-bit little-endian ELF programs for a machine, as binfmt_misc reads them.

    See Documentation/admin-guide/binfmt-misc.rst of Linux, and /usr/include/elf.h.
    """
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little")
    # e_ident after its version says nothing here, and ET_DYN (3) is a program as well as ET_EXEC (2).
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    return ":".join("".join(f"\\x{byte:02x}" for byte in part) for part in (head, mask))
