#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: suspending an application takes its retries away: each `suspend: true` and `false` counts as a run that failed. After two
# of them, one with `onFailureRetries: 2` is FAILED at its first failure. One that is suspended while it waits for a retry keeps the
# time of that failure as its end, and `timeToLiveSeconds` then deletes it in the moment in which it has succeeded.
#
# Guess: suspending is not failing. The run is thrown away on purpose, and the next one has what the first one had: as with a Job, whose
#   suspended pods do not count against backoffLimit and whose clock starts anew. An end before the last start is no end.
# Hurt: whoever lets a queue suspend, as Kueue does with every preemption, or makes room by hand at night: the jobs that gave way
#   most often are those whose first lost node is final, and the pause before a retry, which is multiplied by the submissions, has
#   grown, too. With a TTL of a day and a suspension over a weekend, the application, its driver's log and the result that a pipeline
#   waits for are gone in the second in which the work is done. `kubectl get` shows the attempts, and not what they were.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime and, in the place of spark-submit, a
#   submitter that makes the driver's pod.
# Source: internal/controller/sparkapplication/controller.go of kubeflow/spark-operator: resetSparkApplicationStatus for SUSPENDED
#   leaves ExecutionAttempts, SubmissionAttempts and TerminationTime as they are, submitSparkApplication adds one to the first two,
#   and updateDriverState sets the third only if it is zero; ShouldRetry and IsExpired in pkg/util/sparkapplication.go.
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
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

const day = 24 * time.Hour

var (
	ctx = context.Background()
	etl = client.ObjectKey{Namespace: "default", Name: "etl"}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// cluster is an operator with one application. It submits by making the driver's pod, which runs.
type cluster struct {
	api      client.Client
	operator *sparkapplication.Reconciler
	runs     int
}

func newCluster() *cluster {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name = etl.Namespace, etl.Name
	app.Spec.RestartPolicy = v1beta2.RestartPolicy{
		Type:                   v1beta2.RestartPolicyOnFailure,
		OnFailureRetries:       ptr.To[int32](2),
		OnFailureRetryInterval: ptr.To[int64](60),
	}
	app.Spec.TimeToLiveSeconds = ptr.To(int64(day.Seconds()))
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	c := &cluster{api: fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()}
	c.operator = sparkapplication.NewReconciler(nil, scheme, c.api, record.NewFakeRecorder(99), nil, c, sparkapplication.Options{})
	return c
}

func (c *cluster) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	c.runs++
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: etl.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Status.Phase = corev1.PodRunning
	return c.api.Create(ctx, pod)
}

// works lets the operator do what there is to do, and returns the application, or nil if it is gone.
func (c *cluster) works() *v1beta2.SparkApplication {
	app := &v1beta2.SparkApplication{}
	for range 6 {
		_, err := c.operator.Reconcile(ctx, ctrl.Request{NamespacedName: etl})
		must(err)
		if err := c.api.Get(ctx, etl, app); errors.IsNotFound(err) {
			return nil
		}
	}
	return app
}

// ends has the driver end, and the operator see it.
func (c *cluster) ends(phase corev1.PodPhase) *v1beta2.SparkApplication {
	pod := &corev1.Pod{}
	must(c.api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: "etl-driver"}, pod))
	pod.Status.Phase = phase
	must(c.api.Status().Update(ctx, pod))
	return c.works()
}

func (c *cluster) suspends() {
	for _, held := range []bool{true, false} {
		app := c.works()
		app.Spec.Suspend = &held
		must(c.api.Update(ctx, app))
		c.works()
	}
}

// passes puts all times of the application back by so much.
func (c *cluster) passes(time time.Duration) {
	app := c.works()
	for _, it := range []*metav1.Time{&app.Status.LastSubmissionAttemptTime, &app.Status.TerminationTime} {
		if !it.IsZero() {
			*it = metav1.NewTime(it.Add(-time))
		}
	}
	must(c.api.Status().Update(ctx, app))
}

// retries suspends a running application so often, has the driver fail until the operator gives up, and returns the retries.
func retries(suspended int) int {
	c := newCluster()
	c.works()
	for range suspended {
		c.suspends()
	}
	before := c.runs
	for {
		app := c.ends(corev1.PodFailed)
		if app.Status.AppState.State == v1beta2.ApplicationStateFailed {
			return c.runs - before
		}
		c.passes(day)
		c.works()
	}
}

// kept has a driver fail, if so suspends the application before the retry, has the retry succeed after two days, and says whether
// the application is there then.
func kept(suspended bool) bool {
	c := newCluster()
	c.works()
	c.ends(corev1.PodFailed)
	if suspended {
		c.suspends()
	}
	c.passes(2 * day)
	c.works()
	return c.ends(corev1.PodSucceeded) != nil
}

func main() {
	as := true
	for suspended, wanted := range []int{2, 1, 0} {
		got := retries(suspended)
		fmt.Printf("onFailureRetries 2, suspended and resumed %d times before the first failure: %d retries\n", suspended, got)
		as = as && got == wanted
	}
	for _, suspended := range []bool{false, true} {
		got := kept(suspended)
		fmt.Printf("a TTL of one day, suspended before the retry: %-5t -> there when the retry has succeeded: %t\n", suspended, got)
		as = as && got == !suspended
	}
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" 2>"$work/log"
echo "as described: each suspension takes a retry away, and the time to live may count from a failure before it"
