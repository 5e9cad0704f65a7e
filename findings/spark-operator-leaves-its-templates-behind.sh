#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for each submission, the Spark operator leaves a folder with two files in its /tmp/spark, unless the application has a
# `template` of its own. Nothing ever removes them, and the chart limits /tmp of the controller to 1Gi.
#
# Guess: what it writes for one spark-submit is gone after it, as it is when the application has a template: a trial of the
#   feature that the files are for confirms the guess. Since 2.4.0 they are written for all applications, of which most have none.
# Hurt: who submits much, with short schedules, retries or streams that start anew: two blocks and a folder for each, 12 KiB on most
#   file systems, are 1Gi after some 87,000 submissions, six days at ten a minute. Then the kubelet evicts the controller for
#   its ephemeral storage in the middle of whatever it does. It looks like chance, since each new pod begins with an empty /tmp and
#   no log has a word of it. Way out: any `template` in the applications, or a larger `controller.volumes` of the chart.
# Versions: spark-operator 2.5.2, its own reconciler and submitter with the fake client of controller-runtime and a recorder as
#   spark-submit; its chart.
# Source: internal/controller/sparkapplication/controller.go of kubeflow/spark-operator: cleanUpPodTemplateFiles returns at once if both
#   templates are nil; driverPodTemplateOption and executorPodTemplateOption in submission.go write files in any case.
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

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// left submits an application so often, removes what is left of each submission, and returns how many files that were.
func left(template *corev1.PodTemplateSpec, submissions int) (files int) {
	ctx := context.Background()
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	for i := range submissions {
		app := &v1beta2.SparkApplication{}
		app.Namespace, app.Name, app.Spec.SparkVersion, app.Spec.Driver.Template = "default", fmt.Sprint("etl-", i), "4.0.4", template
		api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
		submitter := &sparkapplication.SparkSubmitter{}
		operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), nil, submitter, sparkapplication.Options{})
		_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
		must(err)
		must(api.Get(ctx, client.ObjectKeyFromObject(app), app))
		if app.Status.AppState.State != v1beta2.ApplicationStateSubmitted {
			panic(app.Status.AppState)
		}
		folder := "/tmp/spark/" + app.Status.SubmissionID
		found, err := os.ReadDir(folder)
		if !os.IsNotExist(err) {
			must(err)
		}
		files += len(found)
		must(os.RemoveAll(folder))
	}
	return files
}

func main() {
	template := &corev1.PodTemplateSpec{}
	template.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-driver"}}
	without, with := left(nil, 5), left(template, 5)
	fmt.Printf("files left of five submissions: %d; of five with a template: %d\n", without, with)
	if without != 10 || with != 0 {
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
echo "spark-operator v2.5.2; what the chart gives the controller as /tmp:"
grep -m 1 -A 2 -- "- name: tmp" charts/spark-operator-chart/values.yaml
go build -o "$work/shown" ./cmd/shown
"$work/shown" 2>"$work/log"
echo "as described: the operator leaves its own templates behind, and removes only those of applications that have one"
