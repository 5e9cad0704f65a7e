#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: from Spark 4.3.0 on, executors on Kubernetes are told `spark.driver.bindAddress` as the driver's address, whatever
# `spark.driver.host` says: spark.kubernetes.executor.useDriverPodIP is true unless somebody says otherwise.
#
# Guess: spark.driver.host is where executors look for the driver, and bindAddress only what the driver listens on.
# Hurt: whoever binds the driver to the address of all interfaces, as the Spark Operator does with each Connect server (2.3.0 to
#   2.5.2): executors look for the driver in their own pods and are refused, the server gives up after some failures and is
#   started anew, for ever. SparkConnect with Spark 4.3.0 never gets Ready. Way out:
#   spark.kubernetes.executor.useDriverPodIP=false.
# Versions: Spark 4.3.0; 4.2.1 does not do it.
# Source: SparkContext of apache/spark; internal/controller/sparkconnect/options.go of kubeflow/spark-operator.
# Needs: Python with pip, Java 17, 2 GB in the temporary folder. No cluster: the driver decides before it asks one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/conf"
cat >"$work/conf/log4j2.properties" <<'CONF'
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n
CONF
echo 'from pyspark import SparkContext; SparkContext()' >"$work/program.py"

# said VERSION [CONF] prints what a driver of that Spark says about its address.
said() {
    local home="$work/pyspark-$1"
    if [ ! -d "$home" ]; then
        TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir \
            --disable-pip-version-check --dest "$work" "pyspark==$1"
        tar -xzf "$work/pyspark-$1.tar.gz" -C "$work" "pyspark-$1/deps/jars" "pyspark-$1/deps/bin" "pyspark-$1/pyspark" "pyspark-$1/lib"
        rm "$work/pyspark-$1.tar.gz"
        mkdir "$home/python"
        mv "$home/deps/jars" "$home/deps/bin" "$home/"
        mv "$home/pyspark" "$home/lib" "$home/python/"
    fi
    # Nobody answers on port 9, so that every driver ends soon after.
    SPARK_HOME="$home" SPARK_CONF_DIR="$work/conf" timeout 120 bash "$home/bin/spark-submit" \
        --master k8s://http://127.0.0.1:9 --conf spark.kubernetes.container.image=none \
        --conf spark.driver.bindAddress=127.0.0.1 --conf spark.driver.host=192.0.2.1 --conf spark.ui.enabled=false \
        ${2:+--conf "$2"} "$work/program.py" >"$work/said" 2>&1 || true
    grep "DRIVER_BIND_ADDRESS" "$work/said" || echo "nothing: it keeps to spark.driver.host"
}

new=$(said 4.3.0)
off=$(said 4.3.0 spark.kubernetes.executor.useDriverPodIP=false)
rm -rf "$work/pyspark-4.3.0"
old=$(said 4.2.1)
echo "4.3.0: $new"
echo "4.3.0 with useDriverPodIP=false: $off"
echo "4.2.1: $old"
if [[ $new == *"Use DRIVER_BIND_ADDRESS instead of DRIVER_HOST_ADDRESS"* && $off == nothing* && $old == nothing* ]]; then
    echo "as described: 4.3.0 hands the bind address to executors"
else
    echo "the behaviour has changed"
    exit 1
fi
