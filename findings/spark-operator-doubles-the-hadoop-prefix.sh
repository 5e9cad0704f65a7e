#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a key of `hadoopConf` that begins with `spark.hadoop.`, as Spark's own documentation writes all of them, gets the prefix a second
# time in a SparkApplication: Hadoop is told `spark.hadoop.fs.s3a.endpoint`, which it does not know. In a SparkConnect of the same
# operator the key is taken as it is meant.
#
# Guess: `hadoopConf` means one thing for both kinds, and a prefix that is there already is seen; the webhook, which looks at keys of
#   `sparkConf`, would refuse what can never be right.
# Hurt: who moves settings from spark-submit, spark-defaults.conf or a SparkConnect, where the list has worked: endpoint, region and
#   credentials of the storage are not set, without a warning, since any key is a valid one. The job asks the public cloud in the
#   place of the company's own storage and fails for credentials or, where a default account works, reads other buckets of that name. Way
#   out: keys without the prefix, which do in both kinds, or `sparkConf` with it.
# Versions: spark-operator 2.5.2, its own submitter and reconciler with the fake client of controller-runtime and a recorder as
#   spark-submit.
# Source: hadoopConfOption in internal/controller/sparkapplication/submission.go of kubeflow/spark-operator appends the key to
#   spark.hadoop., that in internal/controller/sparkconnect/options.go looks for the prefix first; Spark hands to Hadoop what follows
#   the first spark.hadoop. (appendSparkHadoopConfigs in SparkHadoopUtil.scala).
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

// setting is the one among these words that sets something of Hadoop's.
func setting(words []string) string {
	for _, word := range words {
		if strings.HasPrefix(word, "spark.hadoop.") {
			return word
		}
	}
	return ""
}

func application(conf map[string]string) string {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkVersion, app.Spec.HadoopConf = "default", "etl", "4.0.4", conf
	app.Status.SubmissionID = os.Args[1] // where the operator writes its templates, below /tmp/spark
	must((&sparkapplication.SparkSubmitter{}).Submit(ctx, app))
	recorded, err := os.ReadFile(os.Getenv("SPARK_HOME") + "/arguments")
	must(err)
	return setting(strings.Fields(string(recorded)))
}

func connect(conf map[string]string) string {
	server := &v1alpha1.SparkConnect{}
	server.Namespace, server.Name, server.Spec.HadoopConf = "default", "team", conf
	server.Spec.SparkVersion, server.Spec.Image = "4.0.4", ptr.To("team/spark:4.0.4")
	scheme := runtime.NewScheme()
	must(v1alpha1.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(server).WithStatusSubresource(server).Build()
	options := sparkconnect.Options{Namespaces: []string{"default"}}
	operator := sparkconnect.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), options)
	_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(server)})
	must(err)
	pod := &corev1.Pod{}
	must(api.Get(ctx, client.ObjectKey{Namespace: "default", Name: "team-server"}, pod))
	return setting(strings.Fields(pod.Spec.Containers[0].Args[0]))
}

func main() {
	const right = "spark.hadoop.fs.s3a.endpoint=https://storage.example.com"
	as := true
	for _, it := range []struct{ key, application string }{
		{"fs.s3a.endpoint", right},
		{"spark.hadoop.fs.s3a.endpoint", "spark.hadoop." + right},
	} {
		conf := map[string]string{it.key: "https://storage.example.com"}
		ofApplication, ofConnect := application(conf), connect(conf)
		fmt.Printf("hadoopConf: %s\n   SparkApplication: %s\n   SparkConnect:     %s\n", it.key, ofApplication, ofConnect)
		as = as && ofApplication == it.application && ofConnect == right
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
"$work/shown" "${work##*/}" 2>"$work/log"
echo "as described: an application gets the prefix twice, a SparkConnect once"
