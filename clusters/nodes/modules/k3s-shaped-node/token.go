// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// token is a bootstrap token of Kubernetes; server and agents derive the same one from K3S_TOKEN.
type token struct {
	id     string
	secret string
}

func tokenFrom(shared string) (token, error) {
	if shared == "" {
		return token{}, errors.New("K3S_TOKEN is not set")
	}
	digest := func(purpose string) string {
		sum := sha256.Sum256([]byte(purpose + "\x00" + shared))
		return hex.EncodeToString(sum[:])
	}
	return token{id: digest("id")[:6], secret: digest("secret")[:16]}, nil
}

func (t token) String() string {
	return t.id + "." + t.secret
}

// clusterInfo is the public ConfigMap kube-public/cluster-info.
type clusterInfo struct {
	Data map[string]string `json:"data"`
}

// verified is the kubeconfig in cluster-info, if it was signed with the token: who answered knows the secret, so its CA
// can be believed. The signature is a JWS with detached content, HS256 (cluster-bootstrap/token/jws of Kubernetes).
func (t token) verified(answer []byte) (string, error) {
	var info clusterInfo
	if err := json.Unmarshal(answer, &info); err != nil {
		return "", fmt.Errorf("cluster-info cannot be read: %w", err)
	}
	kubeconfig := info.Data["kubeconfig"]
	signature, signed := info.Data["jws-kubeconfig-"+t.id]
	if !signed {
		return "", errors.New("cluster-info is not signed with this token yet; is K3S_TOKEN that of the server?")
	}
	header, mac, detached := strings.Cut(signature, "..")
	claim, err := base64.RawURLEncoding.DecodeString(mac)
	if !detached || err != nil {
		return "", errors.New("the signature of cluster-info is damaged")
	}
	var algorithm struct {
		Name string `json:"alg"`
	}
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || json.Unmarshal(text, &algorithm) != nil || algorithm.Name != "HS256" {
		return "", fmt.Errorf("the signature of cluster-info is not HS256: %s", text)
	}
	made := hmac.New(sha256.New, []byte(t.secret))
	made.Write([]byte(header + "." + base64.RawURLEncoding.EncodeToString([]byte(kubeconfig))))
	if !hmac.Equal(claim, made.Sum(nil)) {
		return "", errors.New("cluster-info was signed with another token: K3S_TOKEN is not that of the server")
	}
	return kubeconfig, nil
}
