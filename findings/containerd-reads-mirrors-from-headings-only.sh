#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: in a hosts.toml, containerd knows a mirror only if it has a heading of its own, `[host."https://mirror"]`. Written as an
# inline table (`"https://mirror" = {…}` below `[host]`) or with dotted keys (`host."https://mirror".capabilities = […]`), which are the
# same in TOML, the mirror is not there: nothing is logged, and images are pulled from the public registry.
#
# Guess: a file is read by a library for TOML, so it matters what it says and not how it is spelt; the order of the mirrors is all
#   that spelling could change. containerd's own config.toml confirms the guess, and so does a hosts.toml that is checked with any
#   other reader, which finds the mirror.
# Hurt: whoever has the file written by a program, whose library chooses between the notations, and who shortens a list of five mirrors
#   to five lines. A file with one mirror below a heading and the next as an inline table has one mirror. All pulls work in the
#   trial, from the registry that was to be left, and fail at its rate limit or on nodes without a way out. Way out: a heading for each
#   mirror; that of a table below it, `[host."https://mirror".header]`, is enough. Only the mirror's own log says whether it was asked.
# Versions: containerd 2.4.2; the same file read by its own library for TOML, go-toml 2.4.3.
# Source: containerd, core/remotes/docker/config/hosts.go: parseHostsFile decodes the whole file, then goes through the names that
#   getSortedHosts returns, and that one looks at expressions of the kind Table only, to keep the order.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/containerd/containerd/v2@v2.4.2 github.com/pelletier/go-toml/v2@v2.4.3 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/log"
	"github.com/pelletier/go-toml/v2"
)

// asked returns the hosts that containerd asks for images of ghcr.io by this hosts.toml, in their order.
func asked(root, text string) []string {
	folder := filepath.Join(root, "ghcr.io")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "hosts.toml"), []byte(text), 0o644); err != nil {
		panic(err)
	}
	hosts, err := config.ConfigureHosts(context.Background(), config.HostOptions{HostDir: config.HostDirFromRoot(root)})("ghcr.io")
	if err != nil {
		panic(err)
	}
	var names []string
	for _, host := range hosts {
		names = append(names, host.Host)
	}
	return names
}

// content is what the file says, for any reader of TOML.
func content(text string) (said map[string]any) {
	if err := toml.Unmarshal([]byte(text), &said); err != nil {
		panic(err)
	}
	return said
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/containerd/containerd/v2" || module.Path == "github.com/pelletier/go-toml/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	var logged bytes.Buffer
	log.L.Logger.SetOutput(&logged)
	root, err := os.MkdirTemp(".", "certs.d")
	if err != nil {
		panic(err)
	}
	const one, two = "[host.\"https://mirror-1\"]\ncapabilities = [\"pull\"]\n", "[host.\"https://mirror-2\"]\ncapabilities = [\"pull\"]\n"
	const inline = "\"https://mirror-2\" = {capabilities = [\"pull\"]}\n"
	failed := false
	for _, it := range []struct {
		name, text, same string
		asked            []string
	}{
		{"a heading each", one + two, one + two, []string{"mirror-1", "mirror-2", "ghcr.io"}},
		{"an inline table", "[host]\n" + inline, two, []string{"ghcr.io"}},
		{"dotted keys", "host.\"https://mirror-2\".capabilities = [\"pull\"]\n", two, []string{"ghcr.io"}},
		{"dotted keys below [host]", "[host]\n\"https://mirror-2\".capabilities = [\"pull\"]\n", two, []string{"ghcr.io"}},
		{"all inline", "host = {\"https://mirror-2\" = {capabilities = [\"pull\"]}}\n", two, []string{"ghcr.io"}},
		{"a heading, then an inline table", one + "[host]\n" + inline, one + two, []string{"mirror-1", "ghcr.io"}},
	} {
		seen := asked(root, it.text)
		same := reflect.DeepEqual(content(it.text), content(it.same))
		fmt.Printf("%-32s the same TOML: %t, containerd asks: %s\n", it.name, same, strings.Join(seen, ", then "))
		failed = failed || !same || !reflect.DeepEqual(seen, it.asked)
	}
	fmt.Printf("logged: %q\n", logged.String())
	if failed || logged.Len() > 0 {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: a mirror without a heading of its own is not asked")
}
GO
go build -o shown . 2>said || { cat said && exit 2; }
./shown
