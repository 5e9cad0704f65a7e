#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the Kubeflow SDK installs Spark's Python client 4.2.0 and starts servers of Spark 4.0.4, and between these two
# `createDataFrame` always fails: "The SQL config spark.sql.session.localRelationSizeLimit cannot be found".
#
# Guess: a pair that one release of an SDK pins and deploys works together, and a newer Spark Connect client works with an
#   older server. It seems so at first: the session starts, and range, SQL and toPandas work.
# Hurt: the first notebook of whoever uses `pip install kubeflow[spark]` and the server image that comes with it, and whoever
#   upgrades pyspark before the cluster. A client of the server's version works.
# Versions: kubeflow 0.5.0 (the newest); pyspark-client 4.2.0 and 4.0.4, for less space than the pyspark-connect that the SDK
#   requires, which is the same client; a Spark Connect server of pyspark 4.0.4. Needs 2 GB of disk for the moment.
# Source: the extra "spark" of kubeflow 0.5.0 and DEFAULT_SPARK_VERSION in kubeflow/spark/backends/kubernetes/constants.py;
#   pyspark/sql/connect/session.py of 4.2.0 reads settings of the server that servers of 4.0 do not know.
set -euo pipefail

work=$(mktemp -d)
# shellcheck disable=SC2329  # the trap calls it
clean() {
    if [ -f "$work/server.pid" ]; then
        kill "$(cat "$work/server.pid")" 2>/dev/null || true
        wait "$(cat "$work/server.pid")" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT

python3 -m venv "$work/venv"
pip=("$work/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install --no-compile --no-deps kubeflow==0.5.0
"${pip[@]}" install --no-compile pyspark-client==4.2.0 pandas==2.3.3
"${pip[@]}" install --no-compile --no-deps --target "$work/client-4.0.4" pyspark-client==4.0.4

"$work/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import re

(client,) = (line for line in importlib.metadata.requires("kubeflow") if line.startswith("pyspark"))
path = "kubeflow/spark/backends/kubernetes/constants.py"
server = re.search(r'DEFAULT_SPARK_VERSION = "(.+)"', importlib.metadata.distribution("kubeflow").locate_file(path).read_text())
print(f"kubeflow {importlib.metadata.version('kubeflow')} requires {client} and starts servers of Spark {server[1]}")
assert client.startswith("pyspark-connect==4.2.0") and server[1] == "4.0.4"
PYTHON

"${pip[@]}" download --no-deps --no-binary :all: --dest "$work" pyspark==4.0.4
tar --extract --gzip --file "$work/pyspark-4.0.4.tar.gz" --directory "$work" pyspark-4.0.4/deps/bin pyspark-4.0.4/deps/jars
rm "$work/pyspark-4.0.4.tar.gz"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
SPARK_HOME="$work/pyspark-4.0.4/deps" SPARK_LOCAL_IP=127.0.0.1 bash "$work/pyspark-4.0.4/deps/bin/spark-submit" \
    --master 'local[1]' --class org.apache.spark.sql.connect.service.SparkConnectServer --driver-memory 512m \
    --conf spark.connect.grpc.binding.address=127.0.0.1 --conf "spark.connect.grpc.binding.port=$port" \
    --conf spark.ui.enabled=false --conf "spark.local.dir=$work/local" --conf "spark.sql.warehouse.dir=$work/warehouse" \
    spark-internal >"$work/server.log" 2>&1 &
echo $! >"$work/server.pid"
for ((waited = 0; ; waited++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    if [ "$waited" -ge 180 ] || ! kill -0 "$(cat "$work/server.pid")"; then
        tail -20 "$work/server.log"
        exit 1
    fi
    sleep 1
done

cat >"$work/show.py" <<'PYTHON'
import sys

import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()


def outcome(call):
    try:
        return str(call())
    except Exception as error:  # what it raises is what is shown
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


title = f"client {pyspark.__version__}, server {spark.version}"
counted = outcome(lambda: spark.range(3).count())
read = outcome(lambda: spark.sql("SELECT 1 AS one").toPandas().shape)
created = outcome(lambda: spark.createDataFrame([(1, "a")], "number int, text string").collect())
print(f"{title}: range {counted}; sql {read}; createDataFrame {created}")
assert (counted, read) == ("3", "(1, 1)"), (counted, read)
if pyspark.__version__ == "4.2.0":
    assert "[SQL_CONF_NOT_FOUND]" in created and "localRelationSizeLimit" in created, created
else:
    assert created == "[Row(number=1, text='a')]", created
PYTHON

"$work/venv/bin/python" "$work/show.py" "sc://127.0.0.1:$port"
PYTHONPATH="$work/client-4.0.4" "$work/venv/bin/python" "$work/show.py" "sc://127.0.0.1:$port"
echo "as described: the client that the SDK requires cannot make a data frame on the server that it starts"
