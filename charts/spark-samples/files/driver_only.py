# SPDX-License-Identifier: Apache-2.0
"""A Spark job that needs no executor: it computes in the driver."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").appName("driver-only").config("spark.ui.enabled", "false").getOrCreate()
print(f"driver counted: {spark.sparkContext.parallelize(range(1000), 1).count()}", flush=True)
spark.stop()
