// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	tlspkg "crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeconfig has the parts of a kubeconfig with one cluster and one user.
type kubeconfig struct {
	APIVersion string         `yaml:"apiVersion"`
	Kind       string         `yaml:"kind"`
	Clusters   []namedCluster `yaml:"clusters"`
	Users      []namedUser    `yaml:"users"`
	Contexts   []namedContext `yaml:"contexts"`
	Current    string         `yaml:"current-context"`
}

type namedCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		CA     string `yaml:"certificate-authority-data,omitempty"`
		CAFile string `yaml:"certificate-authority,omitempty"`
		Server string `yaml:"server"`
	} `yaml:"cluster"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User struct {
		Certificate     string `yaml:"client-certificate-data,omitempty"`
		Key             string `yaml:"client-key-data,omitempty"`
		CertificateFile string `yaml:"client-certificate,omitempty"`
		KeyFile         string `yaml:"client-key,omitempty"`
		Token           string `yaml:"token,omitempty"`
	} `yaml:"user"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

func parseKubeconfig(text []byte) (*kubeconfig, error) {
	var config kubeconfig
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	if len(config.Clusters) == 0 {
		return nil, errors.New("the kubeconfig has no cluster")
	}
	return &config, nil
}

func readKubeconfig(path string) (*kubeconfig, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config, err := parseKubeconfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// renamed is the kubeconfig with every name being `default`, as k3s writes it, for a server at this address.
func (k *kubeconfig) renamed(server string) ([]byte, error) {
	named := *k
	named.Clusters, named.Users = append([]namedCluster{}, k.Clusters[:1]...), append([]namedUser{}, k.Users[:1]...)
	named.Clusters[0].Name, named.Users[0].Name, named.Current = "default", "default", "default"
	named.Clusters[0].Cluster.Server = server
	named.Contexts = []namedContext{{Name: "default"}}
	named.Contexts[0].Context.Cluster, named.Contexts[0].Context.User = "default", "default"
	return yaml.Marshal(named)
}

// api asks one API server.
type api struct {
	server string
	client *http.Client
}

// client is for an API server that is known by its CA; certificates of the kubeconfig's user are shown when it has any.
func (k *kubeconfig) client() (*api, error) {
	cluster := k.Clusters[0].Cluster
	ca, err := material(cluster.CA, cluster.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the kubeconfig's CA is no certificate")
	}
	config := &tlspkg.Config{RootCAs: pool}
	if len(k.Users) > 0 && (k.Users[0].User.Certificate != "" || k.Users[0].User.CertificateFile != "") {
		user := k.Users[0].User
		// Read at every handshake, since the kubelet renews its certificate.
		config.GetClientCertificate = func(*tlspkg.CertificateRequestInfo) (*tlspkg.Certificate, error) {
			certificate, err := material(user.Certificate, user.CertificateFile)
			if err != nil {
				return nil, err
			}
			key, err := material(user.Key, user.KeyFile)
			if err != nil {
				return nil, err
			}
			pair, err := tlspkg.X509KeyPair(certificate, key)
			return &pair, err
		}
	}
	return &api{server: cluster.Server, client: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}, nil
}

func material(data, file string) ([]byte, error) {
	if data != "" {
		return base64.StdEncoding.DecodeString(data)
	}
	return os.ReadFile(file)
}

// unverified is for a first look at a server whose CA is not known yet; what it says must be proved otherwise.
func unverified(server string) *api {
	config := &tlspkg.Config{InsecureSkipVerify: true}
	return &api{server: server, client: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}
}

func (a *api) get(ctx context.Context, path string) ([]byte, error) {
	stream, err := a.stream(ctx, path)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return io.ReadAll(stream)
}

func (a *api) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.server, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 512))
		return nil, fmt.Errorf("GET %s: %s: %s", path, answer.Status, bytes.TrimSpace(said))
	}
	return answer.Body, nil
}

// nodeObject has what a node needs to know of its siblings.
type nodeObject struct {
	Metadata struct {
		Name    string `json:"name"`
		Version string `json:"resourceVersion"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

func (n nodeObject) address() string {
	for _, it := range n.Status.Addresses {
		if it.Type == "InternalIP" {
			return it.Address
		}
	}
	return ""
}

func (a *api) node(ctx context.Context, name string) (nodeObject, error) {
	var found nodeObject
	text, err := a.get(ctx, "/api/v1/nodes/"+name)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	return found, err
}

// watchNodes tells every node that is there, and then every change, until the connection ends.
func (a *api) watchNodes(ctx context.Context, tell func(nodeObject, bool)) error {
	text, err := a.get(ctx, "/api/v1/nodes")
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct {
			Version string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []nodeObject `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, it := range list.Items {
		tell(it, false)
	}
	stream, err := a.stream(ctx, "/api/v1/nodes?watch=1&timeoutSeconds=600&resourceVersion="+list.Metadata.Version)
	if err != nil {
		return err
	}
	defer stream.Close()
	decoder := json.NewDecoder(stream)
	for {
		var event struct {
			Type   string     `json:"type"`
			Object nodeObject `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return errors.New("the watch on nodes expired")
		}
		tell(event.Object, event.Type == "DELETED")
	}
}

// public is the part of a kubeconfig that anybody may read: where the server is and who signs for it.
func (k *kubeconfig) public(host string) (string, error) {
	shown := kubeconfig{APIVersion: "v1", Kind: "Config", Clusters: append([]namedCluster{}, k.Clusters[:1]...)}
	shown.Clusters[0].Name = ""
	shown.Clusters[0].Cluster.Server = "https://" + host + ":" + apiPort
	text, err := yaml.Marshal(shown)
	return string(text), err
}

func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad)
}
