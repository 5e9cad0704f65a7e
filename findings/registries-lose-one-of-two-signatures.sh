#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: two jobs that attach something to one image at the same time, such as a signature and an SBOM, both end well, and one of the
# two is not there: on a registry without the referrers API, each client reads the list of what is attached, adds its own and
# writes the list back, over the other's. So do oras-go and go-containerregistry, on which cosign is built, also with each other.
#
# Guess: attaching pushes a manifest of its own, with the image as its `subject`, and pushes of different manifests do not disturb one
#   another, as with the tags sha256-….sig and .sbom of old; or the second write is refused. One after the other both stay.
# Hurt: pipelines that sign, attest and scan in parallel and push to GHCR or to distribution: once in a while an image has no signature
#   or no SBOM, and an admission policy refuses it on the cluster, though the step that signed is green. The lost manifest is in the
#   registry still, under a digest that nothing lists, until something deletes what has no tag. Way out: one job that attaches
#   one thing after the other, and a look at the list at its end.
# Versions: oras-go 2.7.0, go-containerregistry 0.22.1, and the registry of the latter, which has no referrers API by default.
# Source: OCI distribution-spec 1.1, "Pushing Manifests with Subject", of registries without the header OCI-Subject; oras-go,
#   registry/remote/repository.go, updateReferrersIndex, which merges within one process; go-containerregistry, pkg/v1/remote/write.go,
#   commitSubjectReferrers; neither sends If-Match. Without that API: GHCR (tektoncd/chains pull request 1691) and distribution
#   (its pull request 4828 is to bring it).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/google/go-containerregistry@v0.22.1 oras.land/oras-go/v2@v2.7.0 2>/dev/null

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
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"
)

func repository(host string) *remote.Repository {
	repo, err := remote.NewRepository(host + "/team/spark")
	if err != nil {
		panic(err)
	}
	repo.PlainHTTP = true
	repo.SkipReferrersGC = true // most registries do not delete
	return repo
}

func orasGo(host, kind string) error {
	repo := repository(host)
	subject, err := repo.Resolve(context.Background(), "1")
	if err != nil {
		return err
	}
	_, err = oras.PackManifest(context.Background(), repo, oras.PackManifestVersion1_1, kind, oras.PackManifestOptions{Subject: &subject})
	return err
}

func goContainerregistry(host, kind string) error {
	image, err := name.ParseReference(host + "/team/spark:1")
	if err != nil {
		return err
	}
	subject, err := ggcr.Head(image)
	if err != nil {
		return err
	}
	attached := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(kind))
	attached = mutate.Subject(attached, *subject).(v1.Image)
	digest, err := attached.Digest()
	if err != nil {
		return err
	}
	return ggcr.Write(image.Context().Digest(digest.String()), attached)
}

type attach func(host, kind string) error

// attached lets two clients attach a signature and an SBOM; it returns how many are listed afterwards. At once means that both have
// read the list before one writes it, as happens by chance wherever they start together.
func attached(first, second attach, atOnce bool) int {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var lock sync.Mutex
	readers, met := 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		handler.ServeHTTP(answer, request) // what it answers is sent when this function returns
		if atOnce && request.Method == http.MethodGet && strings.Contains(request.URL.Path, "/manifests/sha256-") {
			lock.Lock()
			readers++
			if readers == 2 {
				close(met)
			}
			lock.Unlock()
			select {
			case <-met:
			case <-time.After(20 * time.Second):
			}
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	image, err := random.Image(64, 1)
	if err != nil {
		panic(err)
	}
	reference, err := name.ParseReference(host + "/team/spark:1")
	if err != nil {
		panic(err)
	}
	if err := ggcr.Write(reference, image); err != nil {
		panic(err)
	}
	var both sync.WaitGroup
	for kind, client := range map[string]attach{"application/vnd.example.signature": first, "application/vnd.example.sbom": second} {
		job := func() {
			if err := client(host, kind); err != nil {
				panic(err)
			}
		}
		if atOnce {
			both.Go(job)
		} else {
			job()
		}
	}
	both.Wait()

	atOnce = false
	repo, listed := repository(host), 0
	subject, err := repo.Resolve(context.Background(), "1")
	if err == nil {
		err = repo.Referrers(context.Background(), subject, "", func(referrers []ocispec.Descriptor) error {
			listed += len(referrers)
			return nil
		})
	}
	if err != nil {
		panic(err)
	}
	return listed
}

func main() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if strings.HasPrefix(module.Path, "oras.land/") || strings.HasSuffix(module.Path, "/go-containerregistry") {
			fmt.Println(module.Path, module.Version)
		}
	}
	failed := false
	for _, it := range []struct {
		names         string
		first, second attach
	}{
		{"oras-go twice", orasGo, orasGo},
		{"go-containerregistry twice", goContainerregistry, goContainerregistry},
		{"oras-go and go-containerregistry", orasGo, goContainerregistry},
	} {
		after, together := attached(it.first, it.second, false), attached(it.first, it.second, true)
		fmt.Printf("%s: of two attached one after the other %d are listed, of two at once %d\n", it.names, after, together)
		failed = failed || after != 2 || together != 1
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: both clients succeed, and one of the two is not listed")
}
GO
go build -o shown . 2>said || { cat said && exit 2; }
./shown
