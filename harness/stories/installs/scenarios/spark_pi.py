# SPDX-License-Identifier: Apache-2.0
"""spark-pi: a JVM application computes π on an executor."""

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
    name="spark-pi",
    summary="a JVM application computes π",
    images=(_VALUES.spark.image,),
    spark=_VALUES.spark.version,
    sparks=_VALUES.spark.images,
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Submit the sample, follow it to COMPLETED, read its driver's log."""
    return trial(ctx, partial(compute, sample=SCENARIO.name, version=ctx.spark_version))
