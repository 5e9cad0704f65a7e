#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: after a registry or a proxy has sent content that does not match its digest, containerd's next pull fails with the
# same words without asking the registry, although the registry has long been mended. What was refused stays in the content
# store as a complete download, and the next pull only checks it again. It goes when the garbage collector runs, which a
# node's containerd does a moment after the failed pull, and which a program that uses the library has to see to.
#
# Guess: content whose digest is wrong is thrown away at once, so that a pull that is tried again fetches it again, and the
#   same error twice in a row proves that the registry still sends the wrong bytes.
# Hurt: whoever mends a broken proxy or mirror and pulls again by hand (crictl, ctr), sees the same error and looks for the
#   fault in the wrong place; tests of registries; programs with a content store of their own.
# Versions: github.com/containerd/containerd/v2 v2.2.1
# Source: core/remotes/handlers.go (Fetch commits a writer whose offset is the size of the content, and asks nobody);
#   plugins/content/local (a failed Commit leaves the ingest, Abort removes it).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/containerd/containerd/v2@v2.2.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const right, wrong = "the layer of the image", "THE layer of the image"

func must(err error) {
	if err != nil {
		fmt.Println("could not be shown:", err)
		os.Exit(2)
	}
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/containerd/containerd/v2" {
			fmt.Println(module.Path, module.Version)
		}
	}
	requests, sent := 0, wrong
	registry := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.URL.Path, "/blobs/") {
			requests++
			answer.Header().Set("Content-Length", strconv.Itoa(len(sent)))
			fmt.Fprint(answer, sent)
		}
	}))
	defer registry.Close()

	ctx := context.Background()
	resolver := docker.NewResolver(docker.ResolverOptions{
		Hosts: docker.ConfigureDefaultRegistries(docker.WithPlainHTTP(docker.MatchLocalhost)),
	})
	fetcher, err := resolver.Fetcher(ctx, strings.TrimPrefix(registry.URL, "http://")+"/example/app:1")
	must(err)
	store, err := local.NewStore("content")
	must(err)
	layer := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer,
		Digest:    digest.FromString(right),
		Size:      int64(len(right)),
	}
	fetch := func(what string) error {
		_, err := remotes.FetchHandler(store, fetcher)(ctx, layer)
		fmt.Printf("%s: requests so far %d, error: %v\n", what, requests, err)
		return err
	}

	first := fetch("wrong bytes are sent")
	asked := requests
	sent = right
	second := fetch("the registry is mended, fetched again")
	repeated := second != nil && requests == asked

	left, err := store.ListStatuses(ctx)
	must(err)
	for _, ingest := range left {
		fmt.Printf("left in the store: %s, %d of %d bytes\n", ingest.Ref, ingest.Offset, len(right))
		must(store.Abort(ctx, ingest.Ref))
	}
	third := fetch("what was left is removed, fetched again")
	if first == nil || !repeated || third != nil || requests != asked+1 {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
go mod tidy 2>/dev/null
go run .
