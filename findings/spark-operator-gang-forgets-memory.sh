#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: what the Spark operator asks of Volcano and of the coscheduling plugin for a whole application has no memory when
# executors have `memory: 8g`, and 82 bytes for ten of them with `memory: 8192m`.
#
# Guess: the PodGroup's minResources are those of the driver and the executors, so that the gang starts together or waits.
#   `8g` and `8192m` are how Spark's documentation and the operator's examples write memory.
# Hurt: who schedules in gangs because memory is what runs out: the group is admitted where only processors suffice, and the
#   application hangs with half of its executors. Kubernetes' spelling (8Gi) is no way out, Spark refuses it; `8G` counts,
#   a little too low. `batchSchedulerOptions.resources` overrides all of it. YuniKorn gets figures of its own.
# Versions: spark-operator 2.5.2, the same functions that its schedulers call.
# Source: pkg/util/sparkapplication.go gives Spark's spelling to Kubernetes' ParseQuantity, for which g is nothing and m is a
#   thousandth; called in internal/scheduler/volcano/scheduler.go and internal/scheduler/kubescheduler/scheduler.go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

cd "$work"
go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
operator="$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2"
{
    echo "module shown"
    grep '^go ' "$operator/go.mod"
    echo "require github.com/kubeflow/spark-operator/v2 v2.5.2"
    sed -n '/^replace (/,/^)/p' "$operator/go.mod"
} >go.mod

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/pkg/util"
)

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/kubeflow/spark-operator/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	const gibibyte = 1 << 30
	failed := false
	for _, spelling := range []struct {
		memory  string
		bySpark int64 // bytes of ten executors, without overhead
		counted int64 // bytes that the PodGroup asks for; -1 for no memory at all
	}{
		{"8g", 80 * gibibyte, -1},
		{"8gb", 80 * gibibyte, -1},
		{"8192m", 80 * gibibyte, 82},
		{"8G", 80 * gibibyte, 80_000_000_000},
	} {
		application := &v1beta2.SparkApplication{}
		cores, instances := int32(4), int32(10)
		executor := &application.Spec.Executor
		executor.Cores, executor.Memory, executor.Instances = &cores, &spelling.memory, &instances
		resources := util.GetExecutorRequestResource(application)
		counted := int64(-1)
		if memory, has := resources[corev1.ResourceMemory]; has {
			counted = memory.Value()
		}
		fmt.Printf("10 executors, cores: 4, memory: %-5s  cpu %s, memory in bytes: %d; Spark asks for %d and overhead\n",
			spelling.memory, resources.Cpu(), counted, spelling.bySpark)
		failed = failed || counted != spelling.counted || resources.Cpu().Value() != 40
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: -1 is no memory at all")
}
GO
go run .
