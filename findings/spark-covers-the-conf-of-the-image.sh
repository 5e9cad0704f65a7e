#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: what an image has in /opt/spark/conf is not there when it runs on Kubernetes: spark-submit mounts a ConfigMap over the folder,
# in the driver and in the executors. In it are the files of the conf folder of whoever submitted, a laptop's or the Spark operator's
# image's, with their spark-defaults.conf made part of spark.properties.
#
# Guess: log4j2.properties, metrics.properties, hive-site.xml and spark-defaults.conf that are built into the image are what the
#   driver and the executors read, as the documentation says of conf/ ("Overriding configuration directory"), and what the
#   submitter has there is the submitter's. `docker run` of the image with spark-submit and a local master confirms it.
# Hurt: who builds the company's settings into the image: logs are not JSON, metrics go nowhere, tables are looked for in a catalog of
#   one's own; nothing says so, and `kubectl exec` shows another folder than `docker run`. The same image submitted from two places
#   behaves in two ways. Ways out: files in another folder, with -Dlog4j2.configurationFile=… in the Java options, spark.metrics.conf
#   and an own classpath; for executors alone spark.kubernetes.executor.disableConfigMap=true.
# Versions: Spark 4.3.0 (pyspark 4.3.0).
# Source: resource-managers/kubernetes/core of apache/spark, KubernetesClientUtils.scala (the files of SPARK_CONF_DIR, but for templates,
#   archives and what matches spark.*(conf|properties)); BasicExecutorFeatureStep and KubernetesClientApplication mount it at
#   SPARK_CONF_DIR_INTERNAL. kubeflow/spark-operator issue 753 recommends the image for log4j.properties, of before Spark 3.1.
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


def made(mode, program, conf, *settings):
    """What spark-submit with this conf folder has created when there is a pod: the driver's in cluster mode, an executor's in client."""
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
            command, stdout=said, stderr=said, env={**os.environ, "SPARK_HOME": home, "SPARK_CONF_DIR": conf}, start_new_session=True
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


def told(title, objects):
    """Where the pod's container has a ConfigMap over Spark's folder, and the files in that."""
    (container,) = objects["Pod"]["spec"]["containers"]
    mounts = [it["mountPath"] for it in container["volumeMounts"] if it["name"].startswith("spark-conf-volume")]
    files = sorted(objects["ConfigMap"]["data"]) if "ConfigMap" in objects else []
    print(f"{title}: a ConfigMap over {mounts} with {files}")
    return mounts, files


print("Spark", os.path.basename(home).rpartition("-")[2])
empty, full = f"{work}/empty", f"{work}/full"
os.mkdir(empty)
os.mkdir(full)
for file, text in {
    "log4j2.properties": "rootLogger.level = warn\n",
    "metrics.properties": "# of who submits\n",
    "hive-site.xml": "<configuration/>\n",
    "spark-defaults.conf": "spark.eventLog.compress true\n",
}.items():
    with open(f"{full}/{file}", "w") as opened:
        opened.write(text)

program, conf = "local:///opt/team/program.py", ["/opt/spark/conf"]
own = ["log4j2.properties", "metrics.properties", "hive-site.xml"]
spark = ["spark.kubernetes.namespace", "spark.properties"]
driver = made("cluster", program, empty)
assert told("driver, nothing in the submitter's conf", driver) == (conf, spark)
driver = made("cluster", program, full)
assert told("driver, the submitter's own conf", driver) == (conf, sorted(own + spark))
assert "spark.eventLog.compress=true" in driver["ConfigMap"]["data"]["spark.properties"]
where = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
executor = made("client", f"{work}/program.py", full, *where)
assert told("executor", executor)[0] == conf
executor = made("client", f"{work}/program.py", full, *where, "spark.kubernetes.executor.disableConfigMap=true")
assert told("executor with disableConfigMap", executor)[0] == []
print("as described: what the image has in /opt/spark/conf is covered by what the submitter has")
PYTHON

python3 "$work/show.py" "$work" "$home"
