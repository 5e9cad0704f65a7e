#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: lightkube drops each field that its models lack, without a word, when it reads from the API server and when it
# loads a manifest: to get a Deployment, change a label and `replace` it takes away what a newer cluster has there, such as
# the pod's own `resources`; and a misspelt field is gone before the API server could complain of it.
#
# Guess: what a client does not know it keeps, as kubectl and kr8s do, or refuses, as the official Python client does.
# Hurt: read, change and `replace` against a cluster that is newer than lightkube-models: settings of others vanish, without
#   an error on either side and with the right resourceVersion. A manifest's `livenesProbe` is applied as no probe at all,
#   and fieldValidation=Strict sees nothing. `patch` does not take anything away, and custom resources (generic ones) keep
#   their spec.
# Versions: lightkube 1.0.1 with lightkube-models 1.31.1.8; the pod's resources came with Kubernetes 1.32.
# Source: lightkube/core/dataclasses_dict.py, from_dict takes the fields of the class and passes over the others.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    lightkube==1.0.1 lightkube-models==1.31.1.8

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import threading

from lightkube import Client, KubeConfig, codecs
from lightkube.resources.apps_v1 import Deployment

POD = {"resources": {"limits": {"memory": "2Gi"}}, "containers": [{"name": "operator", "image": "operator:2.5.2"}]}
DEPLOYMENT = {
    **{"apiVersion": "apps/v1", "kind": "Deployment"},
    "metadata": {"name": "operator", "namespace": "default", "resourceVersion": "7", "labels": {"app": "operator"}},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "operator"}}, "template": {"spec": POD}},
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Serves the Deployment, and keeps what it is to be replaced by."""

    def do_GET(self):
        content = json.dumps(DEPLOYMENT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self):
        self.server.sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
config = {"current-context": "c", "clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
client = Client(config=KubeConfig.from_dict(config), trust_env=False)


print(*(f"{it} {importlib.metadata.version(it)}" for it in ("lightkube", "lightkube-models")))
deployment = client.get(Deployment, "operator", namespace="default")
deployment.metadata.labels["team"] = "data"
client.replace(deployment)
assert server.sent["metadata"]["labels"] == {"app": "operator", "team": "data"}, server.sent
assert server.sent["metadata"]["resourceVersion"] == "7"
replaced = server.sent["spec"]["template"]["spec"]
print("the pod in the cluster:    ", json.dumps(POD))
print("sent after another label:  ", json.dumps(replaced))
assert replaced == {"containers": POD["containers"]}, replaced

manifest = json.loads(json.dumps(DEPLOYMENT))
manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {"httpGet": {"port": 8081}}
(loaded,) = codecs.load_all_yaml(json.dumps(manifest))
client.replace(loaded, field_manager="shown")
loaded = server.sent["spec"]["template"]["spec"]
print("sent of a misspelt manifest:", json.dumps(loaded))
assert loaded == {"containers": POD["containers"]}, loaded
print("as described: what the models lack is dropped, from the cluster's copy and from the manifest")
PYTHON

"$work/venv/bin/python" "$work/show.py"
