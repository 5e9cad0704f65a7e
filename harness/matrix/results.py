# SPDX-License-Identifier: Apache-2.0
"""charts/results.toml: what runs of this project showed; `python -m harness.matrix.results` prints its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from harness.matrix import path_names
from harness.matrix.model import CrdMode
from harness.matrix.result_paths import PathRow
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.untrusted import OptionalDigest

FILE = PROJECT_ROOT / "charts" / "results.toml"

_HEAD = (
    "| upgrade | creates refused (ms) | no leader (s) | FAILED although the driver succeeded | retry |\n"
    "| --- | ---: | ---: | ---: | --- |"
)


class Result(PathRow):
    """`[[result]]`: the result of one path in one environment, with all of its scenarios, or with those of `looked`.

    `refused` is in milliseconds, `no_leader` in seconds; None for what was not measured. `failed` of `submitted`
    applications ended FAILED although their driver succeeded. `digest` is that of the results.json, if it was recorded.
    """

    environment: str
    state: Literal["clean", "race", "broken"]
    recorded: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    source: str = Field(min_length=1)
    digest: OptionalDigest = ""
    refused: int | None = None
    no_leader: int | None = None
    failed: int | None = None
    submitted: int | None = None
    retry: Literal["", "completed", "PENDING_RERUN"] = ""
    broke: tuple[str, ...] = ()
    looked: tuple[str, ...] = ()

    @property
    def crds(self) -> CrdMode:
        """What happened to the CRDs."""
        return self.parsed.crds or "none"  # type: ignore[return-value]  # read() has checked it

    @property
    def where(self) -> str:
        """Environment, day, where it is recorded, and the digest of the results."""
        return f"{self.environment}, {self.recorded}, {self.source}, digest {self.digest or 'not recorded'}"


def read(written: TomlSource | None = None) -> tuple[Result, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key, also for what is not an upgrade's path."""
    source = written or TomlSource.read(FILE)
    source.require_only("result")
    rows = source.rows("result", Result)
    for number, row in enumerate(rows):
        parsed = path_names.parse(row.path)
        if parsed is None or parsed.kind != "upgrade" or len(parsed.releases) != 2 or not parsed.crds or parsed.profile:
            raise source.error("result", number, "path", f"{row.path!r} is not upgrade-A-B+crds=MODE")
        if any((row.path, row.environment) == (it.path, it.environment) for it in rows[:number]):
            raise source.error("result", number, "path", f"a row above has {row.path} in {row.environment}")
    return rows


def table(rows: Sequence[Result]) -> str:
    """The table of docs/upgrades.md: measured results, in the order of the file."""
    measured = [row for row in rows if row.refused is not None and not row.looked]
    return "\n".join([_HEAD, *map(_line, measured)]) + "\n"


def _line(row: Result) -> str:
    retry = {"": "–", "completed": "completed", "PENDING_RERUN": "stayed `PENDING_RERUN`"}[row.retry]
    edge = " → ".join(row.parsed.releases)
    struck = "–" if row.failed is None else f"{row.failed} of {row.submitted}"
    return f"| {edge} | {row.refused} | {'–' if row.no_leader is None else row.no_leader} | {struck} | {retry} |"


if __name__ == "__main__":
    print(table(read()), end="")
