#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What Kubernetes calls before it stops an executor whose decommissioning is enabled (spark.decommission.enabled):
# asks the executor to hand its blocks on, and returns when it has ended. The pod's grace period bounds the wait.
set -euo pipefail

executor=$(pgrep -o -f "^[^ ]*java .*KubernetesExecutorBackend") || exit 0
echo "asking executor process $executor to decommission" >/proc/1/fd/1 2>/dev/null || true
kill -s PWR "$executor"
tail --pid="$executor" -f /dev/null
