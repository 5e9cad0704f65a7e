# SPDX-License-Identifier: Apache-2.0
"""Faults that take more than one request: what goes on while checks look, what happens to running applications."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.bench.site import Site
from harness.bench.verdicts import application_acts, operator_acts
from harness.bench.verdicts.planting import Undo

ACTS: Mapping[str, Callable[[Site], Undo]] = {
    it.__name__.replace("_", "-"): it
    for it in (
        application_acts.annotate_driver,
        application_acts.drift_config_map,
        application_acts.drop_slots,
        application_acts.orphan_executor,
        operator_acts.pause_controller,
        application_acts.remake_driver,
        operator_acts.replace_ca,
        operator_acts.replace_secret,
        application_acts.second_driver,
        application_acts.set_status_back,
        operator_acts.slow_webhook,
        operator_acts.steal_lease,
        operator_acts.stick_namespace,
    )
}
"""By name, as clusters/verdicts.toml has it."""
