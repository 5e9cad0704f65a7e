#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: names that the operator's webhook has checked and accepted are too long for what the operator makes of them. A
# ScheduledSparkApplication with a name of 44 characters or more never runs, since each run is refused by the same webhook; an
# application of 50 or more cannot have `monitoring`, and one of 51 or more not a port in `driverIngressOptions`.
#
# Guess: a name of up to 63 characters that is accepted can be used, as the error for longer ones promises; what is appended was
#   taken into account, as it is for CronJobs, which end at 52, and for the Service of the UI, whose name is cut and gets a hash.
# Hurt: who builds names from team, stage and job ("customer-analytics-production-daily-attribution"). The schedule is Scheduled and
#   `nextRun` is shown, and no run, event or reason ever is; only the operator's log has the refusal, again and again. With `monitoring` the
#   driver's pod is refused for the name of a volume that nobody wrote, with a port the application stays SUBMITTED after
#   its driver has long ended. Copies with short names on a test cluster work. Way out: names of at most 43; for schedules,
#   `scheduledSparkApplicationTimestampPrecision: minutes` below `controller` in the chart gains 11.
# Versions: spark-operator 2.5.2, its own webhooks and reconcilers with the fake client of controller-runtime, before which stands what
#   an API server asks: the webhook for applications, and 63 characters for Services and volumes.
# Source: internal/webhook/scheduledsparkapplication_validator.go of kubeflow/spark-operator, validateName, whose comment speaks of
#   suffixes; createSparkApplication in internal/controller/scheduledsparkapplication/controller.go appends nanoseconds;
#   addPrometheusConfig in internal/webhook/sparkpod_defaulter.go; getDriverIngressServiceName in
#   internal/controller/sparkapplication/driveringress.go.
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
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/scheduledsparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
	"github.com/kubeflow/spark-operator/v2/pkg/util"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// server refuses what an API server refuses: by the operator's webhook, and names of Services and volumes that are no DNS labels.
type server struct{ client.Client }

func (s server) Create(ctx context.Context, made client.Object, options ...client.CreateOption) error {
	names := []string{}
	switch it := made.(type) {
	case *v1beta2.SparkApplication:
		if _, err := webhook.NewSparkApplicationValidator(s, false).ValidateCreate(ctx, it); err != nil {
			return err
		}
	case *v1beta2.ScheduledSparkApplication:
		if _, err := webhook.NewScheduledSparkApplicationValidator().ValidateCreate(ctx, it); err != nil {
			return err
		}
	case *corev1.Service:
		names = append(names, it.Name)
	case *corev1.Pod:
		if err := webhook.NewSparkPodDefaulter(s, []string{it.Namespace}).Default(ctx, it); err != nil {
			return err
		}
		for _, volume := range it.Spec.Volumes {
			names = append(names, volume.Name)
		}
	}
	for _, name := range names {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return errors.New(name + ": " + strings.Join(wrong, ", "))
		}
	}
	return s.Client.Create(ctx, made, options...)
}

// spark takes the place of spark-submit: it makes the driver's pod.
type spark struct{ api client.Client }

func (s *spark) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Labels = map[string]string{"sparkoperator.k8s.io/app-name": app.Name, "spark-role": "driver"}
	pod.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-driver"}}
	pod.Status.Phase = corev1.PodSucceeded
	return s.api.Create(ctx, pod)
}

func newServer() (server, *runtime.Scheme) {
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	must(networkingv1.AddToScheme(scheme))
	kinds := []client.Object{&v1beta2.SparkApplication{}, &v1beta2.ScheduledSparkApplication{}}
	return server{fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(kinds...).Build()}, scheme
}

// scheduled says whether a schedule is accepted, and what becomes of it once it is due.
func scheduled(name string) (accepted, ran bool, what string) {
	api, scheme := newServer()
	schedule := &v1beta2.ScheduledSparkApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	schedule.Spec.Schedule, schedule.Spec.ConcurrencyPolicy = "@every 1h", v1beta2.ConcurrencyAllow
	if err := api.Create(ctx, schedule); err != nil {
		return false, false, err.Error()
	}
	schedule.Status.ScheduleState = v1beta2.ScheduleStateScheduled
	schedule.Status.NextRun = metav1.NewTime(time.Now().Add(-time.Minute))
	must(api.Status().Update(ctx, schedule))
	options := scheduledsparkapplication.Options{Namespaces: []string{"default"}}
	operator := scheduledsparkapplication.NewReconciler(scheme, api, record.NewFakeRecorder(9), clock.RealClock{}, options)
	_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(schedule)})
	must(api.Get(ctx, client.ObjectKeyFromObject(schedule), schedule))
	what = fmt.Sprintf("%s, reason %q", schedule.Status.ScheduleState, schedule.Status.Reason)
	return true, err == nil && schedule.Status.LastRunName != "", what
}

// applied says whether an application is accepted, and the state that it comes to.
func applied(name string, spec v1beta2.SparkApplicationSpec) (accepted, ran bool, what string) {
	api, scheme := newServer()
	app := &v1beta2.SparkApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: spec}
	if err := api.Create(ctx, app); err != nil {
		return false, false, err.Error()
	}
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(99), nil, &spark{api}, sparkapplication.Options{})
	for range 6 {
		_, _ = operator.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	}
	must(api.Get(ctx, client.ObjectKeyFromObject(app), app))
	state := app.Status.AppState.State
	return true, state == v1beta2.ApplicationStateCompleted, string(state)
}

func main() {
	util.IngressCapabilities = util.Capabilities{"networking.k8s.io/v1": true} // as of a cluster since 1.19
	var plain, monitored, port v1beta2.SparkApplicationSpec
	monitored.Monitoring = &v1beta2.MonitoringSpec{ExposeDriverMetrics: true, Prometheus: &v1beta2.PrometheusSpec{JmxExporterJar: "/jmx.jar"}}
	port.DriverIngressOptions = []v1beta2.DriverIngressConfiguration{{ServicePort: ptr.To[int32](15002), IngressURLFormat: "c"}}
	with := func(spec v1beta2.SparkApplicationSpec) func(string) (bool, bool, string) {
		return func(name string) (bool, bool, string) { return applied(name, spec) }
	}
	as := true
	for _, it := range []struct {
		what    string
		try     func(string) (bool, bool, string)
		longest int
	}{
		{"a schedule", scheduled, 43},
		{"an application", with(plain), 63},
		{"with monitoring", with(monitored), 49},
		{"with port 15002 of the driver", with(port), 50},
	} {
		for _, length := range []int{it.longest, it.longest + 1} {
			accepted, ran, what := it.try(strings.Repeat("n", length))
			fmt.Printf("%-30s %d characters: accepted %-5t ran %-5t %s\n", it.what, length, accepted, ran, what)
			as = as && accepted == (length <= 63) && ran == (length == it.longest)
		}
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
echo "as described: what the webhook accepts has no room for what the operator appends"
