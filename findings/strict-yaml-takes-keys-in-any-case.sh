#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: UnmarshalStrict of sigs.k8s.io/yaml, with which operators' tests and tools read manifests, takes `mainapplicationfile`,
# `serviceaccount` and `Instances` for the fields of a SparkApplication that are written otherwise. The API server knows none of them.
# `image` and `Image` in one map are no duplicate, and one of the two is lost.
#
# Guess: strict means that what the API server refuses or drops is an error, since the package is that of Kubernetes and has
#   errors for unknown fields and for keys that are there twice.
# Hurt: whoever checks examples, templates or users' files with the Go types: the test is green and shows the right values in the
#   object, and kubectl refuses the file for unknown fields. GitOps tools and webhooks that do not validate fields create an
#   application without its service account, or one executor in the place of five. Way out: sigs.k8s.io/json, which the API
#   server decodes with, on the output of yaml.YAMLToJSONStrict.
# Versions: sigs.k8s.io/yaml 1.6.0, k8s.io/apimachinery 0.33.3, the models of spark-operator 2.5.2.
# Source: sigs.k8s.io/yaml hands over to encoding/json, which "prefers exact matches" of keys and accepts those of another case;
#   kubernetes-sigs/json was made of it for Kubernetes 1.23 to be case-sensitive.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/kubeflow/spark-operator/v2@v2.5.2 sigs.k8s.io/yaml@v1.6.0 k8s.io/apimachinery@v0.33.3 \
    sigs.k8s.io/json@v0.0.0-20250730193827-2d320260d730 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	apimachinery "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const manifest = `apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: etl}
spec:
  image: spark:4.0.3
  Image: spark:4.0.4
  mainapplicationfile: local:///opt/etl.py
  driver: {serviceaccount: spark}
  executor: {Instances: 5}
`

func seen(application v1beta2.SparkApplication) string {
	value := func(text *string) string {
		if text == nil {
			return "none"
		}
		return *text
	}
	spec, executors := application.Spec, "none"
	if spec.Executor.Instances != nil {
		executors = fmt.Sprint(*spec.Executor.Instances)
	}
	return strings.Join([]string{value(spec.Image), value(spec.MainApplicationFile), value(spec.Driver.ServiceAccount), executors}, ", ")
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		switch module.Path {
		case "github.com/kubeflow/spark-operator/v2", "k8s.io/apimachinery", "sigs.k8s.io/json", "sigs.k8s.io/yaml":
			fmt.Println(module.Path, module.Version)
		}
	}
	fmt.Print(manifest)
	all := "spark:4.0.3, local:///opt/etl.py, spark, 5"

	var strict v1beta2.SparkApplication
	err := yaml.UnmarshalStrict([]byte(manifest), &strict, yaml.DisallowUnknownFields)
	fmt.Printf("yaml.UnmarshalStrict: %s; error: %v\n", seen(strict), err)
	failed := err != nil || seen(strict) != all

	var decoded v1beta2.SparkApplication
	err = apimachinery.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096).Decode(&decoded)
	fmt.Printf("apimachinery's NewYAMLOrJSONDecoder: %s; error: %v\n", seen(decoded), err)
	failed = failed || err != nil || seen(decoded) != all

	body, err := yaml.YAMLToJSONStrict([]byte(manifest))
	if err != nil {
		panic(err)
	}
	var served v1beta2.SparkApplication
	unknown, err := json.UnmarshalStrict(body, &served)
	fmt.Printf("as the API server decodes: %s; error: %v, %v\n", seen(served), err, unknown)
	failed = failed || err != nil || len(unknown) != 4 || seen(served) != "spark:4.0.3, none, none, none"

	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: four keys that are no fields for the API server, and no error")
}
GO
go build -o shown . 2>said || { cat said && exit 2; }
./shown
