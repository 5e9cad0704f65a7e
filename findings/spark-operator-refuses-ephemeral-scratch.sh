#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a volume called `spark-local-dir-…`, as Spark and the operator call scratch space, may be anything in a SparkApplication and passes the
#   webhook, but with `ephemeral` or `csi` every submission fails with "unsupported volume type". With another name the same
#   volume is mounted, and Spark does not use it.
#
# Guess: `volumes` are those of a pod, whatever their names: a generic ephemeral volume, Kubernetes' own means for scratch space of
#   a size that goes with the pod, is mounted as it is with any other name. What cannot work is refused when it is applied.
# Hurt: who moves shuffle data from emptyDir or hostPath to ephemeral volumes or a local CSI driver: `kubectl apply` and a dry run are content, and
#   the application, or each run of a schedule, ends SUBMISSION_FAILED and, after its retries, FAILED. The message names neither the
#   volume nor what is supported. Way out: `persistentVolumeClaim` with the claim OnDemand by way of `sparkConf`
#   (spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1.…), or another name and `spark.local.dir`.
# Versions: spark-operator 2.5.2, its own webhooks and submitter with the fake client of controller-runtime and a recorder as spark-submit.
# Source: internal/controller/sparkapplication/submission.go of kubeflow/spark-operator, driverVolumeMountsOption and
#   executorVolumeMountsOption: emptyDir, hostPath, nfs and persistentVolumeClaim; the validator of internal/webhook does not look.
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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// submitted is the error of the submission, or how many mounts of the volume the executor's pod gets from the webhook.
func submitted(name, source string) string {
	ctx := context.Background()
	app := &v1beta2.SparkApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "etl"}}
	must(yaml.UnmarshalStrict([]byte(fmt.Sprintf(`
type: Scala
sparkVersion: 4.0.4
mainApplicationFile: local:///opt/etl.jar
volumes: [{name: %s, %s}]
driver: {}
executor: {volumeMounts: [{name: %[1]s, mountPath: /scratch}]}
`, name, source)), &app.Spec))
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(webhook.NewSparkApplicationDefaulter().Default(ctx, app))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).Build()
	_, err := webhook.NewSparkApplicationValidator(api, false).ValidateCreate(ctx, app)
	must(err)
	app.Status.SubmissionID = os.Args[1] // where the operator writes its templates, below /tmp/spark
	if err := (&sparkapplication.SparkSubmitter{}).Submit(ctx, app); err != nil {
		return err.Error()
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "etl"}}
	pod.Labels = map[string]string{"sparkoperator.k8s.io/app-name": "etl", "spark-role": "executor"}
	pod.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-executor"}}
	must(webhook.NewSparkPodDefaulter(api, []string{"default"}).Default(ctx, pod))
	return fmt.Sprintf("submitted, %d mount(s) by the webhook", len(pod.Spec.Containers[0].VolumeMounts))
}

func main() {
	const refused = "failed to build spark-submit arguments: unsupported volume type"
	const claim = "ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 50Gi}}}}}"
	as := true
	for _, it := range []struct{ name, kind, source, result string }{
		{"spark-local-dir-1", "emptyDir", "emptyDir: {}", "submitted, 0 mount(s) by the webhook"}, // Spark mounts it
		{"spark-local-dir-1", "ephemeral", claim, refused},
		{"spark-local-dir-1", "csi", "csi: {driver: local.csi.example.com}", refused},
		{"scratch", "ephemeral", claim, "submitted, 1 mount(s) by the webhook"},
	} {
		result := submitted(it.name, it.source)
		fmt.Printf("%-18s %-10s %s\n", it.name, it.kind+":", result)
		as = as && result == it.result
	}
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
mkdir -p "$work/home/bin"
printf '#!/bin/bash\n' >"$work/home/bin/spark-submit"
chmod +x "$work/home/bin/spark-submit"
export SPARK_HOME="$work/home" KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" "${work##*/}" 2>"$work/log"
echo "as described: accepted, and never submitted"
