#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `0 9 */100,1-7 * MON`, the line of crontabs for the first Monday of a month, runs on each of the first seven days and on all
# Mondays as a CronJob or a ScheduledSparkApplication, and so it does for croniter, with which Airflow reads schedules. `0 3 */2 * 1`,
# Mondays with an odd date in a crontab, runs 18 times in December 2026 and not twice. No Sunday is 7: `0 3 * * 7` is refused.
#
# Guess: five fields in the format of cron mean the days that they mean in a crontab: where day of month and day of week are both
#   restricted, either will do, and a field that begins with `*` restricts nothing, crontab(5) says. `*` alone confirms the guess.
# Hurt: whoever moves jobs from a crontab to the cluster: monthly work is done ten times in a month, and nothing is logged. A check with croniter
#   agrees with the cluster, one with cronsim does not. Way out: a run on every Monday that ends at once after the 7th.
# Versions: robfig/cron 3.0.1, of Kubernetes 1.37, spark-operator 2.5.2 and Argo Workflows; croniter 7.0.0; cronsim 2.8, which follows
#   the cron of Debian.
# Source: robfig/cron, parser.go, getRange: a step above 1 takes the mark of a star away, and spec.go, dayMatches; Vixie cron,
#   entry.c, sets DOM_STAR by the first character of the field; croniter has `implement_cron_bug` for that, off unless asked for.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS='-modcacherw -mod=mod'

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    croniter==7.0.0 cronsim==2.8
mkdir "$work/shown"
cd "$work/shown"
go mod init shown 2>/dev/null
go get github.com/robfig/cron/v3@v3.0.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

// main prints the days of December 2026 on which a schedule runs, or why it is refused.
func main() {
	schedule, err := cron.ParseStandard(os.Args[1])
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for at = schedule.Next(at); at.Month() == time.December; at = schedule.Next(at) {
		fmt.Print(at.Day(), " ")
	}
}
GO
go build -o shown . 2>said || { cat said && exit 2; }

cat >show.py <<'PYTHON'
import datetime
import importlib.metadata
import subprocess

import croniter
import cronsim

BEGIN = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
MONDAYS, SUNDAYS = [7, 14, 21, 28], [6, 13, 20, 27]


def of_robfig(schedule):
    said = subprocess.run(["./shown", schedule], capture_output=True, text=True, check=True).stdout.strip()
    return said if said.startswith("refused") else [int(day) for day in said.split()]


def in_december(following):
    days, at = [], following()
    while at.month == 12:
        days.append(at.day)
        at = following()
    return days


def of_croniter(schedule):
    times = croniter.croniter(schedule, BEGIN)
    return in_december(lambda: times.get_next(datetime.datetime))


def of_cronsim(schedule):
    times = cronsim.CronSim(schedule, BEGIN)
    return in_december(lambda: next(times))


print("robfig/cron 3.0.1,", *(f"{name} {importlib.metadata.version(name)}" for name in ("croniter", "cronsim")))
first_week, odd = [1, 2, 3, 4, 5, 6, 7], list(range(1, 32, 2))
for schedule, crontab, cluster, python in (
    ("0 3 * * 1", MONDAYS, MONDAYS, MONDAYS),
    ("0 3 1-7 * 1", sorted({*first_week, *MONDAYS}), sorted({*first_week, *MONDAYS}), sorted({*first_week, *MONDAYS})),
    ("0 9 */100,1-7 * MON", [7], sorted({*first_week, *MONDAYS}), sorted({*first_week, *MONDAYS})),
    ("0 3 */2 * 1", [7, 21], sorted({*odd, *MONDAYS}), sorted({*odd, *MONDAYS})),
    ("0 3 * * 7", SUNDAYS, "refused: end of range (7) above maximum (6): 7", SUNDAYS),
):
    days = of_cronsim(schedule), of_robfig(schedule), of_croniter(schedule)
    print(f"{schedule}, in December 2026:")
    for name, seen in zip(("crontab of Debian", "CronJob, Spark operator", "croniter"), days):
        print(f"  {name}: {seen}")
    assert days == (crontab, cluster, python), days
print("as described: the first Monday of a crontab is ten days on the cluster")
PYTHON

"$work/venv/bin/python" show.py
