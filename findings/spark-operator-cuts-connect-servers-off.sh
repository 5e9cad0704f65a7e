#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: whoever changes `image` and `sparkVersion` of a running SparkConnect keeps the old server and loses the way to it. The
#   operator changes nothing of the server's pod but its labels; the Service goes on to look for the old version in them, and finds
#   no pod. The state stays Ready.
#
# Guess: the server is replaced, as the pods of a Deployment are and a SparkApplication's driver is, or, if the operator doesn't do
#   that, all stays as it was. Nor is a server replaced that was evicted: its pod stays Failed, and the SparkConnect NotReady.
# Hurt: notebooks of a whole team, at the upgrade of Spark or at the move of images to another registry: "connection refused" or a
#   timeout from the name that worked, beside a pod that is Running and a SparkConnect that is Ready. An edit of anything else
#   (`sparkConf`, memory, only the image) is shown by `kubectl get` and has no effect. What helps is to delete the pod NAME-server
#   and, if the version has changed, the Service of that name: both are made anew.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime, which sets creation times as an API
#   server does.
# Source: internal/controller/sparkconnect/reconciler.go of kubeflow/spark-operator: mutateServerPod and mutateServerService set
#   spec and selector only of what has no CreationTimestamp, and labels always; GetServerSelectorLabels in util.go has the version.
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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubeflow/spark-operator/v2/api/v1alpha1"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkconnect"
)

var (
	ctx    = context.Background()
	team   = client.ObjectKey{Namespace: "default", Name: "team"}
	server = client.ObjectKey{Namespace: "default", Name: "team-server"}
)

// must ends the program at an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// seen is what a person sees of a SparkConnect.
type seen struct {
	spec, image string
	phase       corev1.PodPhase
	state       v1alpha1.SparkConnectState
	isFound     bool
}

// kubelet sets the phase of the server's pod and whether it is ready.
func kubelet(api client.Client, phase corev1.PodPhase, ready corev1.ConditionStatus) {
	pod := &corev1.Pod{}
	must(api.Get(ctx, server, pod))
	pod.Status.Phase = phase
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	must(api.Status().Update(ctx, pod))
}

// reconcile lets the operator do what it does after a change, twice, and says what there is then.
func reconcile(api client.Client, scheme *runtime.Scheme, title string, expected seen) bool {
	options := sparkconnect.Options{Namespaces: []string{team.Namespace}}
	reconciler := sparkconnect.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), options)
	for range 2 {
		_, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: team})
		must(err)
	}
	connect, pod, service := &v1alpha1.SparkConnect{}, &corev1.Pod{}, &corev1.Service{}
	must(api.Get(ctx, team, connect))
	must(api.Get(ctx, server, pod))
	must(api.Get(ctx, server, service))
	isFound := labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels))
	now := seen{*connect.Spec.Image, pod.Spec.Containers[0].Image, pod.Status.Phase, connect.Status.State, isFound}
	fmt.Printf("%s:\n  asked for %s, state %s; the server's pod has %s, is %s, and its Service finds it: %t\n",
		title, now.spec, now.state, now.image, now.phase, now.isFound)
	return now == expected
}

func main() {
	must(os.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1"))
	must(os.Setenv("KUBERNETES_SERVICE_PORT", "443"))
	old, fixed, newer := "team/spark:4.0.1", "team/spark:4.0.1-fixed", "team/spark:4.1.4"
	connect := &v1alpha1.SparkConnect{}
	connect.Namespace, connect.Name = team.Namespace, team.Name
	connect.Spec.SparkVersion, connect.Spec.Image = "4.0.1", &old
	scheme := runtime.NewScheme()
	must(v1alpha1.AddToScheme(scheme))
	must(clientscheme.AddToScheme(scheme))
	create := func(ctx context.Context, api client.WithWatch, made client.Object, options ...client.CreateOption) error {
		made.SetCreationTimestamp(metav1.Now())
		return api.Create(ctx, made, options...)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(connect).WithStatusSubresource(connect, &corev1.Pod{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: create}).Build()
	edit := func(image *string, version string) {
		must(api.Get(ctx, team, connect))
		connect.Spec.Image, connect.Spec.SparkVersion = image, version
		must(api.Update(ctx, connect))
	}

	as := reconcile(api, scheme, "created", seen{old, old, "", v1alpha1.SparkConnectStateNotReady, true})
	kubelet(api, corev1.PodRunning, corev1.ConditionTrue)
	as = reconcile(api, scheme, "started", seen{old, old, corev1.PodRunning, v1alpha1.SparkConnectStateReady, true}) && as
	edit(&fixed, "4.0.1")
	as = reconcile(api, scheme, "image changed", seen{fixed, old, corev1.PodRunning, v1alpha1.SparkConnectStateReady, true}) && as
	edit(&newer, "4.1.4")
	as = reconcile(api, scheme, "image and sparkVersion changed",
		seen{newer, old, corev1.PodRunning, v1alpha1.SparkConnectStateReady, false}) && as
	kubelet(api, corev1.PodFailed, corev1.ConditionFalse)
	as = reconcile(api, scheme, "the pod was evicted",
		seen{newer, old, corev1.PodFailed, v1alpha1.SparkConnectStateNotReady, false}) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
echo "as described: the server stays as it was, but for the labels that its Service looks for"
