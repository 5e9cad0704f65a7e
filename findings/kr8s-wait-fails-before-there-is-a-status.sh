#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `wait` of kr8s does not wait for an object whose controller has not written anything yet: `wait("condition=Ready")`
# ends at once with KeyError 'status', and `wait("jsonpath='{.status.phase}'=...")` with "not enough values to unpack". The
# timeout is not used, and the API server's next event would have had the status.
#
# Guess: a condition that is not there yet is not met yet; so it is with `kubectl wait`, which the strings are taken from.
# Hurt: create and wait, the two lines of each test of an operator: a custom resource such as a SparkApplication has no status
#   until its operator has seen it. The test passes on a fast cluster, where the operator was first, and fails on a loaded one
#   with an error that reads like a mistake in the test. A status without that field fails likewise. Deployments, Pods and Jobs
#   have a status from the start, and conditions that are missing there are waited for.
# Versions: kr8s 0.20.15 (the newest).
# Source: kr8s/_objects.py, _test_conditions reads `self.status`, which is raw["status"], and unpacks exactly one match of the
#   JSON path; async_wait calls it before it watches.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kr8s==0.20.15

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import threading
import time

import kr8s
from kr8s.objects import new_class

NEW = {
    **{"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication"},
    **{"metadata": {"name": "etl", "namespace": "default", "uid": "1", "resourceVersion": "1"}, "spec": {}},
}
STARTED = {"conditions": [], "applicationState": {}}
DONE = {"conditions": [{"type": "Ready", "status": "True"}], "applicationState": {"state": "COMPLETED"}}
GROUP = "sparkoperator.k8s.io"
KIND = {"name": "sparkapplications", "singularName": "sparkapplication", "kind": "SparkApplication", "namespaced": True}
DISCOVERY = {
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.4"},
    "/api": {"versions": ["v1"]},
    "/api/v1": {"groupVersion": "v1", "resources": []},
    "/apis": {"groups": [{"name": GROUP, "versions": [{"groupVersion": f"{GROUP}/v1beta2", "version": "v1beta2"}]}]},
    f"/apis/{GROUP}/v1beta2": {"groupVersion": f"{GROUP}/v1beta2", "resources": [KIND]},
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Has the application as it was created; who watches it sees it done after half a second."""

    def do_GET(self):
        if self.path.partition("?")[0].rstrip("/") in DISCOVERY:
            return self.reply(DISCOVERY[self.path.partition("?")[0].rstrip("/")])
        if "watch=" not in self.path:
            return self.reply(self.server.application)
        time.sleep(0.5)
        return self.reply({"type": "MODIFIED", "object": {**NEW, "status": DONE}})

    def reply(self, body):
        content = json.dumps(body).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
api = kr8s.api(url=f"http://127.0.0.1:{server.server_port}")
SparkApplication = new_class("SparkApplication", "sparkoperator.k8s.io/v1beta2", plural="sparkapplications")


def waited(condition, **status):
    """How wait() ends for an application that now has this status, or none."""
    server.application = {**NEW, **status}
    application = SparkApplication(json.loads(json.dumps(NEW)), api=api)
    begin = time.monotonic()
    try:
        application.wait(condition, timeout=20)
    except Exception as error:
        end = repr(error)
    else:
        end = "met"
    return end, time.monotonic() - begin


READY, COMPLETED = "condition=Ready", "jsonpath='{.status.applicationState.state}'=COMPLETED"
print("kr8s", importlib.metadata.version("kr8s"))
ends = {}
for name, status in (("no status", {}), ("status without it", {"status": STARTED})):
    for condition in (READY, COMPLETED):
        ends[name, condition], seconds = waited(condition, **status)
        print(f"{name}, {condition}: {ends[name, condition]} (after {seconds:.1f} s)")
        assert ends[name, condition] == "met" or seconds < 15, seconds
assert "'status'" in ends["no status", READY], ends
assert "not enough values to unpack" in ends["no status", COMPLETED], ends
assert ends["status without it", READY] == "met", ends
assert "not enough values to unpack" in ends["status without it", COMPLETED], ends
print("as described: it waits for a missing condition, but not for a missing status or field")
PYTHON

"$work/venv/bin/python" "$work/show.py"
