#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with the Spark operator's default configuration of the JMX exporter, a driver of Spark 3 or 4 exports no gauge of its JVM, its
# scheduler or its block manager, and executors none of their tasks. What is exported has `_type_gauges` or `_type_timers` in its
# name, and with the JMX exporter 1.x counters end in `_count_total`.
#
# Guess: `monitoring.prometheus` with the jar, as in the operator's example with Spark 4.0.4, has what the default's patterns are for:
#   spark_driver_jvm_heap_used, spark_driver_dagscheduler_job_activejobs, spark_executor_threadpool_activetasks. It is the default
#   of 2.5.2, and the names of metrics are those of the patterns.
# Hurt: everybody who switches monitoring on and copies a dashboard: panels of heap, jobs and tasks are empty, and alerts on them, which
#   are silent without a series, never fire. The target is up, and jmx_scrape_error is 0. Who finds names that work has them for
#   one major release of the exporter. Way out: `monitoring.prometheus.configuration` with patterns that end in `, type=\w+><>Value`.
# Versions: spark-operator 2.5.2; metrics-jmx 4.2.30, with which Spark 4.0.4 registers its metrics, as its JmxSink does, and 3.1.5, of
#   Spark 2.4; JMX exporter 0.20.0, 1.0.1 and, of the operator's example, 0.11.0.
# Source: DefaultPrometheusConfiguration in pkg/common/prometheus.go of kubeflow/spark-operator: `(\S+)><>Value` cannot match a name such as
#   `metrics<name=default.etl.driver.jvm.heap.used, type=gauges><>Value`, since metrics-jmx has put `type` into the name since 4.0
#   (DefaultObjectNameFactory); counters of client_java 1.x end in `_total`.
# Needs: Go, JDK 17, Maven.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOFLAGS=-modcacherw

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
awk '/^const DefaultPrometheusConfiguration = `/ { on = 1; next } /^`/ { on = 0 } on' \
    "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2/pkg/common/prometheus.go" >"$work/prometheus.yaml"
for artifact in io.dropwizard.metrics:metrics-core:4.2.30 io.dropwizard.metrics:metrics-jmx:4.2.30 \
    io.dropwizard.metrics:metrics-core:3.1.5 org.slf4j:slf4j-api:2.0.17 \
    io.prometheus.jmx:jmx_prometheus_javaagent:{0.11.0,0.20.0,1.0.1}; do
    mvn --quiet --batch-mode "-Dmaven.repo.local=$work/m2" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        "-Dartifact=$artifact" "-DoutputDirectory=$work/jars" >"$work/log" || { cat "$work/log"; exit 1; }
done

cat >"$work/Shown.java" <<'JAVA'
import com.codahale.metrics.*;
import com.codahale.metrics.jmx.JmxReporter;
import java.net.URI;
import java.net.http.*;

/** Registers metrics under the names that Spark gives them for the application etl in default, and scrapes the exporter. */
public class Shown {
    public static void main(String[] args) throws Exception {
        MetricRegistry registry = new MetricRegistry();
        for (String gauge : new String[] {"driver.jvm.heap.used", "driver.DAGScheduler.job.activeJobs",
                "driver.BlockManager.memory.memUsed_MB", "1.executor.threadpool.activeTasks", "1.jvm.heap.used",
                "driver.LiveListenerBus.queue.appStatus.size"}) {
            registry.register("default.etl." + gauge, (Gauge<Integer>) () -> 1);
        }
        registry.counter("default.etl.1.executor.bytesRead").inc();
        registry.timer("default.etl.driver.DAGScheduler.messageProcessingTime");
        JmxReporter.forRegistry(registry).build().start();
        HttpRequest scrape = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + args[0] + "/metrics")).build();
        HttpClient.newHttpClient().send(scrape, HttpResponse.BodyHandlers.ofLines()).body()
                .filter(line -> line.startsWith("spark_")).map(line -> line.replaceAll("\\{.*", "")).sorted()
                .forEach(System.out::println);
        System.exit(0);
    }
}
JAVA

exported() { # METRICS EXPORTER
    local classes="$work/jars/metrics-core-$1.jar:$work/jars/metrics-jmx-$1.jar:$work/jars/slf4j-api-2.0.17.jar" port
    port=$(python3 -c 'import socket; it = socket.socket(); it.bind(("127.0.0.1", 0)); print(it.getsockname()[1])')
    mkdir -p "$work/$1"
    if [ "$1" = 3.1.5 ]; then # its reporter is in the core
        sed 's/metrics\.jmx\.JmxReporter/metrics.JmxReporter/' "$work/Shown.java" >"$work/$1/Shown.java"
    else
        cp "$work/Shown.java" "$work/$1/"
    fi
    java "-javaagent:$work/jars/jmx_prometheus_javaagent-$2.jar=127.0.0.1:$port:$work/prometheus.yaml" -cp "$classes" \
        "$work/$1/Shown.java" "$port" 2>"$work/log" >"$work/names" || { cat "$work/log"; exit 1; }
    echo "metrics $1 and JMX exporter $2:"
    sed 's/^/   /' "$work/names"
}
all="spark_driver_blockmanager_memory_memused_mb
spark_driver_dagscheduler_job_activejobs
spark_driver_dagscheduler_messageprocessingtime_count
spark_driver_jvm_heap_used
spark_driver_livelistenerbus_queue_appstatus_size
spark_executor_bytesread_count
spark_executor_jvm_heap_used
spark_executor_threadpool_activetasks"
rest="spark_driver_dagscheduler_messageprocessingtime_type_timers_count
spark_driver_livelistenerbus_queue_appstatus_size_type_gauges
spark_executor_bytesread_type_counters_count
spark_executor_jvm_heap_used_type_gauges"
like() { [ "$(cat "$work/names")" = "$1" ] || { echo "the behaviour has changed"; exit 1; }; }

echo "spark-operator v2.5.2, its default configuration, eight metrics of Spark:"
exported 3.1.5 0.20.0
like "$all"
for exporter in 0.11.0 0.20.0; do
    exported 4.2.30 "$exporter"
    like "$rest"
done
exported 4.2.30 1.0.1
# shellcheck disable=SC2001  # the end of each line
like "$(sed 's/_count$/_count_total/' <<<"$rest")"
echo "as described: half of the metrics are missing with Spark's library since 3.0, and the other half has other names"
