#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `read_namespaced_pod_log` of kubernetes_asyncio returns a log that happens to be JSON in Python's spelling: one
# line of JSON comes back with single quotes and True, π loses its digits, and `null` is no log at all.
#
# Guess: a log is text, its media type is text/plain, and the method's type is str: it comes back as the pod wrote it. With
#   two lines in the log it does.
# Hurt: who reads results from logs: a pod that prints one JSON document, a number or true. Watch streams are not concerned,
#   nor is the blocking client 37; 35 is, which the Kubeflow SDK requires ("kubernetes<36").
# Versions: kubernetes_asyncio 36.1.0 (the newest) and kubernetes 35.0.0, beside kubernetes 37.0.2.
# Source: ApiClient.deserialize tries JSON before it looks at the type; tomplus/kubernetes_asyncio issue 152,
#   kubernetes-client/python issues 811 and 2196.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/show.py" <<'PYTHON'
import asyncio
import http.server
import importlib.metadata
import json
import sys
import threading

LOGS = {
    "a document": '{"pi": "3.1418", "converged": true}\n',
    "a number": "3.14159265358979323846\n",
    "null": "null\n",
    "two lines": '{"pi": "3.1418"}\n{"converged": true}\n',
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """The log of each pod as plain text."""

    def do_GET(self):
        body = LOGS[self.path.split("/")[6].replace("-", " ")].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


async def read_all(url):
    from kubernetes_asyncio import client

    configuration = client.Configuration()
    configuration.host = url
    async with client.ApiClient(configuration) as api_client:
        api = client.CoreV1Api(api_client)
        return {name: await api.read_namespaced_pod_log(name.replace(" ", "-"), "default") for name in LOGS}


def read_all_blocking(url):
    from kubernetes import client

    configuration = client.Configuration()
    configuration.host = url
    api = client.CoreV1Api(client.ApiClient(configuration))
    return {name: api.read_namespaced_pod_log(name.replace(" ", "-"), "default") for name in LOGS}


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url, package = f"http://127.0.0.1:{server.server_port}", sys.argv[1]
read = asyncio.run(read_all(url)) if package == "kubernetes_asyncio" else read_all_blocking(url)
version = importlib.metadata.version(package)
for name, log in read.items():
    print(f"{package} {version}, {name}: wrote {json.dumps(LOGS[name])}, read {json.dumps(log)}")
assert read["two lines"] == LOGS["two lines"], read
if version == "37.0.2":
    assert read == LOGS, read
else:
    assert read["a document"] == "{'pi': '3.1418', 'converged': True}", read
    assert read["a number"] == "3.141592653589793", read
    assert read["null"] is None, read
PYTHON

for package in kubernetes_asyncio==36.1.0 kubernetes==35.0.0 kubernetes==37.0.2; do
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check "${package%%=*}==${package##*=}"
    "$work/venv/bin/python" "$work/show.py" "${package%%=*}"
    rm -rf "$work/venv"
done
echo "as described: the first two respell logs that are JSON"
