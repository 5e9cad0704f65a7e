#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `crane pull` to a file and `crane push` of it give an OCI image another digest, take away its annotations and make
# Docker's media types of its own; of an image for several platforms, linux/amd64 is left. Layers and configuration are the
# same bytes.
#
# Guess: crane moves what it is given, as `crane copy` does, and a digest that was pinned is found on the other side.
# Hurt: who carries images to a network of their own as files: pins by digest are "not found", signatures and attestations
#   belong to a manifest that is not there, nodes of another architecture get "exec format error", and the annotation by which
#   ghcr.io ties a package to its repository and rights (org.opencontainers.image.source) is gone. The commands end with 0.
#   `crane pull --format=oci` writes a folder whose push keeps the digest, with all platforms.
# Versions: github.com/google/go-containerregistry v0.22.1 (crane, and the registry in it), from the Go module proxy.
# Source: go-containerregistry, pkg/crane/pull.go: the default is a file as `docker save` wrote it, which has no manifest;
#   pkg/v1/tarball/image.go makes one, of Docker's schema 2.
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw GOBIN="$work/bin"

cd "$work"
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 2>/dev/null
crane() { "$work/bin/crane" "$@" 2>>"$work/log"; }
"$work/bin/crane" registry serve --address 127.0.0.1:0 >"$work/server.log" 2>&1 &
server=$!
until port=$(grep -oE "port [0-9]+" "$work/server.log" | cut -d" " -f2) && [ -n "$port" ]; do
    kill -0 "$server"
    sleep 0.1
done
app=127.0.0.1:$port/team/spark

echo content >file
tar --create --file layer.tar file
for cpu in amd64 arm64; do
    crane append --oci-empty-base --new_layer layer.tar --new_tag "$app:$cpu" >/dev/null
    crane mutate --set-platform "linux/$cpu" --annotation org.opencontainers.image.source=https://example.com/spark \
        "$app:$cpu" --tag "$app:$cpu" >/dev/null
done
crane index append --manifest "$app:amd64" --manifest "$app:arm64" --tag "$app:all" >/dev/null

# moved TAG HOW...: pulls and pushes it, says what became of it, and leaves the new digest in `digest`.
moved() {
    local tag=$1 before
    shift
    rm -rf image
    crane pull "$@" "$app:$tag" image
    crane push image "$app:moved" >/dev/null
    before=$(crane digest "$app:$tag")
    digest=$(crane digest "$app:moved")
    echo "$tag, crane pull${*:+ $*}: ${before:0:19}… becomes ${digest:0:19}…"
    [ "$before" != "$digest" ]
}

crane version
moved amd64
crane manifest "$app:amd64" >before
crane manifest "$app:moved" >after
for name in before after; do
    annotations=$(grep -oE '"annotations":\{[^}]*\}' "$name") || annotations="no annotations"
    echo "    $name: $(grep -oE '"mediaType":"[^"]*"' "$name" | head -1), $annotations"
done
grep -q '"mediaType":"application/vnd.oci.image.manifest.v1+json"' before
grep -q image.source before
grep -q '"mediaType":"application/vnd.docker.distribution.manifest.v2+json"' after
grep -q annotations after && exit 1
[ "$(crane config "$app:amd64")" = "$(crane config "$app:moved")" ]
amd64=$digest
moved all
[ "$digest" = "$amd64" ]
echo "    which is what linux/amd64 became"
moved amd64 --format=oci && exit 1
moved all --format=oci && exit 1
echo "as described: a file changes the digest, and a folder in OCI's layout does not"
