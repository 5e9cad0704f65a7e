# SPDX-License-Identifier: Apache-2.0
"""What the measurement of copies concludes; the programs and registries are real in its quick form, which CI runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.bench import copies
from harness.bench.copies import OURS, Copied, Way
from harness.errors import HarnessError

WAYS = [Way(name=it, version="1.0", words=(it,)) for it in (OURS, "regctl image copy", "crane copy")]
WHOLE = {"digest": (3, 3), "referrers": (4, 4)}
PART = {"digest": (3, 3), "referrers": (0, 4)}


def copied(seconds: float, **changes: Any) -> Copied:
    values: dict[str, Any] = {"seconds": seconds, "claims": WHOLE, **changes}
    return Copied(**values)


def found(ours: Copied) -> dict[str, list[Copied]]:
    return {
        OURS: [ours],
        "regctl image copy": [copied(2.0, pulls=(4, 0))],
        "crane copy": [copied(0.5, claims=PART, pulls=(1, 0))],
    }


def outcome(ours: Copied, *, judged: bool = True) -> copies.CopyOutcome:
    return copies.outcome(WAYS, found(ours), judged=judged, layer_bytes=1)


def test_it_is_compared_with_the_fastest_program_that_copies_everything() -> None:
    come_to = outcome(copied(1.0))

    assert come_to.ratio == 0.5
    assert come_to.holds
    assert "against regctl image copy; everything arrived; 0 counted pulls" in str(come_to)


def test_a_slow_copy_does_not_hold_unless_it_is_a_quick_measurement() -> None:
    assert not outcome(copied(2.0 * copies.LIMIT + 0.1)).holds
    assert outcome(copied(9.0), judged=False).holds


@pytest.mark.parametrize("wrong", [{"claims": PART}, {"pulls": (1, 0)}, {"pulls": (0, 1)}, {"claims": {}}])
def test_what_is_missing_or_counted_again_does_not_hold_however_quick(wrong: dict[str, Any]) -> None:
    assert not outcome(copied(0.1, **wrong)).holds
    assert not outcome(copied(0.1, **wrong), judged=False).holds


def test_one_incomplete_round_makes_a_program_no_comparison() -> None:
    only = found(copied(1.0))
    only["regctl image copy"].append(copied(2.0, claims=PART))

    with pytest.raises(HarnessError, match="no other program copied everything"):
        copies.outcome(WAYS, only, judged=True, layer_bytes=1)


def test_everything_measured_is_written(tmp_path: Path) -> None:
    file = tmp_path / "copy.json"
    outcome(copied(1.0)).write(file)

    written = json.loads(file.read_text())
    assert written["ways"]["regctl image copy"]["copies"][0]["pulls"] == [4, 0]
    assert written["ways"]["crane copy"]["copies"][0]["claims"]["referrers"] == [0, 4]


def test_a_claim_is_counted_with_those_of_its_kind() -> None:
    parts = [copies._part(it) for it in ("digest", "size of the manifest", "platform linux/arm64", "tag sha256-1.sig")]

    assert parts == ["digest", "digest", "platforms", "cosign's tags"]
    assert copies._part("referrer") == "referrers"
    assert copies._part("referrers that can be discovered from the image") == "lists of referrers"
