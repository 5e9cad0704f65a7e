#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `restartPolicy.onFailureRetryInterval` is counted from the submission of the run that failed, not from its
#   failure. A run that lasted longer than the interval is submitted again at once: with an interval of five minutes, a load
#   that fails after an hour is not given any pause.
#
# Guess: the pause begins when the driver has failed. The field is "the interval between retries on failed runs", and the
#   time of the failure is there, in `status.terminationTime`.
# Hurt: whoever sets the interval so that a database, a quota or a spot node can recover before the next try. Only runs that
#   fail early get the pause, less what they lasted; later tries wait longer, by the number of submissions.
# Versions: spark-operator 2.5.2; the same in 2.4.0.
# Source: TimeUntilNextRetryDue in pkg/util/sparkapplication.go of kubeflow/spark-operator, by lastSubmissionAttemptTime.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

mkdir "$work/shown"
cd "$work/shown"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/pkg/util"
)

const interval = 5 * time.Minute

// show tells how long the operator waits after a run that has just failed, and lasted so long.
func show(lasted, wanted time.Duration) bool {
	seconds := int64(interval.Seconds())
	it := &v1beta2.SparkApplication{}
	it.Spec.RestartPolicy.Type = v1beta2.RestartPolicyOnFailure
	it.Spec.RestartPolicy.OnFailureRetryInterval = &seconds
	it.Status.AppState.State = v1beta2.ApplicationStateFailing
	it.Status.SubmissionAttempts = 1
	it.Status.LastSubmissionAttemptTime = metav1.NewTime(time.Now().Add(-lasted))
	it.Status.TerminationTime = metav1.NewTime(time.Now())

	left, err := util.TimeUntilNextRetryDue(it)
	if err != nil {
		panic(err)
	}
	left = left.Round(time.Minute)
	fmt.Printf("interval %v, the run failed after %v: due in %v\n", interval, lasted, left)
	return left == wanted
}

func main() {
	as := show(0, 5*time.Minute)
	as = show(4*time.Minute, time.Minute) && as
	as = show(time.Hour, -55*time.Minute) && as
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
go mod init shown >"$work/log" 2>&1
go get github.com/kubeflow/spark-operator/v2@v2.5.2 >>"$work/log" 2>&1
go mod tidy >>"$work/log" 2>&1
echo "spark-operator v2.5.2"
go run .
echo "as described: what is due in less than no time is submitted at once"
