#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Java options of a driver or an executor that the JVM does not know are dropped without a word. Spark begins its
# own options for Java 17 with -XX:+IgnoreUnrecognizedVMOptions, and these come first on every command line.
#
# Guess: a misspelt flag, or one that this Java no longer has, ends the JVM with "Unrecognized VM option", so that the pod
#   fails and says so.
# Hurt: whoever moves applications to an image with a newer Java, as a new release of the Spark Operator or of Spark brings it:
#   javaOptions with the collector of Java 8 are accepted, the application runs with another collector, and a limit of memory
#   that was misspelt is none. The status of the SparkApplication, its events and its logs say nothing.
# Versions: Spark 4.0.4 with Java 17.
# Source: JavaModuleOptions.DEFAULT_MODULE_OPTIONS (org.apache.spark.launcher), and SparkContext.supplementJavaModuleOptions,
#   of apache/spark; seen with spec.executor.javaOptions under the Spark Operator 2.5.2 as well.
# Needs: Python with pip, Java 17, 2 GB in the temporary folder. No cluster.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
    --dest "$work" "pyspark==4.0.4"
tar -xzf "$work/pyspark-4.0.4.tar.gz" -C "$work" "pyspark-4.0.4/deps/jars" "pyspark-4.0.4/deps/bin" "pyspark-4.0.4/pyspark" \
    "pyspark-4.0.4/lib"
rm "$work/pyspark-4.0.4.tar.gz"
home="$work/pyspark-4.0.4"
mkdir "$home/python"
mv "$home/deps/jars" "$home/deps/bin" "$home/"
mv "$home/pyspark" "$home/lib" "$home/python/"

cat >"$work/program.py" <<'PROGRAM'
from pyspark import SparkContext

jvm = SparkContext("local")._jvm.java.lang.management.ManagementFactory
given = [it for it in jvm.getRuntimeMXBean().getInputArguments() if "ConcMark" in it or "Metaspace" in it]
print("runs, given", *given)
print("collectors:", *(it.getName() for it in jvm.getGarbageCollectorMXBeans()))
PROGRAM

# The collector was removed with Java 14, and the size is misspelt.
old=-XX:+UseConcMarkSweepGC
misspelt=-XX:MaxMetaspaceSise=256m
java -version 2>&1 | head -n 1
alone=$(java "$old" -version 2>&1 && echo "it starts" || true)
echo "java $old: ${alone%%$'\n'*}"

# Spark answers on no port: it is its own cluster.
submitted=$(
    SPARK_HOME="$home" SPARK_LOCAL_IP=127.0.0.1 timeout 120 bash "$home/bin/spark-submit" --conf spark.ui.enabled=false \
        --driver-java-options "$old $misspelt" "$work/program.py" 2>"$work/said" || echo "it ended with $?"
)
echo "spark-submit --driver-java-options '$old $misspelt': $submitted"
grep -ci "unrecogni[sz]ed" "$work/said" | sed 's/^/lines of its log about options that are not known: /' || true

if [[ $alone == *"Unrecognized VM option"* && $submitted == *"runs, given $old $misspelt"* ]] &&
    [[ $submitted != *ConcurrentMarkSweep* ]] && ! grep -qi "unrecogni[sz]ed" "$work/said"; then
    echo "as described: the options are accepted, and have no effect"
else
    echo "the behaviour has changed"
    exit 1
fi
