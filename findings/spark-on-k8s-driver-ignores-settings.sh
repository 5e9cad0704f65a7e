#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with spark-on-k8s, `spark_conf={"spark.driver.memory": "8g"}` gives the driver's JVM 8 GB in a container that is
# limited to 1536Mi, nothing of `spark.kubernetes.driver.*` reaches its pod, and `executor_volume_mounts` becomes settings
# that Spark does not read.
#
# Guess: `submit_app` submits as spark-submit in cluster mode does, where these settings make the driver's pod.
# Hurt: who moves a job from spark-submit or the operator with its settings: they are on the driver's command line and in
#   the UI's environment, and without effect. The driver is killed for its memory, and runs without its node selector,
#   secrets and tolerations; hostPath volumes, claims and NFS of executors miss what Spark requires. The parameters
#   driver_resources, driver_node_selector and volumes are the way for the driver, spark_conf with `.options.` for the
#   executors.
# Versions: spark-on-k8s 0.12.1 (the newest), kubernetes 35.0.0.
# Source: spark_on_k8s/client.py makes the pod itself, from its parameters only, and spells
#   spark.kubernetes.executor.volumes.TYPE.NAME.path; Spark's "Running Spark on Kubernetes" has TYPE.NAME.options.path.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    spark-on-k8s==0.12.1 kubernetes==35.0.0

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import sys
import threading
from pathlib import Path

from kubernetes import client as k8s
from spark_on_k8s.client import ExecutorInstances, SparkOnK8S
from spark_on_k8s.k8s.sync_client import KubernetesClientManager


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes what is created, and keeps it."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.created.setdefault(self.path.rpartition("/")[2], []).append(body)
        body["metadata"]["uid"] = "1"
        content = json.dumps(body).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.created = {}
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

SparkOnK8S(k8s_client_manager=KubernetesClientManager(config_file=str(config))).submit_app(
    image="apache/spark:4.0.1",
    app_path="local:///opt/spark/examples/src/main/python/pi.py",
    app_name="pi",
    namespace="default",
    executor_instances=ExecutorInstances(initial=1),
    spark_conf={
        "spark.driver.memory": "8g",
        "spark.kubernetes.driver.node.selector.pool": "large",
        "spark.kubernetes.driver.secrets.keys": "/etc/keys",
    },
    volumes=[k8s.V1Volume(name="data", host_path=k8s.V1HostPathVolumeSource(path="/srv/data"))],
    executor_volume_mounts=[k8s.V1VolumeMount(name="data", mount_path="/data")],
)
print("spark-on-k8s", importlib.metadata.version("spark-on-k8s"))
(pod,) = server.created["pods"]
spec, (container,) = pod["spec"], pod["spec"]["containers"]
arguments = container["args"]
settings = dict(it.split("=", 1) for name, it in zip(arguments, arguments[1:]) if name == "--conf")
limit = container["resources"]["limits"]["memory"]
print("memory: the JVM gets", settings["spark.driver.memory"], "and its container", limit)
print("node selector:", spec.get("nodeSelector"), "| secrets mounted:", container.get("volumeMounts"))
volume = sorted(key for key in settings if ".volumes." in key)
print("settings of the executors' volume:", volume)
assert settings["spark.driver.memory"] == "8g" and limit == "1536Mi", limit
assert not spec.get("nodeSelector") and not container.get("volumeMounts"), spec
prefix = "spark.kubernetes.executor.volumes.hostPath.data"
assert volume == [f"{prefix}.mount.path", f"{prefix}.path"], volume
print("as described: none of it is what was asked for")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
