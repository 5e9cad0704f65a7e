#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `monitoring.prometheus` or `driver.javaOptions`, what `sparkConf` has in spark.driver.extraJavaOptions is gone, and of the
# executors' likewise: the JVM gets the exporter's agent and nothing else. spark.metrics.conf and spark.metrics.namespace of
# `sparkConf` are replaced, too. There is no warning, and `kubectl get` shows all of them.
#
# Guess: settings of both places reach the JVM, or the one is refused, as images are in `sparkConf`; monitoring adds an agent, as it
#   adds it to `javaOptions`. Which of the two is the real place for options, nothing says, and a trial without monitoring
#   confirms that `sparkConf` is one.
# Hurt: whoever switches monitoring on, in one line, for jobs with a collector, a time zone, a trust store, a log4j2 file or a
#   company's agent in extraJavaOptions: they run on in another time zone, without certificates and in another log format, and
#   nothing connects that with metrics. A base of `sparkConf` for all jobs works for those that have no `javaOptions`. Way out: all options in
#   `driver.javaOptions` and `executor.javaOptions`.
# Versions: spark-operator 2.5.2, its own reconciler and submitter with the fake client of controller-runtime and a recorder as
#   spark-submit, of whose settings the last of one name counts.
# Source: internal/controller/sparkapplication/submission.go of kubeflow/spark-operator, buildSparkSubmitArgs: sparkConfOption is before
#   driverConfOption and executorConfOption, which set the same key; monitoring_config.go looks at javaOptions only.
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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

const options = "-Duser.timezone=UTC -Dlog4j2.configurationFile=/etc/company/log4j2.properties"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// settings submits an application with these options in its sparkConf and returns the settings that spark-submit gets.
func settings(change func(*v1beta2.SparkApplication)) map[string]string {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkVersion = "default", "etl", "4.0.4"
	app.Spec.MainApplicationFile = ptr.To("local:///etl.py")
	app.Spec.SparkConf = map[string]string{
		"spark.driver.extraJavaOptions":   options,
		"spark.executor.extraJavaOptions": options,
		"spark.metrics.namespace":         "etl",
		"spark.metrics.conf":              "/etc/company/metrics.properties",
	}
	change(app)
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	submitter := &sparkapplication.SparkSubmitter{}
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), nil, submitter, sparkapplication.Options{})
	_, err := operator.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	must(err)
	must(api.Get(context.Background(), client.ObjectKeyFromObject(app), app))
	must(os.RemoveAll("/tmp/spark/" + app.Status.SubmissionID)) // the operator leaves its templates there
	recorded, err := os.ReadFile(os.Getenv("SPARK_HOME") + "/arguments")
	must(err)
	found := map[string]string{}
	words := strings.Split(string(recorded), "\n")
	for i, word := range words {
		if word == "--conf" {
			key, value, _ := strings.Cut(words[i+1], "=")
			found[key] = value
		}
	}
	return found
}

func main() {
	as := true
	show := func(what string, driver, executor, metrics bool, change func(*v1beta2.SparkApplication)) {
		got := settings(change)
		fmt.Println(what)
		for _, name := range []string{"driver", "executor"} {
			fmt.Printf("   %-8s %s\n", name, got["spark."+name+".extraJavaOptions"])
		}
		fmt.Printf("   metrics  %s, namespace %s\n", got["spark.metrics.conf"], got["spark.metrics.namespace"])
		as = as && strings.Contains(got["spark.driver.extraJavaOptions"], options) == driver
		as = as && strings.Contains(got["spark.executor.extraJavaOptions"], options) == executor
		as = as && (got["spark.metrics.namespace"] == "etl") == metrics && strings.HasPrefix(got["spark.metrics.conf"], "/etc/company") == metrics
	}
	show("sparkConf alone", true, true, true, func(*v1beta2.SparkApplication) {})
	show("and driver.javaOptions", false, true, true, func(app *v1beta2.SparkApplication) {
		app.Spec.Driver.JavaOptions = ptr.To("-XX:+UseG1GC")
	})
	show("and monitoring.prometheus", false, false, false, func(app *v1beta2.SparkApplication) {
		exporter := &v1beta2.PrometheusSpec{JmxExporterJar: "/prometheus/exporter.jar"}
		app.Spec.Monitoring = &v1beta2.MonitoringSpec{ExposeDriverMetrics: true, ExposeExecutorMetrics: true, Prometheus: exporter}
	})
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
echo "as described: Java options and metrics settings of sparkConf are gone where the operator sets its own"
