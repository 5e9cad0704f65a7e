#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `crane mutate` with a label, a variable or a user makes one image for linux/amd64 of an image for several platforms, and
# without --tag it puts that one behind the tag that it was given. `crane append --base` does the same, and both end with 0. With
# --annotation, mutate refuses an index.
#
# Guess: what is done to an image for several platforms is done to each of them, as `crane flatten` does it, or refused, as it is for
#   annotations. --platform is said to be "default all", and --tag "If not provided, push by digest to the original image
#   repository", so that without it no tag moves.
# Hurt: who moves images to GHCR and puts the label on them by which it ties a package to a repository
#   (org.opencontainers.image.source), and who adds a jar or a certificate to a base image as a layer: nodes with arm64 get "exec
#   format error" or "no match for platform in manifest" from the same tag as before, attestations are gone, and the check of
#   the copy that ran before is still green. With --platform linux/arm64 it is that one image. Way out: mutate the digest of each
#   platform, and put the results together with `crane index append`.
# Versions: github.com/google/go-containerregistry v0.22.1 (crane, and the registry in it).
# Source: go-containerregistry, cmd/crane/cmd/mutate.go and append.go: crane.Pull, which is remote.Image, gives the image for
#   linux/amd64 of an index (pkg/v1/remote/options.go, defaultPlatform); newRef is the first argument if there is no --tag.
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw GOBIN="$work/bin"

cd "$work"
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 2>/dev/null
crane() { "$work/bin/crane" "$@" 2>/dev/null; }
touch "$work/server.log"
"$work/bin/crane" registry serve --address 127.0.0.1:0 >"$work/server.log" 2>&1 &
server=$!
until port=$(grep -oE "port [0-9]+" "$work/server.log" | cut -d" " -f2) && [ -n "$port" ]; do
    kill -0 "$server"
    sleep 0.1
done
spark=127.0.0.1:$port/team/spark

echo content >file
tar --create --file layer.tar file
crane append --oci-empty-base --new_layer layer.tar --new_tag "$spark:base" >/dev/null
for platform in amd64 arm64; do
    crane mutate --set-platform "linux/$platform" --tag "$spark:$platform" "$spark:base" >/dev/null
done
crane index append --manifest "$spark:amd64" --manifest "$spark:arm64" --tag "$spark:4.1" >/dev/null

platforms() { # TAG: the platforms that the registry has behind it
    crane manifest "$spark:$1" >answer
    if grep -q '"manifests"' answer; then
        grep -oE '"architecture":"[a-z0-9]+"' answer | cut -d'"' -f4 | paste -s -d' '
    else
        echo "$(crane config "$spark:$1" | grep -oE '"architecture":"[a-z0-9]+"' | cut -d'"' -f4) alone"
    fi
}
shown() { # TAG WORD...: what is behind the tag after crane has done these words
    local tag=$1 status=0
    shift
    crane "$@" >/dev/null || status=$?
    echo "crane ${*//127.0.0.1:$port\//}: status $status, $tag is $(platforms "$tag")" >&2
    echo "$status $(platforms "$tag")"
}

crane version
echo "team/spark:4.1 is $(platforms 4.1)"
source=org.opencontainers.image.source=https://example.com/team/spark
flattened=$(shown flat flatten --tag "$spark:flat" "$spark:4.1")
annotated=$(shown 4.1 mutate --annotation "$source" "$spark:4.1")
appended=$(shown with-jar append --base "$spark:4.1" --new_layer layer.tar --new_tag "$spark:with-jar")
labelled=$(shown labelled mutate --label "$source" --tag "$spark:labelled" "$spark:4.1")
arm=$(shown arm mutate --platform linux/arm64 --label "$source" --tag "$spark:arm" "$spark:4.1")
in_place=$(shown 4.1 mutate --label "$source" "$spark:4.1")
[ "$flattened" = "0 amd64 arm64" ]
[ "$annotated" = "1 amd64 arm64" ]
[ "$appended" = "0 amd64 alone" ]
[ "$labelled" = "0 amd64 alone" ]
[ "$arm" = "0 arm64 alone" ]
[ "$in_place" = "0 amd64 alone" ]
echo "as described: one platform is left, and the tag has moved to it"
