# SPDX-License-Identifier: Apache-2.0
"""CRD modes of one edge on one cluster: each breaks as known or holds, its way out leads out, and nothing stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import Run

from harness.report.model import CellResult
from harness.verdicts import Verdict

pytestmark = pytest.mark.nightly

EDGE = "upgrade-2.2.1@docker.io-2.5.2+crds="
MODES = ("client-apply", "ssa", "replace")
SECONDS = 1500.0
"""Three upgrades one after the other, two of them made a second time."""


def test_modes_that_break_lead_out_and_all_share_a_cluster(tmp_path: Path) -> None:
    paths = [word for mode in MODES for word in ("--path", f"{EDGE}{mode}")]
    run = Run(tmp_path, "--env", "kind-1.34", *paths, "--scenario", "operator-health")
    assert run.end(timeout=SECONDS) == 0, run.said
    found = {cell.path.removeprefix(EDGE): cell for cell in run.cells()}
    assert {mode: found[mode].verdict for mode in MODES} == {
        "client-apply": Verdict.BROKEN_AS_KNOWN,
        "ssa": Verdict.BROKEN_AS_KNOWN,
        "replace": Verdict.PASSED,
    }
    assert "metadata.annotations: Too long" in said(found["client-apply"], "move-completed")
    assert 'conflict with "helm"' in said(found["ssa"], "move-completed")
    for mode in ("client-apply", "ssa"):
        assert "a new application is COMPLETED" in said(found[mode], "way-out")
    # The CRDs of one mode would make the next one pass, if they were still there.
    assert [name for name in found if "cluster-clean" in found[name].phases] == ["ssa", "replace"]


def said(cell: CellResult, check: str) -> str:
    (found,) = (it.message for it in cell.checks if it.name == check)
    return found
