#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a SparkConnect with `server: {cores: 4, memory: 8g}` gets a pod that requests nothing and is limited by nothing. Both numbers
#   go to Spark alone: the JVM has a heap of 8g in a pod of the class BestEffort.
#
# Guess: what the same fields do for a SparkApplication's driver, and what the API says of this one: "Memory is the amount of memory
#   to request for the pod." For the executors of the same SparkConnect it is so: Spark makes their pods.
# Hurt: teams that share a Connect server. The scheduler puts it onto any node, however full; it is the first to be evicted or killed
#   when memory runs short there, with the sessions of all. It counts as nothing in quotas of a namespace; where a ResourceQuota
#   demands requests, its pod is refused, although the manifest has them. What helps is `server.template` with `resources` of a
#   container of the name spark-kubernetes-driver, heap and overhead added up by hand.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime.
# Source: mutateServerPod in internal/controller/sparkconnect/reconciler.go of kubeflow/spark-operator makes the container without
#   resources; driverConfOption in options.go beside it makes spark.driver.cores and spark.driver.memory of the fields; in client
#   mode, which this is, these make no pod. SparkPodSpec in api/v1alpha1/sparkconnect_types.go has the sentence.
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
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1alpha1"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkconnect"
)

// must ends the program at an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// server is the container that the operator makes for a Connect server with these fields.
func server(template *corev1.PodTemplateSpec) corev1.Container {
	connect := &v1alpha1.SparkConnect{}
	connect.Namespace, connect.Name = "default", "team"
	connect.Spec.SparkVersion, connect.Spec.Image = "4.0.1", ptr.To("team/spark:4.0.1")
	connect.Spec.Server.Cores, connect.Spec.Server.Memory = ptr.To[int32](4), ptr.To("8g")
	connect.Spec.Server.Template = template
	scheme := runtime.NewScheme()
	must(v1alpha1.AddToScheme(scheme))
	must(clientscheme.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(connect).WithStatusSubresource(connect).Build()
	options := sparkconnect.Options{Namespaces: []string{connect.Namespace}}
	reconciler := sparkconnect.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), options)
	_, err := reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(connect)})
	must(err)
	pod := &corev1.Pod{}
	must(api.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "team-server"}, pod))
	return pod.Spec.Containers[0]
}

// show says what a container requests and is limited to, and whether Spark is told of 4 cores and 8g.
func show(title string, container corev1.Container, requests, limits int) bool {
	args := strings.Join(container.Args, " ")
	isTold := strings.Contains(args, "spark.driver.cores=4") && strings.Contains(args, "spark.driver.memory=8g")
	fmt.Printf("%s: requests %v, limits %v; Spark is told of 4 cores and 8g: %t\n",
		title, quantities(container.Resources.Requests), quantities(container.Resources.Limits), isTold)
	return isTold && len(container.Resources.Requests) == requests && len(container.Resources.Limits) == limits
}

// quantities are the resources of a list as a person writes them.
func quantities(resources corev1.ResourceList) map[corev1.ResourceName]string {
	written := map[corev1.ResourceName]string{}
	for name, quantity := range resources {
		written[name] = quantity.String()
	}
	return written
}

func main() {
	must(os.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1"))
	must(os.Setenv("KUBERNETES_SERVICE_PORT", "443"))
	by := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("9011Mi")}
	template := &corev1.PodTemplateSpec{}
	template.Spec.Containers = []corev1.Container{
		{Name: "spark-kubernetes-driver", Resources: corev1.ResourceRequirements{Requests: by}},
	}
	as := show("cores and memory", server(nil), 0, 0)
	as = show("cores and memory, and a template with resources", server(template), 2, 0) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
grep --max-count=1 "Memory is the amount of memory" api/v1alpha1/sparkconnect_types.go
echo "as described: the pod of the server requests nothing"
