#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: whoever changes a ScheduledSparkApplication while it fires, be it an annotation, gets two runs for that time,
#   milliseconds apart and beside each other. The operator creates the run first and notes it in the status afterwards; where
#   that update is refused as a conflict, it begins anew, finds the run due, and creates another.
#
# Guess: a conflict is tried again with the newer object, and the run is found by its time or its name, as the CronJob
#   controller does, whose runs are named by the time for which they were due. `concurrencyPolicy: Forbid` confirms the guess,
#   by chance: it sees that the first run has not ended. But then the status never tells of that run.
# Hurt: schedules that a GitOps controller, a cost tool or a person labels while they fire: a load is done twice. The same
#   happens when the API server, or a webhook of somebody's, refuses the update for any other reason: each attempt is one
#   more run.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime, which knows conflicts.
# Source: internal/controller/scheduledsparkapplication/controller.go of kubeflow/spark-operator, startNextRun and then
#   updateScheduledSparkApplicationStatus, which does not retry; names are the time of the attempt in nanoseconds.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
cp -r "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2" "$work/operator" # its package is internal
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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/scheduledsparkapplication"
)

var nightly = client.ObjectKey{Namespace: "default", Name: "nightly"}

// edited is the API server; somebody annotates the schedule right after its first run was created.
type edited struct {
	client.Client
	edits int
}

func (e *edited) Create(ctx context.Context, made client.Object, options ...client.CreateOption) error {
	if err := e.Client.Create(ctx, made, options...); err != nil || e.edits == 0 {
		return err
	}
	e.edits--
	schedule := &v1beta2.ScheduledSparkApplication{}
	if err := e.Get(ctx, nightly, schedule); err != nil {
		return err
	}
	schedule.Annotations = map[string]string{"team": "data"}
	return e.Update(ctx, schedule)
}

// show fires a schedule that is due, lets the controller try again as it does after an error, and says what came of it.
func show(policy v1beta2.ConcurrencyPolicy, edits, runs int, noted bool) bool {
	schedule := &v1beta2.ScheduledSparkApplication{}
	schedule.Namespace, schedule.Name = nightly.Namespace, nightly.Name
	schedule.Spec.Schedule, schedule.Spec.TimeZone, schedule.Spec.ConcurrencyPolicy = "0 2 * * *", "UTC", policy
	schedule.Status.ScheduleState = v1beta2.ScheduleStateScheduled
	schedule.Status.NextRun = metav1.NewTime(time.Now().Add(-time.Second))

	scheme := runtime.NewScheme()
	if err := v1beta2.AddToScheme(scheme); err != nil {
		panic(err)
	}
	api := &edited{
		Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(schedule).WithStatusSubresource(schedule).Build(),
		edits:  edits,
	}
	options := scheduledsparkapplication.Options{Namespaces: []string{nightly.Namespace}}
	reconciler := scheduledsparkapplication.NewReconciler(scheme, api, record.NewFakeRecorder(9), clock.RealClock{}, options)

	attempts := 0
	for again := true; again && attempts < 5; attempts++ {
		_, err := reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: nightly})
		again = err != nil
	}
	made, after := &v1beta2.SparkApplicationList{}, &v1beta2.ScheduledSparkApplication{}
	if err := api.List(context.Background(), made); err != nil {
		panic(err)
	}
	if err := api.Get(context.Background(), nightly, after); err != nil {
		panic(err)
	}
	isNoted := after.Status.LastRunName != ""
	fmt.Printf("%-6s edited while it fires: %-5t -> %d run(s) after %d attempt(s), lastRunName set: %t\n",
		policy, edits > 0, len(made.Items), attempts, isNoted)
	return len(made.Items) == runs && isNoted == noted
}

func main() {
	as := show(v1beta2.ConcurrencyAllow, 0, 1, true)
	as = show(v1beta2.ConcurrencyAllow, 1, 2, true) && as
	as = show(v1beta2.ConcurrencyAllow, 2, 3, true) && as
	as = show(v1beta2.ConcurrencyForbid, 1, 1, false) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
echo "as described: each edit at that moment is one more run"
