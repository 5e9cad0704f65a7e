// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	grace     = 2 * time.Second
	patience  = 15 * time.Second
	tailLines = 8
	tailBytes = 8192
)

// crew is the processes of a node. None may end before the node does: whoever dies is told through dead.
type crew struct {
	logs    string
	dead    chan error
	mutex   sync.Mutex
	ending  bool
	members []*member
}

type member struct {
	name    string
	command *exec.Cmd
	gone    chan struct{}
}

func newCrew(logs string) *crew {
	return &crew{logs: logs, dead: make(chan error, 32)}
}

// start runs a program whose output goes to <logs>/<name>.log.
func (c *crew) start(name string, argv ...string) error {
	path := filepath.Join(c.logs, name+".log")
	sink, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer sink.Close()
	fmt.Fprintf(sink, "+ %s\n", strings.Join(argv, " "))
	command := exec.Command(argv[0], argv[1:]...)
	command.Stdout, command.Stderr = sink, sink
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.ending {
		return context.Canceled
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s cannot be started: %w", name, err)
	}
	say("info", "Running %s", name)
	started := &member{name: name, command: command, gone: make(chan struct{})}
	c.members = append(c.members, started)
	go func() {
		err := command.Wait()
		close(started.gone)
		c.mutex.Lock()
		defer c.mutex.Unlock()
		if !c.ending {
			how := "exit status 0"
			if err != nil {
				how = err.Error()
			}
			c.dead <- fmt.Errorf("%s ended (%s), so the node ends; the last lines of %s:\n%s", name, how, path, tail(path))
		}
	}()
	return nil
}

// end stops all processes: SIGTERM, two seconds, SIGKILL. The datastore loses nothing, since it writes ahead.
func (c *crew) end() {
	c.mutex.Lock()
	c.ending = true
	members := c.members
	c.members = nil
	c.mutex.Unlock()
	late := time.After(grace)
	for index := len(members) - 1; index >= 0; index-- {
		members[index].command.Process.Signal(syscall.SIGTERM)
	}
	for _, it := range members {
		select {
		case <-it.gone:
		case <-late:
			for _, slow := range members {
				slow.command.Process.Kill()
			}
			return
		}
	}
}

// call runs a program to its end and returns what it wrote.
func call(ctx context.Context, argv ...string) (string, error) {
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	said, err := command.CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, last(string(said), tailLines))
	}
	return string(said), nil
}

// until tries again until act succeeds; the last error is told after a while, and when the time is up.
func until(ctx context.Context, what string, limit time.Duration, act func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	patience := time.Now().Add(patience)
	for {
		err := act(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !patience.IsZero() && time.Now().After(patience) {
			say("warning", "still waiting for %s; last seen: %v", what, err)
			patience = time.Time{}
		}
		select {
		case <-ctx.Done():
			if context.Cause(ctx) == context.Canceled {
				return context.Canceled
			}
			return fmt.Errorf("waited %s for %s; last seen: %w", limit, what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if status, err := file.Stat(); err == nil && status.Size() > tailBytes {
		file.Seek(-tailBytes, 2)
	}
	text := make([]byte, tailBytes)
	count, _ := file.Read(text)
	return last(string(text[:count]), tailLines)
}

func last(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > count {
		lines = lines[len(lines)-count:]
	}
	return strings.Join(lines, "\n")
}
