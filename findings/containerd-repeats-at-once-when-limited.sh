#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: when a registry answers 429 with `Retry-After: 8`, containerd asks five times more within a few milliseconds and
# then gives the pull up; go-containerregistry (crane, kaniko, ko) asks again after 1 and 3 seconds, whatever the header says,
# and gives up before the time has come.
#
# Guess: a client that repeats a request after 429 waits for as long as Retry-After says, as regclient does.
# Hurt: nodes behind one address that share the rate limit of a registry: each pull that is refused costs six requests in the
#   place of one, kubelet repeats the pull, and what comes in bursts keeps the limit exhausted. Who copies images with crane
#   waits between tries in vain: the whole copy fails although the registry said when to come back.
# Versions: containerd 2.2.9, go-containerregistry 0.22.1.
# Source: containerd, core/remotes/docker/resolver.go, retryRequest returns at once for 408 and 429, up to five times;
#   go-containerregistry, pkg/v1/remote/options.go, defaultRetryBackoff (three tries), and transport/retry.go, which looks at the
#   status only. RFC 9110, 10.2.3, and RFC 6585, 4, have the header.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/containerd/containerd/v2@v2.2.9 github.com/google/go-containerregistry@v0.22.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/log"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// limit is when the registry answers again, in seconds after the first request.
const limit = 8

// asked serves one image, behind the limit, to a client; it returns when requests for the manifest came, and the client's error.
func asked(client func(image string) error) ([]time.Duration, error) {
	var lock sync.Mutex
	var first time.Time
	var times []time.Duration
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		if !strings.Contains(request.URL.Path, "/manifests/") {
			return
		}
		if times == nil {
			first = time.Now()
		}
		times = append(times, time.Since(first))
		if time.Since(first) < limit*time.Second {
			answer.Header().Set("Retry-After", fmt.Sprint(limit))
			answer.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	err := client(strings.TrimPrefix(server.URL, "http://") + "/team/spark:1")
	return times, err
}

func containerd(image string) error {
	hosts := docker.ConfigureDefaultRegistries(docker.WithPlainHTTP(docker.MatchLocalhost))
	_, _, err := docker.NewResolver(docker.ResolverOptions{Hosts: hosts}).Resolve(context.Background(), image)
	return err
}

func goContainerregistry(image string) error {
	reference, err := name.ParseReference(image)
	if err == nil {
		_, err = remote.Get(reference)
	}
	return err
}

func main() {
	log.L.Logger.SetOutput(io.Discard)
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if strings.Contains(module.Path, "containerd/containerd/") || strings.Contains(module.Path, "go-containerregistry") {
			fmt.Println(module.Path, module.Version)
		}
	}
	right := true
	for _, client := range []struct {
		name     string
		ask      func(string) error
		requests int
		within   time.Duration
	}{{"containerd", containerd, 6, time.Second}, {"go-containerregistry", goContainerregistry, 3, limit * time.Second}} {
		times, err := asked(client.ask)
		fmt.Printf("%s: %d requests, after", client.name, len(times))
		for _, it := range times {
			fmt.Printf(" %.3f", it.Seconds())
		}
		fmt.Printf(" s; then: %v\n", err)
		refused := err != nil && strings.Contains(err.Error(), "429")
		right = right && refused && len(times) == client.requests && times[len(times)-1] < client.within
	}
	if !right {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Printf("as described: Retry-After: %d was not heeded\n", limit)
}
GO
go build -mod=mod -o shown . 2>said || { cat said && exit 2; }
./shown
