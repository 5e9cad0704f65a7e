#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Airflow's SparkKubernetesOperator creates the SparkApplication in the namespace `default`, whatever namespace its
# manifest has; takes node_selector, env_vars, labels and service_account_name without using them; and of container_resources
# with 14Gi and 0.5 processors makes 10Gi and none.
#
# Guess: a manifest without an operator's argument of the same meaning is created as it is; an argument that is accepted has an
#   effect; resources reach the pod as they are written.
# Hurt: who moves applications from `kubectl apply` to Airflow with their manifests. They land where no quota, Secret, service
#   account or watching operator is, and stay without a driver until the task's timeout, or run in `default`. The arguments are
#   those of KubernetesPodOperator, its base class, and belong to a pod that is never made: they go into the manifest instead.
#   Memory is divided by 1.4 for an overhead that only Python programs have, and processors are cut to whole numbers.
# Versions: apache-airflow-providers-cncf-kubernetes 10.25.0 (the newest) with apache-airflow 3.3.2.
# Source: airflow/providers/cncf/kubernetes/operators/custom_object_launcher.py, get_body sets metadata.namespace from the
#   parameter, whose default is "default"; SparkResources.convert_resources; spark_kubernetes.py, __init__ and **kwargs.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check uv==0.13.9
"$work/venv/bin/uv" pip install --quiet --no-cache --python "$work/venv/bin/python" \
    apache-airflow-providers-cncf-kubernetes==10.25.0 apache-airflow==3.3.2

cat >"$work/show.py" <<'PYTHON'
import contextlib
import copy
import http.server
import importlib.metadata
import json
import os
import sys
import threading
from pathlib import Path

os.environ["AIRFLOW_HOME"] = f"{sys.argv[1]}/airflow"

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator  # noqa: E402


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Notes what is to be created, and refuses it, so that the task does not wait for it."""

    def do_POST(self):
        self.server.sent = self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(422)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
config = Path(sys.argv[1], "config")
config.write_text(
    json.dumps(
        {
            **{"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}]},
            **{"clusters": [cluster], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]},
        }
    )
)
RESOURCES = {"cpu": {"request": "0.5", "limit": "2"}, "memory": {"limit": "14Gi"}}
MANIFEST = {
    **{"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication"},
    "metadata": {"name": "etl", "namespace": "spark-jobs"},
    "spec": {
        **{"type": "Scala", "mode": "cluster", "sparkVersion": "4.0.4", "image": "team/spark:4.0.4"},
        **{"mainClass": "Etl", "mainApplicationFile": "local:///opt/etl.jar"},
        "driver": {"container_resources": copy.deepcopy(RESOURCES)},
        "executor": {"instances": 2, "container_resources": copy.deepcopy(RESOURCES)},
    },
}
UNUSED = {
    "node_selector": {"pool": "etl-nodes"},
    "env_vars": {"STAGE": "etl-stage"},
    "labels": {"team": "etl-team"},
    "service_account_name": "etl-account",
}
task = SparkKubernetesOperator(
    task_id="etl",
    template_spec=MANIFEST,
    kubernetes_conn_id=None,
    config_file=str(config),
    reattach_on_restart=False,  # it would ask for pods of this task first
    **UNUSED,
)
try:
    with open(f"{sys.argv[1]}/said", "w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        task.execute({})
except Exception as error:
    assert "422" in str(error), error
path, sent = server.sent
driver = sent["spec"]["driver"]
for package in ("apache-airflow", "apache-airflow-providers-cncf-kubernetes"):
    print(package, importlib.metadata.version(package))
print("namespace: spark-jobs in the manifest; created is", path, "with", json.dumps(sent["metadata"]))
for name, value in UNUSED.items():
    used = next(iter(value.values())) if isinstance(value, dict) else value
    print(f"{name}={value}:", "sent" if used in json.dumps(sent) else "not sent")
    assert used not in json.dumps(sent), sent
print("container_resources", json.dumps(RESOURCES))
print("    the driver's: ", json.dumps({key: driver.get(key) for key in ("cores", "coreLimit", "memory")}))
assert path == "/apis/sparkoperator.k8s.io/v1beta2/namespaces/default/sparkapplications", path
assert sent["metadata"]["namespace"] == "default", sent
assert "cores" not in driver and driver["coreLimit"] == "2", driver
assert driver["memory"] == f"{10 * 1024}m", driver
print("as described: another namespace, nothing of the arguments, and other resources")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
