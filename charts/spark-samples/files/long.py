# SPDX-License-Identifier: Apache-2.0
"""Run until told to end by a file in the driver's pod, and see every few seconds that the same executor still works."""

import os
import socket
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

told, pause = Path(sys.argv[1]), float(sys.argv[2])
context = SparkSession.builder.appName("long").getOrCreate().sparkContext


def ask_executor() -> str:
    """The host name and start time of the process that does the work, so that another one is noticed."""
    started = Path("/proc/1").stat().st_ctime
    return f"{socket.gethostname()}/{started:.0f}"


rounds, seen = 0, set()
while True:
    seen.update(context.parallelize([0], 1).map(lambda _: ask_executor()).collect())
    rounds += 1
    due = time.monotonic() + pause
    while not told.exists() and time.monotonic() < due:
        time.sleep(0.2)
    if told.exists():
        break
print(f"worked: {rounds} times on {len(seen)} executor(s), {os.uname().nodename} driving", flush=True)
context.stop()
