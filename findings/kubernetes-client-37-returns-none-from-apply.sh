#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with the Kubernetes Python client 37, server-side apply of a custom resource that is not there yet creates it and returns
# None. The second run of the same program, which finds it there, returns the object; so does the first for a ConfigMap.
#
# Guess: a call that succeeds returns what the API server sent, as with client 35; apply is the one call that is the same whether the
#   object is there or not.
# Hurt: who applies a SparkApplication and goes on with `["metadata"]["uid"]` for an owner reference or with its name: "TypeError:
#   'NoneType' object is not subscriptable" in new namespaces only, after the application has been made and started; the retry finds
#   it there and succeeds. On a developer's cluster, where it mostly exists, all is well. Way out: read it after the apply.
# Versions: kubernetes 37.0.2; 35.0.0 returns what was sent for any status from 200 to 299.
# Source: kubernetes/client/api/custom_objects_api.py, _response_types_map of patch_namespaced_custom_object has 200 and 401; the API
#   server answers 201 to an apply that creates (k8s.io/apiserver, endpoints/handlers/patch.go); api_client.py, response_deserialize.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for version in 35.0.0 37.0.2; do
    python3 -m venv --without-pip "$work/$version"
    PIP_PYTHON="$work/$version/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
        "kubernetes==$version"
done

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import threading

from kubernetes import client


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes patches as an API server takes applies: 201 if that made the object, 200 if it was there."""

    def do_PATCH(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        self.send_response(200 if path in self.server.objects else 201)
        self.server.objects[path] = body
        body["metadata"]["uid"] = "7c0b0bd2"
        content = json.dumps(body).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.objects = {}
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = client.Configuration()
configuration.host = f"http://127.0.0.1:{server.server_port}"
api = client.ApiClient(configuration)
version = importlib.metadata.version("kubernetes")
how = {"field_manager": "team", "force": True}
if version.startswith("37."):
    how["_content_type"] = "application/apply-patch+yaml"  # client 35 patches; for its answer the kind of patch does not matter
SPARK = ("sparkoperator.k8s.io", "v1beta2", "jobs", "sparkapplications", "etl")


def spark():
    body = {"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "metadata": {"name": "etl"}}
    got, status, _ = client.CustomObjectsApi(api).patch_namespaced_custom_object_with_http_info(*SPARK, body, **how)
    return status, got and got["metadata"]["uid"]


def settings():
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "etl"}}
    got, status, _ = client.CoreV1Api(api).patch_namespaced_config_map_with_http_info("etl", "jobs", body, **how)
    return status, got and got.metadata.uid


uid = "7c0b0bd2"
first = None if version.startswith("37.") else uid
for name, apply, expected in (
    ("SparkApplication", spark, [(201, first), (200, uid)]),
    ("ConfigMap", settings, [(201, uid), (200, uid)]),
):
    got = [tuple(apply()) for _ in range(2)]
    for run, (status, returned) in zip(("first", "second"), got):
        print(f"kubernetes {version}, {name}, {run} apply: status {status}, uid of what is returned: {returned}")
    assert got == expected, got
assert len(server.objects) == 2
PYTHON

"$work/35.0.0/bin/python" "$work/show.py"
"$work/37.0.2/bin/python" "$work/show.py"
echo "as described: client 37 returns None for the custom resource that it has just created"
