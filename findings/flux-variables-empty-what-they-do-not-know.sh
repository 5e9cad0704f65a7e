#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: as soon as a Kustomization of Flux has one variable in postBuild, every `${…}` in all of its manifests that is no variable of
# it becomes nothing: `${SPARK_HOME}/jars` of a script is `/jars`, `${sys:spark.log.dir:-/tmp/logs}/app.log` of a log4j2.properties is
# `/app.log`, and `$$` anywhere is `$`. A quoted argument "${partitions}" becomes the number 8.
#
# Guess: `substitute: {cluster: production}` replaces `${cluster}` and leaves what it does not name, or fails for it; a default
#   after `:-` is taken in any case, and quotes keep a string a string.
# Hurt: who adds the first variable to a folder that has scripts and logging settings in ConfigMaps: Spark logs to a file in /, or
#   at no level; `$$(POD_IP)`, which Kubernetes would pass on as `$(POD_IP)`, is expanded by it; a SparkApplication with a number in
#   `arguments` is refused. Flux reports the Kustomization as applied, and `kustomize build` does not show it. Ways out: the
#   annotation kustomize.toolkit.fluxcd.io/substitute: disabled, `$${…}`, and the controller's feature gate
#   StrictPostBuildSubstitutions, with which an unknown variable is an error.
# Versions: fluxcd/pkg/envsubst 1.8.0 and sigs.k8s.io/yaml 1.6.0, called as fluxcd/pkg/kustomize 1.41.0 calls them.
# Source: fluxcd/pkg, kustomize/kustomize_varsub.go, SubstituteVariables and varSubstitution: `return vars[s], true`; a colon ends the
#   name of a variable; Kustomize's Resource.AsYAML writes without quotes what YAML does not need them for.
#   fluxcd.io/flux/components/kustomize/kustomizations, "Post build variable substitution".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/fluxcd/pkg/envsubst@v1.8.0 sigs.k8s.io/yaml@v1.6.0 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/yaml"
)

var vars = map[string]string{"cluster": "production", "partitions": "8"}

// substituted does what Flux does with the text of one field of a manifest.
func substituted(text string, strict bool) (string, error) {
	object, err := json.Marshal(map[string]string{"field": text})
	if err != nil {
		return "", err
	}
	manifest, err := yaml.JSONToYAML(object) // Resource.AsYAML
	if err != nil {
		return "", err
	}
	output, err := envsubst.Eval(string(manifest), func(name string) (string, bool) {
		value, exists := vars[name]
		return value, exists || !strict
	})
	if err != nil {
		return "", err
	}
	after, err := yaml.YAMLToJSON([]byte(output))
	return string(after), err
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/fluxcd/pkg/envsubst" || module.Path == "sigs.k8s.io/yaml" {
			fmt.Println(module.Path, module.Version)
		}
	}
	fmt.Println("postBuild.substitute:", vars)
	failed := false
	for _, row := range []struct {
		text, after string
		strict      bool // whether it passes in strict mode
	}{
		{"s3a://${cluster}/events", `{"field":"s3a://production/events"}`, true},
		{"${SPARK_HOME}/jars", `{"field":"/jars"}`, false},
		{"$SPARK_HOME/jars", `{"field":"$SPARK_HOME/jars"}`, true},
		{"${sys:spark.log.dir:-/tmp/logs}/app.log", `{"field":"/app.log"}`, false},
		{"${env:LOG_LEVEL:-info}", `{"field":null}`, false},
		{"--listen=$$(POD_IP)", `{"field":"--listen=$(POD_IP)"}`, true},
		{"${partitions}", `{"field":8}`, true},
	} {
		after, err := substituted(row.text, false)
		_, refused := substituted(row.text, true)
		fmt.Printf("%-42s -> %-38s in strict mode: %v\n", row.text, after, refused)
		failed = failed || err != nil || after != row.after || (refused == nil) != row.strict
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: what is no variable of Flux is emptied, with its default, and there is no error")
}
GO
go run .
