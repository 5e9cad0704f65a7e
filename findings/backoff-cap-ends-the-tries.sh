#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a cap on the pauses of a Backoff takes tries away. `Backoff{Duration: 1s, Factor: 2, Steps: 10, Cap: 30s}` asks five times
# and not ten, in apimachinery's package wait, with which operators repeat what fails, and in go-containerregistry, with which crane
# and what is built on it pull. After the fifth try it sleeps 16 seconds more, and gives up without another one.
#
# Guess: Steps is the number of tries, and Cap the longest pause: 1, 2, 4, 8, 16, 30, 30, 30 and 30 s, two minutes and a half in all.
#   Without a cap it is ten tries, and so it is with a cap that is never reached, as in most tests.
# Hurt: who sets a cap so that a registry behind a rate limit, an API server that starts anew or a webhook without endpoints is asked
#   a while longer: the program gives up after 15 seconds, and earlier than without the cap, the lower the cap the earlier. The log has
#   fewer tries than Steps, which looks like another error. Way out: Factor 1 with the Duration that is wanted, a loop of one's
#   own, or DelayFunc of package wait, which goes on at the cap.
# Versions: k8s.io/apimachinery 0.37.0, go-containerregistry 0.22.1.
# Source: apimachinery, pkg/util/wait/backoff.go, delay: `if cap > 0 && next > cap { next = cap; steps = 0 }`, said in the comment of the
#   field; go-containerregistry, internal/retry/wait/kubernetes_apimachinery_wait.go, a copy that remote.WithRetryBackoff takes.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get k8s.io/apimachinery@v0.37.0 github.com/google/go-containerregistry@v0.22.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/util/wait"
)

// second is a hundredth of one, for this to be quick.
const second = 10 * time.Millisecond

// apimachinery repeats what never succeeds; it returns when it was tried.
func apimachinery(backoff wait.Backoff) (tries []time.Time) {
	_ = wait.ExponentialBackoff(backoff, func() (bool, error) {
		tries = append(tries, time.Now())
		return false, nil
	})
	return tries
}

// containerRegistry asks a registry that has no time; it returns when it was asked.
func containerRegistry(backoff wait.Backoff) (tries []time.Time) {
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.URL.Path, "/manifests/") {
			tries = append(tries, time.Now())
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	image, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/spark:1")
	if err != nil {
		panic(err)
	}
	_, _ = remote.Get(image, remote.WithRetryBackoff(remote.Backoff{
		Duration: backoff.Duration, Factor: backoff.Factor, Steps: backoff.Steps, Cap: backoff.Cap,
	}))
	return tries
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "k8s.io/apimachinery" || module.Path == "github.com/google/go-containerregistry" {
			fmt.Println(module.Path, module.Version)
		}
	}
	failed := false
	for _, it := range []struct {
		steps, cap, tries int
	}{{6, 0, 6}, {6, 60, 6}, {10, 30, 5}, {10, 10, 4}, {10, 3, 2}} {
		for _, library := range []struct {
			name   string
			repeat func(wait.Backoff) []time.Time
		}{{"apimachinery", apimachinery}, {"go-containerregistry", containerRegistry}} {
			backoff := wait.Backoff{Duration: second, Factor: 2, Steps: it.steps, Cap: time.Duration(it.cap) * second}
			tries := library.repeat(backoff)
			end := time.Now()
			fmt.Printf("Steps: %2d, Cap: %2ds: %d tries of %s, after", it.steps, it.cap, len(tries), library.name)
			for _, at := range tries {
				fmt.Printf(" %d", at.Sub(tries[0])/second)
			}
			fmt.Printf("; given up after %d s\n", end.Sub(tries[0])/second)
			failed = failed || len(tries) != it.tries
			if it.cap == 30 {
				failed = failed || end.Sub(tries[len(tries)-1]) < 16*second
			}
		}
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: with the first pause that would be above the cap the tries are over, after a last pause for nothing")
}
GO
go build -o shown . 2>said || { cat said && exit 2; }
./shown
