# SPDX-License-Identifier: Apache-2.0
"""A checkout of the operator as small as one can be, with a chart."""

from __future__ import annotations

from pathlib import Path

CHART = "charts/spark-operator-chart"
CRD = f"{CHART}/crds/sparkoperator.k8s.io_sparkapplications.yaml"
FILES = {
    "go.mod": "module github.com/kubeflow/spark-operator/v2\n\ngo 1.24.10\n",
    "go.sum": "",
    "cmd/operator/main.go": "package main\n\nfunc main() {}\n",
    "Dockerfile": "ARG SPARK_IMAGE=docker.io/apache/spark:4.0.4@sha256:94ad730f\n",
    f"{CHART}/Chart.yaml": "{apiVersion: v2, name: spark-operator, version: 2.5.2, appVersion: 2.5.2}\n",
    f"{CHART}/values.yaml": """\
image: {registry: ghcr.io, repository: kubeflow/spark-operator/controller, tag: ""}
hook: {upgradeCrd: false, image: {registry: ghcr.io, repository: kubeflow/spark-operator/kubectl, tag: ""}}
controller: {workers: 10}
""",
    CRD: """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sparkapplications.sparkoperator.k8s.io}
spec:
  group: sparkoperator.k8s.io
  scope: Namespaced
  names: {kind: SparkApplication, plural: sparkapplications}
  versions:
    - name: v1beta2
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                mode: {type: string}
""",
}


def written(folder: Path, **changed: str) -> Path:
    """The checkout in a folder. `changed` are other texts of files, by their names: `go_mod` is go.mod's."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(changed.get(Path(name).name.replace(".", "_"), text))
    return folder
