#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `cosign copy` of cosign 3 ("Copy the supplied container image and signatures") does not copy the signatures and attestations
# that `cosign sign` and `attest` of cosign 3 make: only those of the old form, tags with .sig, .att and .sbom. It ends with 0. On a
# registry without the referrers API it puts the image where the list of signatures belongs: --force takes away what the destination has.
#
# Guess: copy knows what sign of the same release writes; a copy that ends with 0 can be verified as its source can. A trial with images
#   that cosign 2 signed confirms the guess.
# Hurt: who moves signed images to GHCR or a mirror of their own: the signature is a bundle that refers to the image, as is the default
#   since cosign 3. The copy is pulled by its digest, and the admission policy of the cluster refuses it: no signatures found. As copy
#   puts the image itself behind the tag `sha256-…`, signing the copy may fail ("fallback tag manifest is not an OCI image index"), a
#   copy to a signed destination fails ("already exists"), and with --force its signature is gone. Way out: `oras copy --recursive` or
#   `regctl image copy --referrers`.
# Versions: github.com/sigstore/cosign/v3 v3.1.3: its own copy.go and library, built with registry options without the logins of clouds;
#   the registry of go-containerregistry 0.21.7, with and without the referrers API.
# Source: cosign, cmd/cosign/cli/copy/copy.go: SignatureTag, AttestationTag and SBOMTag are all that it looks for, and
#   `dst.Tag(algorithm-hex)` is for the image; pkg/oci/remote/write.go, WriteAttestationNewBundleFormat, which sign, attest and attach
#   call (cmd/cosign/cli/options/sign.go: new-bundle-format is true). The tag of that name is the referrers tag schema of OCI 1.1.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw HOME="$work"

cd "$work"
go mod download github.com/sigstore/cosign/v3@v3.1.3
cp -r "$GOPATH/pkg/mod/github.com/sigstore/cosign/v3@v3.1.3" cosign
cd cosign
rm -rf cmd/cosign/cli/options cmd/cosign/cli/copy/*_test.go
mkdir cmd/cosign/cli/options shown

cat >cmd/cosign/cli/options/registry.go <<'GO'
// Package options has what copy.go asks of the registry options, without the logins of clouds.
package options

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ociremote "github.com/sigstore/cosign/v3/pkg/oci/remote"
)

type RegistryOptions struct{ RefOpts struct{ TagPrefix string } }

func (RegistryOptions) NameOptions() []name.Option { return nil }

func (RegistryOptions) ClientOpts(context.Context) ([]ociremote.Option, error) { return nil, nil }

func (RegistryOptions) GetRegistryClientOpts(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx)}
}
GO

cat >shown/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v3/cmd/cosign/cli/copy"
	"github.com/sigstore/cosign/v3/cmd/cosign/cli/options"
	ociremote "github.com/sigstore/cosign/v3/pkg/oci/remote"
)

const bundle = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`

type shop struct{ host string }

func (s shop) digest(ref string, image v1.Image) name.Digest {
	hash := got(image.Digest())
	return got(name.NewDigest(s.host + "/" + ref + "@" + hash.String()))
}

// sign stores a bundle for the image as `cosign sign` of cosign 3 does.
func (s shop) sign(ref string, image v1.Image) error {
	return ociremote.WriteAttestationNewBundleFormat(s.digest(ref, image), []byte(bundle), "https://sigstore.dev/cosign/sign/v1")
}

// signBefore stores something where cosign 2 puts a signature.
func (s shop) signBefore(ref string, image v1.Image) {
	must(remote.Write(got(ociremote.SignatureTag(s.digest(ref, image))), got(random.Image(64, 1))))
}

func (s shop) copy(from, to string, force bool) error {
	return copy.CopyCmd(context.Background(), options.RegistryOptions{}, s.host+"/"+from, s.host+"/"+to, false, force, nil, "")
}

func (s shop) bundles(ref string, image v1.Image) int {
	return len(got(ociremote.Referrers(s.digest(ref, image), "")).Manifests)
}

func (s shop) before(ref string, image v1.Image) bool {
	_, err := remote.Head(got(ociremote.SignatureTag(s.digest(ref, image))))
	return err == nil
}

func got[T any](value T, err error) T {
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(held bool, what string) {
	if !held {
		fmt.Println("not as described:", what)
		os.Exit(1)
	}
}

func main() {
	for _, api := range []bool{false, true} {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(api)))
		s := shop{strings.TrimPrefix(server.URL, "http://")}
		image := got(random.Image(64, 1))
		for _, repository := range []string{"old", "older"} {
			must(remote.Write(got(name.ParseReference(s.host+"/"+repository+":4.1")), image))
		}
		must(s.sign("old", image))
		s.signBefore("older", image)
		fmt.Println("registry with the referrers API:", api)

		err := s.copy("older:4.1", "ghcr-2:4.1", false)
		fmt.Printf("  signed as by cosign 2; copy: %v, signature there: %t\n", err, s.before("ghcr-2", image))
		expect(err == nil && s.before("ghcr-2", image), "signatures of cosign 2 are copied")

		err = s.copy("old:4.1", "ghcr:4.1", false)
		fmt.Printf("  signed as by cosign 3, %d bundle; copy: %v, bundles there: %d\n", s.bundles("old", image), err, s.bundles("ghcr", image))
		expect(s.bundles("old", image) == 1 && err == nil && s.bundles("ghcr", image) == 0, "those of cosign 3 are not")

		err = s.sign("ghcr", image)
		fmt.Printf("  the copy is to be signed in its turn: %v\n", err)
		expect((err != nil) == !api, "where there is no API, the copy cannot be signed here")

		must(remote.Write(got(name.ParseReference(s.host+"/mirror:4.1")), image))
		must(s.sign("mirror", image))
		err = s.copy("old:4.1", "mirror:4.1", false)
		fmt.Printf("  a destination that is signed, %d bundle; copy fails: %t\n", s.bundles("mirror", image), err != nil)
		expect(s.bundles("mirror", image) == 1 && (err != nil) == !api, "copy fails where there is no API")
		err = s.copy("old:4.1", "mirror:4.1", true)
		fmt.Printf("  copy --force: %v, bundles there: %d\n", err, s.bundles("mirror", image))
		expect(err == nil && (s.bundles("mirror", image) == 1) == api, "and with force the signature is gone there")
		server.Close()
	}
	fmt.Println("as described: the copy has no signature, and a destination loses its own")
}
GO

echo "cosign v3.1.3"
go run ./shown 2>"$work/said" || { cat "$work/said"; exit 1; }
