# SPDX-License-Identifier: Apache-2.0
"""Reads and writes requirements.lock, which pins every Python package of this project with its hashes.

    python .ci/requirements.py select run dev   prints what pip needs for these purposes
    python .ci/requirements.py lock             writes the file anew from pyproject.toml; needs uv

It runs before anything is installed, so it needs nothing but Python. A purpose is `run`, which is the harness with what
builds it, or an extra of pyproject.toml. Each package stands in the file once, below a line that names its purposes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Every Python package that this project installs, with its hashes, for each Python that pyproject.toml allows.
# Written by `nox -s lock`; do not edit it. The line above a package says what needs it: `run` is the harness itself,
# and what builds it; the others are extras of pyproject.toml. `.ci/requirements.py select run` prints those of `run`.
"""


class LockError(Exception):
    """The lock cannot be read or written; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package as the lock has it."""

    purposes: tuple[str, ...]
    text: str
    """A requirement with its hashes, as pip reads it, over several lines."""

    @property
    def name(self) -> str:
        """In the form in which names are compared: lower case, with hyphens."""
        return normal(re.split(r"[=<>!~\[; ]", self.text, maxsplit=1)[0])

    @property
    def version(self) -> str:
        """The one version. Raises LockError when the package is not pinned to one."""
        pinned = re.match(r"[\w.-]+==([^\s;\\]+)", self.text)
        if pinned is None:
            raise LockError(f"{LOCK.name}: {self.name} is not pinned to one version; run `nox -s lock`")
        return pinned[1]

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of its files, as `sha256:…`."""
        return tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", self.text))


def normal(name: str) -> str:
    """The name of a package as names are compared: https://packaging.python.org/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, list[str]]:
    """The requirements that pyproject.toml declares, by purpose."""
    data = tomllib.loads(pyproject.read_text())
    project = data["project"]
    return {
        "run": [*project["dependencies"], *data["build-system"]["requires"]],
        **project["optional-dependencies"],
    }


def read(lock: Path = LOCK) -> list[Package]:
    """The packages of the lock. Raises LockError where it is not as `write` makes it."""
    found = []
    for block in lock.read_text().split("\n\n")[1:]:
        first, _, text = block.strip("\n").partition("\n")
        if not re.fullmatch(r"#( [\w-]+)+", first) or not text:
            raise LockError(f"{lock.name}: a package without its purposes: {first!r}; run `nox -s lock`")
        found.append(Package(purposes=tuple(first.split()[1:]), text=text))
    return found


def select(purposes: Sequence[str], lock: Path = LOCK) -> str:
    """What pip needs for these purposes, as a requirements file. Raises LockError when one of them has no package."""
    packages = read(lock)
    for purpose in purposes:
        if not any(purpose in package.purposes for package in packages):
            known = sorted({name for package in packages for name in package.purposes})
            raise LockError(f"{lock.name} has nothing for {purpose!r}; there is: {', '.join(known)}")
    return "".join(f"{package.text}\n" for package in packages if set(purposes) & set(package.purposes))


def write(lock: Path = LOCK, options: Iterable[str] = ()) -> None:
    """Write the lock from pyproject.toml. Versions stay as they are where they can; `options` are uv's (`--upgrade`).

    Raises LockError when uv finds no versions that fit together.
    """
    purposes = declared()
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "all.txt"
        if lock.exists():
            everything.write_text(lock.read_text())
        _compile(
            everything,
            [it for requirements in purposes.values() for it in requirements],
            ["--generate-hashes", *options],
        )
        names = {}
        for purpose, requirements in purposes.items():
            own = Path(folder) / f"{purpose}.txt"
            _compile(own, requirements, ["--no-annotate", "--constraints", everything.name])
            names[purpose] = {package.name for package in _blocks(own, ())}
        blocks = [_HEAD]
        for package in _blocks(everything, ()):
            needed_by = " ".join(purpose for purpose in purposes if package.name in names[purpose])
            blocks.append(f"# {needed_by}\n{package.text}\n")
    lock.write_text("\n".join(blocks))


def _compile(output: Path, requirements: Iterable[str], options: Iterable[str]) -> None:
    """Let uv resolve these requirements for every Python and platform. Raises LockError with what it said."""
    asked = output.with_suffix(".in")
    asked.write_text("\n".join(requirements))
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", lowest, "--no-header", *options]
    done = subprocess.run(
        [*command, "--output-file", output.name, asked.name],
        cwd=output.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LockError(f"uv found no versions for pyproject.toml:\n{done.stderr}")


def _blocks(compiled: Path, purposes: tuple[str, ...]) -> list[Package]:
    """The packages of a file that uv wrote: each begins at the margin, and its other lines are indented."""
    text = compiled.read_text().replace(f"-r {compiled.with_suffix('.in').name}", "pyproject.toml")
    return [Package(purposes=purposes, text=it.rstrip()) for it in re.split(r"^(?=\S)", text, flags=re.M) if it.strip()]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("select", help="print what pip needs").add_argument("purpose", nargs="+")
    commands.add_parser("lock", help="write the lock anew").add_argument("options", nargs="*", help="for uv, after --")
    asked = parser.parse_args()
    try:
        if asked.command == "select":
            sys.stdout.write(select(asked.purpose))
        else:
            write(options=asked.options)
    except (LockError, OSError) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
