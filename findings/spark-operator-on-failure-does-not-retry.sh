#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `restartPolicy: {type: OnFailure}` retries nothing: the application is FAILED after its first run. With `onFailureRetries: 3`
# a submission that fails is not tried again either, and with `onSubmissionFailureRetries` the runs that failed use those up.
#
# Guess: OnFailure restarts what fails, as it does for a pod, and the numbers limit it; a Job without backoffLimit has six tries. The
#   webhook confirms the guess: it fills in an interval of five seconds for retries of both kinds. Each number counts its own kind.
# Hurt: who moves a Job or a Deployment with OnFailure to an application, and who upgrades the operator: while its webhook is replaced,
#   the API server refuses the driver's pod, and each application that is submitted in that second is FAILED for good, though it
#   says that failures are retried three times. One that has run three times, with two failures, gets no second try at its third
#   submission, although no submission failed before. Way out: both numbers, the one for submissions higher by the one for runs.
# Versions: spark-operator 2.5.2, its own webhook and reconciler with the fake client of controller-runtime and, in the place of
#   spark-submit, a submitter that makes the driver's pod or fails.
# Source: pkg/util/sparkapplication.go of kubeflow/spark-operator, ShouldRetry: a number that is nil is no retry, and SubmissionAttempts
#   counts all submissions; SetSparkApplicationDefaults in api/v1beta2/defaults.go. The comment of onSubmissionFailureRetries
#   ("required if RestartPolicy is OnFailure") is checked by nothing.
# Needs: Go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

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

var (
	ctx = context.Background()
	etl = client.ObjectKey{Namespace: "default", Name: "etl"}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// submitter takes the place of spark-submit. course has a letter for each submission: f, the driver fails; x, the submission fails;
// s, the driver succeeds.
type submitter struct {
	api    client.Client
	course string
	made   string
}

func (s *submitter) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	now := s.course[len(s.made)]
	s.made += string(now)
	if now == 'x' {
		return errors.New("failed calling webhook: no endpoints available for service")
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: etl.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Status.Phase = map[byte]corev1.PodPhase{'f': corev1.PodFailed, 's': corev1.PodSucceeded}[now]
	return s.api.Create(ctx, pod)
}

// show lets the operator work on an application until its state is final, and says what was submitted.
func show(what string, policy v1beta2.RestartPolicy, course, made string, state v1beta2.ApplicationStateType) bool {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.RestartPolicy = etl.Namespace, etl.Name, policy
	must(webhook.NewSparkApplicationDefaulter().Default(ctx, app))
	interval := ptr.Deref(app.Spec.RestartPolicy.OnFailureRetryInterval, 0)

	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	spark := &submitter{api: api, course: course}
	reconciler := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(99), nil, spark, sparkapplication.Options{})
	for range 40 {
		_, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: etl})
		must(err)
		must(api.Get(ctx, etl, app))
		// Time goes by: the last submission was an hour ago, so that the pause before the next one is over.
		if !app.Status.LastSubmissionAttemptTime.IsZero() {
			app.Status.LastSubmissionAttemptTime = metav1.NewTime(time.Now().Add(-time.Hour))
			must(api.Status().Update(ctx, app))
		}
	}
	words := strings.NewReplacer("f", " run-fails", "x", " submission-fails", "s", " run-succeeds").Replace(spark.made)
	fmt.Printf("%s (interval %ds):\n   %s -> %s\n", what, interval, words, app.Status.AppState.State)
	return spark.made == made && app.Status.AppState.State == state
}

func main() {
	only := v1beta2.RestartPolicy{Type: v1beta2.RestartPolicyOnFailure}
	runs, both := only, only
	runs.OnFailureRetries = ptr.To[int32](3)
	both.OnFailureRetries, both.OnSubmissionFailureRetries = ptr.To[int32](3), ptr.To[int32](2)
	as := show("type OnFailure", only, "fs", "f", v1beta2.ApplicationStateFailed)
	as = show("onFailureRetries 3", runs, "ffs", "ffs", v1beta2.ApplicationStateCompleted) && as
	as = show("onFailureRetries 3", runs, "xs", "x", v1beta2.ApplicationStateFailed) && as
	as = show("onFailureRetries 3, onSubmissionFailureRetries 2", both, "xs", "xs", v1beta2.ApplicationStateCompleted) && as
	as = show("onFailureRetries 3, onSubmissionFailureRetries 2", both, "ffxs", "ffx", v1beta2.ApplicationStateFailed) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" 2>"$work/log"
echo "as described: what has no number is not retried, and failed runs use up the tries of submissions"
