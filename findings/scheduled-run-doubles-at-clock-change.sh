#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `schedule: 30 2 * * *` with a `timeZone` runs twice in the night when the clocks go back, an hour apart, and not
# at all in the night when they go forward.
#
# Guess: a daily schedule runs once a day. Debian's cron(8) takes care of both nights, and `timeZone` is there so that
#   people can write local times.
# Hurt: nightly jobs of ScheduledSparkApplications (and CronJobs) in zones with summer time: a load is done twice, or a day is
#   missing. A time outside the hours that are doubled or left out, or UTC, is safe.
# Versions: github.com/robfig/cron/v3 v3.0.1, the newest; spark-operator 2.5.2 requires it, and so does Kubernetes for CronJobs.
# Source: internal/controller/scheduledsparkapplication/controller.go of kubeflow/spark-operator calls `Next`; robfig/cron's
#   documentation warns only of the night with the missing hour ("Time zones").
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

cd "$work"
go mod init shown 2>/dev/null
go get github.com/robfig/cron/v3@v3.0.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

// runs returns the local times at which the schedule is due on three days.
func runs(spec, zone, firstDay string) (due []string) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	start, err := time.ParseInLocation(time.DateOnly, firstDay, location)
	if err != nil {
		panic(err)
	}
	schedule, err := cron.ParseStandard(spec)
	if err != nil {
		panic(err)
	}
	for at := schedule.Next(start); at.Before(start.AddDate(0, 0, 3)); at = schedule.Next(at) {
		due = append(due, at.Format("Mon 02 15:04 MST"))
	}
	return due
}

func main() {
	build, _ := debug.ReadBuildInfo()
	fmt.Println(build.Deps[0].Path, build.Deps[0].Version)
	failed := false
	for _, night := range []struct {
		name, spec, zone, firstDay string
		want                       int
	}{
		{"an ordinary night", "30 2 * * *", "Europe/Berlin", "2026-06-06", 3},
		{"the clocks go back", "30 2 * * *", "Europe/Berlin", "2026-10-24", 4},
		{"the clocks go forward", "30 2 * * *", "Europe/Berlin", "2026-03-28", 2},
		{"the clocks go back", "30 1 * * *", "America/New_York", "2026-10-31", 4},
	} {
		due := runs(night.spec, night.zone, night.firstDay)
		fmt.Printf("%s, %s in %s: %d runs in 3 days: %v\n", night.name, night.spec, night.zone, len(due), due)
		failed = failed || len(due) != night.want
	}
	if failed {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
	fmt.Println("as described: 4 runs in the three days of autumn, 2 in those of spring")
}
GO
go run .
