#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `wait_for_job_status` of the Kubeflow SDK raises "reached failed state" at the first failed attempt of a Spark
# application that the operator goes on to retry, and that completes.
#
# Guess: the wait ends when the application is COMPLETED or FAILED, the operator's only terminal states. With
#   `restartPolicy: OnFailure` an attempt that fails leads through FAILING and PENDING_RERUN to the next one.
# Hurt: pipelines that wait with the SDK for applications with retries: the step is red, or does the work a second time,
#   while the first application still runs. A change of the spec (INVALIDATING) counts as a failure, too, and a suspended
#   application as a running one.
# Versions: kubeflow 0.5.0, kubeflow-spark-api 2.4.0, kubernetes 35.0.0; pyspark-client 4.2.0 only for what is imported.
# Source: the table of states in kubeflow/spark/types/types.py; the states in api/v1beta2/sparkapplication_types.go and
#   their order in internal/controller/sparkapplication/controller.go of kubeflow/spark-operator 2.5.2.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    kubeflow==0.5.0 kubeflow-spark-api==2.4.0 kubernetes==35.0.0 pydantic==2.14.4
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps pyspark-client==4.2.0

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import sys
import threading

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.spark.backends.kubernetes.backend import KubernetesBackend
from kubeflow.spark.types.types import SparkJobStatus

LIFE = ["SUBMITTED", "RUNNING", "FAILING", "PENDING_RERUN", "SUBMITTED", "RUNNING", "SUCCEEDING", "COMPLETED"]
read = []


class ApiServer(http.server.BaseHTTPRequestHandler):
    """The application goes one state further each time that it is read."""

    def do_GET(self):
        state = LIFE[min(len(read), len(LIFE) - 1)]
        read.append(state)
        application = {
            "apiVersion": "sparkoperator.k8s.io/v1beta2",
            "kind": "SparkApplication",
            "metadata": {"name": "etl", "namespace": "default"},
            "spec": {
                "type": "Python",
                "sparkVersion": "4.0.4",
                "mainApplicationFile": "local:///opt/spark/app/etl.py",
                "restartPolicy": {"type": "OnFailure", "onFailureRetries": 3},
                "driver": {},
                "executor": {},
            },
            "status": {"driverInfo": {"podName": "etl-driver"}, "applicationState": {"state": state}},
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(application).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
kubeconfig = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "users": [{"name": "here", "user": {}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    "current-context": "here",
}
with open(sys.argv[1], "w") as file:
    json.dump(kubeconfig, file)
backend = KubernetesBackend(KubernetesBackendConfig(config_file=sys.argv[1], namespace="default"))

try:
    outcome = f"ended with {backend.wait_for_job_status('etl', polling_interval=1, timeout=60).status.value}"
except Exception as error:  # what it raises is what is shown
    outcome = f"raised {type(error).__name__}: {error}"
states_until_then = list(read)
later = [backend.get_job("etl").status for _ in LIFE[len(states_until_then) :]]

print("kubeflow", importlib.metadata.version("kubeflow"))
print("wait_for_job_status", outcome)
print("states that it had seen:", ", ".join(states_until_then))
print("states that came after:", ", ".join(read[len(states_until_then) :]))
assert outcome.startswith("raised RuntimeError: Spark job reached failed state"), outcome
assert states_until_then == LIFE[:3], states_until_then
assert later[-1] == SparkJobStatus.COMPLETED, later
print("as described: the wait had given up before the second attempt, which completed")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work/kubeconfig"
