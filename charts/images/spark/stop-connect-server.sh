#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Stops the Spark Connect server that start-connect-server.sh started.
set -euo pipefail

SPARK_HOME=${SPARK_HOME:-$(cd "$(dirname "$0")/.." && pwd)}
export SPARK_HOME
server=org.apache.spark.sql.connect.service.SparkConnectServer
# A server in the foreground has no pid file that spark-daemon.sh could know.
if process=$(pgrep -o -f "^[^ ]*java .*$server"); then
    kill "$process"
    tail --pid="$process" -f /dev/null
fi
exec "$SPARK_HOME/sbin/spark-daemon.sh" stop "$server" 1
