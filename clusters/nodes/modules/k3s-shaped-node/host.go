// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"
)

const (
	factsFile      = "/etc/k3s-shaped-node.yaml"
	registriesFile = "/etc/rancher/k3s/registries.yaml"
	hostsFolder    = "/etc/containerd/certs.d"
	cgroups        = "/sys/fs/cgroup"
)

// facts are what the image says about itself.
type facts struct {
	Kubernetes string `yaml:"kubernetes"`
	CoreDNS    string `yaml:"coredns"`
}

func readFacts() facts {
	var read facts
	text, err := os.ReadFile(factsFile)
	if err != nil || yaml.Unmarshal(text, &read) != nil {
		return facts{Kubernetes: "unknown"}
	}
	return read
}

// node is this container as a machine of the cluster.
type node struct {
	options options
	facts   facts
	name    string
	ip      string
	token   token
	v1      bool
}

// prepare makes the container look like a machine and writes what containerd reads.
func prepare(options options) (*node, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	ip, err := address()
	if err != nil {
		return nil, err
	}
	token, err := tokenFrom(os.Getenv("K3S_TOKEN"))
	if err != nil {
		return nil, err
	}
	made := &node{options: options, facts: readFacts(), name: name, ip: ip, token: token}
	_, err = os.Stat(filepath.Join(cgroups, "cgroup.controllers"))
	made.v1 = errors.Is(err, os.ErrNotExist)
	if err := syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("mounts cannot be shared with pods; is the container privileged? %w", err)
	}
	if err := kernelLog(); err != nil {
		return nil, err
	}
	if !made.v1 {
		if err := evacuate(); err != nil {
			return nil, fmt.Errorf("preparing cgroup v2: %w", err)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return nil, err
	}
	if err := writeRegistries(registriesFile, hostsFolder, options.noDefaultEndpoint); err != nil {
		return nil, err
	}
	return made, writeResolver("/etc/resolv.conf", resolverFile)
}

// address is the node's first IPv4 address.
func address() (string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, it := range all {
		if at, ok := it.(*net.IPNet); ok && at.IP.To4() != nil && !at.IP.IsLoopback() && !at.IP.IsLinkLocalUnicast() {
			return at.IP.String(), nil
		}
	}
	return "", errors.New("the node has no address; is it on a network?")
}

// kernelLog gives the kubelet something to open: without /dev/kmsg it does not start.
func kernelLog() error {
	const path = "/dev/kmsg"
	if file, err := os.Open(path); err == nil {
		return file.Close()
	}
	os.Remove(path)
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|11); err == nil {
		if file, err := os.Open(path); err == nil {
			return file.Close()
		}
		os.Remove(path)
	}
	say("info", "the kernel's log cannot be read here, so the kubelet will not tell of processes killed for memory")
	return os.Symlink("/dev/null", path)
}

// evacuate moves everything out of the root of cgroup v2, where controllers cannot be enabled otherwise.
func evacuate() error {
	target := filepath.Join(cgroups, "init")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	inside, err := os.ReadFile(filepath.Join(cgroups, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, pid := range bytes.Fields(inside) {
		// A process that has ended meanwhile cannot be moved; one that stays makes the next step fail.
		if err := os.WriteFile(filepath.Join(target, "cgroup.procs"), pid, 0o644); err != nil {
			say("info", "process %s was not moved: %v", pid, err)
		}
	}
	controllers, err := os.ReadFile(filepath.Join(cgroups, "cgroup.controllers"))
	if err != nil {
		return err
	}
	wanted := "+" + strings.Join(strings.Fields(string(controllers)), " +")
	return os.WriteFile(filepath.Join(cgroups, "cgroup.subtree_control"), []byte(wanted), 0o644)
}

const resolverFile = "/etc/k3s-resolv.conf"

// writeResolver copies resolv.conf without loopback resolvers, which mean another place inside a pod.
func writeResolver(source, target string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var kept []string
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 2 && words[0] == "nameserver" {
			if ip := net.ParseIP(words[1]); ip != nil && ip.IsLoopback() {
				continue
			}
		}
		kept = append(kept, line)
	}
	return os.WriteFile(target, []byte(strings.Join(kept, "\n")), 0o644)
}
