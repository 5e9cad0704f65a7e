#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: when the Spark operator starts, it counts every application that is COMPLETED or FAILED on the cluster once more:
# spark_application_success_count and spark_application_failure_count begin with all of them, however old. spark_application_count,
# the number of applications, is not there until a new one comes, so there are failures of no applications.
#
# Guess: a counter counts what happens, and begins with 0 in a new process: what happened before it, nothing in it knows.
# Hurt: whoever alerts on failures or draws them in percent, at each upgrade of the operator, each change of the leader and each node that
#   is drained. A counter that falls has begun anew for Prometheus, and all that it has then is an increase: behind a Service or a
#   target without the pod in its labels, failures of the last months that nobody has deleted are reported for this minute, beside an
#   upgrade that they seem to be a reason to roll back. Failures divided by applications are above 100 % or by 0. What is deleted
#   meanwhile (`timeToLiveSeconds`, the history of schedules) is missing, so the sum is neither. Executors are not counted so.
#   Way out: count states of what is there, as kube-state-metrics can, or leave out the minutes after process_start_time_seconds.
# Versions: spark-operator 2.5.2, its own metrics and event handler behind an informer of its clientset, with the fake tracker of
#   client-go as API server; one process before and one after the restart.
# Source: internal/metrics/sparkapplication_metrics.go of kubeflow/spark-operator: HandleSparkApplicationCreate, which the event handler
#   calls for each object of an informer's first list, as for new ones, has a case for each state.
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
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"
	registry "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/metrics"
	"github.com/kubeflow/spark-operator/v2/pkg/client/clientset/versioned/fake"
	"github.com/kubeflow/spark-operator/v2/pkg/client/informers/externalversions"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// run is one life of the operator's metrics: the cluster has these applications when it starts, and they become these, one after
// another. It returns what is scraped in the end.
func run(there []runtime.Object, become ...*v1beta2.SparkApplication) map[string]float64 {
	counts := metrics.NewSparkApplicationMetrics("", []string{"namespace"}, []float64{1}, []float64{1})
	counts.Register()
	handler := sparkapplication.NewSparkApplicationEventHandler(counts)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[ctrl.Request]())
	events := make(chan string, 99)

	cluster := fake.NewSimpleClientset(there...)
	factory := externalversions.NewSharedInformerFactory(cluster, 0)
	informer := factory.Sparkoperator().V1beta2().SparkApplications().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(it any) {
			handler.Create(ctx, event.CreateEvent{Object: it.(*v1beta2.SparkApplication)}, queue)
			events <- "create"
		},
		UpdateFunc: func(old, it any) {
			change := event.UpdateEvent{ObjectOld: old.(*v1beta2.SparkApplication), ObjectNew: it.(*v1beta2.SparkApplication)}
			handler.Update(ctx, change, queue)
			events <- "update"
		},
	})
	must(err)
	wait := func() {
		select {
		case <-events:
		case <-time.After(time.Minute):
			panic("no event")
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range there {
		wait()
	}
	applications := cluster.SparkoperatorV1beta2().SparkApplications("default")
	for _, app := range become {
		if app.Status.AppState.State == v1beta2.ApplicationStateNew {
			_, err = applications.Create(ctx, app, metav1.CreateOptions{})
		} else {
			_, err = applications.Update(ctx, app, metav1.UpdateOptions{})
		}
		must(err)
		wait()
	}

	scraped := map[string]float64{}
	families, err := registry.Registry.Gather()
	must(err)
	for _, family := range families {
		name := family.GetName()
		if strings.HasPrefix(name, "spark_application_") && family.GetMetric()[0].GetCounter() != nil {
			scraped[name] = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return scraped
}

func as(name string, state v1beta2.ApplicationStateType) *v1beta2.SparkApplication {
	app := &v1beta2.SparkApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	app.Status.AppState.State = state
	return app
}

func main() {
	const failed, count = "spark_application_failure_count", "spark_application_count"
	var got map[string]float64
	var wanted [2]float64
	if os.Args[1] == "before" {
		steps := []*v1beta2.SparkApplication{}
		for i := range 5 {
			name := fmt.Sprint("job-", i)
			steps = append(steps, as(name, v1beta2.ApplicationStateNew), as(name, v1beta2.ApplicationStateFailed))
		}
		got, wanted = run(nil, steps...), [2]float64{5, 5}
	} else { // one of them has been deleted, and nothing happens any more
		there := []runtime.Object{}
		for i := range 4 {
			there = append(there, as(fmt.Sprint("job-", i), v1beta2.ApplicationStateFailed))
		}
		got, wanted = run(there), [2]float64{4, 0}
	}
	fmt.Printf("   %v\n", got)
	if got[failed] != wanted[0] || got[count] != wanted[1] {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
echo "five applications are created and fail:"
"$work/shown" before 2>"$work/log"
echo "the operator starts anew beside four of them, and nothing fails any more:"
"$work/shown" after 2>"$work/log"
echo "as described: a new process counts the old failures again"
