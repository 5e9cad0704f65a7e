// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestOptionsAsK3dPassesThem(t *testing.T) {
	read, err := parse([]string{
		"--tls-san", "127.0.0.1", "--disable=traefik,coredns", "--kubelet-arg=fail-cgroupv1=false",
		"--disable-default-registry-endpoint", "--node-label", "a=b",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(read.sans, []string{"127.0.0.1"}) || !slices.Equal(read.disabled, []string{"traefik", "coredns"}) ||
		!slices.Equal(read.argumentsOf["kubelet"], []string{"--fail-cgroupv1=false"}) || !read.noDefaultEndpoint ||
		!slices.Equal(read.labels, []string{"a=b"}) {
		t.Errorf("%+v", read)
	}
	for _, words := range [][]string{{"--cluster-init"}, {"--disable=core-dns"}, {"--tls-san"}} {
		if _, err := parse(words); err == nil {
			t.Errorf("%v is accepted", words)
		}
	}
}

func TestAProcessThatEndsIsToldWithItsLastWords(t *testing.T) {
	crew := newCrew(t.TempDir())
	defer crew.end()
	if err := crew.start("steady", "sleep", "60"); err != nil {
		t.Fatal(err)
	}
	if err := crew.start("frail", "sh", "-c", "echo no room left; exit 3"); err != nil {
		t.Fatal(err)
	}
	select {
	case dead := <-crew.dead:
		for _, word := range []string{"frail", "exit status 3", "no room left"} {
			if !strings.Contains(dead.Error(), word) {
				t.Errorf("%q is not in %q", word, dead)
			}
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing was told")
	}
}

func TestTheEndOfAllIsQuickAndNoNews(t *testing.T) {
	crew := newCrew(t.TempDir())
	if err := crew.start("stubborn", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	crew.end()
	if took := time.Since(started); took > grace+2*time.Second {
		t.Errorf("it took %s", took)
	}
	select {
	case dead := <-crew.dead:
		t.Errorf("told %v", dead)
	case <-time.After(100 * time.Millisecond):
	}
	if err := crew.start("late", "true"); err != context.Canceled {
		t.Errorf("started after the end: %v", err)
	}
}

func TestWaitsSayWhatTheySawLast(t *testing.T) {
	err := until(context.Background(), "a file", 200*time.Millisecond, func(context.Context) error {
		_, err := os.Stat("/does/not/exist")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "a file") || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("%v", err)
	}
}

func TestPodsDoNotGetALoopbackResolver(t *testing.T) {
	source, target := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	text := "search example.com\nnameserver 127.0.0.11\nnameserver 10.0.0.1\noptions ndots:0\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeResolver(source, target); err != nil {
		t.Fatal(err)
	}
	actual, _ := os.ReadFile(target)
	if string(actual) != "search example.com\nnameserver 10.0.0.1\noptions ndots:0\n" {
		t.Errorf("got\n%s", actual)
	}
}

const admin = `apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {certificate-authority-data: Q0E=, server: "https://10.0.0.2:6443"}}]
users: [{name: root, user: {client-certificate-data: Yw==, client-key-data: aw==}}]
contexts: [{name: root@kubernetes, context: {cluster: kubernetes, user: root}}]
current-context: root@kubernetes
`

func TestKubeconfigAsK3dReadsIt(t *testing.T) {
	config, err := parseKubeconfig([]byte(admin))
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.renamed("https://127.0.0.1:6443")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := parseKubeconfig(text)
	if again.Clusters[0].Name != "default" || again.Users[0].Name != "default" || again.Current != "default" ||
		again.Contexts[0].Context.User != "default" || again.Users[0].User.Key != "aw==" ||
		again.Clusters[0].Cluster.Server != "https://127.0.0.1:6443" {
		t.Errorf("got\n%s", text)
	}
	public, err := config.public("server")
	if err != nil || strings.Contains(public, "client-") || !strings.Contains(public, "https://server:6443") {
		t.Errorf("%v\n%s", err, public)
	}
	if config.Clusters[0].Name != "kubernetes" {
		t.Error("the original was changed")
	}
}

func TestManifestsAreYAML(t *testing.T) {
	values := map[string]any{
		"kubeadm.yaml": struct {
			Node, Address, Version, Endpoint, Pods, Services, Domain string
			SANs                                                     []string
		}{"n", "10.0.0.2", "v1.34.4", "http://127.0.0.1:2379", podRange, serviceRange, clusterDomain, []string{"::1"}},
		"base.yaml":    struct{ ID, Secret, Kubeconfig string }{"012345", "0123456789012345", admin},
		"coredns.yaml": struct{ Domain, Address, Image string }{clusterDomain, serviceDNS, "coredns:1"},
	}
	for name, value := range values {
		text, err := render(name, value)
		if err != nil {
			t.Error(err)
			continue
		}
		decoder := yaml.NewDecoder(strings.NewReader(string(text)))
		documents := 0
		for {
			var document map[string]any
			if err := decoder.Decode(&document); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			if info, ok := document["data"].(map[string]any); ok && name == "base.yaml" && info["kubeconfig"] != admin {
				t.Errorf("cluster-info has\n%s", info["kubeconfig"])
			}
			documents++
		}
		if documents < 2 {
			t.Errorf("%s has %d documents", name, documents)
		}
	}
}
