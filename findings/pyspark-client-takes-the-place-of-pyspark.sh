#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `pip install pyspark==3.5.8 pyspark-client` succeeds, and there is no Spark 3.5 afterwards: both packages are the folder
# `pyspark`, the client is unpacked last and over the other. `SparkSession.builder.master("local[1]")` fails with "the Spark Connect
# remote URL has not been set"; pip still lists pyspark 3.5.8, and `pip check` finds nothing. Uninstalling the client
# takes what it replaced along, and `pip install pyspark==3.5.8` then has nothing to do.
#
# Guess: the client is an addition, or the two cannot be installed together and pip says so, as with other conflicts; a version
#   that is pinned is the one that is imported; what uninstalling broke, installing mends.
# Hurt: whoever has pyspark for tests or spark-submit and gets the client by way of something else: Airflow's Spark provider
#   requires pyspark-client>=4.0.0 and has pyspark as an extra beside it, and the Kubeflow SDK requires it for Spark as well.
#   Programs fail in an environment whose list of packages is as it was, or run with Python files of one release and jars
#   of another. `pip install --force-reinstall --no-deps pyspark==3.5.8` mends what an uninstall left; for both at once,
#   two environments.
# Versions: pyspark 3.5.8 and pyspark-client 4.2.0 of PyPI; what requires the latter is read from
#   apache-airflow-providers-apache-spark 6.3.4. Needs 2 GB in the temporary folder, no JDK.
# Source: python/packaging/{classic,client}/setup.py of apache/spark; pip has no record of who owns a file but RECORD in each
#   dist-info; apache/airflow pull request 60031.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
pip=(env TMPDIR="$work" "$work/venv/bin/pip" --quiet --no-cache-dir --disable-pip-version-check)

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import sys
from pathlib import Path

PROGRAM = """
from pyspark.sql import SparkSession
SparkSession.builder.master("local[1]").getOrCreate()
"""

import pyspark

(title,) = sys.argv[1:]
jars = [jar.stem.rpartition("-")[2] for folder in pyspark.__path__ for jar in Path(folder).glob("jars/spark-core_*.jar")]
seen = {"listed": importlib.metadata.version("pyspark"), "imported": getattr(pyspark, "__version__", None), "jars": jars}
print(f"{title}: {seen}")
if title == "pyspark alone":
    assert seen == {"listed": "3.5.8", "imported": "3.5.8", "jars": ["3.5.8"]}
    sys.exit()
try:
    exec(PROGRAM)
except Exception as error:
    print(f"  {type(error).__name__}: {error}")
    said = str(error)
if title == "with pyspark-client":
    assert seen == {"listed": "3.5.8", "imported": "4.2.0", "jars": ["3.5.8"]}
    assert "CONNECT_URL_NOT_SET" in said
else:
    assert seen == {"listed": "3.5.8", "imported": None, "jars": ["3.5.8"]}
    assert "pyspark" in said
PYTHON

"${pip[@]}" install --no-compile pyspark==3.5.8
"$work/venv/bin/python" "$work/show.py" "pyspark alone"

"${pip[@]}" download --no-deps --dest "$work" apache-airflow-providers-apache-spark==6.3.4
python3 -m zipfile -e "$work"/apache_airflow_providers_apache_spark-6.3.4-*.whl "$work/provider"
echo "Airflow's provider:" "$(grep -h '^Requires-Dist: pyspark' "$work"/provider/*.dist-info/METADATA | paste -sd ' ')"

"${pip[@]}" install --no-compile pyspark==3.5.8 pyspark-client==4.2.0 pandas==2.3.3
"${pip[@]}" check
"$work/venv/bin/python" "$work/show.py" "with pyspark-client"

"${pip[@]}" uninstall --yes pyspark-client
"${pip[@]}" check
"${pip[@]}" install --no-compile pyspark==3.5.8
"$work/venv/bin/python" "$work/show.py" "after uninstalling pyspark-client, and pip install pyspark==3.5.8"
echo "as described: pip sees nothing amiss, and Spark 3.5 is gone"
