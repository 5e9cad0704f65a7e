#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: after a retry, the Spark UI of an application has no Service or no Ingress where a cloud's controller takes time to delete
# them. The operator deletes both before the retry and doesn't wait; the new run finds the old objects, which are on their way out,
# writes them anew and takes them for its own. Once its driver runs and they are gone, nobody makes them again; the status names them.
#
# Guess: the operator waits until what it has deleted is gone, as it does for the driver's pod and as the function that it asks first
#   says it does for all three; or it sees that an object is being deleted and makes the next one later. Without finalizers, as
#   on kind and k3d, there is always a new one, which confirms the guess.
# Hurt: whoever reaches the UI by `sparkUIOptions.serviceType: LoadBalancer` or by an Ingress of a controller with a finalizer, as those of
#   the large clouds have: `service.kubernetes.io/load-balancer-cleanup` is on each Service of that type. It is missing for exactly the
#   runs that one wants to look at, those of a job that has failed before, and webUIIngressAddress in the status leads
#   nowhere. An edit of the application's labels does not help, since only SUBMITTED makes them. Way out: a Service of one's own with
#   the selector sparkoperator.k8s.io/app-name and spark-role: driver.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime, which keeps what has finalizers as an API
#   server does, and, in the place of spark-submit, a submitter that makes the driver's pod.
# Source: internal/controller/sparkapplication/controller.go of kubeflow/spark-operator: reconcileFailingSparkApplication resets the
#   status, and with it the names by which validateSparkResourceDeletion would look for Service and Ingress;
#   createDriverIngressService and createDriverIngressV1 in driveringress.go update what is there without a look at its
#   deletionTimestamp.
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

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
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
	"github.com/kubeflow/spark-operator/v2/pkg/util"
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

// spark takes the place of spark-submit: it makes the driver's pod.
type spark struct{ api client.Client }

func (s *spark) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: etl.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Status.Phase = corev1.PodPending
	return s.api.Create(ctx, pod)
}

// show has a run fail and the next one start. cloud says whether a cloud's controller has put its finalizer on Service and Ingress; it
// is done with them once the next run is there. It returns whether that run has a Service and an Ingress in the end.
func show(cloud bool) (service, ingress bool, app *v1beta2.SparkApplication) {
	app = &v1beta2.SparkApplication{}
	app.Namespace, app.Name = etl.Namespace, etl.Name
	app.Spec.RestartPolicy = v1beta2.RestartPolicy{
		Type:                   v1beta2.RestartPolicyOnFailure,
		OnFailureRetries:       ptr.To[int32](1),
		OnFailureRetryInterval: ptr.To[int64](0),
	}
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	must(networkingv1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(99), nil, &spark{api}, sparkapplication.Options{
		EnableUIService:  true,
		IngressURLFormat: "{{$appName}}.example.com",
	})
	until := func(state v1beta2.ApplicationStateType) {
		for range 9 {
			_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: etl})
			must(err)
			must(api.Get(ctx, etl, app))
			if app.Status.AppState.State == state {
				return
			}
		}
		panic(app.Status.AppState)
	}
	becomes := func(phase corev1.PodPhase) {
		pod := &corev1.Pod{}
		must(api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: "etl-driver"}, pod))
		pod.Status.Phase = phase
		must(api.Status().Update(ctx, pod))
	}
	ofUI := map[string]client.Object{"etl-ui-svc": &corev1.Service{}, "etl-ui-ingress": &networkingv1.Ingress{}}
	mark := func(finalizers ...string) {
		for name, object := range ofUI {
			must(api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: name}, object))
			object.SetFinalizers(finalizers)
			must(api.Update(ctx, object))
		}
	}

	until(v1beta2.ApplicationStateSubmitted)
	until(v1beta2.ApplicationStateSubmitted) // makes Service and Ingress
	if cloud {
		mark("example.com/load-balancer")
	}
	becomes(corev1.PodFailed)
	until(v1beta2.ApplicationStatePendingRerun)
	until(v1beta2.ApplicationStateSubmitted)
	becomes(corev1.PodRunning)
	until(v1beta2.ApplicationStateRunning)
	if cloud {
		mark() // done: both go
	}
	until(v1beta2.ApplicationStateRunning)
	has := map[string]bool{}
	for name, object := range ofUI {
		err := api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: name}, object)
		has[name] = !errors.IsNotFound(err)
	}
	return has["etl-ui-svc"], has["etl-ui-ingress"], app
}

func main() {
	util.IngressCapabilities = util.Capabilities{"networking.k8s.io/v1": true} // as of a cluster since 1.19
	as := true
	for _, cloud := range []bool{false, true} {
		service, ingress, app := show(cloud)
		fmt.Printf("finalizers of a cloud: %-5t -> the second run has a Service: %-5t an Ingress: %-5t the status says %s, %s\n", cloud, service,
			ingress, app.Status.DriverInfo.WebUIServiceName, app.Status.DriverInfo.WebUIIngressAddress)
		as = as && service == !cloud && ingress == !cloud && app.Status.DriverInfo.WebUIIngressName == "etl-ui-ingress"
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
echo "as described: what is slow to go takes the UI of the next run with it"
