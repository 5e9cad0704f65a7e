#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the library under crane, ko, cosign and kaniko takes image names that kubelet and containerd refuse before they
# ask any registry (InvalidImageName): `…:-rc1`, `…:.1`, `ghcr.io/a___b/c`, `ghcr.io/a//b`. The other way round, it refuses
# `Kubeflow/operator`, which nodes pull from a host called Kubeflow.
#
# Guess: what crane's parser takes is a valid reference: both sides follow the grammar of the same specification.
# Hurt: pipelines that make tags from branches ("-rc1" of an empty branch, ".1") and check names with go-containerregistry:
#   green until the pod is created. A capital letter in the first part sends a node to a registry that does not exist.
# Versions: github.com/google/go-containerregistry v0.22.1 and github.com/distribution/reference v0.6.0, with which containerd
#   2.2 and Kubernetes 1.37 parse.
# Source: go-containerregistry, pkg/name/{check,repository,tag,registry}.go, compare characters and lengths;
#   distribution/reference, regexp.go and normalize.go (splitDockerDomain), have the grammar.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

cd "$work"
go mod init shown 2>/dev/null
go get github.com/google/go-containerregistry/pkg/name@v0.22.1 github.com/distribution/reference@v0.6.0 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
)

const refused = "refused"

// byCrane returns the registry that crane would ask.
func byCrane(image string) string {
	parsed, err := name.ParseReference(image)
	if err != nil {
		return refused
	}
	return parsed.Context().RegistryStr()
}

// byNode returns the registry that a node would ask.
func byNode(image string) string {
	parsed, err := reference.ParseDockerRef(image)
	if err != nil {
		return refused
	}
	return reference.Domain(parsed)
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		fmt.Println(module.Path, module.Version)
	}
	failed := false
	for _, image := range []struct{ name, crane, node string }{
		{"ghcr.io/kubeflow/spark-operator/controller:2.5.2", "ghcr.io", "ghcr.io"},
		{"ghcr.io/example/app:-rc1", "ghcr.io", refused},
		{"ghcr.io/example/app:.1", "ghcr.io", refused},
		{"ghcr.io/a___b/app:1", "ghcr.io", refused},
		{"ghcr.io/example//app:1", "ghcr.io", refused},
		{"ghcr.io/example/app-:1", "ghcr.io", refused},
		{"ghcr.io/Example/app:1", refused, refused},
		{"Kubeflow/operator:1", refused, "Kubeflow"},
	} {
		crane, node := byCrane(image.name), byNode(image.name)
		fmt.Printf("%-50s crane: %-15s node: %s\n", image.name, crane, node)
		failed = failed || crane != image.crane || node != image.node
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: crane takes five names that a node refuses")
}
GO
go run .
