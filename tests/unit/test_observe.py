# SPDX-License-Identifier: Apache-2.0
"""From when on a controller is held to what happens to applications."""

from __future__ import annotations

from datetime import UTC, datetime

from operator_samples import deployment, lease

from harness.releases.observe import Unseen, took_over

_NEVER_NOT = float("-inf")


def test_a_controller_has_met_everything_a_few_seconds_after_it_got_the_lease() -> None:
    leases = (
        lease("controller", acquired=datetime.fromtimestamp(1000, UTC)),
        lease("webhook", acquired=datetime.fromtimestamp(5000, UTC)),
    )
    assert 1000.0 < took_over(leases, (deployment("controller"), deployment("webhook"))) < 1015.0


def test_without_a_lease_nothing_is_let_off() -> None:
    both = (deployment("controller"), deployment("webhook"))
    assert took_over((), both) == _NEVER_NOT
    assert took_over((lease("controller"),), both) == _NEVER_NOT
    assert took_over(Unseen(reason="away"), both) == _NEVER_NOT
