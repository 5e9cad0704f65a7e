#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Kubernetes' dynamic client for Python takes the kinds of a cluster from a file in the temporary folder that an
# earlier process wrote for the same address: `resources.get(kind="SparkApplication")` succeeds on a new cluster without the
# CRD, and when no API server runs at all. The file does not age.
#
# Guess: a new process asks its cluster; if there is a cache, as kubectl's of six hours, it is by cluster and looked up again.
# Hurt: kind and k3d clusters that are made anew with the same port (apiServerPort, --api-port), and CI runners that keep their
#   temporary folder. "Wait until the CRD is there" with resources.get is over before it has begun, and the first create fails
#   with 404; "is the API server up" is answered with yes; versions and subresources are those of the release that the last
#   cluster had. Only a kind that is missing in the file is asked for. DynamicClient(..., cache_file=...) with a file of one's
#   own helps. The client of openshift is built on this one.
# Versions: kubernetes 37.0.2.
# Source: kubernetes/dynamic/discovery.py, Discoverer: osrcp-<hash of the host's URL>.json in tempfile.gettempdir(), which is
#   dropped only for another version of the library.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kubernetes==37.0.2

cat >"$work/program.py" <<'PYTHON'
import sys

from kubernetes import client, dynamic

api = client.ApiClient(client.Configuration(host=sys.argv[1]))
try:
    found = dynamic.DynamicClient(api).resources.get(api_version="sparkoperator.k8s.io/v1beta2", kind="SparkApplication")
    print("found", found.name)
except Exception as error:
    print(type(error).__name__)
PYTHON

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading

work = sys.argv[1]
GROUP = "sparkoperator.k8s.io"
VERSION = {"groupVersion": f"{GROUP}/v1beta2", "version": "v1beta2"}
KIND = {"name": "sparkapplications", "kind": "SparkApplication", "namespaced": True, "verbs": ["get", "create"]}
KINDS = {"kind": "APIResourceList", "groupVersion": f"{GROUP}/v1beta2", "resources": [KIND]}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """A cluster with or without the CRD."""

    def do_GET(self):
        self.server.asked += 1
        groups = [{"name": GROUP, "versions": [VERSION], "preferredVersion": VERSION}] if self.server.has_crd else []
        known = {
            "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.1"},
            "/apis": {"kind": "APIGroupList", "groups": groups},
            **({f"/apis/{GROUP}/v1beta2": KINDS} if self.server.has_crd else {}),
        }
        body = known.get(self.path.rstrip("/"))
        content = json.dumps(body or {"kind": "Status", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def cluster(port, has_crd):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), ApiServer)
    server.has_crd, server.asked = has_crd, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def program(port, folder):
    """What a new process says, with this temporary folder."""
    os.makedirs(folder, exist_ok=True)
    command = [sys.executable, f"{work}/program.py", f"http://127.0.0.1:{port}"]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": folder}, timeout=100)
    return run.stdout.strip()


kept = f"{work}/kept"
first = cluster(0, has_crd=True)
port = first.server_port
seen = [("a cluster with the CRD", program(port, kept), first.asked)]
first.shutdown()
first.server_close()
second = cluster(port, has_crd=False)
seen.append(("a new one without it, at the same address", program(port, kept), second.asked))
seen.append(("the same, with an empty temporary folder", program(port, f"{work}/empty"), second.asked))
second.shutdown()
second.server_close()
seen.append(("no cluster at all", program(port, kept), 0))

print("kubernetes", importlib.metadata.version("kubernetes"))
for name, said, asked in seen:
    print(f"{name}: {said}, {asked} requests")
ends = [said for _, said, _ in seen]
assert ends == ["found sparkapplications", "found sparkapplications", "ResourceNotFoundError", "found sparkapplications"], ends
assert seen[0][2] > 0 and seen[1][2] == 0, seen
print("as described: the second cluster was not asked, and the first one's kinds are given for it")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
