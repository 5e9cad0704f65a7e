# SPDX-License-Identifier: Apache-2.0
"""Keep an executor busy for a number of seconds."""

import sys
import time

from pyspark.sql import SparkSession

seconds = float(sys.argv[1])
spark = SparkSession.builder.appName("hold").getOrCreate()
spark.sparkContext.parallelize([seconds], 1).foreach(time.sleep)
print(f"held: {seconds:g} s", flush=True)
spark.stop()
