#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a ScheduledSparkApplication without `concurrencyPolicy` runs once and never again, as long as its first run is there,
# which the history keeps. The state stays Scheduled, `nextRun` stays at the second time and passes, and there is no event.
#
# Guess: the field is optional, and left out it means Allow, as for a CronJob, or at least anything that runs once the last run has
#   ended. The CRD takes the object without it, and the first run at its time confirms the guess.
# Hurt: whoever writes a schedule with the fields that the CRD requires, or makes it of a CronJob that relied on the default: the
#   trial is well, and the job is missing from the second night on. It runs once more whenever somebody deletes the finished run, or
#   `timeToLiveSeconds` does, which makes it look like chance; a failed run blocks just as well. An unknown word, such as `allow`,
#   is accepted and does the same. Way out: write `concurrencyPolicy: Allow`.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime and a clock that is set, and its CRD.
# Source: internal/controller/scheduledsparkapplication/controller.go of kubeflow/spark-operator: shouldStartNextRun returns true if
#   there is no run, and after the switch over the three policies false; the CRD has neither a default nor an enum, and
#   internal/webhook/scheduledsparkapplication_defaulter.go sets nothing.
# Needs: Go.
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
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/scheduledsparkapplication"
)

// set is a clock that stands until it is put forward.
type set struct {
	clock.Clock
	now time.Time
}

func (s *set) Now() time.Time { return s.now }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// days lets a daily schedule go on for ten days, in which each run ends after an hour, and says how many runs there were.
func days(policy v1beta2.ConcurrencyPolicy, removed bool) (runs int, schedule *v1beta2.ScheduledSparkApplication) {
	ctx := context.Background()
	schedule = &v1beta2.ScheduledSparkApplication{}
	schedule.Namespace, schedule.Name = "default", "nightly"
	schedule.Spec.Schedule, schedule.Spec.TimeZone, schedule.Spec.ConcurrencyPolicy = "0 2 * * *", "UTC", policy

	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	app := &v1beta2.SparkApplication{}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(schedule).WithStatusSubresource(schedule, app).Build()
	hand := &set{now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	options := scheduledsparkapplication.Options{Namespaces: []string{"default"}}
	reconciler := scheduledsparkapplication.NewReconciler(scheme, api, record.NewFakeRecorder(99), hand, options)

	seen := map[string]bool{}
	for hour := 0; hour < 10*24; hour++ {
		_, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(schedule)})
		must(err)
		made := &v1beta2.SparkApplicationList{}
		must(api.List(ctx, made))
		hand.now = hand.now.Add(time.Hour)
		for _, run := range made.Items {
			seen[run.Name] = true
			run.Status.AppState.State = v1beta2.ApplicationStateCompleted
			must(api.Status().Update(ctx, &run))
			if removed {
				must(api.Delete(ctx, &run))
			}
		}
	}
	must(api.Get(ctx, client.ObjectKeyFromObject(schedule), schedule))
	return len(seen), schedule
}

// property is the schema of the field in the CRD.
func property(file string) map[string]any {
	text, err := os.ReadFile(file)
	must(err)
	crd := map[string]any{}
	must(yaml.Unmarshal(text, &crd))
	version := crd["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	at := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
	for _, name := range []string{"spec", "concurrencyPolicy"} {
		at = at["properties"].(map[string]any)[name].(map[string]any)
	}
	return at
}

func main() {
	schema := property(os.Args[1])
	fmt.Printf("the CRD: type %v, default %v, enum %v\n", schema["type"], schema["default"], schema["enum"])
	as := schema["default"] == nil && schema["enum"] == nil
	for _, it := range []struct {
		policy  v1beta2.ConcurrencyPolicy
		removed bool
		runs    int
	}{{v1beta2.ConcurrencyAllow, false, 10}, {v1beta2.ConcurrencyForbid, false, 10}, {"", false, 1}, {"allow", false, 1}, {"", true, 10}} {
		runs, schedule := days(it.policy, it.removed)
		fmt.Printf("ten days, policy %-8q finished runs removed: %-5t -> runs: %2d, state %s, nextRun %s\n", it.policy, it.removed,
			runs, schedule.Status.ScheduleState, schedule.Status.NextRun.UTC().Format(time.DateOnly))
		as = as && runs == it.runs && schedule.Status.ScheduleState == v1beta2.ScheduleStateScheduled
	}
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" charts/spark-operator-chart/crds/sparkoperator.k8s.io_scheduledsparkapplications.yaml
echo "as described: without a concurrencyPolicy there is one run, and none as long as that is there"
