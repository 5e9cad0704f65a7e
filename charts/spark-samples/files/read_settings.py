# SPDX-License-Identifier: Apache-2.0
"""Print what a mounted file holds, as the driver and as an executor see it."""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

file = Path(sys.argv[1])
spark = SparkSession.builder.appName("config-map").getOrCreate()
print(f"driver read: {file.read_text()}", flush=True)
seen = spark.sparkContext.parallelize([str(file)], 1).map(lambda path: Path(path).read_text()).first()
print(f"executor read: {seen}", flush=True)
spark.stop()
