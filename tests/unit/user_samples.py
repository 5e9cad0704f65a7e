# SPDX-License-Identifier: Apache-2.0
"""Applications as a user may have them in a folder, for the tests of --apps."""

from __future__ import annotations

from pathlib import Path

from harness.apps import user_folder
from harness.apps.users import UserManifests

PI = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata:
  name: etl
  namespace: production
  uid: 0b5a
  resourceVersion: "7"
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
spec:
  type: Python
  mode: cluster
  sparkVersion: 4.0.4
  image: docker.io/apache/spark:4.0.4
  mainApplicationFile: local:///opt/spark/examples/src/main/python/pi.py
  driver: {cores: 1, serviceAccount: production}
  executor: {instances: 1}
status:
  applicationState: {state: COMPLETED}
"""

SCHEDULE = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: ScheduledSparkApplication
metadata: {name: nightly}
spec:
  schedule: "@every 1h"
  template:
    type: Python
    image: apache/spark:4.0.4
    mainApplicationFile: local:///opt/spark/examples/src/main/python/pi.py
"""

CONNECT = """\
apiVersion: sparkoperator.k8s.io/v1alpha1
kind: SparkConnect
metadata: {name: notebooks}
spec:
  image: apache/spark:4.0.4
"""

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
"""


def written(folder: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name is a slash."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def apps_of(folder: Path, **files: str) -> UserManifests:
    """What a run tries of a folder with these files, as `written` names them."""
    return user_folder.read(written(folder, **files)).manifests
