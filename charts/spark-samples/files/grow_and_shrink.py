# SPDX-License-Identifier: Apache-2.0
"""Have more tasks than executors until Spark has grown to its maximum, then none until it is back at its minimum."""

import sys
import threading
import time

from pyspark import SparkContext
from pyspark.sql import SparkSession

PATIENCE_SECONDS = 90
POLL_SECONDS = 0.2


def executors(context: SparkContext) -> int:
    """The executors that are registered; the driver itself is counted by Spark and not here."""
    return context._jsc.sc().getExecutorMemoryStatus().size() - 1


def work(context: SparkContext, tasks: int, enough: threading.Event) -> None:
    """Tasks that take time and no CPU, one job after the other until there were enough."""
    while not enough.is_set():
        context.parallelize(range(tasks), tasks).foreach(lambda _: time.sleep(1))


least, most = int(sys.argv[1]), int(sys.argv[2])
context = SparkSession.builder.appName("dynamic-allocation").getOrCreate().sparkContext
enough = threading.Event()
# On a slow machine, an executor may come and be idle again before a job ends: so they are counted while there is work.
worker = threading.Thread(target=work, args=(context, 2 * most, enough), daemon=True)
worker.start()
give_up = time.monotonic() + PATIENCE_SECONDS
while (grown := executors(context)) < most:
    if time.monotonic() > give_up:
        sys.exit(f"{grown} executors after {PATIENCE_SECONDS} s of work for {most}")
    if not worker.is_alive():
        sys.exit("the work ended early")
    time.sleep(POLL_SECONDS)
print(f"grew: to {grown} executors", flush=True)
enough.set()
worker.join()
give_up = time.monotonic() + PATIENCE_SECONDS
while (left := executors(context)) > least:
    if time.monotonic() > give_up:
        sys.exit(f"still {left} executors after {PATIENCE_SECONDS} idle seconds")
    time.sleep(POLL_SECONDS)
print(f"shrank: to {left} executors", flush=True)
# Whoever watches the pods should see the smaller number while the driver still runs.
time.sleep(4)
context.stop()
