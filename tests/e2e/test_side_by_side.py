# SPDX-License-Identifier: Apache-2.0
"""Two runs on one host at the same time, one of them with pull secrets: what they take away, and what they leave."""

from __future__ import annotations

import re

import pytest
from runs import Run

from harness.verdicts import Verdict

SECRETS = "kind-1.34/install-2.5.2/registry-credentials-nowhere"
OTHER = "k3d-1.34/install-2.5.2/bad-submission"
_TOKEN = re.compile(rb"(ghp|dckr_pat)_[A-Za-z0-9]{16,}")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Both runs, which have ended."""
    secrets = Run(tmp_path_factory.mktemp("secrets"), "--source", "foundry", "--cell", SECRETS)
    secrets.until_said("creating cluster")
    other = Run(tmp_path_factory.mktemp("other"), "--cell", OTHER)
    other.end()
    secrets.end()
    return secrets, other


def test_two_runs_at_once_do_not_disturb_each_other(pair: tuple[Run, Run]) -> None:
    assert [run.end() for run in pair] == [0, 0], [run.said for run in pair]
    for run in pair:
        (cell,) = run.cells()
        assert (cell.verdict, cell.retries) == (Verdict.PASSED, ())
        assert run.results()["leaks"] == []
        assert run.left() == []
    clusters = {run.results()["plan"][0]["cluster"] for run in pair}
    assert len(clusters) == 2


def test_no_token_is_in_what_a_run_has_written(pair: tuple[Run, Run]) -> None:
    secrets, _ = pair
    (cell,) = secrets.cells()
    assert cell.verdict is Verdict.PASSED
    # What is known of the tokens themselves is gone with the run; how they begin is not.
    files = [it for it in secrets.log.parent.rglob("*") if it.is_file()]
    assert secrets.log in files
    assert [str(it) for it in files if _TOKEN.search(it.read_bytes())] == []
