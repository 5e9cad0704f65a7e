#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: following a pod's log with `watch.Watch().stream(api.read_namespaced_pod_log, …)` of the Python client never yields a last
# line that does not end with a newline. kubectl, kubernetes_asyncio's watch and the same client without a watch have it.
#
# Guess: the watch yields what the pod has written, line by line; the end of the log ends its last line.
# Hurt: who reads the result of a job from its log: `sys.stdout.write(json.dumps(result))`, `print(…, end="")` and printf in a shell
#   end without a newline, and so does what a process that was killed had got to. The line that says what came of it is just the
#   one that is missing, and a log that is one such line is empty, without an error. Trials with print() and echo show nothing.
# Versions: kubernetes 37.0.2 (the newest) and 35.0.0, beside kubernetes_asyncio 36.1.0.
# Source: kubernetes/base/watch/watch.py, iter_resp_lines, yields at newlines and leaves what is in its buffer when the response ends.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/show.py" <<'PYTHON'
import asyncio
import http.server
import importlib.metadata
import sys
import threading

LOGS = {
    "with": 'read 41 rows\n{"rows": 41}\n',
    "without": 'read 41 rows\n{"rows": 41}',
    "single": '{"rows": 41}',
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """The log of each pod, in chunks as an API server sends what is followed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in LOGS[self.path.split("/")[6]].splitlines(keepends=True):
            self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def followed(url):
    """What the blocking client yields of each log, and what it reads without following."""
    from kubernetes import client, watch

    configuration = client.Configuration()
    configuration.host = url
    api = client.CoreV1Api(client.ApiClient(configuration))
    follow = {pod: list(watch.Watch().stream(api.read_namespaced_pod_log, name=pod, namespace="jobs")) for pod in LOGS}
    return follow, {pod: api.read_namespaced_pod_log(pod, "jobs", _preload_content=False).data.decode() for pod in LOGS}


async def followed_asyncio(url):
    from kubernetes_asyncio import client, watch

    configuration = client.Configuration()
    configuration.host = url
    lines = {}
    async with client.ApiClient(configuration) as api_client, watch.Watch() as watching:
        api = client.CoreV1Api(api_client)
        for pod in LOGS:
            stream = watching.stream(api.read_namespaced_pod_log, name=pod, namespace="jobs")
            lines[pod] = [line.rstrip("\n") async for line in stream]
    return lines


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
whole = {pod: log.splitlines() for pod, log in LOGS.items()}
(distribution,) = sys.argv[1:]
print(distribution, importlib.metadata.version(distribution))
if distribution == "kubernetes":
    lines, logs = followed(url)
    assert logs == LOGS
    expected = {"with": ["read 41 rows", '{"rows": 41}'], "without": ["read 41 rows"], "single": []}
else:
    lines, expected = asyncio.run(followed_asyncio(url)), whole
for pod, log in LOGS.items():
    print(f"  of {log!r}: {lines[pod]}")
assert lines == expected, "the behaviour has changed"
PYTHON

for client in kubernetes==37.0.2 kubernetes==35.0.0 kubernetes_asyncio==36.1.0; do
    python3 -m venv --without-pip "$work/$client"
    PIP_PYTHON="$work/$client/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
        "${client%==*}==${client#*==}"
    "$work/$client/bin/python" "$work/show.py" "${client%==*}"
done
echo "as described: the line without a newline at its end is not there, and nothing says so"
