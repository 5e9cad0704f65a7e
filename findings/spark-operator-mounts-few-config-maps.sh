#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: an application cannot mount a ConfigMap whose name has a dot, such as the cluster's own kube-root-ca.crt, nor one ConfigMap at
# two paths, with `configMaps` of its driver or executors: the operator makes the name of a volume of that of the ConfigMap, the webhook lets
# it pass, and the API server refuses each pod for a volume that nobody wrote. Two names that are the same in their first 59
# characters are refused, too.
#
# Guess: `configMaps` is a list of names and paths, and any ConfigMap that is there can be in it, as often as there are paths. Names of
#   ConfigMaps may have dots and 253 characters, and a volume is the operator's own matter.
# Hurt: who gives programs the certificates of the cluster, which are in kube-root-ca.crt in each namespace, or ConfigMaps that tools
#   named after files or hosts ("log4j2.properties", "trust.example.com") or with long prefixes of a release and a hash. The
#   application is accepted, and ends SUBMISSION_FAILED and FAILED with "must not contain dots" or "Duplicate value" for
#   spec.volumes. For executors nothing is said in the application at all: it is RUNNING, and the driver asks for executors again and
#   again. Way out: `volumes` and `volumeMounts`, where the name of the volume is one's own.
# Versions: spark-operator 2.5.2, its own webhooks called with pods as Spark makes them; the rules of the API server are those of
#   apimachinery for names (a DNS label) and that they are unique.
# Source: internal/webhook/sparkpod_defaulter.go of kubeflow/spark-operator, addGeneralConfigMaps: name + "-vol", cut at 63; ValidateVolumes
#   in pkg/apis/core/validation of Kubernetes.
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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// refusals are what an API server has against the volumes of a driver's or an executor's pod with these ConfigMaps, after the operator's
// webhooks have had nothing against the application and the pod.
func refusals(role string, maps ...v1beta2.NamePath) (wrong []string) {
	ctx := context.Background()
	app := &v1beta2.SparkApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "etl"}}
	app.Spec.Driver.ConfigMaps, app.Spec.Executor.ConfigMaps = maps, maps
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).Build()
	_, err := webhook.NewSparkApplicationValidator(api, false).ValidateCreate(ctx, app)
	must(err)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "etl"}}
	pod.Labels = map[string]string{"sparkoperator.k8s.io/app-name": "etl", "spark-role": role}
	pod.Spec.Containers = []corev1.Container{{Name: "spark-kubernetes-" + role}}
	must(webhook.NewSparkPodDefaulter(api, []string{"default"}).Default(ctx, pod))
	seen := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		for _, reason := range validation.IsDNS1123Label(volume.Name) {
			wrong = append(wrong, volume.Name+": "+reason)
		}
		if seen[volume.Name] {
			wrong = append(wrong, volume.Name+": Duplicate value")
		}
		seen[volume.Name] = true
	}
	return wrong
}

func main() {
	long := strings.Repeat("release-", 8)
	as := true
	for _, it := range []struct {
		what  string
		maps  []v1beta2.NamePath
		wrong int
	}{
		{"settings", []v1beta2.NamePath{{Name: "settings", Path: "/a"}}, 0},
		{"kube-root-ca.crt", []v1beta2.NamePath{{Name: "kube-root-ca.crt", Path: "/ca"}}, 1},
		{"settings at two paths", []v1beta2.NamePath{{Name: "settings", Path: "/a"}, {Name: "settings", Path: "/b"}}, 1},
		{"two long names", []v1beta2.NamePath{{Name: long + "one", Path: "/a"}, {Name: long + "two", Path: "/b"}}, 1},
	} {
		for _, name := range it.maps {
			if names := validation.IsDNS1123Subdomain(name.Name); len(names) > 0 {
				panic(names) // no name of a ConfigMap
			}
		}
		for _, role := range []string{"driver", "executor"} {
			wrong := refusals(role, it.maps...)
			fmt.Printf("%-22s %-9s refused for: %s\n", it.what, role, strings.Join(wrong, ", "))
			as = as && len(wrong) == it.wrong
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
echo "as described: the volume of a ConfigMap has a name that its pod may not have"
