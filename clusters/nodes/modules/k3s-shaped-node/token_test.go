// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// signed makes cluster-info as Kubernetes' bootstrapsigner does.
func signed(t *testing.T, by token, content string) []byte {
	t.Helper()
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"` + by.id + `"}`))
	mac := hmac.New(sha256.New, []byte(by.secret))
	mac.Write([]byte(header + "." + base64.RawURLEncoding.EncodeToString([]byte(content))))
	signature := header + ".." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	text, err := json.Marshal(clusterInfo{Data: map[string]string{"kubeconfig": content, "jws-kubeconfig-" + by.id: signature}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensAreValidAndDifferWithTheSecret(t *testing.T) {
	one, err := tokenFrom("s3cret")
	again, _ := tokenFrom("s3cret")
	other, _ := tokenFrom("s3cret2")
	if err != nil || one != again || one == other {
		t.Errorf("%v %v %v %v", one, again, other, err)
	}
	if !regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`).MatchString(one.String()) {
		t.Errorf("%s is no bootstrap token", one)
	}
	if _, err := tokenFrom(""); err == nil {
		t.Error("an empty K3S_TOKEN is accepted")
	}
}

func TestOnlyTheServersSignatureIsBelieved(t *testing.T) {
	mine, _ := tokenFrom("mine")
	if content, err := mine.verified(signed(t, mine, "the cluster")); err != nil || content != "the cluster" {
		t.Errorf("%q, %v", content, err)
	}
	forged := token{id: mine.id, secret: "0123456789abcdef"}
	for _, answer := range []string{
		string(signed(t, forged, "the cluster")),
		strings.Replace(string(signed(t, mine, "the cluster")), "the cluster", "another one", 1),
		`{"data": {"kubeconfig": "the cluster"}}`,
		`<html>`,
	} {
		if _, err := mine.verified([]byte(answer)); err == nil {
			t.Errorf("believed %s", answer)
		}
	}
}
