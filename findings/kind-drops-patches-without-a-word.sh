#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a kubeadmConfigPatch with `apiVersion: kubeadm.k8s.io/v1beta3`, as many examples have it, has no effect with node
# images of Kubernetes 1.36 and newer, and one with v1beta4 none with older ones: kind passes over it without a word. So it does with
# a misspelled kind, and with a containerdConfigPatch that says `version = 3`, as containerd 2 has it. Without an apiVersion, the
# same patch works with both.
#
# Guess: a patch that fits nothing is an error, as it is with Kustomize ("no matches for Id"); or one of an older API version is
#   translated, as kind 0.32 does for those without a version, and as kubeadm does for its own files.
# Hurt: who raises the node image to test a newer Kubernetes: the cluster starts, green, without the feature gate, the admission
#   plugin, the audit log, the node's labels or the mirror of a registry that the patch was for; tests of them fail for no reason
#   that a log names, and tests that something is not needed pass. Who pins the node image and writes patches by today's
#   documentation of kubeadm has the same. To be sure: no apiVersion in a patch, and a look into /kind/kubeadm.conf and
#   /etc/containerd/config.toml of a node.
# Versions: kind 0.33.0, its own patches and template, from its Go module.
# Source: kubernetes-sigs/kind, pkg/internal/patch/kubeyaml.go, whose last step "verify that all patches were used" is a comment only;
#   resource.go, matches; toml.go, ContainerdTOML; pkg/cluster/internal/kubeadm/config.go, v1beta4 from 1.36 on; pull request 4173.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

cd "$work"
go mod init shown 2>/dev/null
go mod download sigs.k8s.io/kind@v0.33.0
cp -r "$GOPATH/pkg/mod/sigs.k8s.io/kind@v0.33.0" kind # what is shown is internal to kind
mkdir kind/pkg/cluster/internal/shown
cat >kind/pkg/cluster/internal/shown/main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/internal/kubeadm"
	"sigs.k8s.io/kind/pkg/internal/patch"
)

// head is the beginning of the file that kind's node images have, images/base/files/etc/containerd/config.toml.
const head = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"

// plugins has what turns mirrors on, in version 2 and 3 of containerd's configuration.
var plugins = map[string]string{"version = 2": "io.containerd.grpc.v1.cri", "version = 3": "io.containerd.cri.v1.images"}

func must(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
}

// auditing is a patch that turns the audit log on, as each API version has arguments.
func auditing(meta string, list bool) string {
	if list {
		return meta + "\napiServer: {extraArgs: [{name: audit-log-path, value: /audit.log}]}\n"
	}
	return meta + "\napiServer: {extraArgs: {audit-log-path: /audit.log}}\n"
}

func main() {
	failed := false
	tell := func(what string, patched string, mark string, expected bool) {
		has := strings.Contains(patched, mark)
		fmt.Printf("%-83s %s\n", what, map[bool]string{true: "applied", false: "passed over"}[has])
		failed = failed || has != expected
	}
	for _, row := range []struct {
		meta     string
		list     bool
		old, new bool
	}{
		{"kind: ClusterConfiguration", false, true, true},
		{"kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta3", false, true, false},
		{"kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta4", true, false, true},
		{"kind: ClusterConfig", false, false, false},
	} {
		for version, expected := range map[string]bool{"v1.35.0": row.old, "v1.36.0": row.new} {
			config := must(kubeadm.Config(kubeadm.ConfigData{
				ClusterName: "kind", KubernetesVersion: version, ControlPlaneEndpoint: "kind:6443", APIBindPort: 6443,
				APIServerAddress: "127.0.0.1", Token: kubeadm.Token, NodeAddress: "127.0.0.1", NodeName: "kind",
				NodeProvider: "docker", PodSubnet: "10.244.0.0/16", ServiceSubnet: "10.96.0.0/16", ControlPlane: true,
			}))
			what := fmt.Sprintf("Kubernetes %s: %s", version, strings.ReplaceAll(row.meta, "\n", ", "))
			tell(what, must(patch.KubeYAML(config, []string{auditing(row.meta, row.list)}, nil)), "audit-log-path", expected)
		}
	}
	for version, expected := range map[string]bool{"version = 2": true, "version = 3": false} {
		wanted := fmt.Sprintf("%s\n[plugins.%q.registry]\nconfig_path = \"/etc/containerd/certs.d\"\n", version, plugins[version])
		patched := must(patch.ContainerdTOML(head, []string{wanted}, nil))
		tell(fmt.Sprintf("containerd: %s, [plugins.%q.registry]", version, plugins[version]), patched, "certs.d", expected)
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: what does not match is left out, and there is no error")
}
GO
cd kind
go build -o "$work/shown" ./pkg/cluster/internal/shown 2>"$work/said" || { cat "$work/said" && exit 2; }
go list -m | sed 's/$/ v0.33.0/'
"$work/shown"
