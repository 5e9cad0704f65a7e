# SPDX-License-Identifier: Apache-2.0
"""What is told of a release whose image the source does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import RegistryError, UnavailableError
from harness.foundry.imported import Records
from harness.matrix import catalogue
from harness.run.release_charts import ReleaseCharts
from harness.settings import Settings

COPY = catalogue.load().release("2.2.1@docker.io")


class Source:
    """One whose registry gives this status for every image."""

    kind = "upstream"

    def __init__(self, status: int) -> None:
        self._status = status

    def resolve(self, reference: str) -> None:
        raise RegistryError(f"docker.io answered {self._status}", "what is usual", status=self._status)


@pytest.mark.parametrize(
    ("status", "step"),
    [(404, "take what upstream has published there: --tag docker-hub"), (429, "what is usual")],
)
def test_a_copy_that_nobody_made_is_told_with_what_is_there(tmp_path: Path, status: int, step: str) -> None:
    source: Any = Source(status)
    charts = ReleaseCharts(
        Settings(cache_dir=tmp_path), source, Records(), helm=tmp_path / "helm", folder=tmp_path / "charts"
    )
    with pytest.raises(UnavailableError, match=f"answered {status}") as caught:
        charts.find(COPY)
    assert step in caught.value.next_step


def test_what_is_named_was_published() -> None:
    known = catalogue.load()
    (path,) = (it for it in known.upgrades.paths.values() if it.name == "upgrade-2.1.1-2.5.2+crds=apply")
    assert "docker-hub" in path.tags
    assert (known.release("2.1.1").registry, known.release("2.1.1").relocated) == ("docker.io", False)
