#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with a mirror in front of a registry, the error of a pull may be the registry's alone, even when it is the mirror
# that is broken: a mirror with an unknown certificate or that refuses connections, before a registry without the image, gives
# "not found", and before one that wants a login, "401 Unauthorized" of a host that nobody meant to ask.
#
# Guess: a pull that fails at each host says what each of them said, or at least what the first of hosts.toml said.
# Hurt: who copies images to a mirror, under names that the public registry does not have or keeps private, and reads "not
#   found" in the pod's events: the copy is checked, then the name, then the pull secret, while the mirror's certificate has
#   expired. Which error is shown is a matter of rank: an answer of 400 and above, then 404, then no connection at all; of the
#   same rank the first. With a registry that cannot be reached, the mirror's error is there. containerd's log has all of them,
#   as "trying next host".
# Versions: containerd 2.2.9.
# Source: containerd, core/remotes/docker/resolver.go, Resolve: firstErrPriority.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/containerd/containerd/v2@v2.2.9 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	containerdlog "github.com/containerd/log"
)

const image = "docker.io/team/spark:1"

func answering(status int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.WriteHeader(status)
	}))
}

// pull returns the error of resolving the image at the mirror and then at the registry, with their names for their addresses.
func pull(mirror, registry *httptest.Server) string {
	var hosts []docker.RegistryHost
	for _, server := range []*httptest.Server{mirror, registry} {
		scheme, address, _ := strings.Cut(server.URL, "://")
		hosts = append(hosts, docker.RegistryHost{
			Client: http.DefaultClient, Scheme: scheme, Host: address, Path: "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		})
	}
	find := func(string) ([]docker.RegistryHost, error) { return hosts, nil }
	_, _, err := docker.NewResolver(docker.ResolverOptions{Hosts: find}).Resolve(context.Background(), image)
	names := strings.NewReplacer(hosts[0].Host, "mirror", hosts[1].Host, "registry")
	return names.Replace(err.Error())
}

func main() {
	containerdlog.L.Logger.SetOutput(io.Discard)
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/containerd/containerd/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	closed := answering(http.StatusOK)
	closed.Close()
	without, private := answering(http.StatusNotFound), answering(http.StatusUnauthorized)
	limited := answering(http.StatusTooManyRequests)

	right := true
	for _, it := range []struct {
		mirror, registry string
		one, other       *httptest.Server
		shown, hidden    string
	}{
		{"certificate unknown", "without the image", unknown, without, "not found", "mirror"},
		{"connection refused", "without the image", closed, without, "not found", "mirror"},
		{"certificate unknown", "wants a login", unknown, private, "registry", "mirror"},
		{"without the image", "wants a login", without, private, "registry", "mirror"},
		{"certificate unknown", "connection refused", unknown, closed, "x509", "registry"},
		{"answers 429", "without the image", limited, without, "429", "registry"},
	} {
		said := pull(it.one, it.other)
		fmt.Printf("mirror: %s, registry: %s:\n    %s\n", it.mirror, it.registry, said)
		right = right && strings.Contains(said, it.shown) && !strings.Contains(said, it.hidden)
	}
	if !right {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: one of the two errors is shown, and the mirror's is not it where it could not be reached")
}
GO
go build -mod=mod -o shown . 2>said || { cat said && exit 2; }
./shown
