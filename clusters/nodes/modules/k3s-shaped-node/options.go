// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// options are what k3d, or a user through k3d's --k3s-arg, passes behind `server` or `agent`.
type options struct {
	sans              []string
	disabled          []string
	labels            []string
	taints            []string
	noDefaultEndpoint bool
	argumentsOf       map[string][]string
}

var packaged = []string{"coredns", "local-storage", "metrics-server", "servicelb", "traefik"}

func parse(words []string) (options, error) {
	parsed := options{argumentsOf: map[string][]string{}}
	for index := 0; index < len(words); index++ {
		name, value, given := strings.Cut(words[index], "=")
		if name == "--disable-default-registry-endpoint" {
			parsed.noDefaultEndpoint = !given || value == "true"
			continue
		}
		if !slices.Contains(withValue, name) {
			return parsed, fmt.Errorf("%s is no option of a k3s-shaped node; it knows %s and "+
				"--disable-default-registry-endpoint", name, strings.Join(withValue, ", "))
		}
		if !given {
			index++
			if index == len(words) {
				return parsed, fmt.Errorf("%s needs a value", name)
			}
			value = words[index]
		}
		switch name {
		case "--tls-san":
			parsed.sans = append(parsed.sans, strings.Split(value, ",")...)
		case "--disable":
			for _, what := range strings.Split(value, ",") {
				if !slices.Contains(packaged, what) {
					return parsed, fmt.Errorf("--disable=%s: k3s has no such component; it has %s",
						what, strings.Join(packaged, ", "))
				}
				parsed.disabled = append(parsed.disabled, what)
			}
		case "--node-label":
			parsed.labels = append(parsed.labels, strings.Split(value, ",")...)
		case "--node-taint":
			parsed.taints = append(parsed.taints, strings.Split(value, ",")...)
		default:
			program := strings.TrimSuffix(strings.TrimPrefix(name, "--"), "-arg")
			parsed.argumentsOf[program] = append(parsed.argumentsOf[program], "--"+strings.TrimPrefix(value, "--"))
		}
	}
	return parsed, nil
}

var withValue = []string{
	"--disable", "--kube-apiserver-arg", "--kube-controller-manager-arg", "--kube-proxy-arg", "--kube-scheduler-arg",
	"--kubelet-arg", "--node-label", "--node-taint", "--tls-san",
}
