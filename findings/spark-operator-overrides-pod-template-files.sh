#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: from Spark operator 2.4.0 on, spark.kubernetes.driver.podTemplateFile and the executors' in `sparkConf` are of no effect: the
# operator gives spark-submit a template of its own after them, for each application, whether or not that has a `template`. Up to 2.3.0
# the user's was the one. podTemplateContainerName is replaced, too.
#
# Guess: a setting of Spark's in `sparkConf` is Spark's matter, unless a field of the application says otherwise or the webhook refuses
#   it, as it refuses images and service accounts there. A minor release leaves it as it was.
# Hurt: who upgrades the operator beneath jobs whose pods come from a template in the operator's image or in a bucket: they start as
#   before, without its security context, tolerations, ephemeral volumes, init containers and annotations. On a cluster without
#   taints and policies all of them succeed, on another one they stay Pending or are refused, and the application that
#   `kubectl get` shows has the setting as ever. Way out: the content of the file as `driver.template` and `executor.template`.
# Versions: spark-operator 2.5.2, its own submitter with a recorder as spark-submit, of whose settings the last of one name counts; of
#   2.3.0 the source.
# Source: internal/controller/sparkapplication/submission.go of kubeflow/spark-operator: buildSparkSubmitArgs has driverPodTemplateOption
#   and executorPodTemplateOption after sparkConfOption; from 2.4.0 on these make a template where the application has none, to
#   carry its owner.
# Needs: Go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work" "/tmp/spark/${work##*/}"; rmdir /tmp/spark 2>/dev/null || true' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

mkdir -p "$work/home/bin"
# shellcheck disable=SC2016  # the script that is written expands them
printf '#!/bin/bash\nprintf "%%s\\n" "$@" >"$SPARK_HOME/arguments"\n' >"$work/home/bin/spark-submit"
chmod +x "$work/home/bin/spark-submit"
export SPARK_HOME="$work/home" KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443
cat >"$work/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

func main() {
	path := "s3a://company/template.yaml"
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkVersion, app.Spec.MainApplicationFile = "default", "etl", "4.0.4", &path
	app.Status.SubmissionID = os.Args[1] // where the operator writes its templates, below /tmp/spark
	app.Spec.SparkConf = map[string]string{
		"spark.kubernetes.driver.podTemplateFile":            path,
		"spark.kubernetes.driver.podTemplateContainerName":   "main",
		"spark.kubernetes.executor.podTemplateFile":          path,
		"spark.kubernetes.executor.podTemplateContainerName": "main",
	}
	if err := (&sparkapplication.SparkSubmitter{}).Submit(context.Background(), app); err != nil {
		panic(err)
	}
	recorded, err := os.ReadFile(os.Getenv("SPARK_HOME") + "/arguments")
	if err != nil {
		panic(err)
	}
	last := map[string]string{}
	words := strings.Split(string(recorded), "\n")
	for i, word := range words {
		if word == "--conf" {
			key, value, _ := strings.Cut(words[i+1], "=")
			last[key] = value
		}
	}
	replaced := 0
	for key, value := range app.Spec.SparkConf {
		if last[key] != value {
			replaced++
		}
		fmt.Printf("   %s=%s\n", key, last[key])
	}
	fmt.Printf("   replaced: %d of 4\n", replaced)
	if replaced != len(app.Spec.SparkConf) {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO

go mod download github.com/kubeflow/spark-operator/v2@v2.3.0 github.com/kubeflow/spark-operator/v2@v2.5.2
modules="$work/go/pkg/mod/github.com/kubeflow/spark-operator"
cp -r "$modules/v2@v2.5.2" "$work/operator" # its package is internal
chmod -R u+w "$work/operator"
mkdir "$work/operator/cmd/shown"
mv "$work/main.go" "$work/operator/cmd/shown/"
cd "$work/operator"

echo "spark-operator v2.3.0 ends without a template of its own if the application has none:"
for pod in Driver Executor; do
    grep -A 1 "if app.Spec.$pod.Template == nil {" "$modules/v2@v2.3.0/internal/controller/sparkapplication/submission.go" |
        grep "return .*nil"
done
echo "spark-operator v2.5.2, an application with podTemplateFile in sparkConf and no template, gives spark-submit in the end:"
go build -o "$work/shown" ./cmd/shown
"$work/shown" "${work##*/}" 2>"$work/log"
echo "as described: the operator's template takes the place of the user's since 2.4"
