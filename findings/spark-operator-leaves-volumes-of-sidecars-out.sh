#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a volume of `spec.volumes` that only a sidecar or an init container mounts is not put into the pod. The container
# is, with its mount, and so the API server refuses the pod: "volumeMounts[0].name: Not found".
#
# Guess: `spec.volumes` is the pod's list of volumes, as in a Deployment, and whoever is in the pod can mount them. Trying it
#   with a volume that Spark's container mounts, too, confirms the guess.
# Hurt: who gives a log shipper its settings or a proxy its certificate: the application is accepted, the webhook succeeds,
#   and the pod is refused with words that name neither the application nor its list of volumes. A mount of it in
#   `driver.volumeMounts` or `executor.volumeMounts`, where nothing needs it, mends it.
# Versions: spark-operator 2.5.2, its own webhook called with a driver pod as Spark makes it.
# Source: internal/webhook/sparkpod_defaulter.go, addVolumes: it goes through the volumeMounts of driver or executor, and
#   adds the volumes that these name; addSidecarContainers and addInitContainers add containers only.
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
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
)

// server is the API server: it has one application.
type server struct {
	client.Client
	app *v1beta2.SparkApplication
}

func (s server) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.app.DeepCopyInto(into.(*v1beta2.SparkApplication))
	return nil
}

// missing returns the volumes that the pod's containers mount and the pod does not have.
func missing(pod *corev1.Pod) []string {
	has, mounted := sets.New[string](), sets.New[string]()
	for _, volume := range pod.Spec.Volumes {
		has.Insert(volume.Name)
	}
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		for _, mount := range container.VolumeMounts {
			mounted.Insert(mount.Name)
		}
	}
	return sets.List(mounted.Difference(has))
}

func main() {
	failed := false
	show := func(what string, wanted int, change func(*v1beta2.SparkApplication)) {
		app := &v1beta2.SparkApplication{}
		app.Name, app.Namespace = "shown", "default"
		settings := corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shipper"}}
		app.Spec.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: &settings}}}
		change(app)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "shown-driver", Namespace: "default", Labels: map[string]string{
			"sparkoperator.k8s.io/app-name": "shown", "spark-role": "driver",
		}}}
		pod.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-driver", Image: "spark:4.0.4"}}
		err := webhook.NewSparkPodDefaulter(server{app: app}, []string{"default"}).Default(context.Background(), pod)
		absent := missing(pod)
		fmt.Printf("%-44s containers %d, volumes %d, mounted but missing: %v, error: %v\n",
			what, len(pod.Spec.Containers)+len(pod.Spec.InitContainers), len(pod.Spec.Volumes), absent, err)
		failed = failed || err != nil || len(absent) != wanted
	}
	mounts := []corev1.VolumeMount{{Name: "settings", MountPath: "/etc/shipper"}}
	shipper := []corev1.Container{{Name: "shipper", Image: "shipper:1", VolumeMounts: mounts}}
	show("mounted by a sidecar:", 1, func(app *v1beta2.SparkApplication) { app.Spec.Driver.Sidecars = shipper })
	show("mounted by an init container:", 1, func(app *v1beta2.SparkApplication) { app.Spec.Driver.InitContainers = shipper })
	show("mounted by a sidecar and Spark's container:", 0, func(app *v1beta2.SparkApplication) {
		app.Spec.Driver.Sidecars, app.Spec.Driver.VolumeMounts = shipper, mounts
	})
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
echo "as described: the volume is in the pod only if Spark's own container mounts it"
