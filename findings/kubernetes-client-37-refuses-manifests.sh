#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the Kubernetes Python client 37 does not send a manifest with `cpu: 2`, nor one with a field that is newer
# than the client. It raises pydantic's ValidationError instead of ApiException; patch sends the very same content.
#
# Guess: a dictionary is handed on as it is and the API server judges it, as up to client 36. The API server takes
#   numbers for quantities, and kubectl, Helm and `patch_namespaced_pod` go on working with the same file.
# Hurt: whoever applies YAML with `create_from_yaml`, `create_namespaced_*` or `replace_namespaced_*`: `cpu: 2` without
#   quotes is in most examples. `except ApiException` does not catch it. Custom resources are not checked.
# Versions: kubernetes 36.0.3 and 37.0.2, with pydantic 2.14.4 and PyYAML 6.0.3.
# Source: client 37 types the body of create and replace as a pydantic model and that of patch as an object
#   (kubernetes/client/api/core_v1_api.py); Kubernetes reads numbers as quantities
#   (k8s.io/apimachinery, pkg/api/resource/quantity.go: UnmarshalJSON).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: driver
spec:
  containers:
  - name: driver
    image: ghcr.io/example/spark:4.0.4
    resources:
      limits:
        cpu: 2
        memory: 1Gi
YAML

cat >"$work/show.py" <<'PYTHON'
import http.server
import json
import sys
import threading

import kubernetes
import yaml
from kubernetes import client, utils

received = []


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, and answers with it, as an API server does."""

    def answer(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received.append(json.loads(body))
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "driver"}}).encode())

    do_POST = do_PUT = do_PATCH = answer

    def log_message(self, *_):
        pass


def outcome(call):
    received.clear()
    try:
        call()
    except Exception as error:  # the kind of the exception is what is shown
        return f"{type(error).__name__}, {len(received)} requests sent"
    return f"sent {json.dumps(received[0]['spec']['containers'][0])}"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = client.Configuration()
configuration.host = f"http://127.0.0.1:{server.server_port}"
api_client = client.ApiClient(configuration)
api = client.CoreV1Api(api_client)

pod = yaml.safe_load(open(sys.argv[1]))
newer = {"metadata": {"name": "driver"}, "spec": {"containers": [{"name": "driver", "fieldOfNextYear": True}]}}
print(
    json.dumps(
        {
            "version": kubernetes.__version__,
            "create_from_dict": outcome(lambda: utils.create_from_dict(api_client, pod)),
            "create": outcome(lambda: api.create_namespaced_pod("default", pod)),
            "replace": outcome(lambda: api.replace_namespaced_pod("driver", "default", pod)),
            "patch": outcome(lambda: api.patch_namespaced_pod("driver", "default", pod)),
            "create with a newer field": outcome(lambda: api.create_namespaced_pod("default", newer)),
            "patch with a newer field": outcome(lambda: api.patch_namespaced_pod("driver", "default", newer)),
        },
        indent=2,
    )
)
PYTHON

for version in 36.0.3 37.0.2; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --no-compile --disable-pip-version-check "kubernetes==$version" pydantic==2.14.4 PyYAML==6.0.3
    "$work/$version/bin/python" "$work/show.py" "$work/pod.yaml" | tee "$work/$version.json"
done

python3 - "$work/36.0.3.json" "$work/37.0.2.json" <<'PYTHON'
import json
import sys

old, new = (json.load(open(name)) for name in sys.argv[1:])
assert (old.pop("version"), new.pop("version")) == ("36.0.3", "37.0.2")
assert all(outcome.startswith("sent") for outcome in old.values()), old
for call, outcome in new.items():
    expected = "sent" if call.startswith("patch") else "ValidationError, 0 requests sent"
    assert outcome.startswith(expected), (call, outcome)
print("as described: 36.0.3 sent everything, 37.0.2 only what came as a patch")
PYTHON
