#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Kueue counts no processors at all for a SparkApplication that sets `cores`, and of its memory only the heap:
# ten executors with `cores: 4, memory: 8g, memoryOverhead: 2g` take 0 CPU and 80 Gi of the quota; Spark asks for 40 and 100.
#
# Guess: with the integration switched on, an application waits until its queue has what its pods will request.
# Hurt: clusters whose quotas are in processors: every application is admitted, and the nodes are overbooked or pods stay
#   Pending, which the queue was to prevent. `coreRequest` is counted, memory overhead never. `memory: 8G`, which Spark
#   reads, is an error, and the application is never admitted.
# Versions: Kueue 0.17.0 (alpha gate SparkApplicationIntegration), with the models of spark-operator 2.5.0 that it requires.
# Source: pkg/controller/jobs/sparkapplication/sparkapplication_podset.go of kubernetes-sigs/kueue has coreRequest, coreLimit,
#   memory and memoryLimit; what Spark requests is in BasicDriverFeatureStep and BasicExecutorFeatureStep of apache/spark.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

cd "$work"
go mod init shown 2>/dev/null
go get sigs.k8s.io/kueue@v0.17.0 github.com/kubeflow/spark-operator/v2@v2.5.0 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	corev1 "k8s.io/api/core/v1"
	resourcehelpers "k8s.io/component-helpers/resource"
	"sigs.k8s.io/kueue/pkg/controller/jobs/sparkapplication"
)

func pointer[T any](value T) *T { return &value }

// counted returns what Kueue takes from the quota for one executor and for how many of them.
func counted(set func(*v1beta2.ExecutorSpec)) string {
	application := &v1beta2.SparkApplication{}
	application.Spec.Type = v1beta2.SparkApplicationTypePython
	application.Spec.Executor.Instances = pointer(int32(10))
	set(&application.Spec.Executor)
	podSets, err := (*sparkapplication.SparkApplication)(application).PodSets(context.Background())
	if err != nil {
		return err.Error()
	}
	executors := podSets[1]
	requests := resourcehelpers.PodRequests(&corev1.Pod{Spec: executors.Template.Spec}, resourcehelpers.PodResourcesOptions{})
	return fmt.Sprintf("%d times cpu %s, memory %s", executors.Count, requests.Cpu(), requests.Memory())
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "sigs.k8s.io/kueue" || module.Path == "github.com/kubeflow/spark-operator/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	failed := false
	for _, executor := range []struct {
		title string
		set   func(*v1beta2.ExecutorSpec)
		want  string
	}{
		{"cores: 4, memory: 8g", func(executor *v1beta2.ExecutorSpec) {
			executor.Cores, executor.Memory = pointer(int32(4)), pointer("8g")
		}, "10 times cpu 0, memory 8Gi"},
		{"cores: 4, memory: 8g, memoryOverhead: 2g", func(executor *v1beta2.ExecutorSpec) {
			executor.Cores, executor.Memory, executor.MemoryOverhead = pointer(int32(4)), pointer("8g"), pointer("2g")
		}, "10 times cpu 0, memory 8Gi"},
		{"cores: 4, coreRequest: 4, memory: 8g", func(executor *v1beta2.ExecutorSpec) {
			executor.Cores, executor.CoreRequest, executor.Memory = pointer(int32(4)), pointer("4"), pointer("8g")
		}, "10 times cpu 4, memory 8Gi"},
		{"cores: 4, memory: 8G", func(executor *v1beta2.ExecutorSpec) {
			executor.Cores, executor.Memory = pointer(int32(4)), pointer("8G")
		}, "failed to parse memory requests 8G: unable to parse quantity's suffix"},
	} {
		got := counted(executor.set)
		fmt.Printf("10 executors, %s: %s\n", executor.title, got)
		failed = failed || got != executor.want
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: cores count for nothing, nor does memory overhead")
}
GO
go run .
