// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	kubeletConfig    = "/etc/kubernetes/kubelet.conf"
	bootstrapConfig  = "/etc/kubernetes/bootstrap-kubelet.conf"
	caFile           = "/etc/kubernetes/pki/ca.crt"
	clusterInfoPath  = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
	containerdConfig = "/etc/containerd/config.toml"
)

// runAgent joins the cluster at K3S_URL: its CA is learnt from cluster-info and believed for the token's signature, and
// the kubelet then gets its certificate by the token (kubernetes.io, TLS bootstrapping).
func runAgent(ctx context.Context, node *node, crew *crew) error {
	server := os.Getenv("K3S_URL")
	if server == "" {
		return errors.New("K3S_URL is not set: an agent needs a server")
	}
	if err := startRuntime(ctx, crew); err != nil {
		return err
	}
	if _, err := os.Stat(kubeletConfig); errors.Is(err, os.ErrNotExist) {
		if err := discover(ctx, node, server); err != nil {
			return err
		}
	}
	if err := startKubelet(node, crew, "--bootstrap-kubeconfig="+bootstrapConfig); err != nil {
		return err
	}
	if err := until(ctx, "the kubelet's certificate", 3*time.Minute, func(context.Context) error {
		_, err := os.Stat(kubeletConfig)
		return err
	}); err != nil {
		return err
	}
	if err := linkKubectl(kubeletConfig); err != nil {
		return err
	}
	config, err := readKubeconfig(kubeletConfig)
	if err != nil {
		return err
	}
	api, err := config.client()
	if err != nil {
		return err
	}
	podCIDR, err := ownNetwork(ctx, node.name, api)
	if err != nil {
		return err
	}
	if err := writeNetwork(podCIDR); err != nil {
		return err
	}
	if err := masquerade(ctx); err != nil {
		return err
	}
	if err := startProxy(node, crew); err != nil {
		return err
	}
	say("info", "Successfully registered node %s", node.name)
	keepRoutes(ctx, node.name, api)
	return nil
}

func discover(ctx context.Context, node *node, server string) error {
	var ca []byte
	err := until(ctx, "the server "+server, 3*time.Minute, func(ctx context.Context) error {
		answer, err := unverified(server).get(ctx, clusterInfoPath)
		if err != nil {
			return err
		}
		proved, err := node.token.verified(answer)
		if err != nil {
			return err
		}
		config, err := parseKubeconfig([]byte(proved))
		if err != nil {
			return err
		}
		ca, err = base64.StdEncoding.DecodeString(config.Clusters[0].Cluster.CA)
		return err
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll("/etc/kubernetes/pki", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(caFile, ca, 0o644); err != nil {
		return err
	}
	text := fmt.Sprintf(bootstrapKubeconfig, caFile, server, node.token)
	return os.WriteFile(bootstrapConfig, []byte(text), 0o600)
}

const bootstrapKubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {certificate-authority: %s, server: "%s"}}]
users: [{name: default, user: {token: %s}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`

func startRuntime(ctx context.Context, crew *crew) error {
	if err := crew.start("containerd", "containerd", "--config", containerdConfig); err != nil {
		return err
	}
	return until(ctx, "containerd", time.Minute, func(ctx context.Context) error {
		_, err := call(ctx, "ctr", "version")
		return err
	})
}
