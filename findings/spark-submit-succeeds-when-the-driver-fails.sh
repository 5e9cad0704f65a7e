#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: spark-submit to Kubernetes in cluster mode waits for the driver, logs that its container ended with exit code 1, and
# ends with exit code 0.
#
# Guess: what waits for an application and sees that it failed fails, as spark-submit does in client mode and, on YARN, in cluster
#   mode. It waits by default (spark.kubernetes.submission.waitAppCompletion), and what else would it wait for?
# Hurt: the step of a pipeline that is spark-submit is green for every job that ran out of memory or threw; `set -e`, a Job and
#   its backoffLimit, a retry of the scheduler do not see it, and the next step reads yesterday's data. So who comes from YARN or
#   from client mode, and who tests a new image by a job of its own. The pod's phase tells, or the log's
#   "exit code:" of the container spark-kubernetes-driver; a sidecar has one, too.
# Versions: Spark 4.3.0 (pyspark 4.3.0).
# Source: resource-managers/kubernetes/core of apache/spark, LoggingPodStatusWatcher.scala: watchOrStop returns whether the pod
#   has completed, and logs its containers' statuses; Client.run in KubernetesClientApplication.scala does nothing with either.
# Needs: JDK 17, 2 GB in the temporary folder. No cluster: an API server on 127.0.0.1 has the driver fail.
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

cat >"$work/show.py" <<'PYTHON'
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time

work, home = sys.argv[1:]
ENDED = {"name": "spark-kubernetes-driver", "ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
ENDED["state"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
FAILED = {"phase": "Failed", "containerStatuses": [ENDED]}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes what is created; the driver's pod runs for a second, and fails."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with contextlib.suppress(ConnectionError):  # who asked has ended
            super().handle()

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        pod = self.server.pod
        if "watch=true" in self.path:
            return self.watch(pod)
        if f"/pods/{pod['metadata']['name']}" in self.path:
            return self.reply(200, pod)
        self.reply(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [pod]})

    def watch(self, pod):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        for status in ({"phase": "Running"}, FAILED):
            pod["status"] = status
            self.wfile.write(json.dumps({"type": "MODIFIED", "object": pod}).encode() + b"\n")
            self.wfile.flush()
            time.sleep(1)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body["metadata"].update(uid="1", namespace="default", resourceVersion="1")
        if body["kind"] == "Pod":
            self.server.pod = body
        self.reply(201, body)

    do_PATCH = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.pod = {"metadata": {"name": "none yet"}}
threading.Thread(target=server.serve_forever, daemon=True).start()
command = ["bash", f"{home}/bin/spark-submit", "--master", f"k8s://http://127.0.0.1:{server.server_port}"]
command += ["--deploy-mode", "cluster", "--conf", "spark.kubernetes.container.image=team/spark"]
for limit in ("connection", "request"):  # of 10 s, for busy machines
    command += ["--conf", f"spark.kubernetes.submission.{limit}Timeout=100000"]
command.append("local:///program.py")
environment = {**os.environ, "SPARK_HOME": home}
run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
print("Spark", os.path.basename(home).rpartition("-")[2])
final = run.stderr.partition("Container final statuses:")[2]
print("what spark-submit says at its end:", *[line.strip() for line in final.splitlines() if line.strip()], sep="\n    ")
print("its exit code:", run.returncode)
assert "exit code: 1" in final and "termination reason: Error" in final, run.stderr[-3000:]
assert run.returncode == 0, run.stderr[-3000:]
print("as described: the driver failed, and spark-submit, which waited for it, did not")
PYTHON

python3 "$work/show.py" "$work" "$home"
