# SPDX-License-Identifier: Apache-2.0
"""charts/profile-results.toml: what replacing the operator cost with each values profile.

`python -m harness.matrix.profile_results` prints the table of docs/my-cluster.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from harness.matrix.result_paths import PathRow, require_paths
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.untrusted import OptionalDigest
from harness.verdicts import Verdict

FILE = PROJECT_ROOT / "charts" / "profile-results.toml"

_HEAD = (
    "| profile | path | verdict | no leader (s) | creates refused (ms) | creates let pass |\n"
    "| --- | --- | --- | ---: | ---: | ---: |"
)
_NOTHING = "–"


class ProfileResult(PathRow):
    """`[[result]]`: what one run measured on a path. `no_leader` is in seconds, `refused` in milliseconds.

    `passed_by` counts creates that were accepted as they came. None stands for what was not measured. `digest` is that
    of the run's results.json.
    """

    environment: str
    recorded: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    source: str = Field(min_length=1)
    digest: OptionalDigest = ""
    verdict: Verdict
    no_leader: float | None = None
    refused: int | None = None
    passed_by: int | None = None


def read(written: TomlSource | None = None) -> tuple[ProfileResult, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key, also for what is no path."""
    source = written or TomlSource.read(FILE)
    source.require_only("result")
    rows = source.rows("result", ProfileResult)
    require_paths(source, rows)
    return rows


def table(rows: Sequence[ProfileResult]) -> str:
    """A row for each result; several of one path are one run each."""
    return "\n".join([_HEAD, *map(_line, rows)]) + "\n"


def _line(row: ProfileResult) -> str:
    profile = f"`{row.parsed.profile}`" if row.parsed.profile else "none"
    path = row.path.removesuffix(f"+profile={row.parsed.profile}")
    figures = (row.no_leader, row.refused, row.passed_by)
    told = (_NOTHING if it is None else f"{it:g}" for it in figures)
    return f"| {profile} | `{path}` | {row.verdict} | {' | '.join(told)} |"


if __name__ == "__main__":
    print(table(read()), end="")
