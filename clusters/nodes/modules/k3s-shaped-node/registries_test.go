// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// As k3d writes the harness's file: read into its own types and written again, with every empty field.
const rewritten = `mirrors:
    '*':
        endpoint:
            - http://127.0.0.1:1/not-in-the-mirror-map
        rewrite: {}
    ghcr.io:
        endpoint:
            - https://mirror.example.com/v2/ghcr
            - http://second:5000
    docker.io:
        endpoint: [http://registry-docker-io:5000]
configs:
    mirror.example.com:
        auth:
            username: robot
            password: se"cret
            auth: ""
            identity_token: ""
        tls:
            ca_file: /etc/rancher/k3s/ghcr.io-ca.pem
            cert_file: ""
            key_file: ""
            insecure_skip_verify: false
auths: {}
`

func converted(t *testing.T, text string, noDefault bool) map[string]string {
	t.Helper()
	hosts, err := hostsFrom([]byte(text), noDefault)
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

func TestEndpointsComeBeforeTheRegistryItself(t *testing.T) {
	expected := `server = "https://ghcr.io/v2"
capabilities = ["pull", "resolve"]

[host."https://mirror.example.com/v2/ghcr"]
capabilities = ["pull", "resolve"]
override_path = true
ca = "/etc/rancher/k3s/ghcr.io-ca.pem"

[host."https://mirror.example.com/v2/ghcr".header]
Authorization = "Basic cm9ib3Q6c2UiY3JldA=="

[host."http://second:5000/v2"]
capabilities = ["pull", "resolve"]
`
	if actual := converted(t, rewritten, false)["ghcr.io"]; actual != expected {
		t.Errorf("got\n%s", actual)
	}
}

func TestWithoutDefaultEndpointOnlyMirrorsAreAsked(t *testing.T) {
	hosts := converted(t, rewritten, true)
	if actual := hosts["docker.io"]; actual != "server = \"http://registry-docker-io:5000/v2\"\n"+
		"capabilities = [\"pull\", \"resolve\"]\n" {
		t.Errorf("got\n%s", actual)
	}
	ghcr := hosts["ghcr.io"]
	if strings.Contains(ghcr, "https://ghcr.io") || !strings.HasPrefix(ghcr, `server = "http://second:5000/v2"`) ||
		!strings.Contains(ghcr, `[host."https://mirror.example.com/v2/ghcr"]`) {
		t.Errorf("got\n%s", ghcr)
	}
	if actual := hosts["_default"]; !strings.HasPrefix(actual, `server = "http://127.0.0.1:1/not-in-the-mirror-map"`) {
		t.Errorf("got\n%s", actual)
	}
}

func TestAnyOtherHostStillHasItsOwnRegistry(t *testing.T) {
	if actual := converted(t, rewritten, false)["_default"]; strings.Contains(actual, "server") {
		t.Errorf("got\n%s", actual)
	}
}

func TestSettingsOfARegistryWithoutMirror(t *testing.T) {
	text := `configs: {"reg.example.com:5000": {tls: {insecure_skip_verify: true, cert_file: /c, key_file: /k}}}`
	expected := `server = "https://reg.example.com:5000/v2"
capabilities = ["pull", "resolve"]
client = [["/c", "/k"]]
skip_verify = true
`
	if actual := converted(t, text, true)["reg.example.com:5000"]; actual != expected {
		t.Errorf("got\n%s", actual)
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for text, why := range map[string]string{
		`mirrors: {ghcr.io: {endpoint: ["ftp://x"]}}`:                       "no address",
		`mirrors: {ghcr.io: {endpoint: ["http://x"], rewrite: {"a": "b"}}}`: "rewrite",
		`configs: {ghcr.io: {auth: {identity_token: abc}}}`:                 "identity_token",
		`mirrors: [`: "yaml",
	} {
		if _, err := hostsFrom([]byte(text), false); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFilesAreWrittenWhereContainerdReads(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "registries.yaml")
	if err := writeRegistries(file, folder, true); err != nil {
		t.Errorf("no file is no error: %v", err)
	}
	if err := os.WriteFile(file, []byte(rewritten), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeRegistries(file, folder, true); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"_default", "docker.io", "ghcr.io"} {
		if _, err := os.Stat(filepath.Join(folder, host, "hosts.toml")); err != nil {
			t.Error(err)
		}
	}
}
