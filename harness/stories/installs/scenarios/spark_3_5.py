# SPDX-License-Identifier: Apache-2.0
"""spark-3.5: an application of an older Spark under an operator whose own spark-submit is newer."""

from __future__ import annotations

from functools import partial

from harness.apps import samples
from harness.apps.context import ScenarioContext
from harness.apps.pi import compute
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="spark-3.5",
    summary=f"an application of Spark {_VALUES.spark.older_version} under an operator with a newer Spark",
    images=(_VALUES.spark.images[_VALUES.spark.older_version],),
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Submit the sample of the older Spark, follow it to COMPLETED, see which Spark really ran."""
    return trial(ctx, partial(compute, sample=SCENARIO.name, version=_VALUES.spark.older_version))
