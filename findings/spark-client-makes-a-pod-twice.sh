#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the Kubernetes client of Spark (fabric8) sends a POST again, up to ten times, when the answer was 500 or more. Where
# the API server had made the object all the same, spark-submit ends with "already exists" for the driver that it has just made
# itself; of what has a `generateName` there are two then, and the caller knows of one.
#
# Guess: only what does no harm twice is repeated by itself. The Python client sends a POST once: an error may
#   mean that the object is there, but "already exists" means that another one made it, and one call never makes two.
# Hurt: who submits to a busy cluster or to one under upgrade: 504 "request did not complete" of the API server or of a balancer
#   before it, and 500 "etcdserver: request timed out", may follow a write that was done. Whoever reads "already exists" looks
#   for another job of that name, or submits again under another one, beside a driver that is there. Controllers in Java that
#   make Jobs with a generateName run them twice. Way out: KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT=0 in the environment, which
#   ends the patience with reads, too.
# Versions: Spark 4.3.0 (pyspark 4.3.0) with fabric8's kubernetes-client 7.6.1. 7.7.0 and 8.0.0 do the same, and repeat a POST
#   whose connection ended without an answer, too. kubernetes 37.0.2 of PyPI, for comparison.
# Source: retryWithExponentialBackoff in fabric8's StandardHttpClient.java asks for the status or an IOException, not for the
#   method; Config.DEFAULT_REQUEST_RETRY_BACKOFFLIMIT is 10.
# Needs: JDK 17, 2 GB in the temporary folder. No cluster: an API server on 127.0.0.1 makes the pod and answers 500 or 504.
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
python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kubernetes==37.0.2

cat >"$work/Create.java" <<'JAVA'
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;

public class Create {
  public static void main(String[] words) {
    var meta = new ObjectMeta();
    if (words[1].equals("name")) {
      meta.setName("job");
    } else {
      meta.setGenerateName("job-");
    }
    var pod = new Pod();
    pod.setMetadata(meta);
    var config = new ConfigBuilder().withAutoConfigure(false).withMasterUrl(words[0]).withNamespace("default").build();
    try (var client = new KubernetesClientBuilder().withConfig(config).build()) {
      System.out.println("made " + client.pods().resource(pod).create().getMetadata().getName());
    } catch (KubernetesClientException error) {
      System.out.println(error.getCode() + " " + error.getStatus().getReason());
    }
    System.exit(0);
  }
}
JAVA

cat >"$work/show.py" <<'PYTHON'
import contextlib
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading

import kubernetes

work, home = sys.argv[1:]
LATE = {
    500: ("InternalError", "etcdserver: request timed out"),
    504: ("Timeout", "Timeout: request did not complete within requested timeout - context deadline exceeded"),
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Makes pods, and answers the first time as if it were not known whether it did."""

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

    def refuse(self, code, reason, message):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self.reply(code, {**status, "reason": reason, "message": message})

    def do_GET(self):
        self.reply(200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})

    def do_DELETE(self):
        self.reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        metadata = body["metadata"]
        if body["kind"] != "Pod":
            return self.reply(201, body)
        sent.append(metadata)
        name = metadata.get("name") or f"{metadata['generateName']}{len(made) + 1}"
        if name in made:
            return self.refuse(409, "AlreadyExists", f'pods "{name}" already exists')
        made.append(name)
        metadata.update(name=name, uid=name, namespace="default", resourceVersion="1")
        if len(sent) == 1:
            return self.refuse(late, *LATE[late])
        self.reply(201, body)

    def log_message(self, *_):
        pass


def java(how):
    command = ["java", "-Xmx256m", "-cp", f"{home}/jars/*:{work}", "Create", url, how]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return run.stdout.strip().splitlines()[-1]


def python(how):
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(kubernetes.client.Configuration(host=url)))
    metadata = {"name": "job"} if how == "name" else {"generateName": "job-"}
    try:
        return "made " + core.create_namespaced_pod("default", {"kind": "Pod", "metadata": metadata}).metadata.name
    except kubernetes.client.ApiException as error:
        return f"{error.status} {json.loads(error.body)['reason']}"


def spark_submit(how, **variables):
    command = ["bash", f"{home}/bin/spark-submit", "--master", f"k8s://{url}", "--deploy-mode", "cluster", "--class", "Main"]
    command += ["--conf", "spark.kubernetes.container.image=team/spark", "--conf", f"spark.kubernetes.driver.pod.name={how}"]
    for limit in ("connection", "request"):  # of 10 s, for busy machines
        command += ["--conf", f"spark.kubernetes.submission.{limit}Timeout=100000"]
    command.append("local:///program.jar")
    environment = {**os.environ, "SPARK_HOME": home, **variables}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    said = {f'pods "{how}" already exists': "409 AlreadyExists", LATE[504][1]: "504 Timeout"}
    why = next((name for words, name in said.items() if words in run.stderr), run.stderr[-2000:])
    return f"{why}, exit code {run.returncode}"


def once(how):
    return spark_submit(how, KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT="0")


for variable in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(variable, None)
    os.environ.pop(variable.upper(), None)
jars = [name for name in os.listdir(f"{home}/jars") if name.startswith("kubernetes-client-") and name[18].isdigit()]
print(os.path.basename(home), *jars, "kubernetes", importlib.metadata.version("kubernetes"))
subprocess.run(["javac", "-cp", f"{home}/jars/*", "-d", work, f"{work}/Create.java"], check=True, timeout=120)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
shown = {}
for title, late, call, how in (
    ("Python, name, 504", 504, python, "name"),
    ("Python, generateName, 504", 504, python, "generateName"),
    ("fabric8, name, 504", 504, java, "name"),
    ("fabric8, name, 500", 500, java, "name"),
    ("fabric8, generateName, 504", 504, java, "generateName"),
    ("spark-submit, 504", 504, spark_submit, "job"),
    ("spark-submit that repeats nothing, 504", 504, once, "job"),
):
    sent, made = [], []
    shown[title] = (call(how), len(sent), len(made))
    print(f"{title}: {shown[title][0]}; POSTs: {len(sent)}, pods: {len(made)}")
expected = {
    "Python, name, 504": ("504 Timeout", 1, 1),
    "Python, generateName, 504": ("504 Timeout", 1, 1),
    "fabric8, name, 504": ("409 AlreadyExists", 2, 1),
    "fabric8, name, 500": ("409 AlreadyExists", 2, 1),
    "fabric8, generateName, 504": ("made job-2", 2, 2),
    "spark-submit, 504": ("409 AlreadyExists, exit code 1", 2, 1),
    "spark-submit that repeats nothing, 504": ("504 Timeout, exit code 1", 1, 1),
}
assert shown == expected, shown
print("as described: Spark's client repeats a POST that has made a pod")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work" "$home"
