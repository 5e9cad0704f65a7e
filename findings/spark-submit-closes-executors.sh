#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: spark-submit 4.3.0 creates a NetworkPolicy for each application that lets nobody but the application's own pods
# connect to its executors. An account that may not do so cannot submit any more: the driver's pod is created and deleted again.
#
# Guess: a minor release submits what the last one did, a pod, a ConfigMap and a Service, with the rights that the docs list.
# Hurt: who raises Spark to 4.3.0 where pods are submitted in cluster mode. Prometheus cannot scrape the executors any more,
#   node-local agents and debuggers are shut out, without a word in any log, and only on clusters whose network enforces
#   policies: the test cluster shows nothing. Accounts with rights to pods, services and configmaps get 403 on networkpolicies.
#   Way out of both:
#   spark.kubernetes.driver.pod.excludedFeatureSteps=org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep.
# Versions: Spark 4.3.0 (pyspark 4.3.0); the first with it.
# Source: resource-managers/kubernetes/core of apache/spark, NetworkPolicyFeatureStep.scala and KubernetesDriverBuilder.scala.
# Needs: JDK 17, 2 GB in the temporary folder. No cluster: an API server on 127.0.0.1 notes what is to be created.
set -euo pipefail

version=4.3.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
    --dest "$work" "pyspark==$version"
home="$work/pyspark-$version"
tar -xzf "$work/pyspark-$version.tar.gz" -C "$work" "pyspark-$version/deps/jars" "pyspark-$version/deps/bin"
rm "$work/pyspark-$version.tar.gz"
mv "$home/deps/jars" "$home/deps/bin" "$home/"

cat >"$work/show.py" <<'PYTHON'
import http.server
import json
import os
import subprocess
import sys
import threading

(home,) = sys.argv[1:]
STEP = "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep"


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes what is created or applied, but for what the account has no right to."""

    protocol_version = "HTTP/1.1"

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status, reason):
        words = {"message": f"{self.command} {self.path.partition('?')[0]}: {reason}", "reason": reason, "code": status}
        self.reply(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", **words})

    def do_GET(self):
        self.refuse(404, "NotFound")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["kind"] in self.server.forbidden:
            return self.refuse(403, "Forbidden")
        body["metadata"].update(uid="1", namespace="default", resourceVersion="1")
        self.server.made.append(body)
        return self.reply(201, body)

    do_PATCH = do_POST

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.deleted.append(self.path.rpartition("/")[2])
        self.reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def log_message(self, *_):
        pass


def submitted(*settings, forbidden=()):
    """The status of spark-submit, what it created by kind, and the names that it deleted."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    server.made, server.deleted, server.forbidden = [], [], forbidden
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = (
        *("spark.kubernetes.container.image=team/spark", "spark.kubernetes.submission.waitAppCompletion=false"),
        *("spark.kubernetes.driver.pod.name=etl-driver", *settings),
    )
    command = ["bash", f"{home}/bin/spark-submit", "--master", f"k8s://http://127.0.0.1:{server.server_port}"]
    command += ["--deploy-mode", "cluster", "--name", "etl", *(word for it in settings for word in ("--conf", it))]
    environment = {**os.environ, "SPARK_HOME": home}
    run = subprocess.run([*command, "local:///etl.py"], capture_output=True, text=True, env=environment, timeout=90)
    made = {it["kind"]: it for it in server.made}
    assert "Pod" in made, run.stderr[-3000:]
    return run.returncode, made, server.deleted


print("Spark", os.path.basename(home).rpartition("-")[2])
status, made, deleted = submitted()
spec = made["NetworkPolicy"]["spec"]
print(f"may do all: status {status}, created {', '.join(made)}; the policy:", json.dumps(spec))
assert status == 0 and not deleted, deleted
assert spec["podSelector"]["matchLabels"]["spark-role"] == "executor", spec
assert [list(it) for it in spec["ingress"]] == [["from"]], spec
((peer,),) = (it["from"] for it in spec["ingress"])
assert list(peer) == ["podSelector"] and list(peer["podSelector"]["matchLabels"]) == ["spark-app-selector"], peer

status, made, deleted = submitted(forbidden=("NetworkPolicy",))
print(f"may not create network policies: status {status}, deleted {', '.join(deleted)}")
assert status != 0 and deleted == ["etl-driver"], deleted

status, made, deleted = submitted(
    f"spark.kubernetes.driver.pod.excludedFeatureSteps={STEP}", forbidden=("NetworkPolicy",)
)
print(f"the same without the step: status {status}, created {', '.join(made)}")
assert status == 0 and "NetworkPolicy" not in made and not deleted
print("as described: executors are closed to everybody else, and accounts without that right cannot submit")
PYTHON

python3 "$work/show.py" "$home"
