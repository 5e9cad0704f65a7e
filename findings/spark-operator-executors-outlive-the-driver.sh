#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: from Spark operator 2.4.0 on, Kubernetes does not collect the executors of a driver that is gone. The operator gives each a
#   second owner, the SparkApplication, and an object is collected only when it has no owner left. An executor that was Pending then
#   waits on; once it has a node, it is ContainerCreating for ever: the ConfigMap that it mounts belonged to the driver alone.
#
# Guess: executors go with their driver, as Spark's documentation says ("Driver Pod Garbage Collection"): the driver's pod is their
#   owner. Another owner makes it only surer that they are removed, and to `kubectl get` both look the same.
# Hurt: whose driver is killed while executors are Pending, by memory, an eviction or a lost node: a driver that ends by itself deletes
#   them, so trials confirm the guess. They count against a ResourceQuota, so that the retry gets no executors, ask the autoscaler
#   for nodes, and hold what they requested until the application is deleted, in the state SUSPENDED, too. What helps is
#   `kubectl delete pods -l spark-role=executor,sparkoperator.k8s.io/app-name=NAME`.
# Versions: spark-operator 2.5.2, its own submitter with a recorder as spark-submit (2.4.0 has the same lines, 2.3.0 writes no
#   template of its own); Spark 4.3.0 (pyspark 4.3.0), by itself and with the operator's template.
# Source: executorPodTemplateOption in internal/controller/sparkapplication/submission.go of kubeflow/spark-operator;
#   BasicExecutorFeatureStep.scala of apache/spark adds the driver to the owners of the template; attemptToDeleteItem in
#   pkg/controller/garbagecollector/garbagecollector.go of Kubernetes, "item has at least one existing owner, will not garbage collect".
# Needs: Go, JDK 17, 2 GB in the temporary folder. No cluster: an API server on 127.0.0.1 has a driver and notes what is created.
set -euo pipefail

spark=4.3.0
work=$(mktemp -d)
id=$(basename "$work")
# The operator writes its templates below /tmp/spark.
trap 'rm -rf "$work" "/tmp/spark/$id"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

get_spark() {
    TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
        --dest "$work" "pyspark==$spark"
    tar -xzf "$work/pyspark-$spark.tar.gz" -C "$work" "pyspark-$spark/deps/jars" "pyspark-$spark/deps/bin" \
        "pyspark-$spark/pyspark" "pyspark-$spark/lib"
    rm "$work/pyspark-$spark.tar.gz"
    mkdir "$work/spark" "$work/spark/python"
    mv "$work/pyspark-$spark/deps/jars" "$work/pyspark-$spark/deps/bin" "$work/spark/"
    mv "$work/pyspark-$spark/pyspark" "$work/pyspark-$spark/lib" "$work/spark/python/"
}
get_spark &
getting=$!

mkdir -p "$work/recorder/bin"
cat >"$work/recorder/bin/spark-submit" <<'SH'
#!/usr/bin/env bash
# Keeps the template for executors with which the operator submits.
for word in "$@"; do
    case $word in spark.kubernetes.executor.podTemplateFile=*) cp "${word#*=}" "$(dirname "$0")/template.yaml" ;; esac
done
SH
chmod +x "$work/recorder/bin/spark-submit"
cat >"$work/submit.go" <<'GO'
package main

import (
	"context"
	"os"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
)

func main() {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.UID = "default", "nightly", "uid-of-the-application"
	app.Spec.SparkVersion, app.Spec.Mode = "4.3.0", v1beta2.DeployModeCluster
	app.Status.SubmissionID = os.Args[1]
	if err := (&sparkapplication.SparkSubmitter{}).Submit(context.Background(), app); err != nil {
		panic(err)
	}
}
GO

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
cp -r "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2" "$work/operator" # its package is internal
chmod -R u+w "$work/operator"
mkdir "$work/operator/cmd/shown"
cp "$work/submit.go" "$work/operator/cmd/shown/main.go"
(cd "$work/operator" && go build -o "$work/submit" ./cmd/shown)
KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443 SPARK_HOME="$work/recorder" "$work/submit" "$id"
wait "$getting"

printf 'import time\nfrom pyspark import SparkContext\nSparkContext()\ntime.sleep(100)\n' >"$work/program.py"
cat >"$work/show.py" <<'PYTHON'
import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading

work, template = sys.argv[1:]
DRIVER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "nightly-driver", "namespace": "default", "uid": "uid-of-the-driver", "resourceVersion": "1"},
    "spec": {"containers": [{"name": "spark-kubernetes-driver"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
NAME = DRIVER["metadata"]["name"]


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Has the pod of a driver, and takes what is created."""

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
        is_driver = self.path.partition("?")[0].endswith(f"/pods/{NAME}")
        none = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
        self.reply(200, DRIVER if is_driver else none)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body["metadata"].update(uid="1", namespace="default", resourceVersion="1")
        self.reply(201, body)
        made[body["kind"]] = body
        if body["kind"] == "Pod":
            has_pod.set()

    do_PATCH = do_POST

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def log_message(self, *_):
        pass


def owners(kind):
    return sorted(it["kind"] for it in made[kind]["metadata"].get("ownerReferences", ()))


made, has_pod = {}, threading.Event()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
settings = ["spark.kubernetes.container.image=team/spark", "spark.ui.enabled=false", "spark.driver.host=127.0.0.1"]
settings += ["spark.driver.bindAddress=127.0.0.1", f"spark.kubernetes.driver.pod.name={NAME}"]
if template:
    settings.append(f"spark.kubernetes.executor.podTemplateFile={template}")
command = ["bash", f"{work}/spark/bin/spark-submit", "--master", f"k8s://http://127.0.0.1:{server.server_port}"]
command += [*(word for it in settings for word in ("--conf", it)), f"{work}/program.py"]
with open(f"{work}/said", "w") as said:
    environment = {**os.environ, "SPARK_HOME": f"{work}/spark"}
    run = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
there = has_pod.wait(100)
os.killpg(run.pid, signal.SIGKILL)
run.wait()
assert there, open(f"{work}/said").read()[-3000:]

(config,) = [it["configMap"]["name"] for it in made["Pod"]["spec"]["volumes"] if "configMap" in it]
assert config == made["ConfigMap"]["metadata"]["name"]
print("Spark with the operator's template:" if template else "Spark by itself:")
print(f"  owners of an executor's pod: {owners('Pod')}, of the ConfigMap that it mounts: {owners('ConfigMap')}")
assert owners("ConfigMap") == ["Pod"]
assert owners("Pod") == (["Pod", "SparkApplication"] if template else ["Pod"])
PYTHON

for variable in http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY; do
    unset "$variable"
done
echo "Spark $spark, spark-operator 2.5.2"
python3 "$work/show.py" "$work" ""
python3 "$work/show.py" "$work" "$work/recorder/bin/template.yaml"
echo "as described: the operator's executors have an owner when the driver is gone, and their ConfigMap has none"
