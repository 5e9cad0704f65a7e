# SPDX-License-Identifier: Apache-2.0
"""What is claimed of a release that was uninstalled and installed anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.releases.operator_seen import Unseen
from harness.stories.moves.scenarios import reinstall
from harness.upgrades.reinstall import ReinstallSeen
from harness.verdicts import Verdict

GOOD = ReinstallSeen(
    release="2.2.1",
    uninstall_error="",
    install_error="",
    left=(),
    custom_resources=(9, 9),
    rerun=(),
    ended=7,
    state="COMPLETED",
    error="",
    seconds={"uninstall": 2.0, "install": 15.0, "application": 12.0},
)


def verdicts(seen: ReinstallSeen | Unseen | None) -> dict[str, Verdict]:
    return {it.check: it.verdict for it in reinstall.judge(seen)}


def test_one_that_works_passes_every_claim() -> None:
    found = verdicts(GOOD)
    assert len(found) == 5
    assert set(found.values()) == {Verdict.PASSED}


@pytest.mark.parametrize(
    ("change", "check", "verdict"),
    [
        ({"uninstall_error": "timed out"}, "uninstalled", Verdict.FAILED),
        ({"left": ("Secret/spark-operator/x",)}, "uninstalled", Verdict.FAILED),
        ({"custom_resources": (9, 0)}, "custom-resources-stay", Verdict.FAILED),
        ({"custom_resources": (0, 0)}, "custom-resources-stay", Verdict.ERROR),
        ({"install_error": "crashes"}, "reinstalled", Verdict.FAILED),
        ({"state": "SUBMITTED", "error": "late"}, "new-application-completes", Verdict.FAILED),
        ({"rerun": ("running-apps/completed",)}, "ended-stay-ended", Verdict.FAILED),
        ({"ended": 0}, "ended-stay-ended", Verdict.ERROR),
    ],
)
def test_each_claim_can_fail(change: dict[str, object], check: str, verdict: Verdict) -> None:
    found = verdicts(replace(GOOD, **change))  # type: ignore[arg-type]  # the keys are the class's
    assert found[check] is verdict
    assert all(it is Verdict.PASSED for name, it in found.items() if name != check)


@pytest.mark.parametrize("seen", [None, Unseen(reason="the API server is away")])
def test_what_was_not_seen_proves_nothing(seen: Unseen | None) -> None:
    assert verdicts(seen) == {"reinstall-observed": Verdict.ERROR}
