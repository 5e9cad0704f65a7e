#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts the Spark Connect server with spark-submit's options. SPARK_NO_DAEMONIZE keeps it in the foreground.
set -euo pipefail

SPARK_HOME=${SPARK_HOME:-$(cd "$(dirname "$0")/.." && pwd)}
export SPARK_HOME
server=org.apache.spark.sql.connect.service.SparkConnectServer
exec "$SPARK_HOME/sbin/spark-daemon.sh" submit "$server" 1 --name "Spark Connect server" "$@"
