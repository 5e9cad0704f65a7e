# SPDX-License-Identifier: Apache-2.0
"""What a run with pull secrets leaves on this machine holds no token."""

from __future__ import annotations

import re
from pathlib import Path

from runs import Run, Things

from harness.verdicts import Verdict

_TOKEN = re.compile(rb"(ghp|dckr_pat)_[A-Za-z0-9]{16,}")


def test_no_token_is_in_what_a_run_has_written(tmp_path: Path) -> None:
    before = Things.now()
    run = Run(tmp_path, "--source", "foundry", "--cell", "kind-1.34/install-2.5.2/registry-credentials-nowhere")
    assert run.end() == 0, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.PASSED
    # What is known of the tokens themselves is gone with the run; how they begin is not.
    files = [it for it in tmp_path.rglob("*") if it.is_file()]
    assert run.log in files
    assert [str(it) for it in files if _TOKEN.search(it.read_bytes())] == []
    assert Things.now() == before
