#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `metricsProperties` and `metricsPropertiesFile` of an application's `monitoring` do nothing unless `monitoring.prometheus` is
# there, which demands the jar of the JMX exporter. Without it there is no ConfigMap, no spark.metrics.conf and no annotation for
# scraping, whatever `exposeDriverMetrics` says.
#
# Guess: the content of a metrics.properties "for configuring the Spark metric system" is what Spark reads. `prometheus` is optional, and
#   its comment says that it is for the JMX exporter; Spark has a servlet of its own for Prometheus since 3.0, and sinks for
#   Graphite, StatsD and CSV that need no jar.
# Hurt: who sends metrics to StatsD or Graphite or switches PrometheusServlet on, with the field that is there for it: the application
#   runs, and metrics never arrive. With `prometheus` added to make it work, each JVM needs the exporter's jar in its image, or it
#   does not start. Way out: `sparkConf` with spark.metrics.conf.*.sink.…, one setting for each line of the file.
# Versions: spark-operator 2.5.2, its own reconciler, webhook and submitter with the fake client of controller-runtime and a recorder as
#   spark-submit.
# Source: PrometheusMonitoringEnabled in pkg/util/sparkapplication.go of kubeflow/spark-operator, which submitSparkApplication and
#   addPrometheusConfig ask; configPrometheusMonitoring, with what is there for an application without `prometheus`, is not
#   called for one.
# Needs: Go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"; rmdir /tmp/spark 2>/dev/null || true' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
cp -r "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2" "$work/operator" # its packages are internal
chmod -R u+w "$work/operator"
cd "$work/operator"
mkdir cmd/shown
cat >cmd/shown/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// show submits an application with this monitoring, and returns how many ConfigMaps were made, what spark-submit was told of metrics,
// and what is mounted in the driver's pod.
func show(monitoring v1beta2.MonitoringSpec) (maps int, told, mounted []string) {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkVersion, app.Spec.Monitoring = "default", "etl", "4.0.4", &monitoring
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	submitter := &sparkapplication.SparkSubmitter{}
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), nil, submitter, sparkapplication.Options{})
	_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	must(err)
	must(api.Get(ctx, client.ObjectKeyFromObject(app), app))
	must(os.RemoveAll("/tmp/spark/" + app.Status.SubmissionID)) // the operator leaves its templates there

	made := &corev1.ConfigMapList{}
	must(api.List(ctx, made))
	recorded, err := os.ReadFile(os.Getenv("SPARK_HOME") + "/arguments")
	must(err)
	for _, word := range strings.Split(string(recorded), "\n") {
		if strings.HasPrefix(word, "spark.metrics.") || strings.Contains(word, "prometheus.io/scrape") {
			told = append(told, word)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "etl-driver"}}
	pod.Labels = map[string]string{"sparkoperator.k8s.io/app-name": "etl", "spark-role": "driver"}
	pod.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-driver"}}
	must(webhook.NewSparkPodDefaulter(api, []string{"default"}).Default(ctx, pod))
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		mounted = append(mounted, mount.MountPath)
	}
	return len(made.Items), told, mounted
}

func main() {
	sink := "*.sink.statsd.class=org.apache.spark.metrics.sink.StatsdSink"
	content := v1beta2.MonitoringSpec{ExposeDriverMetrics: true, MetricsProperties: &sink}
	file := v1beta2.MonitoringSpec{ExposeDriverMetrics: true, MetricsPropertiesFile: ptr.To("/etc/company/metrics.properties")}
	exporter := content
	exporter.Prometheus = &v1beta2.PrometheusSpec{JmxExporterJar: "/prometheus/exporter.jar"}
	as := true
	for _, it := range []struct {
		what       string
		monitoring v1beta2.MonitoringSpec
		works      bool
	}{{"metricsProperties", content, false}, {"metricsPropertiesFile", file, false}, {"metricsProperties and prometheus", exporter, true}} {
		maps, told, mounted := show(it.monitoring)
		fmt.Printf("%s: ConfigMaps %d, mounted %v, settings and annotations %v\n", it.what, maps, mounted, told)
		as = as && (maps == 1) == it.works && (len(told) > 0) == it.works && (len(mounted) == 1) == it.works
	}
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
mkdir -p "$work/home/bin"
# shellcheck disable=SC2016  # the script that is written expands them
printf '#!/bin/bash\nprintf "%%s\\n" "$@" >"$SPARK_HOME/arguments"\n' >"$work/home/bin/spark-submit"
chmod +x "$work/home/bin/spark-submit"
export SPARK_HOME="$work/home" KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" 2>"$work/log"
echo "as described: without the JMX exporter, the files for Spark's metrics are passed over"
