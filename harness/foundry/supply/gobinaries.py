# SPDX-License-Identifier: Apache-2.0
"""The modules that are linked into Go programs, as the programs themselves say (`go version -m`, runtime/debug)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import process
from harness.foundry.supply.components import Component, Contents, merged

_SECONDS = 60.0
_ELF = b"\x7fELF"


def contents(programs: Iterable[Path]) -> Contents:
    """The modules of all these programs, and the Go release that compiled them."""
    found: list[Component] = []
    unknown = []
    for program in programs:
        information = build_information(program)
        if information is None:
            unknown.append(f"{program.name} says nothing of the modules in it")
            continue
        found += _components(information, program.name)
    return Contents(components=merged(found), unknown=tuple(unknown))


def build_information(program: Path) -> dict[str, Any] | None:
    """What Go wrote into a program (debug.BuildInfo); None where it wrote nothing."""
    with program.open("rb") as stream:
        if stream.read(len(_ELF)) != _ELF:
            return None
    done = process.call(["go", "version", "-m", "-json", program], timeout=_SECONDS, check=False)
    if done.returncode or not done.stdout.strip():
        return None
    information: dict[str, Any] = json.loads(done.stdout)
    return information


def _components(information: dict[str, Any], program: str) -> Iterator[Component]:
    version = information["GoVersion"].split()[0].removeprefix("go")
    yield Component(ecosystem="golang", name="std", version=version, licence="BSD-3-Clause", within=(program,))
    for module in (information.get("Main"), *information.get("Deps", ())):
        # The programs of a tool module have it as their main module, which is nobody's package.
        if not module or not module.get("Version") or module["Version"] == "(devel)":
            continue
        used = module.get("Replace") or module
        group, _, name = used["Path"].rpartition("/")
        yield Component(
            ecosystem="golang",
            group=group,
            name=name,
            version=used["Version"],
            h1=used.get("Sum", ""),
            within=(program,),
        )
