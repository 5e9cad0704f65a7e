#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `configuration.proxy = None`, the Kubernetes client for Python lists pods without the proxy of HTTPS_PROXY,
# and runs `exec`, `attach` and `portforward` through it all the same. They are WebSockets, and websocket-client reads the
# environment by itself whenever it is given no proxy; then it passes over `configuration.no_proxy`, too. What holds for both
# is to leave the proxy as it was found and to add the host to `configuration.no_proxy`.
#
# Guess: a Configuration says for all requests of its client by which way they go.
# Hurt: whoever switches the proxy off for a cluster beside this machine (kind, k3d, a tunnel): all calls work but those into
#   pods, which end with "failed CONNECT via proxy status: 403", as if a right for pods/exec were lacking.
# Versions: kubernetes 37.0.2, websocket-client 1.9.2
# Source: kubernetes/stream/ws_client.py (websocket_proxycare is called only for a proxy or proxy_headers); websocket/_http.py
#   (proxy_info drops http_no_proxy without http_proxy_host) and _url.py (get_proxy_info).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes==37.0.2 websocket-client==1.9.2

cat >"$work/shown.py" <<'PY'
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

for name in ("no_proxy", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)
asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        asked.append(self.path)
        self.send_error(403)

    def log_message(self, *_):
        pass


proxy = HTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.server_port}"

from kubernetes import client
from kubernetes.stream import portforward, stream


def listed(core):
    core.list_namespaced_pod("default", _request_timeout=10)


def executed(core):
    stream(core.connect_get_namespaced_pod_exec, "a", "default", command=["date"], stdout=True, _request_timeout=10)


def forwarded(core):
    portforward(core.connect_get_namespaced_pod_portforward, "a", "default", ports="80")


def by_proxy(call, **settings):
    # Nobody listens at that address: what matters is who is asked.
    configuration = client.Configuration(host="https://127.0.0.1:1")
    configuration.retries = False
    for name, value in settings.items():
        setattr(configuration, name, value)
    asked.clear()
    try:
        call(client.CoreV1Api(client.ApiClient(configuration)))
    except Exception as error:
        return bool(asked), str(error).strip().splitlines()[-1][:110]
    return bool(asked), "no error"


print("kubernetes", version("kubernetes"), "websocket-client", version("websocket-client"))
shown = {}
for title, settings in (
    ("as it comes", {}),
    ("proxy = None", {"proxy": None}),
    ("proxy = None, no_proxy = 127.0.0.1", {"proxy": None, "no_proxy": "127.0.0.1"}),
    ("no_proxy = 127.0.0.1", {"no_proxy": "127.0.0.1"}),
):
    for call in (listed, executed, forwarded):
        went, why = by_proxy(call, **settings)
        shown.setdefault(title, []).append(went)
        print(f"{title:36} {call.__name__:10} {'by the proxy' if went else 'directly':13} {why}")
expected = {
    "as it comes": [True, True, True],
    "proxy = None": [False, True, True],
    "proxy = None, no_proxy = 127.0.0.1": [False, True, True],
    "no_proxy = 127.0.0.1": [False, False, False],
}
if shown != expected:
    print("the behaviour has changed")
    sys.exit(1)
PY
HOME="$work" "$work/venv/bin/python" "$work/shown.py"
