# SPDX-License-Identifier: Apache-2.0
"""The measurement of the audit compares it with grep on the same tree, and holds it to its limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

from harness.bench import audit
from harness.bench.__main__ import parsed_words
from harness.errors import HarnessError


def outcome(*, ratio: float = 1.0, peak_mib: float = 50.0, judged: bool = True) -> audit.AuditOutcome:
    return audit.AuditOutcome(ratio=ratio, limit=audit.LIMIT, measured={}, judged=judged, peak_mib=peak_mib)


def test_it_holds_within_both_limits_only() -> None:
    assert outcome().holds
    assert not outcome(ratio=3.1).holds
    assert not outcome(peak_mib=151.0).holds
    assert outcome(ratio=3.1, peak_mib=151.0, judged=False).holds
    assert str(outcome()) == "ratio: 1.00 (at most 3.0); peak 50 MiB (at most 150)"


def test_a_pair_is_measured_on_the_tree_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("image: docker.io/kubeflow/spark-operator:2.5.2\n")
    found = audit.run(parsed_words(["audit", "--quick", "--tree", str(tmp_path)]), Console(quiet=True))

    (pair,) = found.measured["pairs"]
    assert pair["audit"] > 0
    assert 10 < pair["peak_mib"] < audit.MEMORY_MIB
    assert pair["summary"] == len("1 stale reference in 1 file")


def test_a_way_that_fails_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in, since the real one fails only at files that this user cannot read, and root reads them all.
    (tmp_path / "grep").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "grep").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HarnessError, match="ended with 2"):
        audit.run(parsed_words(["audit", "--quick", "--tree", str(tmp_path)]), Console(quiet=True))
