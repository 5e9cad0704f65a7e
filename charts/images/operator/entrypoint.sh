#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts the operator, whatever user id the pod has been given: spark-submit, which the operator calls, needs a name
# for it.
set -euo pipefail

if ! getent passwd "$(id -u)" >/dev/null; then
    library=$(find /usr/lib -name libnss_wrapper.so -print -quit 2>/dev/null)
    if [[ -n $library ]]; then
        NSS_WRAPPER_PASSWD=$(mktemp) NSS_WRAPPER_GROUP=$(mktemp)
        echo "spark:x:$(id -u):$(id -g):${SPARK_USER_NAME:-spark}:$SPARK_HOME:/bin/false" >"$NSS_WRAPPER_PASSWD"
        echo "spark:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
        export LD_PRELOAD=$library NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    fi
fi
exec /usr/bin/tini -s -- /usr/bin/spark-operator "$@"
