#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for Flux and for `helm --wait` of Helm 4, a SparkApplication is ready in every state, FAILED and SUBMISSION_FAILED as much
# as not yet looked at. Argo CD knows its states, but not the newer ones: SUSPENDED is "Progressing: Waiting for Executor pods" for
# ever, and an attempt that the operator will repeat is Degraded.
#
# Guess: who waits for "all resources" waits for this one, too, or says that it cannot judge it; and what was suspended on purpose is
#   Suspended, a health that Argo CD has and uses for a CronJob or a Rollout.
# Hurt: Kustomizations of Flux that depend on another one with `wait: true`, and charts whose job is a SparkApplication: the step after
#   it starts while it runs, or has failed, and "release deployed" says nothing of it. With Argo CD, a sync wave or `argocd app wait
#   --health` behind an application that Kueue or `spec.suspend` holds back never ends, and one with `onFailure` retries alarms at
#   each attempt. Ways out: healthCheckExprs in Flux, resource.customizations.health in Argo CD.
# Versions: fluxcd/cli-utils 1.2.2, which Flux and Helm 4.3.2 wait with; Argo CD 3.4.0 (the same script is in 3.6.1).
# Source: pkg/kstatus/status of fluxcd/cli-utils: a kind that it does not know, without the conditions Ready, Reconciling and Stalled,
#   is Current; resource_customizations/sparkoperator.k8s.io/SparkApplication/health.lua of argoproj/argo-cd, as util/lua runs it; the
#   states are those of api/v1beta2/sparkapplication_types.go of kubeflow/spark-operator 2.5.2.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

cd "$work"
go mod init shown 2>/dev/null
go mod download github.com/argoproj/argo-cd/v3@v3.4.0
cp "$GOPATH/pkg/mod/github.com/argoproj/argo-cd/v3@v3.4.0/resource_customizations/sparkoperator.k8s.io/SparkApplication/health.lua" .
go get github.com/fluxcd/cli-utils@v1.2.2 github.com/yuin/gopher-lua@v1.1.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func application(state string) map[string]any {
	object := map[string]any{
		"apiVersion": "sparkoperator.k8s.io/v1beta2",
		"kind":       "SparkApplication",
		"metadata":   map[string]any{"name": "etl", "namespace": "jobs", "generation": int64(1)},
		"spec": map[string]any{
			"suspend":       state == "SUSPENDED",
			"executor":      map[string]any{"instances": int64(2)},
			"restartPolicy": map[string]any{"type": "OnFailure", "onFailureRetries": int64(3)},
		},
	}
	if state != "" {
		object["status"] = map[string]any{"applicationState": map[string]any{"state": state, "errorMessage": "exit code 1"}}
	}
	return object
}

// value makes a value of Lua of one of Go, as Argo CD's util/lua does.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	case int64:
		return lua.LNumber(from)
	case bool:
		return lua.LBool(from)
	default:
		return lua.LString(from.(string))
	}
}

// argo returns what Argo CD's script says of the health of an object.
func argo(script string, object map[string]any) string {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return err.Error()
	}
	return state.GetField(state.Get(-1), "status").String()
}

func main() {
	script, err := os.ReadFile("health.lua")
	if err != nil {
		panic(err)
	}
	fmt.Println("fluxcd/cli-utils 1.2.2 (Flux, helm --wait) and Argo CD 3.4.0 on a SparkApplication")
	failed := false
	for _, row := range [][3]string{
		{"", "Current", "Progressing"},
		{"SUBMITTED", "Current", "Progressing"},
		{"RUNNING", "Current", "Progressing"},
		{"FAILING", "Current", "Degraded"},
		{"PENDING_RERUN", "Current", "Progressing"},
		{"SUBMISSION_FAILED", "Current", "Degraded"},
		{"FAILED", "Current", "Degraded"},
		{"SUSPENDED", "Current", "Progressing"},
		{"COMPLETED", "Current", "Healthy"},
	} {
		object := application(row[0])
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			panic(err)
		}
		health := argo(string(script), object)
		fmt.Printf("%-18s %-8s %s\n", row[0], result.Status, health)
		failed = failed || result.Status.String() != row[1] || health != row[2]
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: Current means ready, whatever became of it; what is suspended is Progressing")
}
GO
go run .
