#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with the Kubernetes Python client 37, what is appended to a list, or put into a dictionary, after a model was
# built from it never reaches the API server. The pod is created without its variables and labels, and nothing warns.
#
# Guess: a model keeps the list that it was given, as up to client 36 and as Python objects do; `env = []`,
#   `V1Container(env=env)`, `env.append(…)` is how much code fills in what is optional. Nested models are kept in 37 as
#   well, which makes the guess look confirmed.
# Hurt: whoever builds pods, Deployments or Jobs step by step and lets the client move from 36 to 37. Appending to
#   the model's own list (`container.env.append(…)`) works in both.
# Versions: kubernetes 36.0.3 and 37.0.2, with pydantic 2.14.4.
# Source: client 37 generates its models from pydantic (kubernetes/client/models/v1_container.py: `class V1Container(BaseModel)`);
#   pydantic's validation makes a new list or dictionary (pydantic documentation, "Models", on attribute copies).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/show.py" <<'PYTHON'
import http.server
import json
import threading

import kubernetes
from kubernetes import client

received = []


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, and answers with it, as an API server does."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received.append(json.loads(body))
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = client.Configuration()
configuration.host = f"http://127.0.0.1:{server.server_port}"
api = client.CoreV1Api(client.ApiClient(configuration))

labels, variables, metadata = {}, [], client.V1ObjectMeta(name="driver")
metadata.labels = labels
container = client.V1Container(name="driver", image="ghcr.io/example/spark:4.0.4", env=variables)
pod = client.V1Pod(metadata=metadata, spec=client.V1PodSpec(containers=[container]))

labels["team"] = "data"
variables.append(client.V1EnvVar(name="SPARK_USER", value="etl"))
metadata.annotations = {"kept": "nested models are the same object"}
api.create_namespaced_pod("default", pod)

sent = received[0]
print(
    json.dumps(
        {
            "version": kubernetes.__version__,
            "labels": sent["metadata"].get("labels"),
            "env": sent["spec"]["containers"][0].get("env"),
            "annotations": sent["metadata"].get("annotations"),
        }
    )
)
PYTHON

for version in 36.0.3 37.0.2; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --no-compile --disable-pip-version-check "kubernetes==$version" pydantic==2.14.4
    echo "kubernetes $version sent:"
    "$work/$version/bin/python" "$work/show.py" | tee "$work/$version.json"
done

python3 - "$work/36.0.3.json" "$work/37.0.2.json" <<'PYTHON'
import json
import sys

old, new = (json.load(open(name)) for name in sys.argv[1:])
assert (old["version"], new["version"]) == ("36.0.3", "37.0.2")
assert old["labels"] == {"team": "data"} and old["env"] == [{"name": "SPARK_USER", "value": "etl"}], old
assert not new["labels"] and not new["env"], new
assert old["annotations"] == new["annotations"] is not None
print("as described: 36.0.3 sent the label and the variable, 37.0.2 sent neither")
PYTHON
