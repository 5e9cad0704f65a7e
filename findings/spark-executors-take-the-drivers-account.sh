#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `serviceAccountName: reader` in a pod template for Spark's executors has no effect once the driver's service account is
# set: the executors run as the driver's. Only the field's old name, `serviceAccount`, which Kubernetes has deprecated, is kept.
#
# Guess: the template's is kept. "Running Spark on Kubernetes" has both spellings in its list for pod templates and says of each that
#   Spark overrides it for driver pods only: "Executor pods will remain unaffected."
# Hurt: who gives executors a service account of their own, for the role of a cloud (IRSA, Workload Identity) or to keep the driver's
#   right to make pods from the program's workers. Nothing is logged: they have the driver's rights, and not the bucket that was
#   theirs. Every driver in cluster mode needs an account, so this is the rule; a trial in client mode without
#   spark.kubernetes.authenticate.driver.serviceAccountName confirms the guess. Way out:
#   spark.kubernetes.authenticate.executor.serviceAccountName.
# Versions: Spark 4.3.0 (pyspark 4.3.0); the pull request 58343 of apache/spark changes it for 4.4.
# Source: resource-managers/kubernetes/core of apache/spark, ExecutorKubernetesCredentialsFeatureStep.scala asks getServiceAccount,
#   not getServiceAccountName, whether the template has one.
# Needs: JDK 17, 2 GB in the temporary folder. No cluster: an API server on 127.0.0.1 notes what is to be created.
set -euo pipefail

version=4.3.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
    --dest "$work" "pyspark==$version"
home="$work/pyspark-$version"
tar -xzf "$work/pyspark-$version.tar.gz" -C "$work" "pyspark-$version/deps/jars" "pyspark-$version/deps/bin" \
    "pyspark-$version/pyspark" "pyspark-$version/lib"
rm "$work/pyspark-$version.tar.gz"
mkdir "$home/python"
mv "$home/deps/jars" "$home/deps/bin" "$home/"
mv "$home/pyspark" "$home/lib" "$home/python/"
printf 'import time\nfrom pyspark import SparkContext\nSparkContext()\ntime.sleep(100)\n' >"$work/program.py"

cat >"$work/show.py" <<'PYTHON'
import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading

work, home = sys.argv[1:]


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes what is created or applied and has nothing else."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionError):  # who asked has been killed
            super().handle()

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.reply(200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body["metadata"].update(uid="1", namespace="default", resourceVersion="1")
        self.reply(201, body)
        self.server.made.append(body)
        if body["kind"] == "Pod":
            self.server.has_pod.set()

    do_PATCH = do_POST

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def log_message(self, *_):
        pass


def made(mode, program, *settings):
    """What spark-submit has created when there is a pod: the driver's in cluster mode, an executor's in client mode."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    server.made, server.has_pod = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = (
        *("spark.kubernetes.container.image=team/spark", "spark.executor.memory=4g", "spark.ui.enabled=false"),
        *("spark.kubernetes.submission.waitAppCompletion=false", *settings),
    )
    command = ["bash", f"{home}/bin/spark-submit", "--master", f"k8s://http://127.0.0.1:{server.server_port}"]
    command += ["--deploy-mode", mode, *(word for it in settings for word in ("--conf", it)), program]
    with open(f"{work}/said", "w") as said:
        run = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, "SPARK_HOME": home}, start_new_session=True
        )
    try:
        there = server.has_pod.wait(100)
        if mode == "cluster":
            run.wait(60)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    assert there, open(f"{work}/said").read()[-3000:]
    return {it["kind"]: it for it in server.made}


def executor(template, *settings):
    """The service accounts of an executor's pod that is made from a template with this line, by both of their names."""
    with open(f"{work}/template.yaml", "w") as file:
        file.write(f"apiVersion: v1\nkind: Pod\nspec:\n  {template}\n  containers: [{{name: executor}}]\n")
    where = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
    file = f"spark.kubernetes.executor.podTemplateFile={work}/template.yaml"
    spec = made("client", f"{work}/program.py", *where, file, *settings)["Pod"]["spec"]
    return spec.get("serviceAccountName"), spec.get("serviceAccount")


DRIVER = "spark.kubernetes.authenticate.driver.serviceAccountName=driver"
EXECUTOR = "spark.kubernetes.authenticate.executor.serviceAccountName=reader"
print("Spark", os.path.basename(home).rpartition("-")[2])
for template, settings, expected in (
    ("serviceAccountName: reader", (), ("reader", None)),
    ("serviceAccountName: reader", (DRIVER,), ("driver", "driver")),
    ("serviceAccount: reader", (DRIVER,), (None, "reader")),
    ("serviceAccountName: reader", (DRIVER, EXECUTOR), ("reader", "reader")),
):
    print("template with", template, "|", *settings)
    name, old = executor(template, *settings)
    print(f"  the executor's pod has serviceAccountName {name}, serviceAccount {old}")
    assert (name, old) == expected
print("as described: the driver's account takes the place of the template's serviceAccountName")
PYTHON

python3 "$work/show.py" "$work" "$home"
