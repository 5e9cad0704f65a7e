// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"
	"time"
)

const (
	pki           = "/etc/kubernetes/pki/"
	superAdmin    = "/etc/kubernetes/super-admin.conf"
	addressFile   = "/etc/kubernetes/node-address"
	dataFolder    = "/var/lib/rancher/k3s/server"
	manifests     = dataFolder + "/manifests"
	kubeconfigOwn = "/etc/rancher/k3s/k3s.yaml"
	datastore     = "127.0.0.1:2379"
	apiPort       = "6443"
)

//go:embed manifests
var templates embed.FS

// runServer starts a control plane with its datastore, and this node as the first one of the cluster.
func runServer(ctx context.Context, node *node, crew *crew) error {
	if os.Getenv("K3S_URL") != "" {
		return errors.New("K3S_URL is set: a k3s-shaped cluster has one server; add agents instead")
	}
	for _, folder := range []string{dataFolder + "/db", manifests, "/etc/rancher/k3s"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := startDatastore(crew); err != nil {
		return err
	}
	if err := credentials(ctx, node); err != nil {
		return err
	}
	if err := crew.start("kube-apiserver", apiserver(node)...); err != nil {
		return err
	}
	// What the API server needs no answer of goes on while it starts.
	if err := startRuntime(ctx, crew); err != nil {
		return err
	}
	if err := writeNetwork(firstPodCIDR); err != nil {
		return err
	}
	if err := masquerade(ctx); err != nil {
		return err
	}
	admin, err := readKubeconfig(superAdmin)
	if err != nil {
		return err
	}
	api, err := admin.client()
	if err != nil {
		return err
	}
	if err := until(ctx, "the API server to be ready", 2*time.Minute, func(ctx context.Context) error {
		_, err := api.get(ctx, "/readyz")
		return err
	}); err != nil {
		return err
	}
	if err := crew.start("kube-controller-manager", controllerManager(node)...); err != nil {
		return err
	}
	if err := crew.start("kube-scheduler", scheduler(node)...); err != nil {
		return err
	}
	if err := startKubelet(node, crew); err != nil {
		return err
	}
	if err := publish(admin); err != nil {
		return err
	}
	if err := applyBase(ctx, node, admin); err != nil {
		return err
	}
	if err := startProxy(node, crew); err != nil {
		return err
	}
	podCIDR, err := ownNetwork(ctx, node.name, api)
	if err != nil {
		return err
	}
	if podCIDR != firstPodCIDR {
		if err := writeNetwork(podCIDR); err != nil {
			return err
		}
	}
	role := "node-role.kubernetes.io/control-plane=true"
	if _, err := call(ctx, "kubectl", "label", "--overwrite", "node", node.name, role); err != nil {
		return err
	}
	say("info", "k3s is up and running (upstream Kubernetes %s in a k3s-shaped node)", node.facts.Kubernetes)
	if !slices.Contains(node.options.disabled, "coredns") {
		if err := writeDNS(node); err != nil {
			return err
		}
		// k3d waits for this line, then adds its hosts to the file.
		say("info", "Cluster dns configmap has been written to %s/coredns.yaml", manifests)
	}
	go deploy(ctx)
	keepRoutes(ctx, node.name, api)
	return nil
}

func startDatastore(crew *crew) error {
	file := dataFolder + "/db/state.db"
	return crew.start("kine", "kine",
		"--endpoint=sqlite://"+file+"?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate",
		"--listen-address="+datastore, "--metrics-bind-address=0")
}

// credentials makes CA, certificates and kubeconfigs with kubeadm, once; a new address needs new ones of the same CA.
func credentials(ctx context.Context, node *node) error {
	before, err := os.ReadFile(addressFile)
	if err == nil && string(before) == node.ip {
		return nil
	}
	for _, name := range []string{"apiserver.crt", "apiserver.key", "../*.conf"} {
		stale, err := filepath.Glob(pki + name)
		if err != nil {
			return err
		}
		for _, path := range stale {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	values := struct {
		Node, Address, Version, Endpoint, Pods, Services, Domain string
		SANs                                                     []string
	}{
		node.name, node.ip, node.facts.Kubernetes, "http://" + datastore, podRange, serviceRange, clusterDomain,
		slices.Compact(slices.Sorted(slices.Values(append(node.options.sans, "127.0.0.1", "localhost", node.name)))),
	}
	text, err := render("kubeadm.yaml", values)
	if err != nil {
		return err
	}
	const config = "/etc/kubernetes/kubeadm.yaml"
	if err := os.MkdirAll(pki, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return err
	}
	for _, phase := range []string{"certs", "kubeconfig"} {
		if _, err := call(ctx, "kubeadm", "init", "phase", phase, "all", "--config="+config); err != nil {
			return err
		}
	}
	return os.WriteFile(addressFile, []byte(node.ip), 0o644)
}

func apiserver(node *node) []string {
	argv := []string{
		"kube-apiserver",
		"--advertise-address=" + node.ip,
		"--allow-privileged=true",
		"--authorization-mode=Node,RBAC",
		"--client-ca-file=" + pki + "ca.crt",
		"--enable-admission-plugins=NodeRestriction",
		"--enable-bootstrap-token-auth=true",
		"--etcd-servers=http://" + datastore,
		"--kubelet-client-certificate=" + pki + "apiserver-kubelet-client.crt",
		"--kubelet-client-key=" + pki + "apiserver-kubelet-client.key",
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--proxy-client-cert-file=" + pki + "front-proxy-client.crt",
		"--proxy-client-key-file=" + pki + "front-proxy-client.key",
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-client-ca-file=" + pki + "front-proxy-ca.crt",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--secure-port=" + apiPort,
		"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
		"--service-account-key-file=" + pki + "sa.pub",
		"--service-account-signing-key-file=" + pki + "sa.key",
		"--service-cluster-ip-range=" + serviceRange,
		"--tls-cert-file=" + pki + "apiserver.crt",
		"--tls-private-key-file=" + pki + "apiserver.key",
	}
	return append(argv, node.options.argumentsOf["kube-apiserver"]...)
}

// controllerManager and scheduler hold no election, since there is nobody to hold it with, and the controllers' many
// first requests are not paced.
func controllerManager(node *node) []string {
	config := "/etc/kubernetes/controller-manager.conf"
	argv := []string{
		"kube-controller-manager",
		"--allocate-node-cidrs=true",
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		"--client-ca-file=" + pki + "ca.crt",
		"--cluster-cidr=" + podRange,
		"--cluster-signing-cert-file=" + pki + "ca.crt",
		"--cluster-signing-key-file=" + pki + "ca.key",
		"--controllers=*,bootstrapsigner,tokencleaner",
		"--kube-api-burst=1000",
		"--kube-api-qps=500",
		"--kubeconfig=" + config,
		"--leader-elect=false",
		"--requestheader-client-ca-file=" + pki + "front-proxy-ca.crt",
		"--root-ca-file=" + pki + "ca.crt",
		"--service-account-private-key-file=" + pki + "sa.key",
		"--service-cluster-ip-range=" + serviceRange,
		"--use-service-account-credentials=true",
	}
	return append(argv, node.options.argumentsOf["kube-controller-manager"]...)
}

func scheduler(node *node) []string {
	config := "/etc/kubernetes/scheduler.conf"
	argv := []string{
		"kube-scheduler",
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		"--kubeconfig=" + config,
		"--leader-elect=false",
	}
	return append(argv, node.options.argumentsOf["kube-scheduler"]...)
}

// publish writes the administrator's kubeconfig where k3s does, where K3S_KUBECONFIG_OUTPUT says, and for kubectl.
func publish(admin *kubeconfig) error {
	text, err := admin.renamed("https://127.0.0.1:" + apiPort)
	if err != nil {
		return err
	}
	paths := []string{kubeconfigOwn}
	if asked := os.Getenv("K3S_KUBECONFIG_OUTPUT"); asked != "" {
		paths = append(paths, asked)
	}
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return linkKubectl(kubeconfigOwn)
}

// linkKubectl lets kubectl work without arguments, as k3d's entrypoint uses it.
func linkKubectl(target string) error {
	const link = "/root/.kube/config"
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, link)
}

// applyBase makes what agents need: the bootstrap token, the public cluster-info, and the rights of nodes.
func applyBase(ctx context.Context, node *node, admin *kubeconfig) error {
	public, err := admin.public(node.name)
	if err != nil {
		return err
	}
	text, err := render("base.yaml", struct{ ID, Secret, Kubeconfig string }{node.token.id, node.token.secret, public})
	if err != nil {
		return err
	}
	const file = dataFolder + "/base.yaml"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return until(ctx, "the cluster's first objects", time.Minute, func(ctx context.Context) error {
		_, err := call(ctx, "kubectl", "apply", "-f", file)
		return err
	})
}

func writeDNS(node *node) error {
	text, err := render("coredns.yaml", struct{ Domain, Address, Image string }{clusterDomain, serviceDNS, node.facts.CoreDNS})
	if err != nil {
		return err
	}
	return os.WriteFile(manifests+"/coredns.yaml", text, 0o644)
}

// deploy applies every manifest, and again when it changes.
func deploy(ctx context.Context) {
	applied := map[string][32]byte{}
	for ctx.Err() == nil {
		files, err := filepath.Glob(manifests + "/*.yaml")
		if err != nil {
			say("error", "%v", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			sum := sha256.Sum256(text)
			if err != nil || len(text) == 0 || applied[file] == sum {
				continue
			}
			if _, err := call(ctx, "kubectl", "apply", "-f", file); err != nil {
				say("error", "%v", err)
				continue
			}
			applied[file] = sum
			say("info", "Applied manifest %s", file)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func render(name string, values any) ([]byte, error) {
	parsed, err := template.New(name).Funcs(template.FuncMap{"indent": indent}).ParseFS(templates, "manifests/"+name)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, values); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text.Bytes(), nil
}
