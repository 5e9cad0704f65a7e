#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: when a driver ends while a sidecar beside it runs on, the operator does not look: it wakes up when a pod's phase changes,
# and that stays Running. The application stays RUNNING, a failed one is not tried again, and no resync ends it, although the
# operator knows how to read such a pod: any other event, such as an executor's, shows it FAILING at once.
#
# Guess: the exit of Spark's own container decides, at once. The API has `sidecars` for drivers, and the operator reads the state of
#   that container for a pod that is Running. A trial with a job that has executors confirms the guess, since their pods go
#   after the driver has ended.
# Hurt: who has a log shipper, a proxy of a database or of a service mesh beside each driver, where there is no executor whose end
#   comes later: a program that fails before it has executors (a missing module, a wrong argument, no right to make pods), runs with
#   `--master local` or has let its executors go. It is RUNNING for days, holds its node and its place in the queue, and no
#   `onFailureRetries`, `timeToLiveSeconds` or alert begins. An edit of its labels wakes the operator. Way out: the sidecar as an init
#   container with `restartPolicy: Always`, which ends with the driver, so that the phase changes.
# Versions: spark-operator 2.5.2, its own reconciler, event filter and handler with the fake client of controller-runtime.
# Source: internal/controller/sparkapplication/event_filter.go of kubeflow/spark-operator, sparkPodEventFilter.Update, which wants
#   another phase, as does SparkPodEventHandler in event_handler.go; GetDriverState in pkg/util/sparkapplication.go.
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
cat >internal/controller/sparkapplication/shown.go <<'GO'
package sparkapplication

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// PodFilter is the filter of pod events that SetupWithManager installs, and that has no public name.
func PodFilter(api client.Client, namespaces []string) (predicate.Predicate, error) {
	return newSparkPodEventFilter(api, namespaces, "")
}
GO
cat >cmd/shown/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

const driver = "spark-kubernetes-driver"

var (
	ctx = context.Background()
	etl = client.ObjectKey{Namespace: "default", Name: "etl"}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func status(name string, ended bool) corev1.ContainerStatus {
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	if ended {
		state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}
	}
	return corev1.ContainerStatus{Name: name, State: state}
}

// spark takes the place of spark-submit: it makes the driver's pod, with the labels that the operator has Spark put on it.
type spark struct{ api client.Client }

func (s *spark) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: etl.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Labels = map[string]string{
		"sparkoperator.k8s.io/launched-by-spark-operator": "true",
		"sparkoperator.k8s.io/app-name":                   app.Name,
		"sparkoperator.k8s.io/submission-id":              app.Status.SubmissionID,
		"spark-role":                                      "driver",
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{status(driver, false)}
	return s.api.Create(ctx, pod)
}

// show has a driver fail, hands the events that follow to the operator as its manager does, and returns the state that the application
// then has, and the one after an event of something else.
func show(sidecar bool) (then, later v1beta2.ApplicationStateType) {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name = etl.Namespace, etl.Name
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(99), nil, &spark{api}, sparkapplication.Options{})
	filter, err := sparkapplication.PodFilter(api, []string{etl.Namespace})
	must(err)
	handler := sparkapplication.NewSparkPodEventHandler(api, nil)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](0, 0))
	work := func() v1beta2.ApplicationStateType {
		_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: etl})
		must(err)
		must(api.Get(ctx, etl, app))
		return app.Status.AppState.State
	}
	work()
	work() // RUNNING

	before := &corev1.Pod{}
	must(api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: "etl-driver"}, before))
	after := before.DeepCopy()
	after.Status.ContainerStatuses = []corev1.ContainerStatus{status(driver, true)}
	if sidecar {
		after.Status.ContainerStatuses = append(after.Status.ContainerStatuses, status("log-shipper", false))
	} else {
		after.Status.Phase = corev1.PodFailed // as the kubelet says when all containers have ended
	}
	must(api.Status().Update(ctx, after))
	resync := event.UpdateEvent{ObjectOld: after, ObjectNew: after}
	for _, it := range []event.UpdateEvent{{ObjectOld: before, ObjectNew: after}, resync} {
		if filter.Update(it) {
			handler.Update(ctx, it, queue)
		}
	}
	then = app.Status.AppState.State
	for queue.Len() > 0 {
		request, _ := queue.Get()
		queue.Done(request)
		then = work()
	}
	return then, work()
}

func main() {
	as := true
	for _, it := range []struct {
		sidecar     bool
		then, later v1beta2.ApplicationStateType
	}{
		{false, v1beta2.ApplicationStateFailing, v1beta2.ApplicationStateFailed},
		{true, v1beta2.ApplicationStateRunning, v1beta2.ApplicationStateFailing},
	} {
		then, later := show(it.sidecar)
		fmt.Printf("the driver failed, a sidecar runs on: %-5t -> %s; after an event of something else: %s\n", it.sidecar, then, later)
		as = as && then == it.then && later == it.later
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
echo "as described: beside a sidecar, the end of the driver wakes nobody"
