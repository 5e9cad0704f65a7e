#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a read or a DELETE with `_request_timeout=1` takes six seconds when the API server answers 429 with
# "Retry-After: 2": the Kubernetes Python client sends it four times and sleeps in between. POST and PATCH are sent once.
#
# Guess: `_request_timeout` bounds the call, and a 429 is an ApiException at once, as it is without Retry-After; what is done
#   about it is up to the caller.
# Hurt: who wraps calls in retries of their own (four requests for each, while the API server sheds load) and whose watchdogs
#   trust the timeout: with the 30 seconds that a proxy may ask for it is a minute and a half. `Configuration.retries = False`
#   ends it.
# Versions: kubernetes 37.0.2 with urllib3 2.8.0.
# Source: kubernetes/client/rest.py leaves retries to urllib3's pool, which obeys Retry-After of 413, 429 and 503 for methods
#   that may be repeated (urllib3/util/retry.py: RETRY_AFTER_STATUS_CODES); priority and fairness of the API server sends it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check kubernetes==37.0.2 urllib3==2.8.0

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import threading
import time

from kubernetes import client

received, headers = [], {}
STATUS = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "TooManyRequests", "code": 429}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Answers everything with 429."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received.append(self.command)
        body = json.dumps(STATUS).encode()
        self.send_response(429)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = do_POST = do_PATCH = answer

    def log_message(self, *_):
        pass


def tried(title, call):
    received.clear()
    begin = time.monotonic()
    try:
        call()
        outcome = "no error"
    except client.ApiException as error:
        outcome = f"ApiException {error.status}"
    seconds = time.monotonic() - begin
    print(f"{title}: {outcome} after {seconds:.1f} s and {len(received)} requests")
    return outcome, len(received), seconds


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()


def core_api(**settings):
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    for name, value in settings.items():
        setattr(configuration, name, value)
    return client.CoreV1Api(client.ApiClient(configuration))


api = core_api()
print("kubernetes", importlib.metadata.version("kubernetes"), "urllib3", importlib.metadata.version("urllib3"))
plain = tried("GET, no Retry-After", lambda: api.read_namespaced_pod("a", "default", _request_timeout=1))
headers["Retry-After"] = "2"
get = tried("GET", lambda: api.read_namespaced_pod("a", "default", _request_timeout=1))
delete = tried("DELETE", lambda: api.delete_namespaced_pod("a", "default", _request_timeout=1))
post = tried("POST", lambda: api.create_namespaced_pod("default", {}, _request_timeout=1))
patch = tried("PATCH", lambda: api.patch_namespaced_pod("a", "default", {}, _request_timeout=1))
off = tried(
    "GET, retries = False",
    lambda: core_api(retries=False).read_namespaced_pod("a", "default", _request_timeout=1),
)
for outcome, requests, seconds in (get, delete):
    assert (outcome, requests) == ("ApiException 429", 4) and seconds >= 6, (outcome, requests, seconds)
for outcome, requests, _ in (plain, post, patch, off):
    assert (outcome, requests) == ("ApiException 429", 1), (outcome, requests)
print("as described: GET and DELETE slept three times two seconds in spite of a timeout of one")
PYTHON

"$work/venv/bin/python" "$work/show.py"
