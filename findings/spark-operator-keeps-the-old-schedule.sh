#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: whoever corrects the schedule of a ScheduledSparkApplication corrects nothing. Changed from monthly to hourly, it runs
#   next in a month, as the old schedule had it; a new `timeZone` counts from the run after the next. One that was refused as
#   invalid once (`0 2 * * 7`) stays FailedValidation for ever with the old reason, however valid the corrected schedule is.
#
# Guess: the next run is computed from the schedule that is there, as the CronJob controller does, and a state that tells of an
#   invalid schedule ends when the schedule is valid.
# Hurt: everybody who edits with `kubectl apply`, Helm or Argo CD: the object shows the new schedule, no error, and nothing runs
#   (or runs once more at the old time, at midday in the place of the night). What helps is to delete and create it again, or to
#   take `nextRun` and `scheduleState` out of its status.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime and a clock that is set.
# Source: internal/controller/scheduledsparkapplication/controller.go of kubeflow/spark-operator, Reconcile: computes NextRun in
#   the state New or after a run, and returns in the state FailedValidation, which no code leaves.
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

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	clock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/scheduledsparkapplication"
)

var (
	nightly = client.ObjectKey{Namespace: "default", Name: "nightly"}
	start   = time.Date(2026, 12, 2, 10, 30, 0, 0, time.UTC)
)

// must ends the program at an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// show creates one schedule, edits it, lets two days pass, and says what the operator makes of it.
func show(first, second [2]string, state v1beta2.ScheduleState, nextRun string, runs int) bool {
	schedule := &v1beta2.ScheduledSparkApplication{}
	schedule.Namespace, schedule.Name = nightly.Namespace, nightly.Name
	schedule.Spec.Schedule, schedule.Spec.TimeZone = first[0], first[1]
	schedule.Spec.ConcurrencyPolicy = v1beta2.ConcurrencyAllow
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(schedule).WithStatusSubresource(schedule).Build()
	now := clock.NewFakeClock(start)
	options := scheduledsparkapplication.Options{Namespaces: []string{nightly.Namespace}}
	reconciler := scheduledsparkapplication.NewReconciler(scheme, api, record.NewFakeRecorder(9), now, options)
	reconcile := func() {
		_, err := reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: nightly})
		must(err)
	}
	reconcile()

	edited := &v1beta2.ScheduledSparkApplication{}
	must(api.Get(context.Background(), nightly, edited))
	edited.Spec.Schedule, edited.Spec.TimeZone = second[0], second[1]
	must(api.Update(context.Background(), edited))
	reconcile()
	must(api.Get(context.Background(), nightly, edited))
	got := "none"
	if next := edited.Status.NextRun.Time; !next.IsZero() {
		got = next.UTC().Format("Jan 2 15:04 MST")
	}

	for range 48 {
		now.Step(time.Hour)
		reconcile()
	}
	made := &v1beta2.SparkApplicationList{}
	must(api.List(context.Background(), made))
	fmt.Printf("%v, edited to %v on %s:\n  state %q, next run %s, reason %q, %d run(s) in the two days after it\n", first, second,
		start.Format("Jan 2 15:04 MST"), edited.Status.ScheduleState, got, edited.Status.Reason, len(made.Items))
	return edited.Status.ScheduleState == state && got == nextRun && len(made.Items) == runs
}

func main() {
	hourly, monthly := [2]string{"0 * * * *", "UTC"}, [2]string{"0 2 1 * *", "UTC"}
	sunday, seventh := [2]string{"0 2 * * 0", "UTC"}, [2]string{"0 2 * * 7", "UTC"}
	noon, far := [2]string{"0 12 * * *", "UTC"}, [2]string{"0 12 * * *", "America/Los_Angeles"}
	as := show(hourly, hourly, v1beta2.ScheduleStateScheduled, "Dec 2 11:00 UTC", 48)
	as = show(monthly, hourly, v1beta2.ScheduleStateScheduled, "Jan 1 02:00 UTC", 0) && as
	as = show(noon, far, v1beta2.ScheduleStateScheduled, "Dec 2 12:00 UTC", 3) && as
	as = show(seventh, sunday, v1beta2.ScheduleStateFailedValidation, "none", 0) && as
	as = show(seventh, hourly, v1beta2.ScheduleStateFailedValidation, "none", 0) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
echo "as described: the old schedule goes on, and an invalid one stays invalid"
