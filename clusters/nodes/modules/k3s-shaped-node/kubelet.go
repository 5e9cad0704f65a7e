// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	kubeletFile = "/var/lib/kubelet/config.yaml"
	proxyFile   = "/var/lib/kube-proxy/config.yaml"
)

func startKubelet(node *node, crew *crew, further ...string) error {
	// What matters to a machine, as evictions for want of disk, does not fit a container that shares its host's.
	config := map[string]any{
		"apiVersion":                  "kubelet.config.k8s.io/v1beta1",
		"kind":                        "KubeletConfiguration",
		"authentication":              map[string]any{"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true}, "x509": map[string]any{"clientCAFile": caFile}},
		"authorization":               map[string]any{"mode": "Webhook"},
		"cgroupDriver":                "cgroupfs",
		"clusterDNS":                  []string{serviceDNS},
		"clusterDomain":               clusterDomain,
		"containerRuntimeEndpoint":    "unix:///run/containerd/containerd.sock",
		"evictionHard":                map[string]string{"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
		"failSwapOn":                  false,
		"imageGCHighThresholdPercent": 100,
		"resolvConf":                  resolverFile,
		"rotateCertificates":          true,
	}
	if node.v1 {
		// From Kubernetes 1.35 on the kubelet refuses cgroup v1 otherwise (KEP-5573).
		config["failCgroupV1"] = false
	}
	if err := writeConfig(kubeletFile, config); err != nil {
		return err
	}
	argv := []string{
		"kubelet", "--config=" + kubeletFile, "--kubeconfig=" + kubeletConfig,
		"--hostname-override=" + node.name, "--node-ip=" + node.ip,
	}
	if len(node.options.labels) > 0 {
		argv = append(argv, "--node-labels="+strings.Join(node.options.labels, ","))
	}
	if len(node.options.taints) > 0 {
		argv = append(argv, "--register-with-taints="+strings.Join(node.options.taints, ","))
	}
	return crew.start("kubelet", slices.Concat(argv, further, node.options.argumentsOf["kubelet"])...)
}

// startProxy runs kube-proxy with the kubelet's credentials; the group system:nodes has the rights of a proxy here.
func startProxy(node *node, crew *crew) error {
	config := map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": kubeletConfig},
		"clusterCIDR":        podRange,
		"mode":               "iptables",
		"metricsBindAddress": "127.0.0.1:10249",
		// The table of connections belongs to the host, and its limits are not for a container to change.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
	}
	if err := writeConfig(proxyFile, config); err != nil {
		return err
	}
	argv := []string{"kube-proxy", "--config=" + proxyFile, "--hostname-override=" + node.name}
	return crew.start("kube-proxy", append(argv, node.options.argumentsOf["kube-proxy"]...)...)
}

func writeConfig(path string, config map[string]any) error {
	text, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path[:strings.LastIndex(path, "/")], 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
