#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: in a hosts.toml, containerd passes over each key and table that it does not know: with `[hosts."https://mirror"]` the mirror
# is never asked, with `override-path` the path is not what it says, with `capability = ["pull"]` a host may do all, and `server` below
# a `[host."…"]` is of no effect, since in TOML it belongs to that table. Nothing is logged. Where a value is wrong, an error is
# logged, and the whole file is passed over: either way, pulls go to the public registry, and succeed.
#
# Guess: a file that says whom to ask and cannot be used fails the pull; an unknown key is at least a warning, as in containerd's own
#   config.toml ("Ignoring unknown key in TOML").
# Hurt: who moves a cluster to a mirror: all pulls work in the trial, from the registry that was to be left, and fail on the day of
#   its rate limit or on nodes without a way out. `server` at the end of the file is what an editor or a template appends: the mirror
#   works, and what it lacks is still fetched from the public registry that the line was to replace. The only sure check is the
#   mirror's own log.
# Versions: containerd 2.4.2.
# Source: containerd, core/remotes/docker/config/hosts.go, parseHostsFile: toml.Unmarshal without DisallowUnknownFields, and
#   loadHostDir, which logs "failed to decode" and goes on without; docs/hosts.md has the keys.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/containerd/containerd/v2@v2.4.2 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/log"
)

// read returns whom containerd asks for images of ghcr.io, and for what, by this hosts.toml.
func read(root, text string) string {
	folder := filepath.Join(root, "ghcr.io")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "hosts.toml"), []byte(text), 0o644); err != nil {
		panic(err)
	}
	hosts, err := config.ConfigureHosts(context.Background(), config.HostOptions{HostDir: config.HostDirFromRoot(root)})("ghcr.io")
	if err != nil {
		return "refused: " + err.Error()
	}
	var all []string
	for _, host := range hosts {
		able := "pull only"
		if host.Capabilities.Has(docker.HostCapabilityPush) {
			able = "all"
		} else if host.Capabilities.Has(docker.HostCapabilityResolve) {
			able = "pull and resolve"
		}
		all = append(all, fmt.Sprintf("%s%s (%s)", host.Host, host.Path, able))
	}
	return strings.Join(all, ", then ")
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/containerd/containerd/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	var logged bytes.Buffer
	log.L.Logger.SetOutput(&logged)
	root, err := os.MkdirTemp(".", "certs.d")
	if err != nil {
		panic(err)
	}
	failed := false
	for _, it := range []struct{ text, expected string }{
		{"server = \"https://mirror\"\n[host.\"https://mirror/ghcr\"]\ncapabilities = [\"pull\", \"resolve\"]\noverride_path = true\n",
			"mirror/ghcr (pull and resolve), then mirror/v2 (all)"},
		{"[hosts.\"https://mirror\"]\ncapabilities = [\"pull\", \"resolve\"]\n", "ghcr.io/v2 (all)"},
		{"[host.\"https://mirror/ghcr\"]\noverride-path = true\n", "mirror/ghcr/v2 (all), then ghcr.io/v2 (all)"},
		{"[host.\"https://mirror\"]\ncapability = [\"pull\"]\n", "mirror/v2 (all), then ghcr.io/v2 (all)"},
		{"[host.\"https://mirror\"]\ncapabilities = [\"pull\"]\nserver = \"https://mirror\"\n",
			"mirror/v2 (pull only), then ghcr.io/v2 (all)"},
		{"[host.\"https://mirror\"]\ncapabilities = [\"fetch\"]\n", "ghcr.io/v2 (all)"},
	} {
		seen := read(root, it.text)
		fmt.Printf("%s\n  -> %s\n", strings.ReplaceAll(strings.TrimSpace(it.text), "\n", " | "), seen)
		failed = failed || !strings.HasSuffix(seen, it.expected)
	}
	fmt.Print("logged: ", logged.String())
	lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
	if failed || len(lines) != 1 || !strings.Contains(lines[0], "unknown capability fetch") {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: what is not known is passed over, and one wrong value makes it the whole file")
}
GO
go build -o shown . 2>said || { cat said && exit 2; }
./shown
