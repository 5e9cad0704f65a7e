#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `patch_namespaced_custom_object` of the Python client sends every patch as a merge patch, that of kubernetes_asyncio every
#   one as a JSON patch. What the one takes, a mapping or a list of operations, the API server refuses from the other.
#
# Guess: both choose by what they are given, as both do for pods, Deployments and the like: a list is a JSON patch, a mapping is merged.
#   Both are generated from one description, and the methods have the same names and arguments.
# Hurt: operators and harnesses that label or suspend SparkApplications and move from one client to the other, for asyncio or back:
#   400 "cannot unmarshal", for a body that was right; the Python client fails with a JSON patch with `test`, the one way to
#   change a field only if it still has its value. Way out: the argument `_content_type`, in both.
# Versions: kubernetes 37.0.2 and kubernetes_asyncio 36.1.0; by their sources, kubernetes 24.2.0 to 36.0.3 do the same.
# Source: kubernetes/client/api/custom_objects_api.py has application/merge-patch+json as the only type (and apply-patch for some);
#   in that of kubernetes_asyncio application/json-patch+json is the first, and select_header_content_type of its api_client.py
#   takes the first where a mapping cannot be a strategic merge patch, which custom objects have not.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check kubernetes==37.0.2 kubernetes_asyncio==36.1.0

cat >"$work/show.py" <<'PYTHON'
import asyncio
import http.server
import importlib.metadata
import json
import threading

import kubernetes
import kubernetes_asyncio

MERGE, OPERATIONS, STRATEGIC = (f"application/{name}+json" for name in ("merge-patch", "json-patch", "strategic-merge-patch"))
MAPPING = {"spec": {"suspend": True}}
LIST = [{"op": "test", "path": "/spec/suspend", "value": False}, {"op": "replace", "path": "/spec/suspend", "value": True}]
CUSTOM = ("sparkoperator.k8s.io", "v1beta2", "default", "sparkapplications", "nightly")


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Takes a list as a JSON patch only and a mapping as a merge patch only, as an API server does."""

    protocol_version = "HTTP/1.1"

    def do_PATCH(self):
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        types.append(self.headers["Content-Type"])
        fits = isinstance(patch, list) == (types[-1] == OPERATIONS)
        body = {"kind": "Status", "apiVersion": "v1", "status": "Success" if fits else "Failure", "code": 200 if fits else 400}
        content = json.dumps(body if not fits else {"metadata": {}}).encode()
        self.send_response(body["code"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def with_client(patch, **options):
    api = kubernetes.client.ApiClient(kubernetes.client.Configuration(host=url))
    try:
        kubernetes.client.CustomObjectsApi(api).patch_namespaced_custom_object(*CUSTOM, patch, **options)
    except kubernetes.client.ApiException as error:
        return types[-1], error.status
    return types[-1], 200


def with_asyncio(patch, **options):
    async def send():
        async with kubernetes_asyncio.client.ApiClient(kubernetes_asyncio.client.Configuration(host=url)) as api:
            await kubernetes_asyncio.client.CustomObjectsApi(api).patch_namespaced_custom_object(*CUSTOM, patch, **options)

    try:
        asyncio.run(send())
    except kubernetes_asyncio.client.ApiException as error:
        return types[-1], error.status
    return types[-1], 200


def pod_with_client(patch):
    api = kubernetes.client.ApiClient(kubernetes.client.Configuration(host=url))
    kubernetes.client.CoreV1Api(api).patch_namespaced_pod("driver", "default", patch)
    return types[-1], 200


def pod_with_asyncio(patch):
    async def send():
        async with kubernetes_asyncio.client.ApiClient(kubernetes_asyncio.client.Configuration(host=url)) as api:
            await kubernetes_asyncio.client.CoreV1Api(api).patch_namespaced_pod("driver", "default", patch)

    asyncio.run(send())
    return types[-1], 200


types = []
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
print(*(f"{name} {importlib.metadata.version(name)}" for name in ("kubernetes", "kubernetes_asyncio")))
for title, patched, expected in (
    ("kubernetes, pod, mapping", pod_with_client(MAPPING), (STRATEGIC, 200)),
    ("kubernetes, pod, list", pod_with_client(LIST), (OPERATIONS, 200)),
    ("kubernetes_asyncio, pod, mapping", pod_with_asyncio(MAPPING), (STRATEGIC, 200)),
    ("kubernetes_asyncio, pod, list", pod_with_asyncio(LIST), (OPERATIONS, 200)),
    ("kubernetes, custom object, mapping", with_client(MAPPING), (MERGE, 200)),
    ("kubernetes, custom object, list", with_client(LIST), (MERGE, 400)),
    ("kubernetes, custom object, list, _content_type", with_client(LIST, _content_type=OPERATIONS), (OPERATIONS, 200)),
    ("kubernetes_asyncio, custom object, mapping", with_asyncio(MAPPING), (OPERATIONS, 400)),
    ("kubernetes_asyncio, custom object, list", with_asyncio(LIST), (OPERATIONS, 200)),
    ("kubernetes_asyncio, custom object, mapping, _content_type", with_asyncio(MAPPING, _content_type=MERGE), (MERGE, 200)),
):
    print(f"{title}: {patched[0]}, {patched[1]}")
    assert patched == expected, expected
print("as described: one client takes mappings only, the other lists only")
PYTHON

"$work/venv/bin/python" "$work/show.py"
