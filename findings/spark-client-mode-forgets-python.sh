#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the executors of one and the same Python program get a fifth less memory in client mode than in cluster mode: with
# spark.executor.memory=4g the pods are limited to 4505Mi in the place of 5734Mi. What is there for Python is a quarter.
#
# Guess: the overhead of Python programs is 0.4, as "Running Spark on Kubernetes" and "Configuration" say of
#   spark.kubernetes.memoryOverheadFactor and spark.executor.memoryOverheadFactor: "0.40 for non-JVM jobs", in either mode.
# Hurt: notebooks, Connect servers (SparkConnect of the Spark operator, too) and whatever else starts a driver in client mode: a
#   job that ran well with spark-submit or as a SparkApplication has its executors killed, OOMKilled with 137, as the Python
#   workers live in what is not the heap: 409 MiB where they had 1638. Way out: spark.executor.memoryOverheadFactor=0.4.
# Versions: Spark 4.3.0 (pyspark 4.3.0).
# Source: resource-managers/kubernetes/core of apache/spark, BasicDriverFeatureStep.scala: only who makes the driver's pod looks
#   whether the program is Python, and hands spark.kubernetes.memoryOverheadFactor=0.4 to the driver; the default is 0.1.
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


def limit(pod):
    return pod["spec"]["containers"][0]["resources"]["limits"]["memory"]


print("Spark", os.path.basename(home).rpartition("-")[2], "| a Python program, spark.executor.memory=4g")
properties = made("cluster", "local:///program.py")["ConfigMap"]["data"]["spark.properties"]
handed = re.search(r"^spark\.kubernetes\.memoryOverheadFactor=.+$", properties, re.MULTILINE)[0]
print("cluster mode: spark-submit hands the driver", handed)
local = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
cluster = limit(made("client", f"{work}/program.py", *local, handed)["Pod"])
client = limit(made("client", f"{work}/program.py", *local)["Pod"])
print("the executors of a driver that has this:", cluster)
print("the executors of a driver in client mode:", client)
assert handed.endswith("=0.4"), handed
assert (cluster, client) == ("5734Mi", "4505Mi")
print("as described: in client mode the overhead is that of a JVM program")
PYTHON

python3 "$work/show.py" "$work" "$home"
