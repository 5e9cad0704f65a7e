# SPDX-License-Identifier: Apache-2.0
"""What a Python client of Spark Connect asks a server: `ask.py sc://HOST:PORT` prints one line of JSON.

It runs with the client's own libraries, and needs nothing of the harness.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 2000


def queries(spark: Any) -> Mapping[str, Callable[[], object]]:
    """What the server computes by itself."""

    def view() -> int:
        spark.range(5).createOrReplaceTempView("five")
        return int(spark.table("five").count())

    return {
        "version": lambda: spark.version,
        "range": lambda: int(spark.range(1, 101).selectExpr("sum(id)").collect()[0][0]),
        "sql": lambda: int(spark.sql("select sum(id) from range(1, 101)").collect()[0][0]),
        "sql with a parameter": lambda: int(spark.sql("select :one + 41", args={"one": 1}).collect()[0][0]),
        "temporary view": view,
        "toPandas": lambda: int(spark.range(10).toPandas()["id"].sum()),
    }


def data(spark: Any) -> Mapping[str, Callable[[], object]]:
    """What the client sends, and gets back."""

    def frame() -> int:
        import pandas

        return int(spark.createDataFrame(pandas.DataFrame({"n": [1, 2]})).toPandas()["n"].sum())

    return {
        "createDataFrame": lambda: sorted(
            [row["n"], row["s"]] for row in spark.createDataFrame([(1, "a"), (2, "b")], ["n", "s"]).collect()
        ),
        "createDataFrame of pandas": frame,
    }


def answer(act: Callable[[], object]) -> dict[str, object]:
    """What came of it: `got`, or the `error` in words."""
    try:
        return {"got": act()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:LONGEST]}


def main() -> None:
    """Ask everything."""
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        # Has the distutils that pyspark before 4.0 imports, where Python has none.
        import setuptools  # noqa: F401

    from pyspark import __version__
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    found = {asks.__name__: {name: answer(act) for name, act in asks(spark).items()} for asks in (queries, data)}
    print(json.dumps({"client": __version__, **found}))
    spark.stop()


main()
