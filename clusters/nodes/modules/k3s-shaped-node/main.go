// SPDX-License-Identifier: Apache-2.0

// k3s plays /bin/k3s in a k3s-shaped node. It is not k3s: it runs upstream Kubernetes on kine as plain processes and
// keeps the contract that k3d relies on (pkg/client/cluster.go, pkg/types/k3slogs.go of k3d 5.8): the words server and
// agent, K3S_TOKEN, K3S_URL, K3S_KUBECONFIG_OUTPUT, registries.yaml, and some lines of the log.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var version = "dev"

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	words := os.Args[2:]
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch os.Args[1] {
	case "server":
		err = run(ctx, words, runServer)
	case "agent":
		err = run(ctx, words, runAgent)
	case "noop":
		// k3d's tools container: it only has to be there.
		<-ctx.Done()
	case "--version", "-v", "version":
		fmt.Printf("k3s-shaped node %s (upstream Kubernetes %s; this is not k3s)\n", version, readFacts().Kubernetes)
	default:
		usage()
	}
	if err != nil {
		// Not level=fatal: k3d takes that for a crash from which k3s recovers, and waits for ten restarts.
		say("error", "%v", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: k3s server|agent [options], k3s noop, k3s --version")
	os.Exit(2)
}

type role func(ctx context.Context, node *node, crew *crew) error

// run prepares the node, lets the role start its processes, and stays until a process ends or a signal comes.
func run(ctx context.Context, words []string, start role) error {
	say("info", "starting k3s-shaped node %s: upstream Kubernetes %s, not k3s", version, readFacts().Kubernetes)
	crew := newCrew("/var/log")
	defer crew.end()
	options, err := parse(words)
	if err != nil {
		release(crew)
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		node, err := prepare(options)
		if err == nil {
			err = start(ctx, node, crew)
		}
		done <- err
	}()
	for {
		select {
		case <-ctx.Done():
			say("info", "asked to end")
			return nil
		case dead := <-crew.dead:
			say("error", "%v", dead)
			release(crew)
			return errors.New("the node has ended")
		case err := <-done:
			if err != nil && !errors.Is(err, context.Canceled) {
				say("error", "%v", err)
				release(crew)
				return errors.New("the node did not start")
			}
			done = nil
		}
	}
}

// release ends the processes and k3d's entrypoint, which would otherwise try `kubectl uncordon` forever when the node dies before it was
// up, so that the container would neither end nor say why.
func release(crew *crew) {
	crew.end()
	parent := os.Getppid()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", parent))
	if err == nil && strings.Contains(string(line), "k3d-entrypoint") {
		defer syscall.Kill(parent, syscall.SIGTERM)
	}
}

func say(level, format string, values ...any) {
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", stamp, level, fmt.Sprintf(format, values...))
}
