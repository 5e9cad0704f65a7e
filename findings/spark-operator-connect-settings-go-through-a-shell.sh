#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the `sparkConf` and `hadoopConf` of a SparkConnect are words of a shell. A value with a space is cut at it, and what follows is
# an argument of its own: `spark.driver.extraJavaOptions: -XX:+UseG1GC -Duser.timezone=UTC` sets the first option only, and Spark
# refuses to start for "-Duser.timezone=UTC". Quotes are taken away, and `$HOME` is the home folder in the server's container.
#
# Guess: a value reaches Spark as it stands in the manifest, as that of a SparkApplication does, whose settings are the same list of
#   arguments without a shell between.
# Hurt: who moves `sparkConf` from an application to a Connect server: options for the JVM, JSON in a catalog's settings, names of
#   applications, formats of dates ("yyyy-MM-dd HH:mm") and passwords with a `$` are all ordinary values there. With a space the server falls
#   over at once, and its log speaks of an unknown option; without one it starts, with `{a:1}` in the place of JSON or an
#   empty word, and the mistake shows up in a query. A pair of single quotes within the value, as in "'-XX:+UseG1GC …'", is a
#   way out for this release, and wrong as soon as the operator quotes by itself; a spark-defaults.conf in the image is better.
# Versions: spark-operator 2.5.2, its own reconcilers with the fake client of controller-runtime; the container's command is run by
#   this machine's bash, with recorders in the place of start-connect-server.sh and spark-submit.
# Source: internal/controller/sparkconnect/reconciler.go of kubeflow/spark-operator, mutateServerPod: the command is `bash -c`, and the
#   arguments of buildStartConnectServerArgs in options.go are joined by spaces.
# Needs: Go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work" "/tmp/spark/${work##*/}"; rmdir /tmp/spark 2>/dev/null || true' EXIT
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
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1alpha1"
	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkconnect"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// from returns the recorded argument that begins with the key, and the one after it.
func from(key string) (value, next string) {
	recorded, err := os.ReadFile(os.Getenv("SPARK_HOME") + "/arguments")
	must(err)
	words := strings.Split(string(recorded), "\n")
	for i, word := range words {
		if name, value, _ := strings.Cut(word, "="); name == key {
			return value, words[i+1]
		}
	}
	return "", ""
}

// connect is what the start script of a Connect server with this setting gets.
func connect(scheme *runtime.Scheme, key, value string) (string, string) {
	server := &v1alpha1.SparkConnect{}
	server.Namespace, server.Name = "default", "team"
	server.Spec.SparkVersion, server.Spec.Image = "4.0.4", ptr.To("team/spark:4.0.4")
	server.Spec.SparkConf = map[string]string{key: value}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(server).WithStatusSubresource(server).Build()
	options := sparkconnect.Options{Namespaces: []string{"default"}}
	operator := sparkconnect.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), options)
	_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(server)})
	must(err)
	pod := &corev1.Pod{}
	must(api.Get(ctx, client.ObjectKey{Namespace: "default", Name: "team-server"}, pod))
	words := append(pod.Spec.Containers[0].Command, pod.Spec.Containers[0].Args...)
	start := exec.Command(words[0], words[1:]...)
	start.Env = append(os.Environ(), "POD_IP=127.0.0.1", "HOME=/home/spark")
	must(start.Run())
	return from(key)
}

// application is what spark-submit gets for an application with this setting.
func application(key, value string) (string, string) {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkVersion = "default", "etl", "4.0.4"
	app.Spec.SparkConf = map[string]string{key: value}
	app.Status.SubmissionID = os.Args[1] // where the operator writes its templates, below /tmp/spark
	must((&sparkapplication.SparkSubmitter{}).Submit(ctx, app))
	return from(key)
}

func main() {
	scheme := runtime.NewScheme()
	must(v1alpha1.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	as := true
	for _, it := range []struct{ key, value, got, next string }{
		{"spark.driver.extraJavaOptions", "-XX:+UseG1GC -Duser.timezone=UTC", "-XX:+UseG1GC", "-Duser.timezone=UTC"},
		{"spark.app.name", "team  a", "team", "a"},
		{"spark.sql.catalog.lake.options", `{"region":"eu"}`, "{region:eu}", "--conf"},
		{"spark.local.dir", "$HOME/tmp", "/home/spark/tmp", "--conf"},
		{"spark.driver.extraJavaOptions", "'-XX:+UseG1GC -Duser.timezone=UTC'", "-XX:+UseG1GC -Duser.timezone=UTC", "--conf"},
	} {
		plain, _ := application(it.key, it.value)
		got, next := connect(scheme, it.key, it.value)
		fmt.Printf("%s: %s\n   SparkApplication: %s\n   SparkConnect:     %s   (next argument: %s)\n", it.key, it.value, plain, got, next)
		as = as && plain == it.value && got == it.got && next == it.next
	}
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
mkdir -p "$work/home/bin" "$work/home/sbin"
# shellcheck disable=SC2016  # the script that is written expands them
printf '#!/bin/bash\nprintf "%%s\\n" "$@" >"$SPARK_HOME/arguments"\n' | tee "$work/home/bin/spark-submit" >"$work/home/sbin/start-connect-server.sh"
chmod +x "$work"/home/*bin/*
export SPARK_HOME="$work/home" KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" "${work##*/}" 2>"$work/log"
echo "as described: a shell reads the settings of a SparkConnect"
