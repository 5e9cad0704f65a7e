// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	podRange      = "10.42.0.0/16"
	firstPodCIDR  = "10.42.0.0/24"
	serviceRange  = "10.43.0.0/16"
	serviceFirst  = "10.43.0.1"
	serviceDNS    = "10.43.0.10"
	clusterDomain = "cluster.local"
	cniFile       = "/etc/cni/net.d/10-node.conflist"
)

// writeNetwork tells the runtime which addresses the pods of this node have. Traffic that leaves the cluster gets the
// node's address by a rule of our own, since the plugin's would hide pods from pods on other nodes, too.
func writeNetwork(podCIDR string) error {
	text := fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "node",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "mtu": 1500,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{ "dst": "0.0.0.0/0" }],
        "ranges": [[{ "subnet": %q }]]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
`, podCIDR)
	// By a rename: the runtime watches the folder and must not read a half.
	draft := cniFile + ".draft"
	if err := os.WriteFile(draft, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, cniFile)
}

func masquerade(ctx context.Context) error {
	rule := []string{"POSTROUTING", "-s", podRange, "!", "-d", podRange, "-j", "MASQUERADE"}
	if _, err := call(ctx, append([]string{"iptables", "-w", "5", "-t", "nat", "-C"}, rule...)...); err == nil {
		return nil
	}
	_, err := call(ctx, append([]string{"iptables", "-w", "5", "-t", "nat", "-A"}, rule...)...)
	return err
}

// keepRoutes leads to the pods of every other node through that node, as long as the node is there.
func keepRoutes(ctx context.Context, own string, api *api) {
	known := map[string]string{}
	tell := func(it nodeObject, gone bool) {
		name, cidr, via := it.Metadata.Name, it.Spec.PodCIDR, it.address()
		if name == own || cidr == "" {
			return
		}
		var err error
		switch {
		case gone:
			_, err = call(ctx, "ip", "route", "del", cidr)
			delete(known, name)
		case via != "" && known[name] != cidr+" via "+via:
			_, err = call(ctx, "ip", "route", "replace", cidr, "via", via)
			known[name] = cidr + " via " + via
			say("info", "pods of node %s: %s", name, known[name])
		}
		if err != nil {
			delete(known, name)
			say("error", "route to the pods of node %s: %v", name, err)
		}
	}
	for ctx.Err() == nil {
		if err := api.watchNodes(ctx, tell); err != nil && ctx.Err() == nil {
			time.Sleep(time.Second)
		}
	}
}

// ownNetwork waits for the pod addresses that the controller manager gives this node.
func ownNetwork(ctx context.Context, name string, api *api) (string, error) {
	found := ""
	err := until(ctx, "node "+name+" to be registered with its pod addresses", 3*time.Minute,
		func(ctx context.Context) error {
			it, err := api.node(ctx, name)
			if err != nil {
				return err
			}
			if found = it.Spec.PodCIDR; found == "" {
				return errors.New("registered, without pod addresses yet")
			}
			return nil
		})
	return found, err
}
