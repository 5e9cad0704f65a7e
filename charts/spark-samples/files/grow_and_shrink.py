# SPDX-License-Identifier: Apache-2.0
"""Have more tasks than executors until Spark has grown to its maximum, then none until it is back at its minimum."""

import sys
import time

from pyspark import SparkContext
from pyspark.sql import SparkSession

PATIENCE_SECONDS = 90


def executors(context: SparkContext) -> int:
    """The executors that are registered; the driver itself is counted by Spark and not here."""
    return context._jsc.sc().getExecutorMemoryStatus().size() - 1


def work(context: SparkContext, tasks: int) -> None:
    """Tasks that take time and no CPU."""
    context.parallelize(range(tasks), tasks).foreach(lambda _: time.sleep(1))


least, most = int(sys.argv[1]), int(sys.argv[2])
context = SparkSession.builder.appName("dynamic-allocation").getOrCreate().sparkContext
give_up = time.monotonic() + PATIENCE_SECONDS
while executors(context) < most:
    if time.monotonic() > give_up:
        sys.exit(f"{executors(context)} executors after {PATIENCE_SECONDS} s of work for {most}")
    work(context, 2 * most)
print(f"grew: to {executors(context)} executors", flush=True)
give_up = time.monotonic() + PATIENCE_SECONDS
while executors(context) > least:
    if time.monotonic() > give_up:
        sys.exit(f"still {executors(context)} executors after {PATIENCE_SECONDS} idle seconds")
    time.sleep(0.5)
print(f"shrank: to {executors(context)} executors", flush=True)
# Whoever watches the pods should see the smaller number while the driver still runs.
time.sleep(4)
context.stop()
