// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// registries is k3s's registries.yaml (docs.k3s.io/installation/private-registry).
type registries struct {
	Mirrors map[string]mirror   `yaml:"mirrors"`
	Configs map[string]settings `yaml:"configs"`
}

type mirror struct {
	Endpoints []string          `yaml:"endpoint"`
	Rewrites  map[string]string `yaml:"rewrite"`
}

type settings struct {
	Auth *auth `yaml:"auth"`
	TLS  *tls  `yaml:"tls"`
}

type auth struct {
	Username      string `yaml:"username"`
	Password      string `yaml:"password"`
	Auth          string `yaml:"auth"`
	IdentityToken string `yaml:"identity_token"`
}

type tls struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	Insecure bool   `yaml:"insecure_skip_verify"`
}

// writeRegistries turns registries.yaml, where there is one, into containerd's <folder>/<host>/hosts.toml.
func writeRegistries(file, folder string, noDefault bool) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	hosts, err := hostsFrom(text, noDefault)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for host, text := range hosts {
		target := filepath.Join(folder, host)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		// It may hold a password.
		if err := os.WriteFile(filepath.Join(target, "hosts.toml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// hostsFrom gives the text of each registry host's hosts.toml; `_default` is for hosts without a row of their own.
//
// Endpoints are tried in their order. Behind them comes the registry itself, unless noDefault: then the last endpoint
// takes its place as `server`, since containerd asks the registry where there is no `server`.
func hostsFrom(text []byte, noDefault bool) (map[string]string, error) {
	var read registries
	if err := yaml.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	hosts := map[string]string{}
	for host, mirror := range read.Mirrors {
		if len(mirror.Rewrites) > 0 {
			return nil, fmt.Errorf("mirrors: %s: a k3s-shaped node does not know rewrite", host)
		}
		text, err := hostsToml(host, mirror.Endpoints, read.Configs, noDefault)
		if err != nil {
			return nil, fmt.Errorf("mirrors: %s: %w", host, err)
		}
		hosts[folderOf(host)] = text
	}
	for host := range read.Configs {
		if _, known := read.Mirrors[host]; known {
			continue
		}
		text, err := hostsToml(host, nil, read.Configs, false)
		if err != nil {
			return nil, fmt.Errorf("configs: %s: %w", host, err)
		}
		hosts[folderOf(host)] = text
	}
	return hosts, nil
}

func folderOf(host string) string {
	if host == "*" {
		return "_default"
	}
	return host
}

func hostsToml(host string, endpoints []string, configs map[string]settings, noDefault bool) (string, error) {
	var lines []string
	own := ""
	if host != "*" {
		own = "https://" + host
		if host == "docker.io" {
			own = "https://registry-1.docker.io"
		}
	}
	var before []string
	server := own
	for _, endpoint := range endpoints {
		if endpoint != own {
			before = append(before, endpoint)
		}
	}
	if noDefault && len(before) > 0 {
		server, before = before[len(before)-1], before[:len(before)-1]
	}
	if server != "" {
		address, keys, err := endpointToml(server, host, configs)
		if err != nil {
			return "", err
		}
		lines = append(lines, "server = "+quote(address))
		lines = append(lines, keys.plain...)
		lines = append(lines, keys.table("header")...)
	}
	for _, endpoint := range before {
		address, keys, err := endpointToml(endpoint, host, configs)
		if err != nil {
			return "", err
		}
		name := "host." + quote(address)
		lines = append(lines, "", "["+name+"]")
		lines = append(lines, keys.plain...)
		lines = append(lines, keys.table(name+".header")...)
	}
	return strings.Join(lines, "\n") + "\n", nil
}

type tomlKeys struct {
	plain  []string
	header string
}

func (k tomlKeys) table(name string) []string {
	if k.header == "" {
		return nil
	}
	return []string{"", "[" + name + "]", "Authorization = " + quote(k.header)}
}

// endpointToml is an endpoint's address, with /v2 where no path says otherwise, and its keys.
func endpointToml(endpoint, host string, configs map[string]settings) (string, tomlKeys, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	address, err := url.Parse(endpoint)
	if err != nil || address.Host == "" || !slices.Contains([]string{"http", "https"}, address.Scheme) {
		return "", tomlKeys{}, fmt.Errorf("endpoint %q is no address", endpoint)
	}
	keys := tomlKeys{plain: []string{`capabilities = ["pull", "resolve"]`}}
	switch address.Path {
	case "", "/", "/v2", "/v2/":
		address.Path = "/v2"
	default:
		address.Path = path.Clean(address.Path)
		// containerd would put /v2 behind it; k3s takes the path as it is.
		keys.plain = append(keys.plain, "override_path = true")
	}
	config, known := configs[address.Host]
	if !known && address.Host == "registry-1.docker.io" {
		config = configs["docker.io"]
	}
	if it := config.TLS; it != nil {
		if it.CAFile != "" {
			keys.plain = append(keys.plain, "ca = "+quote(it.CAFile))
		}
		if it.CertFile != "" {
			keys.plain = append(keys.plain, fmt.Sprintf("client = [[%s, %s]]", quote(it.CertFile), quote(it.KeyFile)))
		}
		if it.Insecure {
			keys.plain = append(keys.plain, "skip_verify = true")
		}
	}
	if it := config.Auth; it != nil {
		switch {
		case it.Username != "" || it.Password != "":
			keys.header = "Basic " + base64.StdEncoding.EncodeToString([]byte(it.Username+":"+it.Password))
		case it.Auth != "":
			keys.header = "Basic " + it.Auth
		case it.IdentityToken != "":
			return "", keys, fmt.Errorf("%s: a k3s-shaped node does not know identity_token", address.Host)
		}
	}
	return address.String(), keys, nil
}

// quote gives a TOML basic string; Go's escapes of ASCII text are a part of TOML's.
func quote(text string) string {
	return strconv.Quote(text)
}
