#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `webhook.resourceQuotaEnforcement.enable` an application that uses more than half of its namespace's quota
# can no longer be changed, not even to `suspend: true` or to fewer executors: "failed to validate resource quota".
#
# Guess: an update is judged by what it adds, as ResourceQuota itself does, and suspending always goes through. A small
#   application confirms the guess. And `coreRequest: 100m` counts as 100m, as the request of the pod that it becomes does.
# Hurt: who wants to make room in a full namespace, by hand or by a controller that suspends: all that is left is to delete the
#   application or to raise the quota. With coreRequest below cores it is refused where it fits, with more it is let in.
# Versions: spark-operator 2.5.2, its own validator called with a ResourceQuota as the API server would return it.
# Source: internal/webhook/sparkapplication_validator.go, ValidateUpdate; internal/webhook/resourcequota.go adds the whole
#   application to what the quota says is used, which holds the application's own pods already, and counts cores only.
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
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/webhook"
)

// namespace is the API server: it has one ResourceQuota of ten processors.
type namespace struct {
	client.Client
	used string
}

func (n namespace) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	quota := corev1.ResourceQuota{}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("10")}
	quota.Status.Hard = quota.Spec.Hard
	quota.Status.Used = corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse(n.used)}
	list.(*corev1.ResourceQuotaList).Items = []corev1.ResourceQuota{quota}
	return nil
}

// application has a driver with one processor.
func application(executors, cores int32, coreRequest string) *v1beta2.SparkApplication {
	app := &v1beta2.SparkApplication{}
	app.Name, app.Namespace = "shown", "default"
	app.Spec.SparkVersion = "4.0.4"
	one := int32(1)
	app.Spec.Driver.Cores = &one
	app.Spec.Executor.Cores, app.Spec.Executor.Instances = &cores, &executors
	if coreRequest != "" {
		app.Spec.Executor.CoreRequest = &coreRequest
	}
	return app
}

func main() {
	failed := false
	show := func(what, used string, accepts bool, old, app *v1beta2.SparkApplication) {
		validator := webhook.NewSparkApplicationValidator(namespace{used: used}, true)
		var err error
		if old == nil {
			_, err = validator.ValidateCreate(context.Background(), app)
		} else {
			_, err = validator.ValidateUpdate(context.Background(), old, app)
		}
		outcome := "accepted"
		if err != nil {
			outcome = err.Error()
		}
		fmt.Printf("%-74s used %3s of 10: %s\n", what, used, outcome)
		failed = failed || (err == nil) != accepts
	}
	suspended := func(app *v1beta2.SparkApplication) *v1beta2.SparkApplication {
		yes := true
		app.Spec.Suspend = &yes
		return app
	}
	large, small := application(4, 2, ""), application(2, 2, "")
	show("created: 4 executors with cores: 2", "0", true, nil, large)
	show("the same while it runs, with suspend: true", "9", false, large, suspended(application(4, 2, "")))
	show("the same while it runs, with 1 executor", "9", false, large, application(1, 2, ""))
	show("one with 2 executors while it runs, with suspend: true", "5", true, small, suspended(application(2, 2, "")))
	show("created: 20 executors with cores: 1, coreRequest: 100m (3 processors)", "0", false, nil, application(20, 1, "100m"))
	show("created: 2 executors with cores: 1, coreRequest: 8 (17 processors)", "0", true, nil, application(2, 1, "8"))
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown"
echo "as described: an application that fills its quota cannot be told to make room"
